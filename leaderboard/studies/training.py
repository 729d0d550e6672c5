"""The runs of a study: one node each (corpus × tier × seed), trained as child processes into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

from curation.files import Json, canonical_json
from curation.nodes import Node, NodeRun
from curation.pipeline import CorpusPlan
from curation.progress import Progress
from curation.store import Artifact, Store
from curation.tokenizers import load_tokenizer
from leaderboard.studies.results import Failure
from leaderboard.studies.study import Study
from leaderboard.studies.training_change import TrainingChange
from leaderboard.studies.variants import trained_tier
from train.many_runs import WORKER, done_fraction, failure_message, slots_for
from train.recovery import LADDER, SKIP_ONLY, Recovery
from train.run import run_node
from train.shards import tokens_node
from train.tier_names import number_text
from train.tiers import load_tier
from train.workers import STOP_SECONDS, Job, Outcome, run_jobs

UNIGRAM_VERSION = "unigram@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run to be: which arm's, and its nodes."""

    arm: str
    tier: str
    seed: int
    corpus: Node
    tokens: Node
    panel: Node
    recovery: Recovery
    node: Node
    trained: str
    """The tier that is trained: the study's, or the variant of it that the arm's change of training makes."""
    beside: tuple[str, ...] = ()
    """What the arm trains at all tiers of the study."""
    epochs: float = 1.0
    """How often it may read its corpus."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.arm} {self.tier} seed {self.seed}"


def plan_runs(
    study: Study, corpora: Mapping[str, CorpusPlan], changes: Mapping[str, TrainingChange | None] | None = None
) -> list[RunPlan]:
    """Return all runs of a study: seeds 1..n of every tier for every arm, the first seed of all arms first.

    In this order an interrupted study has whole pairs rather than one finished arm. `changes` are the arms' changes of
    training.
    Raises: StudyError for a change that makes no variant of a tier.
    """
    plans = []
    recovery = LADDER if study.recovery == "ladder" else SKIP_ONLY
    named = {
        arm: {tier: trained_tier(tier, (changes or {}).get(arm), f"study {study.name}: {arm}") for tier in study.tiers}
        for arm in corpora
    }
    for tier, num_seeds in study.tiers.items():
        trained = {arm: load_tier(names[tier]) for arm, names in named.items()}
        tokens = {arm: tokens_node(corpus.corpus, trained[arm].tokenizer) for arm, corpus in corpora.items()}
        for seed in range(1, num_seeds + 1):
            for arm, corpus in corpora.items():
                node = run_node(tokens[arm], corpus.panel, trained[arm].name, seed, recovery=recovery)
                plan = RunPlan(
                    arm=arm,
                    tier=tier,
                    seed=seed,
                    corpus=corpus.corpus,
                    tokens=tokens[arm],
                    panel=corpus.panel,
                    recovery=recovery,
                    node=node,
                    trained=trained[arm].name,
                    beside=tuple(named[arm].values()),
                    epochs=study.epochs,
                )
                plans.append(plan)
    return plans


def train_missing(
    plans: Sequence[RunPlan], store: Store, workers: int, progress: Progress, stop_seconds: float = STOP_SECONDS
) -> list[Failure]:
    """Train every run that the store lacks, tier by tier, several at a time, and return those that failed.

    Budgets of one model go shortest first, and each leaves the plateau that the next one starts from. Arms with equal
    corpora share their runs. The tokens and panels must exist. Stopped, it gives its children `stop_seconds` for their
    checkpoints.
    """
    missing: dict[str, RunPlan] = {}
    for plan in plans:
        if store.find("run", plan.node.fingerprint) is None:
            missing.setdefault(plan.node.fingerprint, plan)
    if not missing:
        return []
    order = _shortest_budget_first(list(missing.values()))
    outcomes: list[Outcome] = []
    for _, group in groupby(order, key=lambda plan: plan.tier):
        outcomes += _train_group(list(group), store, workers, progress, stop_seconds)
    failed = {
        plan.node.fingerprint: failure_message(outcome)
        for plan, outcome in zip(order, outcomes, strict=True)
        if store.find("run", plan.node.fingerprint) is None
    }
    return [
        Failure(arm=plan.arm, tier=plan.tier, seed=plan.seed, message=failed[plan.node.fingerprint])
        for plan in plans
        if plan.node.fingerprint in failed
    ]


def _shortest_budget_first(plans: Sequence[RunPlan]) -> list[RunPlan]:
    """Return the plans model by model as they come, budgets of a model ascending, else in the same order."""
    tiers = {plan.tier: load_tier(plan.tier) for plan in plans}
    models = list(dict.fromkeys((tier.model, tier.lr_multiplier) for tier in tiers.values()))

    def place(plan: RunPlan) -> tuple[int, float]:
        tier = tiers[plan.tier]
        return models.index((tier.model, tier.lr_multiplier)), tier.multiple

    return sorted(plans, key=place)


def _keeps(plan: RunPlan) -> str:
    """Return what a run of a study leaves for longer budgets of it: its own branch point if there are any."""
    own = load_tier(plan.trained)
    longer = any(
        (tier.model, tier.variant) == (own.model, own.variant) and tier.multiple > own.multiple
        for tier in map(load_tier, plan.beside)
    )
    return number_text(own.multiple) if longer else ""


def _train_group(
    plans: Sequence[RunPlan], store: Store, workers: int, progress: Progress, stop_seconds: float
) -> list[Outcome]:
    """Train the runs of one tier: on CPU as many at once as `workers` cores take, on GPUs as many as fit."""
    loaded = [load_tier(plan.trained) for plan in plans]
    slots = slots_for(max(loaded, key=lambda one: one.shape.total_params), cores=workers)
    return run_jobs(
        [_job(plan, store) for plan in plans],
        len(slots),
        progress,
        label=f"train {len(plans)} models (tokens)",
        done_fraction=lambda number: done_fraction(
            store.path_of("run", plans[number].node.fingerprint), loaded[number]
        ),
        slots=slots,
        stop_seconds=stop_seconds,
    )


def unigram_node(plan: RunPlan) -> Node:
    """Return the node of the unigram check of a run's token streams: its summary holds `bpb` by slice."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        from train.score import unigram_bits_per_byte

        tokenizer = load_tokenizer(load_tier(plan.trained).tokenizer)
        bpb = unigram_bits_per_byte(context.inputs["tokens"], context.inputs["panel"], tokenizer)
        return {"bpb": dict(bpb)}

    inputs = {"tokens": plan.tokens, "panel": plan.panel}
    return Node(kind="unigram", version=UNIGRAM_VERSION, params={}, inputs=inputs, run=run, label="unigram check")


def unigram_of(artifact: Artifact) -> dict[str, float]:
    """Return the bits per byte by slice that a unigram artifact holds."""
    return {name: float(value) for name, value in cast("Mapping[str, float]", artifact.summary["bpb"]).items()}


def _job(plan: RunPlan, store: Store) -> Job:
    places = {
        "--store": store.root,
        "--corpus-artifact": store.path_of(plan.corpus.kind, plan.corpus.fingerprint),
        "--panel": store.path_of(plan.panel.kind, plan.panel.fingerprint),
        "--tier": plan.trained,
        "--seed": plan.seed,
        "--keep": _keeps(plan),
        "--epochs": plan.epochs,
        "--recovery": canonical_json(plan.recovery.as_json()),
    }
    arguments = tuple(text for name, value in places.items() for text in (name, str(value)))
    return Job(label=plan.label, module=WORKER, arguments=arguments, weight=load_tier(plan.trained).num_tokens)
