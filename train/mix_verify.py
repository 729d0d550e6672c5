"""Proposed mixtures trained afresh beside the natural and the uniform one, with intervals.

Every mixture gets the same seeds, which must be other ones than the swarm's: a proposal is the lowest of many fitted
values, so the runs it was found by flatter it. The difference of two mixtures has a t interval whose variance is that
of single runs, pooled over the mixtures (`curation.numerics`, rule 8). Per slice it is bits per byte; over the slices
the mean of log ratios, never a mean of raw bits per byte (rule 5). A difference is `resolved` by Holm's mark at 5 %
over all of them: slices, mixtures and references. That is no verdict: no noise pack is read here, so it is
`insufficient` (rule 9), on laptop tiers for rule 18 too. A slice whose loss a proposal was fitted to lower is
`selected_for` (rule 2).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from curation.errors import LawError, nearest, raise_faults
from curation.files import Json
from curation.nodes import Planner
from curation.numerics import Interval, difference_variance, pooled_variance, t_interval
from curation.significance import holm, two_sided
from curation.store import Artifact
from curation.tables import inputs
from mixtures.designs import rounded
from train.many_runs import train_runs
from train.mix_corpus import SharedText, held_by
from train.swarm import LOSS, WEIGHT, Swarm, refuse_repeats
from train.tiers import Tier

NATURAL, UNIFORM = "natural", "uniform"
MEAN = "mean of log ratios"
SUM_TOLERANCE = 1e-3
LEAST_SEEDS = 2
INSUFFICIENT = "insufficient"
"""The only verdict without measured run noise of the tier (rule 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One mixture less another on one slice: bits per byte, or for `MEAN` a log ratio; below 0 the first is better."""

    mixture: str
    against: str
    slice: str
    value: float
    interval: Interval
    p: float
    """Two-sided, of these runs' own noise."""
    resolved: bool = False
    """Holm's mark over all differences of the check."""
    selected_for: bool = False
    """Whether a proposal was chosen for a low loss on this slice, or on one that the mean is over."""

    @property
    def direction(self) -> str:
        """`better` or `worse` where it is resolved, else `not resolved`."""
        return ("better" if self.value < 0 else "worse") if self.resolved else "not resolved"

    def as_json(self) -> dict[str, Json]:
        """Return it with what can be said of it."""
        return {
            "mixture": self.mixture,
            "against": self.against,
            "slice": self.slice,
            "difference": self.value,
            "low": self.interval.low,
            "high": self.interval.high,
            "p": self.p,
            "resolved": self.resolved,
            "direction": self.direction,
            "selected_for": self.selected_for,
            "verdict": INSUFFICIENT,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the runs of each mixture gave."""

    tier: Tier
    seeds: tuple[int, ...]
    mixtures: Mapping[str, Mapping[str, float]]
    losses: Mapping[str, Sequence[Mapping[str, float]]]
    """By mixture: bits per byte by slice of each seed's run."""
    differences: tuple[Difference, ...]


def parse_mixtures(texts: Sequence[str], slices: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the mixtures that `NAME=FILE` and `NAME=a=0.3,b=0.7` mean, with the natural and the uniform one.

    A file is JSON: what `curate mix fit --json` printed, or slices and their weights. Slices without weight get 0.
    Raises: LawError that lists every fault: no name, an unreadable file, unknown slices, weights that do not sum to 1.
    """
    found = {NATURAL: dict(zip(slices, rounded(list(slices.values())), strict=True))}
    found[UNIFORM] = dict(zip(slices, rounded([1.0] * len(slices)), strict=True))
    for text in texts:
        name, equals, said = text.partition("=")
        if not equals or not name or name in found:
            raise LawError(f"--mixture: `{text}`, expected NAME=FILE or NAME=slice=share,... with a new name; name it")
        weights = _read(said, name)
        faults = [f"no slice `{each}`; {nearest(each, slices)}" for each in weights if each not in slices]
        total = math.fsum(weights.values())
        if abs(total - 1) > SUM_TOLERANCE or min(weights.values(), default=0.0) < 0:
            faults.append(
                f"weights sum to {total:.4g} from {min(weights.values(), default=0):g}, expected 1 and none below 0"
            )
        raise_faults(LawError, f"--mixture {name}", faults)
        names = sorted(slices)
        found[name] = dict(zip(names, rounded([max(0.0, weights.get(each, 0.0)) for each in names]), strict=True))
    return found


def verify(
    planner: Planner,
    text: SharedText,
    swarm: Swarm,
    names: Sequence[str],
    *,
    workers: int,
    epochs: float,
    targets: frozenset[str] = frozenset(),
) -> Verified:
    """Return the runs of every mixture of `swarm`, called `names`, and the differences between them.

    `targets` are slices that a proposal was fitted to (`targets_of`).
    Raises: RunError as `train_runs`; LawError with fewer than two seeds, which tell nothing of run noise.
    """
    if len(swarm.seeds) < LEAST_SEEDS:
        raise LawError(f"--seeds: {len(swarm.seeds)} seed, expected at least {LEAST_SEEDS} to know run noise; add some")
    refuse_repeats(held_by(text.corpus, text.streams), swarm, epochs)
    runs = train_runs(planner, text.corpus, text.panel, swarm.wanted, jobs=workers, epochs=epochs)
    losses = _by_mixture(runs, names, len(swarm.seeds))
    return Verified(
        tier=swarm.tier,
        seeds=swarm.seeds,
        mixtures=dict(zip(names, swarm.mixtures, strict=True)),
        losses=losses,
        differences=tuple(differences(losses, targets)),
    )


def differences(
    losses: Mapping[str, Sequence[Mapping[str, float]]], targets: frozenset[str] = frozenset()
) -> list[Difference]:
    """Return every mixture against the natural and the uniform one, by slice and over all slices, with Holm's marks."""
    slices = sorted(next(iter(losses.values()))[0])
    values = {
        name: {
            **{each: [run[each] for run in runs] for each in slices},
            MEAN: [math.fsum(math.log(run[each]) for each in slices) / len(slices) for run in runs],
        }
        for name, runs in losses.items()
    }
    found = []
    for place in (MEAN, *slices):
        noise = pooled_variance([one[place] for one in values.values()])
        assert noise is not None, "two seeds at least"
        for name in values:
            for against in (NATURAL, UNIFORM):
                if name == against or (name, against) == (NATURAL, UNIFORM):
                    continue
                own, other = values[name][place], values[against][place]
                value = math.fsum(own) / len(own) - math.fsum(other) / len(other)
                variance = difference_variance(noise, len(own), len(other))
                found.append(
                    Difference(
                        mixture=name, against=against, slice=place, value=value, interval=t_interval(value, variance),
                        p=two_sided(value, variance),
                        selected_for=place in targets or (place == MEAN and bool(targets & {*slices})),
                    )
                )  # fmt: skip
    marks = holm([one.p for one in found])
    return [replace(one, resolved=mark) for one, mark in zip(found, marks, strict=True)]


def targets_of(texts: Sequence[str]) -> frozenset[str]:
    """Return the slices whose losses the proposals in `NAME=FILE` were fitted to lower; none of other mixtures."""
    found: set[str] = set()
    for text in texts:
        said = Path(text.partition("=")[2])
        if said.is_file():
            value = json.loads(said.read_text(encoding="utf-8"))
            target = value["proposal"].get("target") if isinstance(value.get("proposal"), dict) else None
            found |= {name.removeprefix(LOSS) for name, weight in (target or {}).items() if weight}
    return frozenset(found)


def _by_mixture(runs: Sequence[Artifact], names: Sequence[str], seeds: int) -> dict[str, list[Mapping[str, float]]]:
    losses = [cast("Mapping[str, float]", run.summary["bpb"]) for run in runs]
    return {name: losses[place * seeds : (place + 1) * seeds] for place, name in enumerate(names)}


def _read(said: str, name: str) -> dict[str, float]:
    """Return the weights in a file or in the text itself; `weight_` before a slice's name is left off."""
    if "=" in said and not Path(said).is_file():
        return {key.removeprefix(WEIGHT): value for key, value in inputs(said, f"--mixture {name}").items()}
    try:
        value: Any = json.loads(Path(said).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LawError(
            f"--mixture {name}: {said} cannot be read ({error}); give what `curate mix fit --json` printed"
        ) from None
    if isinstance(value, dict) and isinstance(value.get("proposal"), dict):
        value = value["proposal"].get("weights")
    if not isinstance(value, dict) or not value:
        raise LawError(
            f"--mixture {name}: {said} holds no weights, expected a proposal or slices with numbers; mend it"
        )
    faults = [
        f"{said}: the weight of `{key}` is {one!r}, expected a finite number from 0 to 1; mend it"
        for key, one in value.items()
        if isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one)
    ]
    raise_faults(LawError, f"--mixture {name}", faults)
    return {str(key).removeprefix(WEIGHT): float(one) for key, one in value.items()}
