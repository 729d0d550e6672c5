"""The runs of a study: one node each (corpus × tier × seed), trained as child processes into the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.pipeline import CorpusPlan
from curation.progress import Progress
from curation.store import Artifact, Store
from curation.tokenizers import load_tokenizer
from leaderboard.results import Failure
from leaderboard.study import Study
from leaderboard.workers import Job, Outcome, run_jobs
from train.run import run_node
from train.shards import tokens_node
from train.tiers import load_tier

WORKER = "train.worker"
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
    node: Node

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.arm} {self.tier} seed {self.seed}"


def plan_runs(study: Study, corpora: Mapping[str, CorpusPlan]) -> list[RunPlan]:
    """Return all runs of a study: seeds 1..n of every tier for every arm, the first seed of all arms first.

    In this order an interrupted study has whole pairs rather than one finished arm.
    """
    plans = []
    for tier, num_seeds in study.tiers.items():
        tokenizer = load_tier(tier).tokenizer
        tokens = {arm: tokens_node(corpus.corpus, tokenizer) for arm, corpus in corpora.items()}
        for seed in range(1, num_seeds + 1):
            for arm, corpus in corpora.items():
                node = run_node(tokens[arm], corpus.panel, tier, seed)
                plan = RunPlan(
                    arm=arm,
                    tier=tier,
                    seed=seed,
                    corpus=corpus.corpus,
                    tokens=tokens[arm],
                    panel=corpus.panel,
                    node=node,
                )
                plans.append(plan)
    return plans


def train_missing(plans: Sequence[RunPlan], store: Store, workers: int, progress: Progress) -> list[Failure]:
    """Train every run that the store lacks, `workers` at a time, and return those that failed.

    Arms with equal corpora share their runs. The tokens and panels must exist.
    """
    missing: dict[str, RunPlan] = {}
    for plan in plans:
        if store.find("run", plan.node.fingerprint) is None:
            missing.setdefault(plan.node.fingerprint, plan)
    if not missing:
        return []
    order = list(missing.values())
    outcomes = run_jobs(
        [_job(plan, store) for plan in order],
        workers,
        progress,
        label=f"train {len(order)} models (tokens)",
        done_fraction=lambda number: _done_fraction(order[number], store),
    )
    failed = {
        plan.node.fingerprint: _failure_message(outcome)
        for plan, outcome in zip(order, outcomes, strict=True)
        if store.find("run", plan.node.fingerprint) is None
    }
    return [
        Failure(arm=plan.arm, tier=plan.tier, seed=plan.seed, message=failed[plan.node.fingerprint])
        for plan in plans
        if plan.node.fingerprint in failed
    ]


def unigram_node(plan: RunPlan) -> Node:
    """Return the node of the unigram check of a run's token streams: its summary holds `bpb` by slice."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        from train.score import unigram_bits_per_byte

        tokenizer = load_tokenizer(load_tier(plan.tier).tokenizer)
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
        "--tier": plan.tier,
        "--seed": plan.seed,
    }
    arguments = tuple(text for name, value in places.items() for text in (name, str(value)))
    return Job(label=plan.label, module=WORKER, arguments=arguments, weight=load_tier(plan.tier).num_tokens)


def _failure_message(outcome: Outcome) -> str:
    lines = [line for line in outcome.message.splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with code {outcome.code} and without a result"


def _done_fraction(plan: RunPlan, store: Store) -> float:
    """Return how far a running training is, by the last line of its metrics."""
    path = store.path_of("run", plan.node.fingerprint) / "metrics.jsonl"
    tokens = _last_tokens(path)
    return 0.97 * tokens / load_tier(plan.tier).num_tokens  # the rest is scoring


def _last_tokens(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            lines = stream.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["tokens"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
