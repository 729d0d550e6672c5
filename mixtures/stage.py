"""The schedule of slices that a corpus carries: what each slice holds and which share of the draws it gets."""

from __future__ import annotations

from collections.abc import Mapping

from curation.corpus_counts import SliceCounts
from curation.files import Json
from curation.recipe import MixSpec
from mixtures.weights import slice_weights


def schedule(mix: MixSpec, counts: Mapping[str, SliceCounts], where: str) -> list[dict[str, Json]]:
    """Return one entry a slice, by name: its shares of drawn bytes and tokens, unique docs, bytes and tokens.

    Raises: RecipeError as `slice_weights`.
    """
    shares = slice_weights(mix, counts, where)
    return [
        {
            "slice": name,
            "byte_share": share.byte_share,
            "token_share": share.token_share,
            "docs": counts[name].docs,
            "bytes": counts[name].bytes,
            "tokens": counts[name].tokens,
        }
        for name, share in shares.items()
    ]
