"""Suites of tasks in a study (`suites: [small]`): every finished run scored once, and arms compared family by family.

Scores are artifacts of the store like any of `curate eval`, so they are made once and a killed study goes on after the
last finished task. A suite is not scored at a tier where none of its tasks may be judged. Of a family the first mean
over tasks counts that may be judged there (`curation.suites.eligibility`): bits per byte of the right answers, then
centred accuracy; where none may, the first is shown as not eligible. Points are per cent fewer bits per byte, or
percentage points of centred accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from curation.errors import CurateError
from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.store import Store
from leaderboard.studies.facts import FamilyDelta, SuiteScores, TaskScore
from leaderboard.studies.results import RunResult, StudyResult
from leaderboard.studies.study import BASELINE
from leaderboard.studies.suspicious import gaps_of
from train.evals.results import Scored, read_results

PANEL = "panel"
PER_CENT = 100


def suites_that_cannot(suites: Sequence[str]) -> list[str]:
    """Return why suites cannot be scored here: unknown names, files that are not there; empty when they can."""
    from curation.suites.task_data import evals_directory
    from curation.suites.tasks import load_task_suite
    from train.evals.suite_scores import ask

    faults = []
    for name in suites:
        try:
            if name == PANEL:
                faults.append("suites: `panel` is scored for every run anyway, expected suites of tasks; take it out")
                continue
            ask(load_task_suite(name), evals_directory(None))
        except CurateError as error:
            faults.append(f"suites: {name}: {error}")
    return faults


def with_suites(result: StudyResult, suites: Sequence[str], planner: Planner) -> StudyResult:
    """Return the result with the scores of its runs on `suites`, and the arms' families against the baseline.

    Raises: RunError, ShardError, SuiteChangedError as `curate eval`.
    """
    if not suites:
        return _with_gaps(result, suites, {}, planner)
    able = {tier: [name for name in suites if may_be_judged(name, tier)] for tier in result.tiers}
    for tier in dict.fromkeys(run.tier for run in result.runs):
        left_out = [name for name in suites if name not in able[tier]]
        if left_out:
            planner.progress.note(f"{tier}: no task of {', '.join(left_out)} may be judged there; not scored")
    scored = {run.fingerprint: scored_on(run.fingerprint, able[run.tier], planner) for run in result.runs}
    listed = [_scores(run, one) for run in result.runs for one in scored[run.fingerprint]]
    families = tuple(_families(result, scored, planner.store))
    found = replace(result, facts=replace(result.facts, suites=tuple(listed), families=families))
    return _with_gaps(found, suites, scored, planner)


def _with_gaps(
    result: StudyResult, suites: Sequence[str], scored: Mapping[str, Sequence[Scored]], planner: Planner
) -> StudyResult:
    decision = replace(result.facts.decision, gaps=tuple(gaps_of(result, suites, scored, planner)))
    return replace(result, facts=replace(result.facts, decision=decision))


def may_be_judged(suite: str, tier: str) -> bool:
    """Return whether a metric of any task of a suite may be judged at a tier (`curation.suites.eligibility`)."""
    from curation.suites.eligibility import eligibility
    from curation.suites.tasks import load_task_suite
    from leaderboard.comparison.tasks import ACCURACIES, BITS

    tasks = [task.name for task in load_task_suite(suite).tasks]
    found = (eligibility(task, metric, tier=tier, suite=suite) for task in tasks for metric in (BITS, ACCURACIES[0]))
    return any(one.level == "judged" for one in found)


def scored_on(run: str, suites: Sequence[str], planner: Planner) -> list[Scored]:
    """Return the scores on every suite of the run with this fingerprint, made where the store lacks them."""
    from train.evals.suite_request import Request, finish, jobs_of

    if not suites:
        return []
    artifact = planner.store.path_of("run", run)
    request = Request(model=artifact.name, suites=tuple(suites), workers=planner.workers)
    jobs = jobs_of(request, planner.store, SilentProgress())
    return [read_results(done.path) for done in finish(jobs, request, planner)]


def _scores(run: RunResult, scored: Scored) -> SuiteScores:
    results = scored.results
    tasks = [
        TaskScore(
            task=name,
            family=task.family,
            metric=task.primary,
            value=value,
            standard_error=task.metrics[task.primary].se,
            num_items=task.n,
        )
        for name, task in results.tasks.items()
        if task.primary in task.metrics and (value := task.metrics[task.primary].value) is not None
    ]
    return SuiteScores(
        arm=run.arm,
        tier=run.tier,
        seed=run.seed,
        suite=f"{results.suite.name}@{results.suite.version}",
        digest=results.suite.digest,
        artifact=scored.where,
        tasks=tuple(tasks),
    )


def _families(result: StudyResult, scored: Mapping[str, Sequence[Scored]], store: Store) -> Iterator[FamilyDelta]:
    from leaderboard.comparison.outcome import Question, compare_sides
    from leaderboard.comparison.sides import Model, Place, side_of
    from leaderboard.noise.find import known_packs

    by_arm: dict[str, list[Model]] = {}
    for run in (one for one in result.runs if scored[one.fingerprint]):
        model = Model(
            name=f"run-{run.fingerprint[:8]}",
            identity=run.fingerprint,
            place=Place(tier=run.tier, checkpoint=None),
            seed=run.seed,
            suites=tuple(scored[run.fingerprint]),
            results=tuple(scored[run.fingerprint]),
        )
        by_arm.setdefault(run.arm, []).append(model)
    sides = {arm: side_of(arm, models) for arm, models in by_arm.items()}
    packs = known_packs(store.root)
    for arm in dict.fromkeys(item.arm for item in result.assessments):
        if {arm, BASELINE} <= sides.keys():
            for outcome in compare_sides(sides, Question(a=arm, b=BASELINE, packs=packs)):
                rows = [row for row in outcome.rows if row.level == "family"]
                for family in dict.fromkeys(row.name for row in rows):
                    own = [row for row in rows if row.name == family]
                    row = next((one for one in own if one.judged), own[0])
                    sign = -PER_CENT if row.lower_is_better else PER_CENT
                    ends = sorted(sign * end for end in (row.low, row.high) if end is not None)
                    yield FamilyDelta(
                        tier=outcome.place.tier,
                        arm=arm,
                        against=BASELINE,
                        suite=", ".join(outcome.suites),
                        family=family,
                        points=sign * row.delta,
                        low=ends[0] if len(ends) == 2 else None,
                        high=ends[1] if len(ends) == 2 else None,
                        num_tasks=_num_tasks(scored.values(), family),
                        num_items=row.num_items,
                        seeds=outcome.seeds,
                        eligible=row.judged,
                        why="" if row.judged else row.note,
                    )


def _num_tasks(scored: Iterable[Sequence[Scored]], family: str) -> int:
    """Return how many tasks of a family any run was scored on."""
    tasks = {name for several in scored for one in several for name, task in one.results.tasks.items()
             if task.family == family}  # fmt: skip
    return len(tasks)
