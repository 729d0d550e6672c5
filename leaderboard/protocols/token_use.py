"""How a tokenizer's vocabulary is used by the text that a model trains on, as an artifact.

Ids that a model meets a few times keep the embedding they began with: they cost parameters and mislead at test time.
Counted on the token streams, EOS included, the first `MAX_IDS` of each slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from curation.files import Json
from curation.nodes import Node, NodeRun, existing_node
from curation.store import Artifact
from train.shards import open_streams

VERSION = "token-use@1"
MAX_IDS = 200_000_000
CHUNK_IDS = 4_000_000
RARE_BELOW = 100
"""An id that occurs less often is rare. Source: ours; its row of the embedding was learned from fewer places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse:
    """Use of a vocabulary."""

    vocab_size: int
    counted_ids: int
    used_fraction: float
    """Share of the vocabulary that occurs at all."""
    rare_fraction: float
    """Share of the vocabulary that occurs less than `RARE_BELOW` times, unused ids too."""
    rare_occurrence_fraction: float
    """Share of the text's tokens that are rare ids."""
    entropy_bits: float
    """Of an id drawn from the text; log2 of the vocabulary's size when all are used alike."""


def token_use_node(tokens: Artifact) -> Node:
    """Return the node that counts ids in token streams; its summary is a `TokenUse`."""
    from dataclasses import asdict

    def run(context: NodeRun) -> Mapping[str, Json]:
        return cast("Mapping[str, Json]", asdict(use_of(context.inputs["tokens"])))

    return Node(
        kind="token-use",
        version=VERSION,
        params={},
        inputs={"tokens": existing_node(tokens)},
        run=run,
        label=f"count ids of {tokens.summary['tokenizer']}",
    )


def read_token_use(artifact: Artifact) -> TokenUse:
    """Return what an artifact of `token_use_node` holds."""
    held = artifact.summary
    return TokenUse(**{name: held[name] for name in TokenUse.__dataclass_fields__})  # type: ignore[arg-type]


def use_of(tokens: Artifact) -> TokenUse:
    """Return the use of the vocabulary in these streams."""
    size = int(cast("int", tokens.summary["vocab_size"]))
    counts = np.zeros(size, np.int64)
    for ids in open_streams(tokens).tokens.values():
        for start in range(0, min(len(ids), MAX_IDS), CHUNK_IDS):
            counts += np.bincount(ids[start : min(start + CHUNK_IDS, MAX_IDS)], minlength=size)
    return use_of_counts(counts)


def use_of_counts(counts: np.ndarray) -> TokenUse:
    """Return the use of a vocabulary whose ids occur so often."""
    total, rare = int(counts.sum()), counts < RARE_BELOW
    shares = counts[counts > 0] / max(1, total)
    return TokenUse(
        vocab_size=len(counts),
        counted_ids=total,
        used_fraction=float((counts > 0).mean()),
        rare_fraction=float(rare.mean()),
        rare_occurrence_fraction=float(counts[rare].sum() / max(1, total)),
        entropy_bits=float(-(shares * np.log2(shares)).sum()),
    )
