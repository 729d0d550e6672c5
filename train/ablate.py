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
from typing import cast

from curation.batches import read_table
from curation.files import Json
from curation.nodes import Planner, existing_node
from curation.numerics import pearson, spearman
from curation.store import Artifact
from mixtures.unions import Union, best_union, mean_of_members, score, union_weights
from train.averaging import average_node, scores_by_slice
from train.many_runs import Wanted, train_runs
from train.mix_corpus import Held, SharedText, held_by
from train.mixed import Mixed, byte_shares_of, refuse_other_model
from train.run import DOCUMENTS
from train.swarm import Swarm, refuse_repeats
from train.tiers import Tier

Scores = Mapping[str, Mapping[str, float]]
"""`bpb` and `perplexity`, each by slice of the panel."""


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

    @property
    def num_trainings(self) -> int:
        """One a partition, and the unions to verify that are no single partition; the start aside."""
        return len(self.partitions) + sum(len(union) > 1 for union in self.verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two estimates of a domain's perplexity go with what trained unions have."""

    pearson: float | None
    spearman: float | None
    baseline_pearson: float | None
    """Of the mean of the members' own perplexities."""
    baseline_spearman: float | None

    def as_json(self) -> dict[str, Json]:
        """Return the four numbers."""
        return {
            "proxy": {"pearson": self.pearson, "spearman": self.spearman},
            "mean_of_members": {"pearson": self.baseline_pearson, "spearman": self.baseline_spearman},
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
    proxies = {union: _proxy(planner, text, asked.tier, [members[name] for name in union]) for union in asked.unions}
    checked = {union: run_scores(trained[union]) for union in asked.verify}
    scores = {union: score(found["bpb"], asked.target) for union, found in proxies.items()}
    return Ablated(
        start=start,
        members=members,
        proxies=proxies,
        trained=checked,
        agreement=agreement(proxies, checked),
        scores=scores,
        best=best_union(scores),
    )


def refuse_repeated(held: Held, asked: Ablation) -> None:
    """Raise RunError that names slices which a partition or a union to verify would read too often."""
    mixtures = [*asked.partitions.values(), *(union_weights(union, asked.partitions) for union in asked.verify)]
    refuse_repeats(held, Swarm(tier=asked.tier, mixtures=tuple(mixtures), seeds=(asked.seed,)), asked.epochs)


def agreement(proxies: Mapping[Union, Scores], trained: Mapping[Union, Scores]) -> dict[str, Agreement]:
    """Return, by slice, how the proxies and the members' means go with the trained unions' perplexities."""
    if not trained:
        return {}
    unions = list(trained)
    alone = {union[0]: found["perplexity"] for union, found in proxies.items() if len(union) == 1}
    found = {}
    for name in sorted(trained[unions[0]]["perplexity"]):
        truth = [trained[union]["perplexity"][name] for union in unions]
        proxy = [proxies[union]["perplexity"][name] for union in unions]
        means = [mean_of_members(union, alone, name) for union in unions]
        found[name] = Agreement(
            pearson=pearson(proxy, truth),
            spearman=spearman(proxy, truth),
            baseline_pearson=pearson(means, truth),
            baseline_spearman=spearman(means, truth),
        )
    return found


def run_scores(run: Artifact) -> Scores:
    """Return bits per byte and perplexity by slice of a run."""
    return cast("Scores", scores_by_slice(read_table(run.path / DOCUMENTS)))


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


def _proxy(planner: Planner, text: SharedText, tier: Tier, members: Sequence[Artifact]) -> Scores:
    if len(members) == 1:
        return run_scores(members[0])
    inputs = {f"member-{number:03d}": existing_node(run) for number, run in enumerate(members, 1)}
    made = planner.materialise(average_node(inputs, existing_node(text.panel), tier))
    return cast("Scores", {name: made.summary[name] for name in ("bpb", "perplexity")})
