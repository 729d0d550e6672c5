"""What share of the drawn text each slice gets, in bytes and in tokens.

A recipe gives weights as shares of UTF-8 bytes or, with `unit: tokens`, of the recipe's tokens. Both are kept: the
byte share says what was asked for whatever the tokenizer, the token share is what a run draws. With b bytes and t
stream tokens (EOS after each document included) in a slice, token share ∝ byte share · t / b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError, nearest, raise_faults
from curation.recipe import MixSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceShare:
    """One slice's part of the drawn text; each share sums to 1 over the slices."""

    byte_share: float
    token_share: float


def slice_weights(mix: MixSpec, counts: Mapping[str, SliceCounts], where: str) -> dict[str, SliceShare]:
    """Return the shares of every slice of `counts`, by name; a slice without text gets 0.

    `natural` draws every slice equally often, `uniform` gives every slice the same share of the recipe's unit.
    Raises: RecipeError for weights on slices that have no text, for slices without a weight, or without any weight.
    """
    usable = {name: counts[name] for name in sorted(counts) if counts[name].bytes > 0}
    wanted = _wanted(mix, usable, where)
    per_byte = {name: held.stream_tokens / held.bytes for name, held in usable.items()}
    if mix.unit == "bytes" or mix.weights == "natural":
        byte_shares = _normalised(wanted, where)
        token_shares = _normalised({name: share * per_byte[name] for name, share in byte_shares.items()}, where)
    else:
        token_shares = _normalised(wanted, where)
        byte_shares = _normalised({name: share / per_byte[name] for name, share in token_shares.items()}, where)
    nothing = SliceShare(byte_share=0.0, token_share=0.0)
    shares = {name: SliceShare(byte_share=byte_shares[name], token_share=token_shares[name]) for name in byte_shares}
    return {name: shares.get(name, nothing) for name in sorted(counts)}


def token_shares(byte_shares: Mapping[str, float], counts: Mapping[str, SliceCounts], where: str) -> dict[str, float]:
    """Return the shares of tokens that give `byte_shares`, under the tokenizer that `counts` were taken with."""
    drawn = {
        name: share * counts[name].stream_tokens / counts[name].bytes
        for name, share in byte_shares.items()
        if share > 0 and counts[name].bytes > 0
    }
    return _normalised(drawn, where)


def _wanted(mix: MixSpec, usable: Mapping[str, SliceCounts], where: str) -> dict[str, float]:
    if mix.weights == "natural":
        return {name: float(held.bytes) for name, held in usable.items()}
    if mix.weights == "uniform":
        return dict.fromkeys(usable, 1.0)
    faults = [
        f"weights.{name}: {weight:g} for a slice without text; expected a slice of the corpus; {nearest(name, usable)}"
        for name, weight in mix.weights.items()
        if weight > 0 and name not in usable
    ]
    faults += [
        f"weights: no weight for slice `{name}`; expected one for every slice; give 0 to leave it out"
        for name in usable
        if name not in mix.weights
    ]
    raise_faults(RecipeError, where, faults)
    return {name: float(mix.weights[name]) for name in usable}


def _normalised(values: Mapping[str, float], where: str) -> dict[str, float]:
    total = sum(values.values())
    if total <= 0:
        raise RecipeError(f"{where}: weights sum to {total:g} over slices with text, expected more than 0; raise one")
    return {name: value / total for name, value in values.items()}
