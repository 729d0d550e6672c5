"""Model FLOPs utilisation: what share of a card's dense bf16 peak the training of a model used.

A token costs 6 N_mm + 12 L d T FLOPs (forward and backward, all of attention); the causal count halves the attention
term, since a causal kernel skips the other half. N_mm: parameters that multiply every token, the output head once.
Projects report one or the other, so both are logged. An unknown card raises: a guessed peak makes the number
meaningless (one library takes an A100 for what it does not know, so an H200 reads 3.2 times too high).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from curation.errors import RunError
from train.tiers import Shape

DECLARED_PEAK = "CURATE_PEAK_BF16_TFLOPS"
"""Environment variable: dense bf16 TFLOP/s of one card, for cards that `PEAKS` does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Dense bf16 matrix rate (float32 sums, no sparsity) of the cards whose whole name matches."""

    name: str
    """Regular expression on the driver's name of the card; a partition of a card (MIG) never matches."""
    tflops: float
    source: str


_HOPPER = "NVIDIA H100 datasheet, sparse value halved"
_H200 = "NVIDIA H200 datasheet, sparse value halved"
PEAKS = (
    Peak(name=r"NVIDIA H200", tflops=989.0, source=_H200),
    Peak(name=r"NVIDIA H200 NVL", tflops=835.5, source=_H200),
    Peak(name=r"NVIDIA H100 (80|64|94|96)GB HBM\d\w?", tflops=989.0, source=f"{_HOPPER}; SXM"),
    Peak(name=r"NVIDIA H100 NVL", tflops=835.5, source=f"{_HOPPER}; NVL"),
    Peak(name=r"NVIDIA H100 PCIe", tflops=756.0, source=f"{_HOPPER}; PCIe"),
    Peak(name=r"NVIDIA GH200 .*GB", tflops=989.0, source="NVIDIA GH200 datasheet, sparse value halved"),
    Peak(name=r"(NVIDIA )?A100.*", tflops=312.0, source="NVIDIA A100 datasheet"),
    Peak(name=r"NVIDIA L40S", tflops=362.0, source="NVIDIA L40S datasheet, sparse value halved"),
    Peak(name=r"NVIDIA L4", tflops=121.0, source="NVIDIA L4 datasheet, sparse value halved"),
    Peak(name=r"NVIDIA B200", tflops=2250.0, source="NVIDIA DGX B200 datasheet, sparse value halved, a card"),
    Peak(name=r"NVIDIA GB200", tflops=2500.0, source="NVIDIA GB200 datasheet, sparse value halved, a card"),
    Peak(name=r"NVIDIA GeForce RTX 4090", tflops=165.2, source="NVIDIA Ada whitepaper, appendix A, FP32 accumulate"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Shares of the peak in [0, 1]."""

    mfu: float
    """All of attention counted: 6 N_mm + 12 L d T."""
    mfu_causal: float
    """Half of attention counted: 6 N_mm + 6 L d T."""


def peak_flops(device_name: str, environment: Mapping[str, str] = os.environ) -> float:
    """Return the dense bf16 peak of one card in FLOP/s; a declared one (`DECLARED_PEAK`) goes first.

    Raises: RunError for a card that is not in `PEAKS` and not declared, or a declaration that is no positive number.
    """
    declared = environment.get(DECLARED_PEAK, "")
    if declared:
        return _declared(declared) * 1e12
    for peak in PEAKS:
        if "MIG" not in device_name and re.fullmatch(peak.name, device_name):
            return peak.tflops * 1e12
    raise RunError(
        f"device `{device_name}`: no peak bf16 rate is known, so utilisation (MFU) cannot be stated; expected one of "
        f"{', '.join(peak.name for peak in PEAKS)}; add the card with its datasheet to PEAKS in train/utilisation.py "
        f"or set {DECLARED_PEAK} to its dense bf16 TFLOP/s"
    )


def _declared(value: str) -> float:
    try:
        tflops = float(value)
    except ValueError:
        tflops = math.nan
    if not 0 < tflops < math.inf:
        raise RunError(f"{DECLARED_PEAK}: `{value}`, expected dense bf16 TFLOP/s of one card above 0; correct it")
    return tflops


def causal_flops_per_token(shape: Shape) -> int:
    """Return training FLOPs a token with only the visible half of attention: 6 N_mm + 6 L d T."""
    attention = 12 * shape.num_layers * shape.num_heads * shape.head_dim * shape.context_tokens
    return shape.flops_per_token - attention // 2


def utilisation(shape: Shape, tokens_per_second: float, peak: float) -> Utilisation:
    """Return both utilisations of `peak` FLOP/s (of all cards together) at this speed."""
    return Utilisation(
        mfu=shape.flops_per_token * tokens_per_second / peak,
        mfu_causal=causal_flops_per_token(shape) * tokens_per_second / peak,
    )
