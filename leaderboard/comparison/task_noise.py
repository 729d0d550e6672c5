"""Measured run noise of tasks, their families and their mean, from a noise pack of the tier (rule 9).

A pack fits when it does for panels (`leaderboard.noise.find`) and the digest of the suite does. It decides only if it
measured the row that decides, the mean over tasks. Values are on the scale of the rows: logarithms of bits per byte,
centred accuracy for means, plain otherwise. Runs that are compared leave the pack's estimate. A prior is dropped where
the compared runs scatter by more than 1.5 times its upper bound, as for slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.numerics import Floats, NoisePrior
from leaderboard.comparison.paired import Design
from leaderboard.comparison.row import ALL_TASKS, CENTRED
from leaderboard.comparison.sides import Model, Place
from leaderboard.comparison.tasks import Measure, headline_metric
from leaderboard.noise.find import Found, Setting, by_rank, exceeds, louder, why_not
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.spread import prior_of, spread_of
from train.evals.results import Scored

Series = Mapping[str, tuple[Floats, Floats]]
"""Row -> values of the pack's runs and of the compared runs, on the row's scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRuns:
    """The runs of a comparison on one suite: models and their scores in the order of the design's columns."""

    place: Place
    models: Sequence[Model]
    scored: Sequence[Scored]
    measured: Sequence[Measure]
    design: Design

    @property
    def fingerprints(self) -> frozenset[str]:
        """What a pack would know the runs by."""
        own = {model.identity for model in self.models} | {one.results.model.digest for one in self.scored}
        return frozenset(own - {""})


def task_noise(packs: Sequence[tuple[Path, NoisePack]], runs: TaskRuns) -> Found:
    """Return priors by `NAME/METRIC` of tasks, families and all tasks; with a reason unless all tasks may be judged."""
    place = runs.place
    own = [(path, pack) for path, pack in packs if pack.tier == place.tier]
    if not own or place != Place(tier=place.tier, checkpoint=None):
        return Found(reason=f"run noise of {place.label} was never measured: no noise pack of 8 seeds")
    reasons = []
    for path, pack in by_rank(own):
        why = _unfit(pack, runs)
        if not why:
            return _priors(pack, path.name, runs)
        suite = runs.scored[0].results.suite.name
        reasons.append(f"noise pack {path.name} of {place.tier} is not used for suite {suite}: {'; '.join(why)}")
    return Found(reason=reasons[0])


def _unfit(pack: NoisePack, runs: TaskRuns) -> list[str]:
    """Return why a pack measured something else than the noise of these runs on their suite; empty when it did not."""
    suite = runs.scored[0].results.suite
    digest = pack.provenance.suites.get(suite.name)
    told = []
    if digest != suite.digest:
        held = digest[:8] if digest else "none"
        told.append(f"it measured another version of the suite ({held}, not {suite.digest[:8]})")
    for model, one in zip(runs.models, runs.scored, strict=True):
        setting = Setting(
            tier=runs.place.tier,
            tier_digest=model.tier_digest,
            tokenizer=one.results.model.tokenizer or "",
            context=one.results.context,
        )
        told += [why for why in why_not(pack, setting) if why not in told]
    key = _headline(runs)
    if key and not told and key not in _series(pack, runs):
        told.append(f"it does not measure every task of {key.replace('/', ' by ')}")
    return told


def _priors(pack: NoisePack, name: str, runs: TaskRuns) -> Found:
    key, design = _headline(runs), runs.design
    priors: dict[str, NoisePrior] = {}
    too_low, single = set(), set()
    for row, (values, own) in _series(pack, runs).items():
        spread = spread_of(values)
        if spread is None:
            single.add(row)
        elif exceeds(spread, design.by_arm(own)):
            too_low.add(row)
        else:
            priors[row] = prior_of(spread)
    if key in single:
        return Found(
            reason=f"noise pack {name} is not used: fewer than two of its runs are not compared here themselves"
        )
    fewest = min(map(len, design.columns.values()))
    shared = sum(run.fingerprint in runs.fingerprints for run in pack.runs)
    left_out = f", {shared} of them compared here and left out" if shared else ""
    note = f"run noise of {runs.scored[0].results.suite.name} from {name}: {len(pack.ordinary)} seeds{left_out}"
    if too_low:
        note += f"; dropped, too low for these runs: {', '.join(sorted(too_low))}"
    return Found(
        priors=priors,
        dropped=frozenset(too_low) if not louder(name, fewest) else frozenset(),
        reason=louder(name, fewest) if key in too_low else "",
        note=note,
    )


def _headline(runs: TaskRuns) -> str:
    """Return the key of the row that decides; empty when there is none."""
    metric = headline_metric(runs.measured)
    return f"{ALL_TASKS}/{metric}" if metric else ""


def _series(pack: NoisePack, runs: TaskRuns) -> Series:
    """Return every row's values, tasks first, then the means of families and of all tasks that the pack has whole."""
    tasks: dict[str, tuple[Floats, Floats]] = {}
    parts: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    lacking: set[tuple[str, str]] = set()
    for one in runs.measured:
        values = _pack_values(pack, one, runs.fingerprints)
        groups = [(one.family, one.mean), (ALL_TASKS, one.mean)] if one.mean else []
        if values is None:
            lacking.update(groups)
            continue
        tasks[f"{one.task}/{one.metric}"] = (values, one.units.values)
        scale = 1 / (1 - one.chance) if one.mean == CENTRED and one.chance is not None else 1.0
        for group in groups:
            parts.setdefault(group, []).append((values * scale, one.units.values * scale))
    for (name, metric), pairs in parts.items():
        if (name, metric) not in lacking and len({len(values) for values, _ in pairs}) == 1:
            means = [np.asarray(np.mean([pair[side] for pair in pairs], axis=0), np.float64) for side in (0, 1)]
            tasks[f"{name}/{metric}"] = (means[0], means[1])
    return tasks


def _pack_values(pack: NoisePack, one: Measure, without: frozenset[str]) -> Floats | None:
    """Return the values of the pack's runs that are not compared; None unless it has the measure of all its runs."""
    held = pack.measure("task", one.task, one.metric)
    if held is None:
        return None
    whole = [held.values[place] for place in pack.ordinary]
    if any(value is None or (one.units.log and value <= 0) for value in whole):
        return None
    values = [held.values[place] for place in pack.ordinary if pack.runs[place].fingerprint not in without]
    known = np.asarray(values, np.float64)
    return np.log(known) if one.units.log else known
