"""Running a study: arms → corpora → token shards → runs → result, page and table; every step resumable.

Corpora are built in this process, trainings in children. The study is frozen before its first training. A training
that fails stops no other: the result holds what finished, and the caller learns what to rerun.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from curation.build_clock import added_seconds
from curation.errors import CurateError, StudyError, raise_faults
from curation.ingest import ensure_pool
from curation.nodes import Planner
from curation.progress import Progress
from curation.store import Store
from leaderboard.gates.overrides import override_lines
from leaderboard.report import write_report
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.asking import asker
from leaderboard.studies.assemble_facts import Gathered
from leaderboard.studies.checks import check_corpora, same_as_baseline, tiers_that_cannot
from leaderboard.studies.climb import Climb, Trainer, climb
from leaderboard.studies.confirmed import read_confirmations
from leaderboard.studies.facts import Promotion
from leaderboard.studies.frozen import TIMINGS_FILE, Stopwatch, freeze, study_dir
from leaderboard.studies.kinds import load_protocol
from leaderboard.studies.plumbing import try_machinery
from leaderboard.studies.prepared import Prepared, dropped_text, epochs_at_target, prepare, shortages, supply_known
from leaderboard.studies.results import RESULT_FILE, StudyResult, as_json, read_result, write_result
from leaderboard.studies.run_list import write_run_list
from leaderboard.studies.study import Study
from leaderboard.studies.suite_scores import suites_that_cannot
from leaderboard.studies.trained import BuiltArm
from leaderboard.studies.variants import on_own_shelf
from leaderboard.studies.versions import versions_seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A study that ran: its result and the directory that holds it with its page."""

    result: StudyResult
    folder: Path
    page: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A study with all that is built before its first training."""

    ready: Prepared
    planner: Planner
    start: Climb
    folder: Path


@on_own_shelf
def run_study(
    study: Study,
    where: str,
    *,
    store: Store,
    workers: int,
    progress: Progress,
    out: Path | None = None,
    train: Trainer | None = None,
) -> Ran:
    """Build, train, score and compare everything the study names, reusing whatever the store has.

    Failed trainings are in the result's `failures`. `out` gets copies of page, Markdown and result. `train` makes the
    runs that are missing (`train_missing`).
    Raises: StudyError, RecipeError, ShardError, RunError as the parts do.
    """
    begun = begin_study(study, where, store=store, workers=workers, progress=progress, here=train is None)
    result = climb(begun.ready, begun.planner, begun.start, ask=asker(begun.folder), train=train)
    return _write(result, begun.folder, begun.start.watch, out)


@on_own_shelf
def promotions(
    study: Study, where: str, last: str, *, store: Store, workers: int, progress: Progress, train: Trainer
) -> tuple[Promotion, ...]:
    """Return which arms go on, decided at every tier up to `last`; no page is written.

    Raises: StudyError, RecipeError, ShardError, RunError as the parts do.
    """
    begun = begin_study(study, where, store=store, workers=workers, progress=progress, here=False)
    result = climb(begun.ready, begun.planner, begun.start, ask=asker(begun.folder), train=train, last=last)
    return tuple(result.facts.promotion)


@on_own_shelf
def begin_study(
    study: Study, where: str, *, store: Store, workers: int, progress: Progress, here: bool = True
) -> Begun:
    """Build corpora, panel and token shards, try the machinery, and freeze the study; nothing is trained.

    `here` says that this machine will train, so tiers that it cannot are refused.
    Raises: StudyError, RecipeError, ShardError as the parts do.
    """
    arms = resolve_arms(study, where)
    faults = [*(tiers_that_cannot(list(study.tiers)) if here else []), *suites_that_cannot(study.suites)]
    raise_faults(StudyError, f"study {study.name}", faults)
    watch = Stopwatch()
    planner = Planner(store=store, workers=workers, progress=progress)
    with watch.stage("read the pool"):
        pool = ensure_pool(store, arms[0].recipe.pool, workers=workers, progress=progress)
    ready = prepare(study, arms, pool)
    folder = study_dir(store, study, ready.fingerprint)
    watch.path = folder / TIMINGS_FILE
    built = _build_corpora(ready, planner, watch)
    same = same_as_baseline(arms, {one.arm.name: one.corpus for one in built})
    raise_faults(StudyError, f"study {study.name}", same)
    _build_inputs(ready, planner, watch)
    _say_supply(ready, planner, progress)
    raise_faults(StudyError, f"study {study.name}", shortages(ready, planner))
    for version in versions_seen(store, ready.identity, ready.fingerprint):
        progress.note(version.told)
    checked = check_corpora(ready, planner)
    machinery = try_machinery(ready.runs, planner)
    watch.add(_taken(planner))
    existing = sum(store.find("run", plan.node.fingerprint) is not None for plan in ready.runs)
    frozen = freeze(folder, ready.fingerprint, ready.identity, recipes=ready.recipes, runs_before=existing)
    write_run_list(folder, ready)
    gathered = Gathered(
        store=store.root,
        integrity=checked.integrity,
        leaks=checked.leaks,
        corpus_seconds=added_seconds(store.root, ((arm.name, ready.corpora[arm.name].corpus) for arm in arms)),
        protocol={"kind": load_protocol(study.kind).title},
        plumbing=machinery,
        epochs_at_target=epochs_at_target(ready, planner),
        rollback=study.rollback,
        confirmations=read_confirmations(folder, ready.fingerprint),
    )
    start = Climb(frozen=frozen, built=built, gathered=gathered, watch=watch)
    return Begun(ready=ready, planner=planner, start=start, folder=folder)


@on_own_shelf
def build_corpora(study: Study, where: str, *, store: Store, workers: int, progress: Progress) -> None:
    """Build the corpora of all arms and train nothing: their numbers can be read before training is paid for.

    Raises: StudyError, RecipeError, ShardError as the parts do.
    """
    arms = resolve_arms(study, where)
    pool = ensure_pool(store, arms[0].recipe.pool, workers=workers, progress=progress)
    planner = Planner(store=store, workers=workers, progress=progress)
    _build_corpora(prepare(study, arms, pool), planner, Stopwatch())


def _build_corpora(ready: Prepared, planner: Planner, watch: Stopwatch) -> list[BuiltArm]:
    built = []
    for arm in ready.arms:
        corpus = planner.materialise(ready.corpora[arm.name].corpus)
        built.append(BuiltArm(arm=arm, corpus=corpus))
        watch.add(_taken(planner))
    return built


def _build_inputs(ready: Prepared, planner: Planner, watch: Stopwatch) -> None:
    """Build what trainings read: the panel, which a dropped corpus may have lost, and one set of shards a corpus."""
    for plan in ready.runs:
        planner.materialise(plan.panel)
        planner.materialise(plan.tokens)
        watch.add(_taken(planner))


def _taken(planner: Planner) -> dict[str, float]:
    """Return the seconds of builds since the last call."""
    taken = dict(planner.seconds)
    planner.seconds.clear()
    return taken


def _say_supply(ready: Prepared, planner: Planner, progress: Progress) -> None:
    for arm in ready.arms:
        corpus = planner.materialise(ready.corpora[arm.name].corpus)
        progress.note(f"{arm.name}: {corpus.summary['num_docs']:,} documents kept; {dropped_text(corpus)}")
        first = {plan.tier: plan for plan in reversed(ready.runs) if plan.arm == arm.name}
        for tier, plan in reversed(first.items()):
            found = supply_known(plan, planner.store)
            if found is not None:
                progress.note(f"{arm.name}, {tier}: {found.unique_tokens:,} unique tokens, {found.epochs:.2f} epochs")


def _write(result: StudyResult, folder: Path, watch: Stopwatch, out: Path | None) -> Ran:
    """Write result and page; a run that found nothing new leaves the times, and so every byte, as they were."""
    timed = replace(result, seconds=_unchanged_seconds(result, folder) or watch.total())
    watch.settle(timed.seconds)
    for place in (folder, out) if out is not None else (folder,):
        place.mkdir(parents=True, exist_ok=True)
        write_result(place / RESULT_FILE, timed)
        page = write_report(timed, place, override_lines(folder))
    return Ran(result=timed, folder=folder, page=page)


def _unchanged_seconds(result: StudyResult, folder: Path) -> dict[str, float] | None:
    """Return the times of the result that is there, if it says the same; None if it is another, or there is none."""
    try:
        known = read_result(folder)
    except CurateError:
        return None
    return dict(known.seconds) if as_json(replace(known, seconds={})) == as_json(replace(result, seconds={})) else None
