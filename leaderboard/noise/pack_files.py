"""Noise packs on disk: read, recomputed, written; a pack that contradicts its own scores is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from curation.errors import RunError, raise_faults
from curation.files import Json, read_json, write_json
from leaderboard.noise.pack import (
    SCHEMA,
    Measure,
    NoisePack,
    pack_digest,
    scale_of,
    seed_values,
    status_of,
)
from leaderboard.noise.spread import spread_of

TOLERANCE = 1e-6


def write_pack(path: Path, pack: NoisePack) -> None:
    """Write a pack. Raises: RunError that lists what contradicts itself in it."""
    raise_faults(RunError, f"{path}: noise pack", pack_faults(pack))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, pack.as_json())


def read_pack(path: Path) -> NoisePack:
    """Return the pack in a file, checked and recomputed.

    Raises: RunError that lists what is wrong with it.
    """
    try:
        held = read_json(path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}), expected a noise pack; see `curate noise`"
        ) from None
    except ValueError as error:
        raise RunError(f"{path}: is not JSON ({error}), expected a noise pack; build it again") from None
    schema = held.get("schema") if isinstance(held, Mapping) else None
    if schema != SCHEMA:
        raise RunError(f"{path}: schema {schema!r}, expected {SCHEMA!r}; build it again with `curate noise build`")
    try:
        pack = NoisePack.model_validate(held)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise_faults(RunError, str(path), faults)
        raise
    raise_faults(RunError, f"{path}: noise pack", pack_faults(pack))
    return pack


def pack_faults(pack: NoisePack) -> list[str]:
    """Return what in a pack does not follow from its runs and scores."""
    faults = []
    if pack.digest != pack_digest(pack):
        faults.append(
            f"digest {pack.digest[:16]}, its content has {pack_digest(pack)[:16]}; it was edited, build it again"
        )
    status, why = status_of(pack.runs)
    if (pack.status, pack.why) != (status, why):
        faults.append(f"status {pack.status}, its runs make it {status}; build it again")
    for run in pack.runs:
        if (run.seed is None) == (run.noise is None):
            faults.append(f"run {run.fingerprint[:16]}: has both or neither of seed and noise seeds, expected one")
    labels = [run.label for run in pack.runs]
    faults += [f"{label} is there twice, expected once" for label in sorted({x for x in labels if labels.count(x) > 1})]
    keys = [one.key for one in pack.measures]
    faults += [f"{key} is measured twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
    for one in pack.measures:
        faults += [f"{one.kind} {one.name}, {one.metric}: {fault}" for fault in _measure_faults(pack, one)]
    return faults


def _measure_faults(pack: NoisePack, measure: Measure) -> list[str]:
    if len(measure.values) != len(pack.runs):
        return [f"{len(measure.values)} values of {len(pack.runs)} runs"]
    if measure.scale != scale_of(measure.metric):
        return [f"scale {measure.scale}, expected {scale_of(measure.metric)}"]
    if measure.scale == "log" and any(value is not None and value <= 0 for value in measure.values):
        return ["a value is not above zero, but its logarithm is asked for"]
    follows = spread_of(seed_values(pack, measure))
    stated = measure.seeds.sigma if measure.seeds else None
    if (follows is None) != (stated is None):
        return [f"sigma is {stated}, but its values give {follows.sigma if follows else None}"]
    if follows is not None and stated is not None and not math.isclose(follows.sigma, stated, rel_tol=TOLERANCE):
        return [f"sigma is {stated:.6g}, but its values give {follows.sigma:.6g}; build it again"]
    return []


def json_schema() -> dict[str, Json]:
    """Return the JSON schema of a noise file."""
    value: dict[str, Json] = NoisePack.model_json_schema(by_alias=True)
    return value


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, sort_keys=True))
