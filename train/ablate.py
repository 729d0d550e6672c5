"""Scalable data ablations: one model a partition from one shared start, unions scored by averages of parameters.

The start is a run: the recipe's own at the seed tier, or one that is named. Every partition's model goes on from its
weights with a new optimizer, on equal token budgets and the same recipe, seed and order keys. A union's proxy is the
score of the uniform average of its members. `verify` trains unions for real, each member with the same share of bytes
and the budget of one model, and says how the proxy and the mean of the members' perplexities rank them.
Source: Na et al. 2024 (2410.15661); `mixtures.unions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from curation.batches import read_table
from curation.files import Json
from curation.nodes import Planner
from curation.numerics import spearman
from curation.store import Artifact
from mixtures.unions import Union, best_union, score, union_weights
from train.ablate_agreement import Agreement, Overall, Scores, agreement, overall
from train.averages import scored_averages
from train.averaging import PanelScorer, scores_by_slice
from train.many_runs import Wanted, train_runs
from train.mix_corpus import Held, SharedText, held_by
from train.mixed import Mixed, byte_shares_of, refuse_other_model
from train.run import DOCUMENTS
from train.swarm import Swarm, refuse_repeats
from train.tiers import Tier

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What is trained and scored."""

    tier: Tier
    seed_tier: Tier
    seed: int
    partitions: Mapping[str, Mapping[str, float]]
    """Weights of slices in each, by name."""
    unions: Sequence[Union]
    verify: Sequence[Union]
    target: Mapping[str, float]
    workers: int
    epochs: float
    panel_share: float = 1.0
    """Of each slice's bytes: the documents that averages are scored on."""

    @property
    def num_trainings(self) -> int:
        """One a partition, and the unions to verify that are no single partition; the start aside."""
        return len(self.partitions) + sum(len(union) > 1 for union in self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How far a part of the panel can stand for it: seen on runs that have scores of all documents."""

    share: float
    documents: int
    of_documents: int
    runs: int
    error: float
    """Root mean square, over the runs, of how far the score of the part, less the mean of all runs', misses that of
    the whole: what comparisons of unions suffer. A log ratio."""
    spearman: float | None

    def as_json(self) -> dict[str, Json]:
        """Return all of it."""
        return {
            "share": self.share,
            "documents": self.documents,
            "of_documents": self.of_documents,
            "sampling_error": {"n": self.runs, "rms": self.error, "spearman_with_all": self.spearman},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablated:
    """What came out."""

    start: Artifact
    members: Mapping[str, Artifact]
    proxies: Mapping[Union, Scores]
    trained: Mapping[Union, Scores]
    agreement: Mapping[str, Agreement]
    """By slice of the panel; empty without `verify`."""
    scores: Mapping[Union, float]
    best: Union
    overall: Overall | None
    """How the averages rank the trained unions by the target; None without such unions."""
    part: Part | None
    """What the averages were scored on, where it is not the whole panel."""


def ablate(planner: Planner, text: SharedText, asked: Ablation, start: Artifact | None = None) -> Ablated:
    """Return proxies of all unions, trained ones beside them, and the best union for the target.

    Raises: RunError for a start of another model, text that is too little, or runs that fail.
    """
    refuse_repeated(held_by(text.corpus, text.streams), asked)
    if start is None:
        first = [Wanted(tier=asked.seed_tier.name, seed=asked.seed)]
        start = train_runs(planner, text.corpus, text.panel, first, jobs=1, epochs=asked.epochs)[0]
    refuse_other_model(start, asked.tier, text.panel)
    planner.adopt(start)
    trained = _trained(planner, text, asked, start)
    members = {name: trained[(name,)] for name in asked.partitions}
    scorer = PanelScorer(panel=text.panel, tier=asked.tier, share=asked.panel_share)
    proxies = _proxies(planner, scorer, asked, members)
    runs = {union: _part_table(trained[union], scorer) for union in trained}
    checked = {union: _scores(runs[union]) for union in asked.verify}
    scored = {union: _scores(table) for union, table in proxies.items()}
    scores = {union: score(found["bpb"], asked.target) for union, found in scored.items()}
    return Ablated(
        start=start,
        members=members,
        proxies=scored,
        trained=checked,
        agreement=agreement(scored, {union: found for union, found in checked.items() if len(union) > 1}),
        scores=scores,
        best=best_union(scores),
        overall=overall(proxies, {union: runs[union] for union in asked.verify}, asked.target),
        part=_part(scorer, list(trained.values()), asked.target) if asked.panel_share < 1 else None,
    )


def refuse_repeated(held: Held, asked: Ablation) -> None:
    """Raise RunError that names slices which a partition or a union to verify would read too often."""
    mixtures = [*asked.partitions.values(), *(union_weights(union, asked.partitions) for union in asked.verify)]
    refuse_repeats(held, Swarm(tier=asked.tier, mixtures=tuple(mixtures), seeds=(asked.seed,)), asked.epochs)


def run_scores(run: Artifact) -> Scores:
    """Return bits per byte and perplexity by slice of a run, on the whole panel."""
    return _scores(read_table(run.path / DOCUMENTS))


def _scores(table: pa.Table) -> Scores:
    return cast("Scores", scores_by_slice(table))


def _part_table(run: Artifact, scorer: PanelScorer) -> pa.Table:
    """Return a run's scores of the documents that averages are scored on."""
    table = read_table(run.path / DOCUMENTS)
    return table if scorer.share >= 1 else table.take(scorer.rows)


def _part(scorer: PanelScorer, runs: Sequence[Artifact], target: Mapping[str, float]) -> Part:
    whole = np.array([score(run_scores(run)["bpb"], target) for run in runs])
    part = np.array([score(_scores(_part_table(run, scorer))["bpb"], target) for run in runs])
    miss = (part - part.mean()) - (whole - whole.mean())
    return Part(
        share=scorer.share,
        documents=len(scorer.rows),
        of_documents=len(scorer.whole.num_bytes),
        runs=len(runs),
        error=float(np.sqrt(np.sum(miss**2) / max(1, len(runs) - 1))),
        spearman=spearman(part, whole),
    )


def _trained(planner: Planner, text: SharedText, asked: Ablation, start: Artifact) -> dict[Union, Artifact]:
    """Return the run of every partition and of every union to verify, trained side by side."""
    unions = list(dict.fromkeys([*((name,) for name in asked.partitions), *asked.verify]))
    wanted = [
        Wanted(
            tier=asked.tier.name,
            seed=asked.seed,
            mixed=Mixed(weights=byte_shares_of(union_weights(union, asked.partitions)), initial=start),
        )
        for union in unions
    ]
    runs = train_runs(planner, text.corpus, text.panel, wanted, jobs=asked.workers, epochs=asked.epochs)
    return dict(zip(unions, runs, strict=True))


def _proxies(
    planner: Planner, scorer: PanelScorer, asked: Ablation, members: Mapping[str, Artifact]
) -> dict[Union, pa.Table]:
    """Return the scores of each union's average; a partition alone is its own run."""
    larger = {union: [members[name] for name in union] for union in asked.unions if len(union) > 1}
    made = scored_averages(planner, scorer, larger, jobs=asked.workers)
    return {
        union: read_table(made[union].path / DOCUMENTS) if union in made else _part_table(members[union[0]], scorer)
        for union in asked.unions
    }
