"""MFU against arithmetic by hand and the published counts."""

from __future__ import annotations

import pytest

from curation.errors import RunError
from train.tiers import Shape
from train.utilisation import DECLARED_PEAK, causal_flops_per_token, peak_flops, utilisation


def of_width(width: int, num_layers: int, ffn_width: int, vocab_size: int) -> Shape:
    return Shape(
        width=width, num_layers=num_layers, num_heads=width // 128, head_dim=128, ffn_width=ffn_width,
        vocab_size=vocab_size, context_tokens=2_048,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "giga"),
    [
        (of_width(768, 12, 2_048, 32_768), 0.887),
        (of_width(1_024, 16, 2_816, 32_768), 1.84),
        (of_width(1_024, 24, 2_816, 50_432), 2.76),
        (of_width(2_048, 24, 5_632, 50_432), 9.23),
        (of_width(4_096, 32, 11_008, 50_432), 43.3),
    ],
)
def test_flops_a_token_are_those_of_the_reference(shape: Shape, giga: float) -> None:
    """100m and 200m with the ladder's vocabulary; 400m, 1b and 7b with DCLM's."""
    assert shape.flops_per_token / 1e9 == pytest.approx(giga, rel=2e-3)


def test_causal_flops_halve_attention_and_nothing_else() -> None:
    shape = of_width(128, 1, 256, 1_000)
    matmul = 4 * 128 * 128 + 3 * 128 * 256 + 2 * 128 + 2 * 128 + 128 + 1_000 * 128
    assert shape.flops_per_token == 6 * matmul + 12 * 128 * 2_048
    assert causal_flops_per_token(shape) == 6 * matmul + 6 * 128 * 2_048


def test_utilisation_is_work_over_peak() -> None:
    """100m at 514 thousand tokens a second: 0.8872 G x 514 k = 456 T; of 989 T 46.1 %."""
    shape = of_width(768, 12, 2_048, 32_768)
    found = utilisation(shape, 514_000, 989e12)
    assert found.mfu == pytest.approx(0.461, abs=5e-4)
    assert found.mfu_causal == pytest.approx((6 * 110_122_752 + 6 * 12 * 768 * 2_048) * 514_000 / 989e12, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H200", 989.0),
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA B200", 2250.0),
    ],
)
def test_a_known_card_has_its_dense_bf16_peak(name: str, tflops: float) -> None:
    assert peak_flops(name, {}) == tflops * 1e12


@pytest.mark.parametrize("name", ["cpu", "", "NVIDIA H300", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA H200-like"])
def test_an_unknown_card_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(RunError, match=rf"device `{name}`.*NVIDIA H200.*PEAKS.*{DECLARED_PEAK}"):
        peak_flops(name, {})


def test_a_declared_peak_stands_for_any_card() -> None:
    assert peak_flops("NVIDIA H300", {DECLARED_PEAK: "1200.5"}) == 1200.5e12


@pytest.mark.parametrize("value", ["fast", "0", "-1", "inf", "nan"])
def test_a_declared_peak_that_is_no_rate_is_refused(value: str) -> None:
    with pytest.raises(RunError, match=f"{DECLARED_PEAK}: `{value}`, expected"):
        peak_flops("NVIDIA H200", {DECLARED_PEAK: value})
