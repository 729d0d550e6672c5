"""Running a study: arms → corpora → token shards → runs → result, page and table; every step resumable.

Corpora are built in this process, trainings in children. The study is frozen before its first training. A training
that fails stops no other: the result holds what finished, and the caller learns what to rerun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from curation.errors import StudyError, raise_faults
from curation.files import Json, read_json
from curation.ingest import ensure_pool, known_pool
from curation.nodes import Planner
from curation.pipeline import CorpusPlan, plan_corpus
from curation.progress import Progress
from curation.recipe import as_json
from curation.store import Artifact, Store
from curation.version import describe_version
from leaderboard.arms import Arm, resolve_arms, study_fingerprint, study_identity
from leaderboard.assemble import BuiltArm, Findings, Frozen, TrainedRun, assemble
from leaderboard.frozen import TIMINGS_FILE, Stopwatch, freeze, study_dir
from leaderboard.noise.find import known_packs
from leaderboard.report import write_report
from leaderboard.results import RESULT_FILE, Failure, StudyResult, write_result
from leaderboard.study import Study, refuse_unknown_slices
from leaderboard.training import RunPlan, plan_runs, train_missing, unigram_node, unigram_of
from train.supply import epochs_flag, estimated_supply, shortage, supply_of
from train.tiers import load_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A study that ran: its result and the directory that holds it with its page."""

    result: StudyResult
    folder: Path
    page: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A study resolved on a pool: every node there is, nothing built."""

    study: Study
    arms: Sequence[Arm]
    corpora: Mapping[str, CorpusPlan]
    runs: Sequence[RunPlan]
    identity: Mapping[str, Json]

    @property
    def fingerprint(self) -> str:
        """The study's fingerprint."""
        return study_fingerprint(self.identity)

    @property
    def recipes(self) -> dict[str, Json]:
        """Every arm's recipe, for people who read what was frozen."""
        return {arm.name: as_json(arm.recipe) for arm in self.arms}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One arm of a plan: what is reused, built and trained, and what is known of its supply."""

    arm: str
    change: str
    to_build: tuple[str, ...]
    kept_docs: int | None
    """Documents of the corpus; None until it is built, like the two numbers below."""
    kept_tokens: int | None
    """Tokens of the corpus by the recipe's tokenizer."""
    filtered_docs: int | None
    """Documents that the arm's filters dropped of those that reached them."""
    runs_reused: int
    runs_to_train: int
    epochs: Mapping[str, float]
    """By tier; empty until the token shards exist."""
    remarks: tuple[str, ...] = ()
    """What would be refused before training for want of text, and repeats that would be flagged."""


def run_study(
    study: Study, where: str, *, store: Store, workers: int, progress: Progress, out: Path | None = None
) -> Ran:
    """Build, train, score and compare everything the study names, reusing whatever the store has.

    Failed trainings are in the result's `failures`. `out` gets copies of page, Markdown and result.
    Raises: StudyError, RecipeError, ShardError, RunError as the parts do.
    """
    arms = resolve_arms(study, where)
    watch = Stopwatch()
    planner = Planner(store=store, workers=workers, progress=progress)
    with watch.stage("read the pool"):
        pool = ensure_pool(store, arms[0].recipe.pool, workers=workers, progress=progress)
    ready = prepare(study, arms, pool)
    folder = study_dir(store, study, ready.fingerprint)
    watch.path = folder / TIMINGS_FILE
    built = _build_corpora(ready, planner, watch)
    _build_inputs(ready, planner, watch)
    _say_supply(ready, planner, progress)
    raise_faults(StudyError, f"study {study.name}", _shortages(ready, planner))
    existing = sum(store.find("run", plan.node.fingerprint) is not None for plan in ready.runs)
    frozen = freeze(folder, ready.fingerprint, ready.identity, recipes=ready.recipes, runs_before=existing)
    with watch.stage("train and score"):
        failures = train_missing(ready.runs, store, workers, progress)
    with watch.stage("compare"):
        result = _result(ready, planner, frozen, built, failures)
    return _write(result, folder, watch, out)


def prepare(study: Study, arms: Sequence[Arm], pool: Artifact) -> Prepared:
    """Return every node of the study on this pool; nothing is built.

    Raises: RecipeError for an unknown stage or filter; StudyError if the study names slices that the pool lacks, or
    if arms would have different panels.
    """
    refuse_unknown_slices(study, cast("Mapping[str, Json]", pool.summary["slices"]), f"study {study.name}")
    corpora = {arm.name: plan_corpus(arm.recipe, pool) for arm in arms}
    panels = {plan.panel.fingerprint for plan in corpora.values()}
    if len(panels) != 1:
        raise StudyError(f"study {study.name}: arms have {len(panels)} panels, expected one for all (rule 1)")
    planned = {name: plan.corpus.fingerprint for name, plan in corpora.items()}
    identity = study_identity(study, planned, pool.fingerprint, panels.pop())
    return Prepared(study=study, arms=arms, corpora=corpora, runs=plan_runs(study, corpora), identity=identity)


def build_corpora(study: Study, where: str, *, store: Store, workers: int, progress: Progress) -> None:
    """Build the corpora of all arms and train nothing: their numbers can be read before training is paid for.

    Raises: StudyError, RecipeError, ShardError as the parts do.
    """
    arms = resolve_arms(study, where)
    pool = ensure_pool(store, arms[0].recipe.pool, workers=workers, progress=progress)
    planner = Planner(store=store, workers=workers, progress=progress)
    _build_corpora(prepare(study, arms, pool), planner, Stopwatch())


def plan_study(study: Study, where: str, *, store: Store, progress: Progress) -> list[PlanRow] | None:
    """Return what `run_study` would do, one row an arm; None when the pool was never read and nothing is known.

    Raises: StudyError, RecipeError, ShardError as the parts do.
    """
    arms = resolve_arms(study, where)
    pool = known_pool(store, arms[0].recipe.pool)
    if pool is None:
        return None
    ready = prepare(study, arms, pool)
    planner = Planner(store=store, workers=1, progress=progress)
    return [_plan_row(ready, arm, planner) for arm in arms]


def _plan_row(ready: Prepared, arm: Arm, planner: Planner) -> PlanRow:
    corpus = ready.corpora[arm.name].corpus
    own = [plan for plan in ready.runs if plan.arm == arm.name]
    found = [planner.store.find("run", plan.node.fingerprint) is not None for plan in own]
    steps = planner.plan(corpus, *(plan.tokens for plan in own))
    known = planner.store.find("corpus", corpus.fingerprint)
    return PlanRow(
        arm=arm.name,
        change=arm.change,
        to_build=tuple(step.node.name for step in steps if step.action == "build"),
        kept_docs=int(cast("int", known.summary["num_docs"])) if known else None,
        kept_tokens=int(cast("int", known.summary["num_tokens"])) if known else None,
        filtered_docs=_filtered_docs(known) if known else None,
        runs_reused=sum(found),
        runs_to_train=len(found) - sum(found),
        epochs=_epochs(own, planner),
        remarks=_remarks(own, planner),
    )


def _filtered_docs(corpus: Artifact) -> int:
    """Return how many documents the filters of a corpus dropped."""
    steps = cast("list[Mapping[str, Json]]", read_json(corpus.path / "funnel.json"))
    filters = [step for step in steps if str(step["step"]).startswith("filter: ")]
    return sum(cast("int", step["docs_in"]) - cast("int", step["docs_out"]) for step in filters)


def _epochs(runs: Sequence[RunPlan], planner: Planner) -> dict[str, float]:
    """Return tokens seen over unique tokens by tier, for the token shards that exist."""
    epochs = {}
    for plan in runs:
        tokens = planner.store.find(plan.tokens.kind, plan.tokens.fingerprint)
        if tokens is not None:
            epochs[plan.tier] = load_tier(plan.tier).num_tokens / int(cast("int", tokens.summary["unique_tokens"]))
    return epochs


def _remarks(runs: Sequence[RunPlan], planner: Planner) -> tuple[str, ...]:
    """Return what there is to say about the supply of an arm's runs, by token shards or, before these, the corpus."""
    remarks: dict[str, None] = {}
    for plan in runs:
        tier = load_tier(plan.tier)
        tokens = planner.store.find("tokens", plan.tokens.fingerprint)
        corpus = planner.store.find("corpus", plan.corpus.fingerprint)
        if tokens is None and corpus is None:
            continue
        found = supply_of(tokens, tier) if tokens else estimated_supply(cast("Artifact", corpus), tier)
        problem = shortage(found, plan.epochs)
        flag = epochs_flag(found.epochs, {item.name: item.epochs for item in found.slices})
        if problem or flag:
            remarks[f"would be refused: {problem}" if problem else f"{plan.tier}: {flag}"] = None
    return tuple(remarks)


def _shortages(ready: Prepared, planner: Planner) -> list[str]:
    """Return every run that its corpus is too small for, arm by arm."""
    faults: dict[str, None] = {}
    for plan in ready.runs:
        problem = shortage(supply_of(planner.materialise(plan.tokens), load_tier(plan.tier)), plan.epochs)
        if problem:
            faults[f"{plan.arm}: {problem}"] = None
    return list(faults)


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
        row = _plan_row(ready, arm, planner)
        progress.note(f"{arm.name}: {row.kept_docs:,} documents kept, {row.filtered_docs:,} dropped by its filters")
        own = [plan for plan in ready.runs if plan.arm == arm.name]
        for tier, epochs in _epochs(own, planner).items():
            unique = round(load_tier(tier).num_tokens / epochs)
            progress.note(f"{arm.name}, {tier}: {unique:,} unique tokens, {epochs:.2f} epochs")


def _result(
    ready: Prepared, planner: Planner, frozen: Frozen, built: Sequence[BuiltArm], failures: Sequence[Failure]
) -> StudyResult:
    """Return the result of the runs that exist, with the unigram check of their token shards."""
    store = planner.store
    found = [(plan, store.find("run", plan.node.fingerprint)) for plan in ready.runs]
    trained = [
        TrainedRun(arm=plan.arm, tier=plan.tier, seed=plan.seed, artifact=artifact)
        for plan, artifact in found
        if artifact is not None
    ]
    if not trained:
        reasons = "; ".join(sorted({failure.message for failure in failures}))
        raise StudyError(f"study {ready.study.name}: no training finished, expected at least one: {reasons}")
    with_runs = {(plan.arm, plan.tier): plan for plan, artifact in found if artifact is not None}
    unigram = {key: unigram_of(planner.materialise(unigram_node(plan))) for key, plan in with_runs.items()}
    findings = Findings(
        arms=built,
        runs=trained,
        failures=failures,
        unigram=unigram,
        seconds={},
        code=describe_version(),
        packs=known_packs(store.root),
    )
    return assemble(ready.study, frozen, findings)


def _write(result: StudyResult, folder: Path, watch: Stopwatch, out: Path | None) -> Ran:
    from dataclasses import replace

    timed = replace(result, seconds=watch.total())
    for place in (folder, out) if out is not None else (folder,):
        place.mkdir(parents=True, exist_ok=True)
        write_result(place / RESULT_FILE, timed)
        page = write_report(timed, place)
    return Ran(result=timed, folder=folder, page=page)
