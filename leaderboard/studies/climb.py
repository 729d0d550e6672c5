"""The climb of a study: tier by tier from the cheapest, training those arms that the results so far let on.

After each tier the result so far is put together and every arm that ran is judged (`leaderboard.studies.promotion`).
The decisions are a function of the runs, so a study that was killed, or is run again, takes the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from curation.errors import StudyError
from curation.nodes import Planner
from curation.progress import Progress
from curation.store import Store
from curation.version import describe_version
from leaderboard.noise.find import known_packs
from leaderboard.protocols.measure import with_measurements
from leaderboard.studies.assemble import Findings, Frozen, assemble
from leaderboard.studies.assemble_facts import Gathered
from leaderboard.studies.facts import Promotion
from leaderboard.studies.frozen import Stopwatch
from leaderboard.studies.prepared import Prepared
from leaderboard.studies.promotion import SMOKE_GATE, Asking, going_on, policy_of, promote, tiers_in_order
from leaderboard.studies.results import Failure, Reason, StudyResult
from leaderboard.studies.suite_scores import with_suites
from leaderboard.studies.trained import BuiltArm, TrainedRun
from leaderboard.studies.training import RunPlan, train_missing, unigram_node, unigram_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What a study has before its first training."""

    frozen: Frozen
    built: Sequence[BuiltArm]
    gathered: Gathered
    watch: Stopwatch


Trainer = Callable[[Sequence[RunPlan], Store, int, Progress], list[Failure]]
"""(runs, store, workers, progress) -> those that failed; the others are in the store then."""


def climb(
    ready: Prepared,
    planner: Planner,
    start: Climb,
    *,
    ask: Asking,
    train: Trainer | None = None,
    last: str | None = None,
) -> StudyResult:
    """Return the result after the last tier that any arm was let on to, at most the tier `last`.

    `train` makes the runs of a tier that the store lacks (`train_missing`).

    Raises: StudyError if no training finished at all.
    """
    order = tiers_in_order(ready.study)
    promotion: list[Promotion] = []
    failures: list[Failure] = []
    result: StudyResult | None = None
    for tier in order:
        names = going_on(ready.arms, promotion, tier, order)
        plans = [plan for plan in ready.runs if plan.tier == tier and plan.arm in names]
        if not plans:
            break
        with start.watch.stage("train and score"):
            failures += (train or train_missing)(plans, planner.store, planner.workers, planner.progress)
        with start.watch.stage("compare"):
            result = _so_far(ready, planner, start, promotion, failures)
            alive = [arm.name for arm in ready.arms if arm.role == "arm" and arm.name in names]
            decided = promote(ready.study, result, tier, order, alive, ask)
        promotion += decided
        _tell(ready, planner, decided, last=tier == order[-1])
        if tier == last:
            break
    assert result is not None  # the first tier has the baseline's runs
    return _without_broken(replace(result, facts=replace(result.facts, promotion=tuple(promotion))))


def _without_broken(result: StudyResult) -> StudyResult:
    """Return the result in which an arm that failed smoke has no verdict but that."""
    why = {item.arm: item for item in result.facts.promotion if item.gate == SMOKE_GATE and not item.promoted}
    assessments = []
    for item in result.assessments:
        failed = why.get(item.arm)
        if failed is not None:
            text = f"failed smoke (G0) at {failed.tier}, enters no table: {failed.reason}"
            item = replace(item, verdict="insufficient", reasons=(Reason(rule=18, text=text), *item.reasons))
        assessments.append(item)
    return replace(result, assessments=tuple(assessments))


def _so_far(
    ready: Prepared, planner: Planner, start: Climb, promotion: Sequence[Promotion], failures: Sequence[Failure]
) -> StudyResult:
    """Return the result of the runs that exist of arms that were let on, with the unigram check of their shards."""
    found = [(plan, planner.store.find("run", plan.node.fingerprint)) for plan in _let_on(ready, promotion)]
    trained = [
        TrainedRun(arm=plan.arm, tier=plan.tier, seed=plan.seed, artifact=artifact)
        for plan, artifact in found
        if artifact is not None
    ]
    if not trained:
        reasons = "; ".join(sorted({failure.message for failure in failures}))
        raise StudyError(f"study {ready.study.name}: no training finished, expected at least one: {reasons}")
    with_runs = {(plan.arm, plan.tier): plan for plan, artifact in found if artifact is not None}
    findings = Findings(
        arms=start.built,
        runs=trained,
        failures=failures,
        unigram={key: unigram_of(planner.materialise(unigram_node(plan))) for key, plan in with_runs.items()},
        seconds={},
        code=describe_version(),
        packs=known_packs(planner.store.root),
        gathered=replace(start.gathered, promotion=tuple(promotion)),
    )
    result = with_suites(assemble(ready.study, start.frozen, findings), ready.study.suites, planner)
    return with_measurements(result, store=planner.store, workers=planner.workers, progress=planner.progress)


def _let_on(ready: Prepared, promotion: Sequence[Promotion]) -> list[RunPlan]:
    """Return the runs of tiers that were reached, of arms that no tier before had stopped."""
    order = tiers_in_order(ready.study)
    reached = {item.tier for item in promotion}
    now = next((tier for tier in order if tier not in reached), order[-1])
    names = {tier: going_on(ready.arms, promotion, tier, order) for tier in (*reached, now)}
    return [plan for plan in ready.runs if plan.arm in names.get(plan.tier, ())]


def _tell(ready: Prepared, planner: Planner, decided: Sequence[Promotion], *, last: bool) -> None:
    for item in decided:
        if not item.promoted:
            planner.progress.note(f"{item.arm} stops at {item.tier} ({item.gate}): {item.reason}")
    going = [item.arm for item in decided if item.promoted]
    if going and not last and len(ready.study.tiers) > 1:
        planner.progress.note(f"go on from {decided[0].tier} (promote: {policy_of(ready.study)}): {', '.join(going)}")
