"""The tier table: one row a model, every number that differs between tiers; `train.tiers` makes tiers of them.

`laptop` (pico, nano) runs on a CPU core and is plumbing (rule 18). `ladder` is the project's own ladder: rates and
batches from Step Law (lr = 1.79 N_ne^-0.713 D^0.307, B = 0.58 D^0.571), the plateau of warm-up, stable, decay at 0.6
of that rate, capped at 6e-3. `dclm` repeats the published settings of DCLM's scales for comparison with its tables.
Micro-batches are the fastest of those measured on an H200 (benchmarks/RESULTS.md) that leave a batch two of them, which
the noise scale needs; 300m, between two that were measured, takes theirs, and a smaller card takes smaller ones.
The three families never share a fitted curve (rule 6). Rows are frozen: changing one raises `RECIPE_VERSION`.
Source: docs/training.md; Step Law (2503.04715); DCLM (2406.11794), training/configs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["laptop", "ladder", "dclm"]

TOKENIZERS = {"ladder": ("ladder@1", 32_768), "dclm": ("gpt-neox-20b@1", 50_432)}
"""Rule 7: one frozen tokenizer a family, and the model's vocabulary. 50,432 is 50,277 padded as DCLM does."""

DCLM_DEVIATIONS = (
    "RMSNorm instead of LayerNorm with gain only",
    "QK-norm per head instead of over the full width",
)
"""Why losses of `dclm` tiers are dclm-like and never claimed equal to the published ones."""

DCLM_PRECISION_DEVIATION = "float32 master weights instead of pure bfloat16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipliers:
    """Constants of a parametrization that a forward pass multiplies by; export folds them into weights.

    1 everywhere is the standard parametrization. Powers of two fold without changing a bit.
    """

    embedding: float = 1.0
    residual: float = 1.0
    """Of what attention and feed-forward add to the stream."""
    attention: float = 1.0
    """Of the attention logits, beside 1/√head_dim."""
    logits: float = 1.0


STANDARD = Multipliers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model of the table. None means: by the family's rule."""

    model: str
    family: Family
    layers: int
    width: int
    heads: int
    head_dim: int
    ffn_width: int
    context_tokens: int
    batch_tokens: int
    micro_batch_rows: int
    learning_rate: float
    """Of the plateau, or the peak of a cosine."""
    vocab_size: int | None = None
    tokenizer: str | None = None
    precision: Literal["fp32", "bf16"] | None = None
    """None: fp32 for `laptop`, bf16 for the others. `nano` gains 40 % from bf16 on a CPU that has it, `pico` 22 %."""
    tokens_at_1x: int | None = None
    """None: 20 N_mm."""
    warmup_steps: int | None = None
    """None: N_ne tokens."""
    end_learning_rate: float = 0.0
    weight_decay: float = 0.1
    z_loss: float = 1e-5
    deviations: tuple[str, ...] = ()
    """From the recipe that the row repeats."""


ROWS: tuple[Row, ...] = (
    Row(
        model="pico", family="laptop", layers=2, width=64, heads=2, head_dim=32, ffn_width=192, context_tokens=512,
        batch_tokens=2_048, micro_batch_rows=4, learning_rate=3e-3,
        vocab_size=2_048, tokenizer="ladder-pico@1", tokens_at_1x=1_500_000,
    ),
    Row(
        model="nano", family="laptop", layers=4, width=128, heads=2, head_dim=64, ffn_width=384, context_tokens=512,
        batch_tokens=8_192, micro_batch_rows=8, learning_rate=6e-3,
        vocab_size=4_096, tokenizer="ladder-nano@1", precision="bf16",
    ),
    Row(
        model="micro", family="ladder", layers=6, width=256, heads=2, head_dim=128, ffn_width=704,
        context_tokens=1_024, batch_tokens=32_768, micro_batch_rows=32, learning_rate=6e-3,
    ),
    Row(
        model="smoke", family="ladder", layers=8, width=384, heads=3, head_dim=128, ffn_width=1_024,
        context_tokens=1_024, batch_tokens=65_536, micro_batch_rows=32, learning_rate=4.1e-3,
    ),
    Row(
        model="small", family="ladder", layers=10, width=512, heads=4, head_dim=128, ffn_width=1_408,
        context_tokens=1_024, batch_tokens=81_920, micro_batch_rows=40, learning_rate=2.7e-3,
    ),
    Row(
        model="100m", family="ladder", layers=12, width=768, heads=6, head_dim=128, ffn_width=2_048,
        context_tokens=2_048, batch_tokens=131_072, micro_batch_rows=32, learning_rate=1.8e-3,
    ),
    Row(
        model="300m", family="ladder", layers=16, width=1_024, heads=8, head_dim=128, ffn_width=2_816,
        context_tokens=2_048, batch_tokens=196_608, micro_batch_rows=32, learning_rate=1.2e-3,
    ),
    Row(
        model="400m", family="ladder", layers=24, width=1_024, heads=8, head_dim=128, ffn_width=2_816,
        context_tokens=2_048, batch_tokens=262_144, micro_batch_rows=32, learning_rate=1.0e-3,
    ),
    Row(
        model="1b", family="ladder", layers=24, width=2_048, heads=16, head_dim=128, ffn_width=5_632,
        context_tokens=2_048, batch_tokens=524_288, micro_batch_rows=16, learning_rate=5.6e-4,
    ),
    Row(
        model="3b", family="ladder", layers=32, width=2_560, heads=20, head_dim=128, ffn_width=6_912,
        context_tokens=2_048, batch_tokens=786_432, micro_batch_rows=8, learning_rate=4.2e-4,
    ),
    Row(
        model="7b", family="ladder", layers=32, width=4_096, heads=32, head_dim=128, ffn_width=11_008,
        context_tokens=2_048, batch_tokens=1_048_576, micro_batch_rows=8, learning_rate=2.8e-4,
    ),
    Row(
        model="dclm-400m", family="dclm", layers=24, width=1_024, heads=8, head_dim=128, ffn_width=2_816,
        context_tokens=2_048, batch_tokens=512 * 2_048, micro_batch_rows=32, learning_rate=3e-3,
        tokens_at_1x=8_232_325_120, warmup_steps=2_000, end_learning_rate=3e-5,
        weight_decay=0.033, z_loss=1e-4, deviations=DCLM_DEVIATIONS,
    ),
    Row(
        model="dclm-1b", family="dclm", layers=24, width=2_048, heads=16, head_dim=128, ffn_width=5_632,
        context_tokens=2_048, batch_tokens=256 * 2_048, micro_batch_rows=16, learning_rate=3e-3,
        tokens_at_1x=28_795_904_000, warmup_steps=5_000, end_learning_rate=3e-5,
        weight_decay=0.033, z_loss=1e-4, deviations=DCLM_DEVIATIONS,
    ),
    Row(
        model="dclm-3b", family="dclm", layers=32, width=2_560, heads=32, head_dim=80, ffn_width=6_912,
        context_tokens=2_048, batch_tokens=256 * 2_048, micro_batch_rows=8, learning_rate=3e-3,
        tokens_at_1x=55_918_643_200, warmup_steps=5_000, end_learning_rate=3e-5,
        weight_decay=0.033, z_loss=1e-4, deviations=(*DCLM_DEVIATIONS, DCLM_PRECISION_DEVIATION),
    ),
    Row(
        model="dclm-7b", family="dclm", layers=32, width=4_096, heads=32, head_dim=128, ffn_width=11_008,
        context_tokens=2_048, batch_tokens=2_048 * 2_048, micro_batch_rows=8, learning_rate=2e-3,
        tokens_at_1x=137_788_211_200, warmup_steps=5_000, end_learning_rate=3e-5,
        weight_decay=0.05, z_loss=5e-6, deviations=(*DCLM_DEVIATIONS, DCLM_PRECISION_DEVIATION),
    ),
)  # fmt: skip
"""Smallest first inside a family. The reference lists 3b and 7b with DCLM's vocabulary; with the family's own 32,768
they have 2 x 17,664 x width parameters less."""

LISTED_MULTIPLES = {"7b": (1.0, 2.0), "dclm-7b": (1.0, 2.0)}
"""Budgets that `curate tiers` lists; every other model is listed at 1x."""
