"""Annealing on a candidate: the plateau of a base corpus, its fall on another corpus. The cheapest data ablation.

`curate train BASE --tier nano --anneal-on CANDIDATE` trains BASE up to where the rate begins to fall, or takes that
state from the store (`train.branches`), and spends the rest of the budget on CANDIDATE, read from the first draw of its
own order under the same seed. The control is the same fall on BASE: the ordinary run of the tier, which has the same
plateau to the last bit. So a candidate costs a fifth of a run, and two candidates differ in their text alone.

It shows how a model that BASE has formed takes to CANDIDATE when the rate falls. It does not show that CANDIDATE is the
better corpus to train on from the start: a narrow or panel-like corpus gains most at the end, and what BASE lacks helps
more than it would by itself. Text that both corpora hold is read twice. Source: Blakeney et al. 2024 (2406.03476) and
Llama 3 (2407.21783, section 3.1.3) for judging data by annealing; the protocol ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from curation.errors import RunError
from curation.files import Json
from curation.nodes import Node, NodeRun, Planner, existing_node
from curation.store import Artifact
from train.branches import branch_step, refuse_unbranched
from train.orders import ANNEAL_TOKENS
from train.run import MAX_SKIPPED_FRACTION, Watch, run_node
from train.shards import open_streams, refuse_other_tokens, tokens_node
from train.splice import LATE
from train.supply import shortage, supply_of
from train.tiers import Tier, load_tier

VERSION = "anneal@1"


def anneal_node(
    tokens: Node, candidate: Node, panel: Node, *, tier: str, seed: int, watch: Watch | None = None
) -> Node:
    """Return the node of a run that reads `tokens` up to the fall and `candidate` from there on.

    The base corpus as its own candidate is the control: the ordinary run. Raises: RunError for a tier without plateau.
    """
    loaded = load_tier(tier)
    refuse_unbranched(loaded, "--anneal-on")
    ordinary = run_node(tokens, panel, tier, seed, watch)
    if candidate.fingerprint == tokens.fingerprint:
        return ordinary

    def run(context: NodeRun) -> Mapping[str, Json]:
        refuse_other_tokens(context.inputs[ANNEAL_TOKENS], loaded)
        refuse_small(context.inputs[ANNEAL_TOKENS], loaded, (watch or Watch()).epochs)
        summary = ordinary.run(context)
        return {**summary, "anneal": _declared(context, loaded, cast("Mapping[str, Any]", summary))}

    return replace(
        ordinary,
        params={**ordinary.params, "anneal": VERSION},
        inputs={**ordinary.inputs, ANNEAL_TOKENS: candidate},
        run=run,
        label=f"{ordinary.label} annealed on another corpus",
    )


def anneal_on(
    planner: Planner, base: Artifact, candidate: Artifact, panel: Artifact, *, tier: str, seed: int, watch: Watch | None
) -> Node:
    """Return the node for corpora and a panel that exist, wherever they lie.

    Raises: RunError for a tier without plateau or a candidate that was split from another panel.
    """
    refuse_other_panel(base, candidate)
    planner.adopt(candidate)
    tokenizer = load_tier(tier).tokenizer
    tokens, late = (tokens_node(existing_node(corpus), tokenizer) for corpus in (base, candidate))
    return anneal_node(tokens, late, existing_node(panel), tier=tier, seed=seed, watch=watch)


def decay_tier(tier: Tier) -> Tier:
    """Return a tier whose whole budget is the fall of `tier`: what a candidate must have text for."""
    fall = tier.rates.decay_steps * tier.batch_tokens
    return replace(tier, tokens_at_1x=math.floor(fall / tier.multiple))


def refuse_small(candidate: Artifact, tier: Tier, epochs: float) -> None:
    """Raise RunError if a token artifact is too small for the tier's fall with at most so many epochs."""
    if candidate.summary.get("mix") is not None:
        raise RunError(
            f"--anneal-on: the mixture of {candidate.path.name} has caps, budgets or phases, which are settled for "
            "whole runs; expected weights that hold for every budget; build the candidate without them"
        )
    problem = shortage(supply_of(candidate, decay_tier(tier)), epochs)
    if problem:
        steps = tier.rates.decay_steps
        raise RunError(f"--anneal-on: the fall of {tier.name}, {steps:,} of {tier.num_steps:,} steps: {problem}")


def refuse_other_panel(base: Artifact, candidate: Artifact) -> None:
    """Raise RunError if the candidate corpus was not split from the panel of the base corpus.

    Its text might hold the documents that the run is scored on.
    """
    panels = [str(cast("Mapping[str, Json]", one.manifest["inputs"]).get("panel", "")) for one in (base, candidate)]
    if panels[0] != panels[1]:
        raise RunError(
            f"{candidate.path}: split from panel {panels[1][:8] or 'none'}, expected {panels[0][:8] or 'none'}, that "
            f"of {base.path}; its documents may be among those that are scored; build both corpora on one pool and "
            "panel (rule 1)"
        )


def _declared(context: NodeRun, tier: Tier, summary: Mapping[str, Any]) -> dict[str, Json]:
    """Return what was read of which corpus; text that is in both counts for both."""
    window_tokens = tier.shape.context_tokens
    start = branch_step(tier)
    declared: dict[str, Json] = {"step": start, "control": "the ordinary run of this tier and seed on the base corpus"}
    for role, key in (("base", "tokens"), ("candidate", ANNEAL_TOKENS)):
        artifact = context.inputs[key]
        held = {name: len(ids) for name, ids in open_streams(artifact).tokens.items() if len(ids) > window_tokens}
        prefix = LATE if role == "candidate" else ""
        read = {name: summary["tokens_by_slice"].get(f"{prefix}{name}", 0) for name in held}
        unique = sum(size for name, size in held.items() if read[name])
        declared[role] = {
            "corpus": str(cast("Mapping[str, Json]", artifact.manifest["inputs"]).get("corpus", "")),
            "tokens": artifact.fingerprint,
            "tokens_seen": sum(read.values()),
            "unique_tokens": unique,
            "epochs": sum(read.values()) / unique if unique else 0.0,
        }
    in_plateau = sum(step < start for step in summary["skipped_steps"])
    stable = in_plateau <= MAX_SKIPPED_FRACTION * start
    declared["plateau"] = {"skipped_steps": in_plateau, "stable": stable, "intervened": summary["intervened"]}
    return declared
