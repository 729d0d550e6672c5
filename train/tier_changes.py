"""Tiers that train otherwise than the table says: variants, for studies of tokenizers and optimizers alone.

- **Optimizer, settings**: replaced; everything else stays. The rate stays too (`@lr` changes it).
- **Batch**: times the tier's, at the same budget of tokens, so with fewer or more steps. The rule of beta2, a constant
  half-life in tokens, gives beta2 for the new batch unless the change sets it. The rate does not follow.
- **Tokenizer**: the model's vocabulary becomes the tokenizer's, rounded up to a multiple of 256; blocks and norms stay
  (equal N_ne), embedding and head grow or shrink. **Rule of budget: equal training FLOPs.** The head is part of the
  cost of a token, so a tokenizer with a larger vocabulary gets fewer of them. Equal tokens would give it more work and
  text, equal bytes more or less work; only this rule is plain arithmetic before any text is tokenised, and bits per
  byte then are quality at equal cost. Bytes and tokens seen are reported beside it.

A variant's name and digest are its own and it is no evidence about the plain tier: nothing but its own study compares
the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from curation.errors import RunError, nearest
from curation.tokenizers import load_tokenizer
from train.optimizer_names import OPTIMIZERS, OptimizerName
from train.tier_names import NamedChange, number_text

if TYPE_CHECKING:
    from train.tiers import Tier

SETTINGS: Mapping[str, tuple[float, float]] = {
    "adam_eps": (1e-12, 1e-2),
    "beta1": (0.0, 0.9999),
    "beta2": (0.0, 0.999999),
    "clip_norm": (1e-6, 1_000.0),
    "weight_decay": (0.0, 10.0),
    "z_loss": (0.0, 1.0),
}
"""Fields of a tier that a variant may set, with smallest and largest value."""
MIN_BATCH, MAX_BATCH = 1 / 16, 16.0
VOCABULARY_MULTIPLE = 256
"""Vocabularies are padded to it: 50,277 of GPT-NeoX become 50,432, as DCLM does."""


def changed(base: Tier, change: NamedChange, where: str) -> Tier:
    """Return `base` as `change` has it; the name is left to the caller.

    Raises: RunError that names an unknown optimizer or setting, a value out of range, or a batch of no whole windows;
    RecipeError for an unknown tokenizer.
    """
    tier = base
    if change.optimizer:
        tier = replace(tier, optimizer=_optimizer(change.optimizer, where))
    if change.batch_multiplier != 1:
        tier = _with_batch(tier, change.batch_multiplier, where)
    if change.settings:
        tier = _with_settings(tier, dict(change.settings), where)
    if change.tokenizer:
        tier = _with_tokenizer(tier, change.tokenizer, where)
    return replace(tier, evidence=False)


def _optimizer(name: str, where: str) -> OptimizerName:
    if name not in OPTIMIZERS:
        raise RunError(
            f"{where}: unknown optimizer `{name}`, expected one of {', '.join(OPTIMIZERS)}; {nearest(name, OPTIMIZERS)}"
        )
    return cast("OptimizerName", name)


def _with_batch(tier: Tier, multiplier: float, where: str) -> Tier:
    from train.tiers import beta2_of

    if not MIN_BATCH <= multiplier <= MAX_BATCH:
        raise RunError(f"{where}: batch multiplier {multiplier:g}, expected {MIN_BATCH:g} to {MAX_BATCH:g}; change it")
    rows = tier.batch_rows * multiplier
    if rows != int(rows) or rows < 1:
        whole = 1 / tier.batch_rows
        raise RunError(
            f"{where}: batch multiplier {multiplier:g} makes {rows:g} windows of {tier.batch_rows}, expected "
            f"a whole number; take a multiple of {number_text(whole)}"
        )
    batch_tokens = int(rows) * tier.shape.context_tokens
    micro = next(size for size in range(min(tier.micro_batch_rows, int(rows)), 0, -1) if int(rows) % size == 0)
    return replace(
        tier,
        batch_tokens=batch_tokens,
        micro_batch_rows=micro,
        beta2=tier.beta2 if tier.family == "dclm" else beta2_of(batch_tokens),
    )


def _with_settings(tier: Tier, settings: Mapping[str, float], where: str) -> Tier:
    for name, value in settings.items():
        if name not in SETTINGS:
            raise RunError(
                f"{where}: unknown setting `{name}`, expected one of {', '.join(SETTINGS)}; {nearest(name, SETTINGS)}"
            )
        low, high = SETTINGS[name]
        if not low <= value <= high:
            raise RunError(f"{where}: {name} {value:g}, expected {low:g} to {high:g}; change it")
    values = {name: float(value) for name, value in settings.items()}
    return replace(
        tier,
        beta1=values.get("beta1", tier.beta1),
        beta2=values.get("beta2", tier.beta2),
        adam_eps=values.get("adam_eps", tier.adam_eps),
        weight_decay=values.get("weight_decay", tier.weight_decay),
        clip_norm=values.get("clip_norm", tier.clip_norm),
        z_loss=values.get("z_loss", tier.z_loss),
    )


def _with_tokenizer(tier: Tier, name: str, where: str) -> Tier:
    size = load_tokenizer(name, where=where).vocab_size
    padded = -(-size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    shape = replace(tier.shape, vocab_size=padded)
    share = tier.shape.flops_per_token / shape.flops_per_token
    return replace(
        tier,
        tokenizer=name,
        shape=shape,
        tokens_at_1x=round(tier.tokens_at_1x * share),
        warmup_tokens=round(tier.warmup_tokens * share),
    )


def variant_name(tier: str, change: NamedChange, lr_multiplier: float = 1.0) -> str:
    """Return the name of `tier` (`pico-1x@eval512`) with a change: `pico-1x@lr2@muon@eval512`; its rate is multiplied.

    Raises: RunError as `load_tier`, or for a tier that has a change already.
    """
    from train.tiers import load_tier

    plain = load_tier(tier)
    rate = plain.lr_multiplier * lr_multiplier
    if plain.variant not in ("", f"lr{number_text(plain.lr_multiplier)}"):
        raise RunError(f"tier `{tier}`: is a variant already, expected a tier of the table; leave out @{plain.variant}")
    budget, context = plain.name.partition("@")[0], plain.name.partition("@eval")[2]
    probe = "" if rate == 1 else f"@lr{number_text(rate)}"
    return load_tier(f"{budget}{probe}{change.text}" + (f"@eval{context}" if context else "")).name
