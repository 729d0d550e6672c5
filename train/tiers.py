"""Tiers: fixed models with fixed token budgets; every number of the recipe, nothing left to a run.

The models are the rows of `train.tier_table`; what a run needs of memory, devices and hours is `train.tier_plan`.
`pico` and `nano` train on a laptop core: they test plumbing and kill broken recipes, they are no evidence (rule 18).
A name is a model and a budget, `nano-0.5x`; the bare name means `-1x`. A fractional or multiple budget is the same
line of training with its decay moved, so warm-up, learning rate, batch, initialisation and data order are those of 1x.
A change that moves any result raises `RECIPE_VERSION`. Source of shapes and rules: docs/training.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from curation.errors import RunError, nearest
from curation.files import Json, digest_json
from train.optimizer_names import OPTIMIZERS, OptimizerName
from train.schedules import Schedule
from train.tier_names import UNCHANGED, number_text, parse_name
from train.tier_table import LISTED_MULTIPLES, ROWS, STANDARD, TOKENIZERS, Family, Multipliers, Row

RECIPE_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The model: a pre-norm decoder without biases, with untied embeddings (`train.model`)."""

    width: int
    num_layers: int
    num_heads: int
    head_dim: int
    ffn_width: int
    vocab_size: int
    context_tokens: int
    """T: tokens of a training window."""

    @property
    def non_embedding_params(self) -> int:
        """N_ne: blocks and norms, no embedding, no head."""
        attention = 4 * self.width * self.num_heads * self.head_dim
        per_layer = attention + 3 * self.width * self.ffn_width + 2 * self.width + 2 * self.head_dim
        return self.num_layers * per_layer + self.width

    @property
    def matmul_params(self) -> int:
        """N_mm: parameters that multiply every token; N_ne and the output head."""
        return self.non_embedding_params + self.vocab_size * self.width

    @property
    def total_params(self) -> int:
        """N_tot: everything, both embeddings counted."""
        return self.non_embedding_params + 2 * self.vocab_size * self.width

    @property
    def flops_per_token(self) -> int:
        """Training FLOPs a token, full attention counted: 6 N_mm + 12 L d T."""
        return 6 * self.matmul_params + 12 * self.num_layers * self.num_heads * self.head_dim * self.context_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A model, its budget and the whole training recipe. What `TIERS` never varies has its value here."""

    name: str
    """Model and budget, always with the multiple: `pico-1x`; a probe of the rate adds it: `pico-1x@lr2`."""
    model: str
    family: Family
    """Tiers of different families never share a fitted curve (rule 6)."""
    multiple: float
    lr_multiplier: float
    """Already in `learning_rate`; other than 1 only in a sweep or a learning-rate interaction control."""
    shape: Shape
    tokenizer: str
    tokens_at_1x: int
    batch_tokens: int
    micro_batch_rows: int
    """Windows a forward pass takes at once; part of the recipe because it moves the last bits."""
    learning_rate: float
    """Of the plateau, or the peak of a cosine."""
    schedule: Literal["wsd", "cosine"]
    warmup_tokens: int
    """Over these the rate rises linearly to `learning_rate`, in every schedule."""
    decay_shape: Literal["linear", "1-sqrt", "cosine"]
    decay_fraction: float
    """Last share of the steps, over which a `wsd` rate falls; 0 for `cosine`, which falls from warm-up on."""
    min_lr_fraction: float
    """The rate at the end, as a share of `learning_rate`."""
    beta1: float = 0.9
    beta2: float
    adam_eps: float = 1e-8
    weight_decay: float
    """Decoupled; on matrices of the blocks and the head, not on the embedding, not on gains."""
    z_loss: float
    clip_norm: float = 1.0
    skip_sigmas: float | None
    """Bound above which a finite step is an outlier and skipped (`train.steps`); None skips only what is not finite."""
    init_std: float = 0.02
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    precision: Literal["fp32", "bf16"]
    """Of matrix products; weights, moments, norms' statistics and the loss are float32 in both."""
    parametrization: Literal["standard"] = "standard"
    multipliers: Multipliers = STANDARD
    optimizer: OptimizerName = "adamw"
    packing: Literal["eos-separated"] = "eos-separated"
    """Documents share windows, EOS between them, no mask, no padding; no window crosses slices."""
    scored_checkpoint: Literal["last"] = "last"
    """The weights that count, fixed in advance: those after the last step; never the best of several."""
    threads: int
    """Torch threads; fixed so that results do not depend on the machine's cores."""
    eval_context_tokens: int
    """Rule 6: one evaluation context for every tier that may meet in a comparison."""
    evidence: bool
    recipe_version: int = RECIPE_VERSION

    @property
    def variant(self) -> str:
        """What it trains otherwise than the table says, as its name has it: `lr2@muon`; empty for a plain tier."""
        return "@".join(part for part in self.name.split("@")[1:] if not part.startswith("eval"))

    @property
    def batch_rows(self) -> int:
        """Windows a step."""
        return self.batch_tokens // self.shape.context_tokens

    @property
    def num_steps(self) -> int:
        """Optimizer steps: the budget, rounded up to whole batches."""
        return max(1, -(-round(self.tokens_at_1x * self.multiple) // self.batch_tokens))

    @property
    def num_tokens(self) -> int:
        """Tokens seen by a finished run."""
        return self.num_steps * self.batch_tokens

    @property
    def num_flops(self) -> int:
        """Training FLOPs of a finished run."""
        return self.num_tokens * self.shape.flops_per_token

    @property
    def rates(self) -> Schedule:
        """The learning rate as a function of the step."""
        return Schedule(
            kind=self.schedule,
            peak=self.learning_rate,
            num_steps=self.num_steps,
            batch_tokens=self.batch_tokens,
            warmup_tokens=self.warmup_tokens,
            decay_shape=self.decay_shape,
            decay_fraction=self.decay_fraction,
            min_fraction=self.min_lr_fraction,
        )

    def learning_rate_at(self, step: int) -> float:
        """Return the rate of `step` (from 0): linear warm-up, then the tier's schedule, which ends after the last."""
        return self.rates.rate_at(step)


def beta2_of(batch_tokens: int) -> float:
    """Return clip(0.95^(B / 524,288), 0.95, 0.995): a constant half-life of the second moment in tokens.

    Rounded to 8 digits, so that a tier's digest does not hang on the last bit of a machine's power function.
    """
    share: float = 0.95 ** (batch_tokens / 524_288)
    return round(min(0.995, max(0.95, share)), 8)


def _tier_of(row: Row) -> Tier:
    family = row.family
    tokenizer, vocab_size = TOKENIZERS.get(family, (row.tokenizer, row.vocab_size))
    assert tokenizer is not None, f"{row.model}: no tokenizer of its own or of its family"
    assert vocab_size is not None, f"{row.model}: no vocabulary of its own or of its family"
    shape = Shape(
        width=row.width,
        num_layers=row.layers,
        num_heads=row.heads,
        head_dim=row.head_dim,
        ffn_width=row.ffn_width,
        vocab_size=vocab_size,
        context_tokens=row.context_tokens,
    )
    warmup_tokens = shape.non_embedding_params if row.warmup_steps is None else row.warmup_steps * row.batch_tokens
    return Tier(
        name=f"{row.model}-1x",
        model=row.model,
        family=family,
        multiple=1.0,
        lr_multiplier=1.0,
        shape=shape,
        tokenizer=tokenizer,
        tokens_at_1x=row.tokens_at_1x or 20 * shape.matmul_params,
        batch_tokens=row.batch_tokens,
        micro_batch_rows=row.micro_batch_rows,
        learning_rate=row.learning_rate,
        schedule="cosine" if family == "dclm" else "wsd",
        warmup_tokens=warmup_tokens,
        decay_fraction=0.0 if family == "dclm" else 0.2,
        decay_shape="cosine" if family == "dclm" else "linear",
        min_lr_fraction=row.end_learning_rate / row.learning_rate,
        beta1=0.9,
        beta2=0.95 if family == "dclm" else beta2_of(row.batch_tokens),
        weight_decay=row.weight_decay,
        z_loss=row.z_loss,
        skip_sigmas=6.0 if family == "ladder" else None,
        precision=row.precision or ("fp32" if family == "laptop" else "bf16"),
        threads=1 if family == "laptop" else 2,
        eval_context_tokens=512 if family == "laptop" else 1_024,
        evidence=family != "laptop",
    )


TIERS: Mapping[str, Tier] = {row.model: _tier_of(row) for row in ROWS}
_DEVIATIONS = {row.model: row.deviations for row in ROWS}


def tier_names() -> list[str]:
    """Return the listed tiers, family by family, smallest model first: each at 1x, some at more."""
    return [f"{model}-{number_text(multiple)}x" for model in TIERS for multiple in LISTED_MULTIPLES.get(model, (1.0,))]


def load_tier(name: str, *, where: str = "tier") -> Tier:
    """Return the tier that `name` means: `nano`, `nano-0.5x`, with a probe of the rate `nano-0.5x@lr2`, or a variant.

    Variants (`nano-1x@muon@b2`) are of `train.tier_changes`. The bare model name means `-1x`; `micro@eval512` is scored
    at 512 tokens, beside laptop tiers (rule 6).
    The tier's own name has every digit of both numbers, so it loads the same tier again.
    Raises: RunError for an unknown model, a multiple outside (0, 16], a learning rate multiplier outside [0.25, 4],
    more than six decimals in either, an evaluation context that no tier has, or as `train.tier_changes.changed`.
    """
    said = parse_name(name, TIERS, where)
    if said is None:
        hint = nearest(name, [*TIERS, *tier_names()])
        raise RunError(f"{where}: unknown tier `{name}`; expected a model with or without `-<m>x`; {hint}")
    base, multiple, rate = TIERS[said.model], said.multiple, said.lr_multiplier
    probe = "" if rate == 1 else f"@lr{number_text(rate)}"
    change = replace(said.change, optimizer="") if said.change.optimizer == base.optimizer else said.change
    if change != UNCHANGED:
        from train.tier_changes import changed

        base = changed(base, change, f"{where}: tier `{name}`")
    tier = replace(
        base,
        name=f"{base.model}-{number_text(multiple)}x{probe}{change.text}",
        multiple=multiple,
        lr_multiplier=rate,
        learning_rate=base.learning_rate * rate,
        evidence=base.evidence and rate == 1,
    )
    return tier if said.context is None else scored_at(tier, said.context, where=where)


def evaluation_context(tiers: Iterable[Tier]) -> int:
    """Return the one context, in tokens, at which all of `tiers` are scored when they meet in a comparison (rule 6)."""
    return min(tier.eval_context_tokens for tier in tiers)


def scored_at(tier: Tier, context: int, *, where: str = "tier") -> Tier:
    """Return `tier` with evaluation context `context`, which its name then shows; itself if it has that one.

    Raises: RunError unless a tier with a context up to this one's has it.
    """
    if context == tier.eval_context_tokens:
        return tier
    known = sorted({other.eval_context_tokens for other in TIERS.values()} - {tier.eval_context_tokens})
    shorter = [size for size in known if size < tier.eval_context_tokens]
    if context not in shorter:
        raise RunError(f"{where}: tier `{tier.name}`: evaluation context {context}, expected {tier.eval_context_tokens}"
                       f"{''.join(f' or {size}' for size in shorter)} (rule 6); leave it out")  # fmt: skip
    return replace(tier, name=f"{tier.name}@eval{context}", eval_context_tokens=context)


def tier_json(tier: Tier) -> dict[str, Json]:
    """Return every number of the recipe and what follows from it."""
    return {
        **asdict(tier),
        "steps": tier.num_steps,
        "tokens": tier.num_tokens,
        "params_non_embedding": tier.shape.non_embedding_params,
        "params_matmul": tier.shape.matmul_params,
        "params_total": tier.shape.total_params,
        "flops_per_token": tier.shape.flops_per_token,
        "flops": tier.num_flops,
        "deviations": list(_DEVIATIONS.get(tier.model, ())),
    }


def tier_digest(tier: Tier) -> str:
    """Return the identity of the tier: every number and the tokenizer's file; 64 hex digits."""
    from curation.tokenizers import load_tokenizer

    numbers = {**asdict(tier), "tokenizer_digest": load_tokenizer(tier.tokenizer).digest}
    if tier.optimizer != "adamw":  # whose version is that of the recipe
        numbers["optimizer_version"] = OPTIMIZERS[tier.optimizer].version
    return digest_json(numbers)
