"""Branch checkpoints: one plateau serves several token budgets of a model.

Until its rate begins to fall, a run of one budget is the run of every longer one: same initial values, batch, rates and
order of data. So the state at that step is kept as an artifact of kind `plateau`, and a run of another budget starts
from the newest one that is not past its own fall. It ends with the bytes that it would have had from step 0: a plateau
is a saving and never an input, nothing in a result says whether it was used, and every `plateau-*` directory may be
removed at any time (`remove_plateaus`).

A plateau is known by its tokens, its panel, its line (the tier without its budget), the run's seed and the step.
Budgets of 1/2, 1, 2 and 4 times cost 0.8·4 + 0.2·7.5 = 4.7 D instead of 7.5 D. Source: Hägele et al. 2024 (2405.18392);
the plan of branches ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from curation.errors import CurateError, RunError
from curation.files import Json, read_json, replacing, sha256_file, write_json
from curation.nodes import Node, NodeRun, Planner, existing_node
from curation.progress import SilentProgress
from curation.store import MANIFEST, Artifact, Store
from train.checkpoint_files import STATE, TENSORS
from train.checkpoints import Checkpoint
from train.tier_names import number_text
from train.tiers import Tier, load_tier, tier_digest

KIND = "plateau"
VERSION = "plateau@1"
BUDGETS = (0.5, 1.0, 2.0, 4.0)
"""Multiples of 1x that share a plateau unless others are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What runs have in common that differ in nothing but their budget."""

    digest: str
    """Of the tier without its budget."""
    tokens: str
    """Fingerprint of the token streams."""
    seed: int
    model: str
    panel: str = ""
    """Fingerprint of the panel, whose scores on the way are in the metrics rows."""

    def as_json(self) -> dict[str, Json]:
        """Return the identity as a plateau's manifest holds it, tokens aside."""
        return {"line": self.digest, "seed": self.seed, "panel": self.panel}


def line_of(tier: Tier, tokens: str, seed: int, *, panel: str = "") -> Line:
    """Return the line of training that `tier` is a budget of."""
    digest = tier_digest(replace(tier, name=tier.model, multiple=1.0))
    return Line(digest=digest, tokens=tokens, seed=seed, model=tier.model, panel=panel)


def with_budget(tier: Tier, multiple: float) -> Tier:
    """Return the tier of the same line with another budget.

    Raises: RunError for a multiple outside (0, 16].
    """
    _, at, probes = tier.name.partition("@")
    return load_tier(f"{tier.model}-{number_text(multiple)}x{at}{probes}")


def branch_step(tier: Tier) -> int:
    """Return after how many steps the tier's rate begins to fall: the last state it shares with longer budgets."""
    return tier.rates.decay_start


def refuse_unbranched(tier: Tier, what: str) -> None:
    """Raise RunError if budgets of the tier share no plateau."""
    if tier.schedule != "wsd":
        raise RunError(
            f"{what}: tier {tier.name} has a {tier.schedule} schedule, whose rates depend on the budget from the first "
            "step; expected a tier with a plateau (wsd); choose one of `curate tiers`, or train each budget by itself"
        )


def branch_steps(tier: Tier, multiples: Collection[float]) -> frozenset[int]:
    """Return the steps of a run of `tier` at which the rate of one of these budgets, or its own, begins to fall."""
    if tier.schedule != "wsd":
        return frozenset()
    steps = (branch_step(replace(tier, multiple=multiple)) for multiple in multiples)
    return frozenset(step for step in steps if 0 < step <= branch_step(tier))


def default_kept(tier: Tier) -> tuple[float, ...]:
    """Return the budgets whose branch points a single run of `tier` leaves: the usual ones and its own."""
    return tuple(sorted({*BUDGETS, tier.multiple}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """The plateaus of one line in a store, for a run of it."""

    store: Store
    tokens: Artifact
    line: Line
    kept: frozenset[int]
    """Steps whose state the run leaves in the store."""
    note: Callable[[str], None]

    def newest(self, first: int, last: int) -> Checkpoint | None:
        """Return the newest sound plateau of `first` to `last` steps, both inclusive; a damaged one is removed."""
        for step, path in sorted(plateaus(self.store, self.line).items(), reverse=True):
            if not first <= step <= last:
                continue
            fault = _fault(path)
            if fault is None:
                self.note(f"starts from {path.name}: {step:,} steps of the plateau are not trained again")
                return _read(path, step)
            self.note(f"{path}: {fault}; removed, its steps are trained again")
            _remove(path)
        return None

    def keep(self, checkpoint: Checkpoint) -> None:
        """Leave a state in the store, once; one that cannot be written costs a note and not the run."""
        planner = Planner(store=self.store, workers=1, progress=SilentProgress())
        planner.adopt(self.tokens)
        try:
            planner.materialise(_plateau_node(self.line, existing_node(self.tokens), checkpoint))
        except (CurateError, OSError) as error:
            self.note(f"the plateau after {checkpoint.step:,} steps was not kept ({error}); the run goes on")


def plateaus(store: Store, line: Line) -> dict[int, Path]:
    """Return the directory of every plateau of `line` in the store, by step."""
    found = {}
    for path, manifest in _manifests(store):
        params, inputs = manifest["params"], manifest["inputs"]
        if inputs == {"tokens": line.tokens} and {**line.as_json(), "step": params.get("step")} == params:
            found[int(params["step"])] = path
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """One branch checkpoint of a store."""

    path: Path
    model: str
    seed: int
    step: int
    num_bytes: int

    def as_json(self) -> dict[str, Json]:
        """Return what it is."""
        return {
            "path": str(self.path), "model": self.model, "seed": self.seed, "step": self.step, "bytes": self.num_bytes
        }  # fmt: skip


def kept_plateaus(store: Store) -> list[Plateau]:
    """Return every plateau of the store, by directory name."""
    return [
        Plateau(
            path=path,
            model=str(manifest["summary"]["model"]),
            seed=int(manifest["params"]["seed"]),
            step=int(manifest["params"]["step"]),
            num_bytes=sum(int(entry["bytes"]) for entry in manifest["files"]),
        )
        for path, manifest in _manifests(store)
    ]


def remove_plateaus(store: Store) -> int:
    """Remove every plateau of the store and return the bytes that were freed; no result changes."""
    found = kept_plateaus(store)
    for one in found:
        _remove(one.path)
    return sum(one.num_bytes for one in found)


def _plateau_node(line: Line, tokens: Node, checkpoint: Checkpoint) -> Node:
    step = checkpoint.step

    def run(context: NodeRun) -> Mapping[str, Json]:
        from safetensors.torch import save_file

        with replacing(context.out.path / TENSORS) as temporary:
            save_file(dict(checkpoint.tensors), temporary)
        state = {key: value for key, value in checkpoint.state.items() if key != "identity"}
        write_json(context.out.path / STATE, state)
        return {
            "model": line.model,
            "step": step,
            "skipped_steps": len(cast("Mapping[str, Any]", state["steering"])["guard"]["skipped"]),
        }

    params: dict[str, Json] = {**line.as_json(), "step": step}
    return Node(kind=KIND, version=VERSION, params=params, inputs={"tokens": tokens}, run=run, label=f"plateau {step}")


def _manifests(store: Store) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield directory and manifest of every plateau of this version; an unreadable one is passed over."""
    for path in sorted(store.root.glob(f"{KIND}-*/{MANIFEST}")):
        try:
            manifest = cast("Mapping[str, Any]", read_json(path))
        except (OSError, ValueError):
            continue
        if isinstance(manifest, dict) and manifest.get("kind") == KIND and manifest.get("version") == VERSION:
            yield path.parent, manifest


def _fault(path: Path) -> str | None:
    """Return what is wrong with the files of a plateau, or None."""
    manifest = cast("Mapping[str, Any]", read_json(path / MANIFEST))
    for entry in manifest["files"]:
        file = path / str(entry["path"])
        if not file.is_file():
            return f"{entry['path']} is missing"
        if sha256_file(file) != entry["sha256"]:
            return f"{entry['path']} does not have the sha256 of the manifest"
    return None


def _read(path: Path, step: int) -> Checkpoint:
    from safetensors.torch import load_file

    state = cast("Mapping[str, Json]", read_json(path / STATE))
    return Checkpoint(step=step, tensors=load_file(path / TENSORS), state=state)


def _remove(path: Path) -> None:
    (path / MANIFEST).unlink(missing_ok=True)  # first, so that a kill leaves no artifact without its files
    shutil.rmtree(path, ignore_errors=True)
