"""`python -m leaderboard.cluster.job FOLDER --step NAME --index I`: one task of a submitted study, safe to repeat.

What the store has is reused. SIGTERM ends it with 143 after the trainings' checkpoints; a failure is one line on stderr
and in the task's state, with the code of docs/exit-codes.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from curation.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_STOPPED, CurateError, IncompleteError, StudyError
from curation.ingest import ensure_pool, known_pool
from curation.nodes import Planner
from curation.progress import LogProgress
from curation.store import Store
from leaderboard.cluster.dag import Step
from leaderboard.cluster.folder import (
    Submission,
    begin_state,
    key_of,
    read_state,
    read_submission,
    write_state,
)
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.facts import Promotion
from leaderboard.studies.prepared import Prepared, prepare
from leaderboard.studies.promotion import going_on, tiers_in_order
from leaderboard.studies.results import Failure
from leaderboard.studies.training import RunPlan
from leaderboard.studies.variants import on_own_shelf

STOP_SECONDS = 100.0
"""For the checkpoints of a pack; Slurm's warning comes 120 s before the end."""


def run_task(folder: Path, name: str, index: int) -> int:
    """Do one task, write down how it ended, and return the exit code."""
    given = read_submission(folder)
    step = given.dag.step(name)
    if not 0 <= index < step.num_tasks:
        raise StudyError(f"step {name}: task {index}, expected 0 to {step.num_tasks - 1}")
    state = begin_state(folder, name, index)
    try:
        with _stopped_once():
            decided = DOING[step.kind](given, step, index, store=given.store)
    except (SystemExit, KeyboardInterrupt) as stopped:
        code = EXIT_STOPPED if isinstance(stopped, SystemExit) else EXIT_INTERRUPTED
        ended = replace(state, state="preempted", code=code, message="stopped by a signal; goes on from what is saved")
    except CurateError as error:
        ended = replace(state, state="failed", code=error.exit_code, message=f"{type(error).__name__}: {error}")
    except Exception as error:
        traceback.print_exc()
        ended = replace(state, state="failed", code=EXIT_FAILURE, message=f"{type(error).__name__}: {error}")
    else:
        ended = replace(state, state="done", promotion=decided)
    write_state(folder, name, index, replace(ended, ended=time.time()))
    if ended.message:
        print(ended.message, file=sys.stderr)
    return ended.code


Decided = tuple[Mapping[str, Any], ...]


@on_own_shelf
def _pool(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    arms = resolve_arms(given.study, given.where)
    if key_of(given.study, arms, given.cwd) != given.key:
        raise StudyError(f"{given.where}: a recipe of it has changed since it was submitted; submit it again")
    planner = _planner(store)
    pool = ensure_pool(store, arms[0].recipe.pool, workers=planner.workers, progress=planner.progress)
    planner.materialise(prepare(given.study, arms, pool).runs[0].panel)
    return ()


@on_own_shelf
def _build(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from train.worker import patiently

    planner = _planner(store)
    patiently(planner, _ready(given, store).corpora[step.arms[index]].corpus, planner.progress)
    return ()


@on_own_shelf
def _tokens(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from train.worker import patiently

    planner = _planner(store)
    for plan in _ready(given, store).runs:
        if plan.arm == step.arms[index]:
            patiently(planner, plan.tokens, planner.progress)
    return ()


def _check(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from leaderboard.studies.run import begin_study

    planner = _planner(store)
    begin_study(given.study, given.where, store=store, workers=planner.workers, progress=planner.progress, here=False)
    return ()


@on_own_shelf
def _runs(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from leaderboard.studies.training import train_missing

    planner = _planner(store)
    failures = train_missing(_let_on(given, step, index, store), store, planner.workers, planner.progress, STOP_SECONDS)
    if failures:
        raise IncompleteError("; ".join(f"{one.arm} {one.tier} seed {one.seed}: {one.message}" for one in failures))
    return ()


@on_own_shelf
def _evaluate(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from leaderboard.studies.suite_scores import may_be_judged, scored_on

    suites = [name for name in given.study.suites if may_be_judged(name, step.tier)]
    planner = _planner(store)
    for plan in _let_on(given, step, index, store):
        scored_on(plan.node.fingerprint, suites, planner)
    return ()


def _judge(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from leaderboard.studies.run import promotions

    planner = _planner(store)
    found = promotions(
        given.study, given.where, step.tier, store=store, workers=planner.workers, progress=planner.progress,
        train=train_nothing,
    )  # fmt: skip
    return tuple(asdict(one) for one in found)


def _compare(given: Submission, step: Step, index: int, *, store: Store) -> Decided:
    from leaderboard.studies.run import run_study

    planner = _planner(store)
    run_study(given.study, given.where, store=store, workers=planner.workers, progress=planner.progress,
              train=train_nothing)  # fmt: skip
    return ()


DOING: Mapping[str, Callable[..., Decided]] = {
    "pool": _pool,
    "build": _build,
    "tokens": _tokens,
    "check": _check,
    "runs": _runs,
    "evaluate": _evaluate,
    "judge": _judge,
    "compare": _compare,
}


def train_nothing(plans: Sequence[RunPlan], store: Store, workers: int, progress: object) -> list[Failure]:
    """Refuse to train: a step that judges must find every run. Raises: IncompleteError naming what is missing."""
    missing = [plan.label for plan in plans if store.find("run", plan.node.fingerprint) is None]
    if missing:
        raise IncompleteError(
            f"{len(missing)} runs are not in the store ({', '.join(missing[:8])}), expected all of the tier; submit "
            "the study again: `curate study run STUDY.yaml --on NAME`"
        )
    return []


def _ready(given: Submission, store: Store) -> Prepared:
    arms = resolve_arms(given.study, given.where)
    pool = known_pool(store, arms[0].recipe.pool)
    if pool is None:
        raise IncompleteError(f"{given.where}: its pool is not in {store.root}, expected it by the step pool; submit "
                              "the study again")  # fmt: skip
    return prepare(given.study, arms, pool)


def _let_on(given: Submission, step: Step, index: int, store: Store) -> list[RunPlan]:
    """Return the runs of a task that no earlier tier has stopped."""
    ready = _ready(given, store)
    order = tiers_in_order(given.study)
    names = going_on(ready.arms, decided_before(given, step.tier), step.tier, order)
    own = {(run.arm, run.tier, run.seed) for run in step.packs[index]}
    return [plan for plan in ready.runs if (plan.arm, plan.tier, plan.seed) in own and plan.arm in names]


def decided_before(given: Submission, tier: str) -> list[Promotion]:
    """Return the decisions after the tier before `tier`; none at the first. Raises: IncompleteError before they are."""
    order = tiers_in_order(given.study)
    place = order.index(tier)
    if place == 0:
        return []
    state = read_state(given.folder, f"judge-{order[place - 1]}", 0)
    if state is None or state.state != "done":
        raise IncompleteError(f"tier {order[place - 1]} is not judged, expected before {tier}; submit the study again")
    return [Promotion(**{**one, "evidence": tuple(one["evidence"])}) for one in state.promotion]


def _planner(store: Store) -> Planner:
    workers = int(os.environ.get("SLURM_CPUS_PER_TASK") or 1)
    return Planner(store=store, workers=workers, progress=LogProgress())


@contextmanager
def _stopped_once() -> Iterator[None]:
    """Turn the first SIGTERM into an exit with 143; those that follow change nothing, checkpoints are being written."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise SystemExit(EXIT_STOPPED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if not stopping else signal.SIG_IGN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.cluster.job", description="One task of a study.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", required=True)
    parser.add_argument("--index", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        return run_task(given.folder, given.step, given.index)
    except CurateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
