"""What share of the drawn text each slice gets, in bytes and in tokens.

A recipe gives weights as shares of UTF-8 bytes or, with `unit: tokens`, of the recipe's tokens. Both are kept: the
byte share says what was asked for whatever the tokenizer, the token share is what a run draws. With b bytes and t
stream tokens (EOS after each document included) in a slice, token share ∝ byte share · t / b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.corpus_counts import SliceCounts
from curation.mix_spec import MixSpec, SchemeSpec
from mixtures.schemes import Tree, Unit, normalised, scheme_shares, size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceShare:
    """One slice's part of the drawn text; each share sums to 1 over the slices."""

    byte_share: float
    token_share: float


def slice_weights(mix: MixSpec, counts: Mapping[str, SliceCounts], where: str) -> dict[str, SliceShare]:
    """Return the shares of every slice of `counts`, by name; a slice without text gets 0.

    `natural` draws every slice equally often, `uniform` gives every slice the same share of the recipe's unit. Where
    shares depend on a budget (`MixSpec.needs_budget`) these are the ones before it: without caps, slices with a budget
    in `tokens` by their size, the mean over phases. A run's own are those of `mixtures.course`.
    Raises: RecipeError for weights on slices that have no text, for slices without a weight, or without any weight.
    """
    phases = [phase_weights(scheme, mix, counts, where)[0] for scheme in mix.schemes]
    if len(phases) == 1:
        return phases[0]
    return {
        name: SliceShare(
            byte_share=sum(phase[name].byte_share for phase in phases) / len(phases),
            token_share=sum(phase[name].token_share for phase in phases) / len(phases),
        )
        for name in phases[0]
    }


def phase_weights(
    scheme: SchemeSpec, mix: MixSpec, counts: Mapping[str, SliceCounts], where: str
) -> tuple[dict[str, SliceShare], Tree]:
    """Return the shares before caps in one phase of a mixture, and how its slices hang together.

    Raises: RecipeError as `slice_weights`.
    """
    usable = {name: counts[name] for name in sorted(counts) if counts[name].bytes > 0}
    plain = scheme.weights == "natural" and not scheme.groups and not mix.shift  # the same draws in either unit
    unit: Unit = "bytes" if mix.unit == "bytes" or plain else "tokens"
    weighed, tree = scheme_shares(scheme, mix, usable, unit=unit, where=where)
    budgeted = {name: held for name, held in usable.items() if tree.slices[name] in mix.tokens}
    wanted = _beside_budgets(weighed, budgeted, usable, unit)
    per_byte = {name: held.stream_tokens / held.bytes for name, held in usable.items()}
    if unit == "bytes":
        byte_shares = normalised(wanted, where)
        token_shares = normalised({name: share * per_byte[name] for name, share in byte_shares.items()}, where)
    else:
        token_shares = normalised(wanted, where)
        byte_shares = normalised({name: share / per_byte[name] for name, share in token_shares.items()}, where)
    nothing = SliceShare(byte_share=0.0, token_share=0.0)
    shares = {name: SliceShare(byte_share=byte_shares[name], token_share=token_shares[name]) for name in byte_shares}
    return {name: shares.get(name, nothing) for name in sorted(counts)}, tree


def token_shares(byte_shares: Mapping[str, float], counts: Mapping[str, SliceCounts], where: str) -> dict[str, float]:
    """Return the shares of tokens that give `byte_shares`, under the tokenizer that `counts` were taken with."""
    drawn = {
        name: share * counts[name].stream_tokens / counts[name].bytes
        for name, share in byte_shares.items()
        if share > 0 and counts[name].bytes > 0
    }
    return normalised(drawn, where)


def _beside_budgets(
    wanted: Mapping[str, float], budgeted: Mapping[str, SliceCounts], usable: Mapping[str, SliceCounts], unit: Unit
) -> Mapping[str, float]:
    """Return shares in which slices with a budget in tokens have those of their size, the others the rest."""
    if not budgeted:
        return wanted
    whole = sum(size_of(held, unit) for held in usable.values())
    fixed = {name: size_of(held, unit) / whole for name, held in budgeted.items()}
    rest, total = 1.0 - sum(fixed.values()), sum(wanted.values())
    return {**{name: share * rest / total for name, share in wanted.items()}, **fixed}
