"""Rows of studies: results in a store or in directories, and the same results inside a board's entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurateError
from curation.store import Store
from leaderboard.ranking.candidates import LOCAL, Against, Candidate, Gathered, LeftOut, TableKey
from leaderboard.ranking.panel_means import HEADLINE_METRIC
from leaderboard.scores import ScoredRun, load_documents
from leaderboard.studies.results import (
    RESULT_FILE,
    ArmResult,
    Assessment,
    Comparison,
    Delta,
    RunResult,
    StudyResult,
    read_result,
)
from leaderboard.studies.study import BASELINE
from leaderboard.studies.verdict import is_laptop_tier

SMOKE_GATE = "G0"
WITHOUT_PLACE = {
    "natural": "control: the mix of the pool as it is",
    "uniform": "control: equal shares of all parts",
    "point": "another rate or batch size of its arm",
}
"""Arms that stand beside others and have no place, in words; the rest are `control`."""
Scores = Callable[[RunResult], ScoredRun | None]
"""A run's document scores; None where they are not at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A study's result and where it stands."""

    result: StudyResult
    scores: Scores
    division: str = LOCAL
    track: str = ""
    entry: str = ""
    level: int | None = None
    marks: tuple[str, ...] = ()
    unranked: str = ""
    """Why none of its rows may rank: the entry was withdrawn."""
    tier_digests: Mapping[str, str] | None = None
    """Run fingerprint -> digest of its tier, where it is known."""


def load_results(store: Store, directories: Sequence[Path]) -> list[StudyResult]:
    """Return the results in `directories`, or all in the store, by name and fingerprint.

    An empty store has none. Raises: RunError for a directory without a readable result.
    """
    paths = list(directories) or sorted(path.parent for path in store.root.glob(f"study-*/{RESULT_FILE}"))
    return sorted((read_result(path) for path in paths), key=lambda result: (result.name, result.fingerprint))


def store_source(result: StudyResult, store: Store) -> Source:
    """Return a study of a store; runs whose artifact is gone have no document scores."""
    return Source(result=result, scores=lambda run: _from_store(run, store))


def study_rows(source: Source) -> Gathered:
    """Return one row a recipe and tier, in the study's order; recipes that failed smoke are left out."""
    failed = _failed_smoke(source.result)
    rows: list[Candidate] = []
    left: list[LeftOut] = []
    for tier in source.result.tiers:
        for arm in source.result.arms:
            runs = [run for run in source.result.runs if (run.arm, run.tier) == (arm.name, tier)]
            if not runs:
                continue
            if arm.name in failed:
                left.append(
                    LeftOut(study=source.result.name, arm=arm.name, tier=tier, reason=f"smoke: {failed[arm.name]}")
                )
            else:
                rows.append(_row(source, arm, tier, runs))
    return Gathered(candidates=tuple(rows), left_out=tuple(left))


def _failed_smoke(result: StudyResult) -> dict[str, str]:
    """Return the arms that did not pass the smoke gate, and controls of these, with the reason."""
    found = {
        one.arm: one.reason or "did not pass"
        for one in result.facts.promotion
        if one.gate == SMOKE_GATE and not one.promoted
    }
    if BASELINE in found:
        return {arm.name: f"the baseline failed: {found[BASELINE]}" for arm in result.arms}
    controls = {arm.name: f"control of {arm.of}: {found[arm.of]}" for arm in result.arms if arm.of in found}
    return found | controls


def _row(source: Source, arm: ArmResult, tier: str, runs: Sequence[RunResult]) -> Candidate:
    result, first = source.result, runs[0]
    item = next((one for one in result.assessments if (one.arm, one.tier) == (arm.name, tier)), None)
    supply = next((one for one in result.supply if (one.arm, one.tier) == (arm.name, tier)), None)
    scored = [source.scores(run) for run in runs]
    known = [run for run in scored if run is not None]
    digest = known[0].tier_digest if known else ""
    intervened = any(run.intervened for run in runs)
    return Candidate(
        key=TableKey(
            division=source.division,
            track=source.track,
            tier=tier,
            recipe=_recipe_version(tier),
            tier_digest=digest,
            suite="",
            panel=first.panel,
            context=first.context,
            tokenizer=first.tokenizer,
        ),
        name=arm.name,
        role=arm.role,
        studies=(f"{result.name} {result.fingerprint[:8]}",),
        fingerprint=result.fingerprint,
        entry=source.entry,
        seeds=tuple(sorted({run.seed for run in runs})),
        num_runs=len(runs),
        runs=tuple(known) if len(known) == len(runs) else (),
        run_ids=tuple(sorted(run.fingerprint for run in runs)),
        selected_for=frozenset(result.selected_for),
        against=_against(item.total) if item else {},
        unique_tokens=supply.unique_tokens if supply else None,
        epochs=supply.epochs if supply else None,
        verdict=item.verdict if item else _without_verdict(arm),
        unranked=source.unranked or _why_unranked(tier, arm.role, item),
        marks=(*source.marks, *(("intervened",) if intervened else ())),
        level=source.level,
    )


def _without_verdict(arm: ArmResult) -> str:
    return "reference" if arm.name == BASELINE else WITHOUT_PLACE.get(arm.role, "control")


def _against(found: Comparison) -> dict[str, Against]:
    """Return the differences to the baseline by metric: each slice, and the headline."""
    deltas: dict[str, tuple[Delta, tuple[str, ...]]] = {one.slice: (one.delta, (one.slice,)) for one in found.slices}
    if found.headline is not None:
        deltas[HEADLINE_METRIC] = (found.headline, found.headline_slices)
    return {
        name: Against(log_ratio=delta.log_ratio, low=delta.low, high=delta.high, slices=tuple(sorted(slices)))
        for name, (delta, slices) in deltas.items()
    }


def _why_unranked(tier: str, role: str, item: Assessment | None) -> str:
    """Return why a recipe may not rank by what its study says of it; empty when it may."""
    if is_laptop_tier(tier):
        return "laptop tier (rule 9)"
    if role == "baseline":
        return ""
    if role != "arm":
        return WITHOUT_PLACE.get(role, "control")
    if item is None:
        return "not compared"
    if item.verdict != "insufficient":
        return ""
    return "insufficient: " + ", ".join(f"rule {rule}" for rule in sorted({reason.rule for reason in item.reasons}))


def _recipe_version(tier: str) -> str:
    from train.tiers import load_tier

    try:
        return f"{tier.partition('@')[0].partition('-')[0]}@{load_tier(tier).recipe_version}"
    except CurateError:
        return ""  # a tier of another version of curate: its name alone must be equal


def _from_store(run: RunResult, store: Store) -> ScoredRun | None:
    artifact = store.find("run", run.fingerprint)
    if artifact is None:
        return None
    return ScoredRun(
        arm=run.arm,
        tier=run.tier,
        seed=run.seed,
        panel=run.panel,
        tokenizer=run.tokenizer,
        context=run.context,
        documents=load_documents(artifact.path),
        tier_digest=str(artifact.summary.get("tier_digest", "")),
        fingerprint=run.fingerprint,
    )
