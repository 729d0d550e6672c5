"""Tiers: fixed models with fixed token budgets; every number of the recipe, nothing left to a run.

`pico` and `nano` train on a laptop core: they test plumbing and kill broken recipes, they are no evidence (rule 18).
A name is a model and a budget, `nano-0.5x`; the bare name means `-1x`. A fractional or multiple budget is the same
line of training with its decay moved, so warm-up, learning rate, batch, initialisation and data order are those of 1x.
A change that moves any result raises `RECIPE_VERSION`. Source of shapes and rules: docs/training.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from curation.errors import RunError, nearest
from curation.files import Json, digest_json

RECIPE_VERSION = 1
MAX_MULTIPLE = 16.0


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
    """A model, its budget and the whole training recipe."""

    name: str
    """Model and budget, always with the multiple: `pico-1x`."""
    model: str
    multiple: float
    shape: Shape
    tokenizer: str
    tokens_at_1x: int
    batch_tokens: int
    micro_batch_rows: int
    """Windows a forward pass takes at once; part of the recipe because it moves the last bits."""
    learning_rate: float
    """Of the plateau."""
    warmup_tokens: int
    decay_fraction: float
    """Last share of the steps, over which the rate falls linearly to 0."""
    beta1: float
    beta2: float
    adam_eps: float
    weight_decay: float
    """Decoupled; on matrices of the blocks and the head, not on the embedding, not on gains."""
    z_loss: float
    clip_norm: float
    skip_sigmas: float | None
    """Bound above which a finite step is an outlier and skipped (`train.steps`); None skips only what is not finite."""
    init_std: float
    rope_theta: float
    norm_eps: float
    precision: Literal["fp32"]
    threads: int
    """Torch threads; fixed so that results do not depend on the machine's cores."""
    eval_context_tokens: int
    """Rule 6: one evaluation context for every tier that may meet in a comparison."""
    evidence: bool
    recipe_version: int

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

    def learning_rate_at(self, step: int) -> float:
        """Return the rate of `step` (from 0): warm-up, plateau, linear decay that would reach 0 at the end."""
        warm = min(1.0, (step + 1) * self.batch_tokens / self.warmup_tokens)
        decay_steps = max(1, round(self.decay_fraction * self.num_steps))
        return self.learning_rate * warm * min(1.0, (self.num_steps - step) / decay_steps)


_LAPTOP = {
    "multiple": 1.0,
    "decay_fraction": 0.2,
    "beta1": 0.9,
    "beta2": 0.995,
    "adam_eps": 1e-8,
    "weight_decay": 0.1,
    "z_loss": 1e-5,
    "clip_norm": 1.0,
    "skip_sigmas": None,
    "init_std": 0.02,
    "rope_theta": 10_000.0,
    "norm_eps": 1e-6,
    "precision": "fp32",
    "threads": 1,
    "eval_context_tokens": 512,
    "evidence": False,
    "recipe_version": RECIPE_VERSION,
}

_PICO = Shape(width=64, num_layers=2, num_heads=2, head_dim=32, ffn_width=192, vocab_size=2_048, context_tokens=512)
_NANO = Shape(width=128, num_layers=4, num_heads=2, head_dim=64, ffn_width=384, vocab_size=4_096, context_tokens=512)

TIERS: Mapping[str, Tier] = {
    "pico": Tier(
        name="pico-1x",
        model="pico",
        shape=_PICO,
        tokenizer="ladder-pico@1",
        tokens_at_1x=1_500_000,
        batch_tokens=2_048,
        micro_batch_rows=4,
        learning_rate=1.5e-3,
        warmup_tokens=_PICO.non_embedding_params,
        **_LAPTOP,  # type: ignore[arg-type]
    ),
    "nano": Tier(
        name="nano-1x",
        model="nano",
        shape=_NANO,
        tokenizer="ladder-nano@1",
        tokens_at_1x=20 * _NANO.matmul_params,
        batch_tokens=8_192,
        micro_batch_rows=2,
        learning_rate=6e-3,
        warmup_tokens=_NANO.non_embedding_params,
        **_LAPTOP,  # type: ignore[arg-type]
    ),
}


def tier_names() -> list[str]:
    """Return the tiers at one times their budget, smallest first."""
    return [tier.name for tier in sorted(TIERS.values(), key=lambda tier: tier.shape.total_params)]


def load_tier(name: str, *, where: str = "tier") -> Tier:
    """Return the tier that `name` means; the bare model name means `-1x`.

    Raises: RunError for an unknown model or a multiple outside (0, 16].
    """
    match = re.fullmatch(r"(?P<model>[a-z0-9]+?)(?:-(?P<multiple>\d+(?:\.\d+)?)x)?", name)
    if match is None or match["model"] not in TIERS:
        hint = nearest(name, [*TIERS, *tier_names()])
        raise RunError(f"{where}: unknown tier `{name}`; expected a model with or without `-<m>x`; {hint}")
    multiple = float(match["multiple"] or 1)
    if not 0 < multiple <= MAX_MULTIPLE:
        raise RunError(f"{where}: tier `{name}`: multiple {multiple:g}, expected more than 0 and at most 16; change it")
    base = TIERS[match["model"]]
    return replace(base, name=f"{base.model}-{multiple:g}x", multiple=multiple)


def tier_json(tier: Tier) -> dict[str, Json]:
    """Return every number of the recipe and what follows from it."""
    return {
        **asdict(tier),
        "steps": tier.num_steps,
        "tokens": tier.num_tokens,
        "params_non_embedding": tier.shape.non_embedding_params,
        "params_matmul": tier.shape.matmul_params,
        "params_total": tier.shape.total_params,
        "flops": tier.num_tokens * tier.shape.flops_per_token,
    }


def tier_digest(tier: Tier) -> str:
    """Return the identity of the tier: every number and the tokenizer's file; 64 hex digits."""
    from curation.tokenizers import load_tokenizer

    return digest_json({**asdict(tier), "tokenizer_digest": load_tokenizer(tier.tokenizer).digest})
