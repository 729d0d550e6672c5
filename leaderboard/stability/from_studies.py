"""Rank stability of finished studies: recipes are arms, scores log ratios of bits per byte to the study's baseline.

A run's score is the mean over slices of ln bpb, less the mean of the baseline's runs at that tier over the same slices;
the slices are those of the study's headline there (rule 5). Lower is better; the baseline itself scores about zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from curation.errors import ResultsError
from leaderboard.stability.compared import Stability, rank_stability
from leaderboard.stability.cost import flops_by_tier
from leaderboard.stability.rows import Coded, Rows
from leaderboard.stability.scores import ordered_tiers, scores_of
from leaderboard.studies.results import RESULT_FILE, RunResult, StudyResult, read_result
from leaderboard.studies.study import BASELINE

MAX_NAMED = 5


def studies_of(path: Path) -> list[Path]:
    """Return the studies at a path: a study's directory, its result file, or all of a store; none for a table."""
    if path.name == RESULT_FILE or (path / RESULT_FILE).is_file():
        return [path]
    return sorted(file.parent for file in path.glob(f"study-*/{RESULT_FILE}"))


def study_stability(paths: Sequence[Path], target: str | None, *, by_slice: bool) -> list[Stability]:
    """Return the headline first, then with `by_slice` every slice; the default target is the largest tier.

    Raises: RunError for an unreadable result, ResultsError for studies that cannot share a table.
    """
    results = [read_result(path) for path in paths]
    where = ", ".join(str(path) for path in paths)
    check_together(results, where)
    notes = _notes(results)
    headline = _rows(results, None, where)
    names = [headline.tiers.names[code] for code in np.unique(headline.tiers.codes).tolist()]
    if target is None:
        named = names[-1]
        tiers, _ = ordered_tiers(names, named, where, as_given=False)
        chosen = tiers[-1]
    else:
        tiers, chosen = ordered_tiers(names, target, where, as_given=False)
    flops = flops_by_tier(tiers, headline, {}, recorded="runs")

    def judged(rows: Rows, group: str | None, said: Sequence[str]) -> Stability:
        scores = scores_of(rows, tiers, chosen, lower_is_better=True)
        return rank_stability(replace(scores, group=group, notes=tuple(said)), flops)

    found = [judged(headline, None, notes)]
    if by_slice:
        slices = sorted({name for result in results for run in result.runs for name in run.bpb})
        found += [judged(_rows(results, name, where), name, ()) for name in slices]
    return found


def check_together(results: Sequence[StudyResult], where: str) -> None:
    """Refuse studies whose scores must not share a table.

    Raises: ResultsError for several panels (rule 1), tokenizers (rule 7), contexts (rule 6), or no runs.
    """
    runs = [run for result in results for run in result.runs]
    if not runs:
        raise ResultsError(f"{where}: no finished run; run `curate study run` first")
    for what, rule, values in (
        ("panels", 1, {run.panel for run in runs}),
        ("tokenizers", 7, {run.tokenizer for run in runs}),
        ("evaluation contexts", 6, {str(run.context) for run in runs}),
    ):
        if len(values) > 1:
            listed = ", ".join(sorted(value[:16] for value in values))
            raise ResultsError(f"{where}: {len(values)} {what} ({listed}); one table needs one of them (rule {rule})")


def _rows(results: Sequence[StudyResult], only: str | None, where: str) -> Rows:
    recipes, tiers, seeds, scores, flops = [], [], [], [], []
    for result in results:
        for tier in dict.fromkeys(run.tier for run in result.runs):
            here = [run for run in result.runs if run.tier == tier]
            slices = (only,) if only is not None else headline_slices(result, tier)
            base = [value for run in here if run.arm == BASELINE and (value := _mean_log(run, slices)) is not None]
            for run in here:
                value = _mean_log(run, slices)
                if value is None or not base:
                    continue
                recipes.append(run.arm if len(results) == 1 else f"{result.name}:{run.arm}")
                tiers.append(tier)
                seeds.append(str(run.seed))
                scores.append(value - math.fsum(base) / len(base))
                flops.append(run.flops)
    if not scores:
        raise ResultsError(f"{where}: no run beside a finished baseline on these slices; run `curate study run` first")
    return Rows(
        recipes=_coded(recipes),
        tiers=_coded(tiers),
        seeds=_coded(seeds),
        groups=None,
        scores=np.array(scores, np.float64),
        flops=np.array(flops, np.float64),
        num_empty=0,
        source=where,
    )


def headline_slices(result: StudyResult, tier: str) -> tuple[str, ...]:
    """Return the slices of the study's headline at a tier; without an assessment all that every run has."""
    for item in result.assessments:
        if item.tier == tier and item.total.headline_slices:
            return item.total.headline_slices
    shared = set.intersection(*(set(run.bpb) for run in result.runs if run.tier == tier))
    return tuple(sorted(shared))


def _mean_log(run: RunResult, slices: Sequence[str]) -> float | None:
    if not slices or any(run.bpb.get(name, 0.0) <= 0 for name in slices):
        return None
    return math.fsum(math.log(run.bpb[name]) for name in slices) / len(slices)


def _notes(results: Sequence[StudyResult]) -> list[str]:
    notes = ["score: mean ln of bits per byte over the headline's slices, less the baseline's; lower is better"]
    runs = [run for result in results for run in result.runs]
    for said, chosen in (
        ("skipped more than 0.1 % of their steps", [run for run in runs if not run.stable]),
        ("were intervened in", [run for run in runs if run.intervened]),
    ):
        if chosen:
            named = ", ".join(f"{run.arm} {run.tier} seed {run.seed}" for run in chosen[:MAX_NAMED])
            notes.append(f"{len(chosen)} runs {said}: {named}")
    failures = [one for result in results for one in result.failures]
    if failures:
        named = ", ".join(f"{one.arm} {one.tier} seed {one.seed}" for one in failures[:MAX_NAMED])
        notes.append(f"{len(failures)} trainings did not finish: {named}; what is left may have been picked (rule 10)")
    if any(
        item.total.headline is not None and not item.total.headline_judged
        for one in results
        for item in one.assessments
    ):
        notes.append("no slice of a headline may be judged (rule 5): orders are for orientation")
    return notes


def _coded(values: Sequence[str]) -> Coded:
    names = tuple(dict.fromkeys(values))
    place = {name: code for code, name in enumerate(names)}
    return Coded(codes=np.array([place[value] for value in values], np.int64), names=names)
