"""A study resolved on a pool: arms, corpora, runs and identity; every node there is, nothing built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from curation.errors import StudyError, raise_faults
from curation.files import Json, read_json
from curation.nodes import Planner
from curation.pipeline import CorpusPlan, plan_corpus
from curation.recipe import as_json
from curation.store import Artifact, Store
from leaderboard.studies.arms import Arm, equal_corpora, resolve_arms
from leaderboard.studies.identity import study_fingerprint, study_identity
from leaderboard.studies.study import Study, refuse_unknown_slices
from leaderboard.studies.training import RunPlan, plan_runs
from train.supply import Supply, estimated_supply, shortage, supply_of
from train.tiers import load_tier


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


def prepare(study: Study, arms: Sequence[Arm], pool: Artifact) -> Prepared:
    """Return every node of the study on this pool; nothing is built.

    Raises: RecipeError for an unknown stage or filter; StudyError if the study names slices that the pool lacks, or
    if arms would have different panels, or an arm the corpus and training of another.
    """
    refuse_unknown_slices(study, cast("Mapping[str, Json]", pool.summary["slices"]), f"study {study.name}")
    corpora = {arm.name: plan_corpus(arm.recipe, pool) for arm in arms}
    panels = {plan.panel.fingerprint for plan in corpora.values()}
    if len(panels) != 1:
        raise StudyError(f"study {study.name}: arms have {len(panels)} panels, expected one for all (rule 1)")
    planned = {name: plan.corpus.fingerprint for name, plan in corpora.items()}
    raise_faults(StudyError, f"study {study.name}", equal_corpora(arms, planned))
    identity = study_identity(study, planned, pool.fingerprint, panels.pop(), arms)
    runs = plan_runs(study, corpora, {arm.name: arm.training for arm in arms})
    return Prepared(study=study, arms=arms, corpora=corpora, runs=runs, identity=identity)


def supply_known(plan: RunPlan, store: Store) -> Supply | None:
    """Return what a run can draw: by its token shards or, before these, the corpus; None before the corpus is there."""
    tier = load_tier(plan.trained)
    tokens = store.find(plan.tokens.kind, plan.tokens.fingerprint)
    if tokens is not None:
        return supply_of(tokens, tier)
    corpus = store.find("corpus", plan.corpus.fingerprint)
    return estimated_supply(corpus, tier) if corpus is not None else None


def epochs_at_target(ready: Prepared, planner: Planner) -> dict[str, float]:
    """Return how often each arm's corpus would be read at the largest tier that the study names, by arm.

    Probes of a learning rate are no target. The token shards must exist, the runs need not.
    """
    plans = [plan for plan in ready.runs if load_tier(plan.tier).lr_multiplier == 1]
    if not plans:
        return {}
    target = max(plans, key=lambda plan: load_tier(plan.tier).num_flops).tier
    first = {plan.arm: plan for plan in reversed(plans) if plan.tier == target}
    return {
        arm.name: supply_of(planner.materialise(first[arm.name].tokens), load_tier(first[arm.name].trained)).epochs
        for arm in ready.arms
        if arm.name in first
    }


def shortages(ready: Prepared, planner: Planner) -> list[str]:
    """Return every run that its corpus is too small for, arm by arm; token shards are built to know."""
    faults: dict[str, None] = {}
    for plan in ready.runs:
        problem = shortage(supply_of(planner.materialise(plan.tokens), load_tier(plan.trained)), plan.epochs)
        if problem:
            faults[f"{plan.arm}: {problem}"] = None
    return list(faults)


def dropped_text(corpus: Artifact) -> str:
    """Return how many documents each step between pool and corpus dropped: `dedup: minhash dropped 8`."""
    steps = cast("list[Mapping[str, Json]]", read_json(corpus.path / "funnel.json"))
    lost = [(str(step["step"]), cast("int", step["docs_in"]) - cast("int", step["docs_out"])) for step in steps]
    return ", ".join(f"{name} dropped {number:,}" for name, number in lost if number) or "no step dropped any"


def filtered_docs(corpus: Artifact) -> int:
    """Return how many documents the filters of a corpus dropped."""
    steps = cast("list[Mapping[str, Json]]", read_json(corpus.path / "funnel.json"))
    filters = [step for step in steps if str(step["step"]).startswith("filter: ")]
    return sum(cast("int", step["docs_in"]) - cast("int", step["docs_out"]) for step in filters)


def folder_of(path: Path, store: Store) -> Path:
    """Return the directory of the study that a YAML file describes.

    Raises: StudyError if its pool was never read into the store, or the study never ran there.
    """
    from curation.ingest import known_pool
    from leaderboard.studies.frozen import study_dir
    from leaderboard.studies.study import load_study

    study = load_study(path)
    arms = resolve_arms(study, str(path))
    pool = known_pool(store, arms[0].recipe.pool)
    if pool is None:
        raise StudyError(
            f"{path}: its pool was never read into {store.root}, expected a finished study; give --store, or run it "
            f"first: `curate study run {path}`"
        )
    ready = prepare(study, arms, pool)
    folder = study_dir(store, study, ready.fingerprint)
    if not folder.is_dir():
        raise StudyError(
            f"{path}: {folder.name} is not in {store.root}, expected a finished study; run it first: "
            f"`curate study run {path}`"
        )
    return folder
