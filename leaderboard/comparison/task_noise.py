"""Measured run noise of tasks, their families and their mean, from a noise pack of the tier (rule 9).

A pack fits when tier, context and the suite's digest do. Values are put on the scale of the rows: logarithms of bits
per byte, centred accuracy for means, plain otherwise. A prior is dropped where the compared runs scatter by more than
1.5 times its upper bound, as for slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from curation.numerics import Floats, NoisePrior
from leaderboard.comparison.paired import Design
from leaderboard.comparison.row import ALL_TASKS, CENTRED
from leaderboard.comparison.sides import Place
from leaderboard.comparison.tasks import BITS, Measure
from leaderboard.noise.find import Found, exceeds
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.spread import prior_of, spread_of
from train.evals.results import Results

Series = Mapping[str, tuple[Floats, Floats]]
"""Row -> values of the pack's runs and of the compared runs, on the row's scale."""


def task_noise(
    packs: Sequence[tuple[Path, NoisePack]], place: Place, results: Results, measured: Sequence[Measure], design: Design
) -> Found:
    """Return priors by `NAME/METRIC` of tasks, families and all tasks; empty with the reason when no pack fits."""
    tier = place.tier or "models of unknown tier"
    own = [(path, pack) for path, pack in packs if pack.tier == place.tier and place.checkpoint is None]
    if not own:
        return Found(reason=f"run noise of {tier} was never measured: no noise pack of 8 seeds")
    suite = results.suite
    for path, pack in own:
        why = _why_not(pack, results)
        if not why:
            priors = _priors(pack, measured, design)
            if priors:
                return Found(priors=priors, note=f"run noise of {suite.name} from {path.name}")
            why = "its runs have no scores of these tasks, or scatter less than these by far"
        reason = f"noise pack {path.name} of {tier} is not used for suite {suite.name}: {why}"
    return Found(reason=reason)


def _why_not(pack: NoisePack, results: Results) -> str:
    if pack.status != "measured":
        return f"it is {pack.status}, {'; '.join(pack.why)}"
    digest = pack.provenance.suites.get(results.suite.name)
    if digest != results.suite.digest:
        held = digest[:8] if digest else "none"
        return f"it measured another version of the suite ({held}, not {results.suite.digest[:8]})"
    if pack.context != results.context:
        return f"evaluation context {pack.context}, the runs have {results.context} (rule 6)"
    return ""


def _priors(pack: NoisePack, measured: Sequence[Measure], design: Design) -> dict[str, NoisePrior]:
    found = {}
    for key, (values, own) in _series(pack, measured).items():
        spread = spread_of(values)
        if spread is not None and len(values) > 1 and not exceeds(spread, design.by_arm(own)):
            found[key] = prior_of(spread)
    return found


def _series(pack: NoisePack, measured: Sequence[Measure]) -> Series:
    """Return every row's values, tasks first, then the means of families and of all tasks that the pack has whole."""
    tasks: dict[str, tuple[Floats, Floats]] = {}
    parts: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    lacking: set[tuple[str, str]] = set()
    for one in measured:
        values = _pack_values(pack, one)
        mean = BITS if one.units.log else CENTRED if one.is_accuracy and one.chance is not None else ""
        groups = [(one.family, mean), (ALL_TASKS, mean)] if mean else []
        if values is None:
            lacking.update(groups)
            continue
        tasks[f"{one.task}/{one.metric}"] = (values, one.units.values)
        scale = 1 / (1 - one.chance) if mean == CENTRED and one.chance is not None and one.chance < 1 else 1.0
        for group in groups:
            parts.setdefault(group, []).append((values * scale, one.units.values * scale))
    for (name, metric), pairs in parts.items():
        if (name, metric) not in lacking and len({len(values) for values, _ in pairs}) == 1:
            means = [np.asarray(np.mean([pair[side] for pair in pairs], axis=0), np.float64) for side in (0, 1)]
            tasks[f"{name}/{metric}"] = (means[0], means[1])
    return tasks


def _pack_values(pack: NoisePack, one: Measure) -> Floats | None:
    held = pack.measure("task", one.task, one.metric)
    if held is None:
        return None
    values = [held.values[place] for place in pack.ordinary]
    known = np.asarray([value for value in values if value is not None], np.float64)
    if len(known) < len(values) or (one.units.log and bool((known <= 0).any())):
        return None
    return np.log(known) if one.units.log else known
