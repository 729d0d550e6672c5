"""Runs that share a corpus and its token streams and differ in their mixture, or in the weights they begin with.

Both are inputs of a run beside its streams, so they are in its fingerprint and in that of its checkpoints; the streams
are made once. A mixture is an artifact without files: shares of UTF-8 bytes as asked for, and the shares of tokens that
give them under the streams' tokenizer. A slice that it does not name is not read. Such runs start from no plateau and
leave none: a plateau is known by its streams alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from curation.corpus_counts import SliceCounts
from curation.errors import RunError, nearest, raise_faults
from curation.files import Json
from curation.nodes import Node, NodeRun, existing_node
from curation.store import Artifact
from mixtures.weights import token_shares
from train.tiers import Tier, load_tier

MIXTURE = "mixture"
INITIAL = "initial"
VERSION = "mixture@1"

ByteShares = tuple[tuple[str, float], ...]
"""Slices by name and their shares of bytes, which sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What a run has of its own beside corpus, tier and seed."""

    weights: ByteShares
    initial: Artifact | None = None
    """The run whose weights it begins with."""


def byte_shares_of(weights: Mapping[str, float]) -> ByteShares:
    """Return weights as shares that sum to 1, by name, without those that are 0.

    Raises: RunError if none is above 0, or one is negative.
    """
    total = math.fsum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise RunError(f"mixture: weights {dict(weights)}, expected none below 0 and one above; correct them")
    scale = 1.0 if abs(total - 1.0) < 1e-9 else total  # weights that sum to 1 stay as they were written
    return tuple((name, weights[name] / scale) for name in sorted(weights) if weights[name] > 0)


def mixture_node(tokens: Node, weights: ByteShares) -> Node:
    """Return the node of a mixture of the slices of `tokens`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        shares = stream_shares(context.inputs["tokens"], weights)
        return {"byte_shares": dict(weights), "token_shares": dict(shares)}

    return Node(
        kind="mixture",
        version=VERSION,
        params={"byte_shares": dict(weights)},
        inputs={"tokens": tokens},
        run=run,
        label="mixture",
    )


def with_mixture(run: Node, mixed: Mixed) -> Node:
    """Return the run `run` with a mixture of its own and, if one is named, another run's weights to begin with."""
    inputs = {**run.inputs, MIXTURE: mixture_node(run.inputs["tokens"], mixed.weights)}
    if mixed.initial is not None:
        inputs[INITIAL] = existing_node(mixed.initial)
    return replace(run, inputs=inputs, label=f"{run.label} of a mixture")


def stream_shares(tokens: Artifact, weights: ByteShares) -> dict[str, float]:
    """Return the shares of tokens that give these shares of bytes.

    Raises: RunError for slices that the streams do not have.
    """
    counts = stream_counts(tokens)
    faults = [
        f"weight {weight:g} for slice `{name}`, which has no text there; expected a slice of the corpus; "
        f"{nearest(name, counts)}"
        for name, weight in weights
        if name not in counts
    ]
    raise_faults(RunError, str(tokens.path), faults)
    return token_shares(dict(weights), counts, str(tokens.path))


def stream_counts(tokens: Artifact) -> dict[str, SliceCounts]:
    """Return what each slice of token streams holds."""
    slices = cast("Mapping[str, Mapping[str, int]]", tokens.summary["slices"])
    return {
        name: SliceCounts(docs=held["docs"], bytes=held["bytes"], tokens=held["tokens"])
        for name, held in slices.items()
    }


def refuse_other_model(seed: Artifact, tier: Tier, panel: Artifact) -> None:
    """Check that a run's weights can begin a run of `tier` that is scored on `panel`.

    Raises: RunError that lists what differs: no run, another model, another tokenizer, another panel.
    """
    if seed.kind != "run":
        raise RunError(f"{seed.path}: holds a {seed.kind}, expected a run of {tier.model}; name one of the store")
    summary, inputs = cast("Mapping[str, Any]", seed.summary), cast("Mapping[str, Json]", seed.manifest["inputs"])
    theirs = load_tier(str(summary["tier"]), where=f"{seed.path}: tier")
    faults = []
    if theirs.shape != tier.shape or theirs.multipliers != tier.multipliers:
        faults.append(
            f"a checkpoint of model `{theirs.model}` ({theirs.shape.total_params:,} parameters), expected "
            f"`{tier.model}` ({tier.shape.total_params:,}): only models with one start can be averaged; train a seed "
            f"with `curate train --tier {tier.model}`, or choose --tier {theirs.model}"
        )
    elif theirs.tokenizer != tier.tokenizer:
        faults.append(
            f"trained on tokens of {theirs.tokenizer}, expected {tier.tokenizer} (rule 7); choose another seed run"
        )
    if inputs.get("panel") != panel.fingerprint:
        faults.append(
            f"trained beside panel {str(inputs.get('panel'))[:8]}, expected {panel.fingerprint[:8]}: its text may hold "
            "what is scored here (rule 1); train the seed on a corpus of this pool and panel"
        )
    raise_faults(RunError, f"{seed.path}: no seed for {tier.name}", faults)
