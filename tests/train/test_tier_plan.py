"""Plans: memory by part, sharding, micro-batch, hours; every tier on 1, 8 and 64 cards."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from curation.errors import RunError
from train import losses
from train.tier_data import MeasuredMfu
from train.tier_plan import (
    CARDS,
    CPU_PIECE,
    GPU_PIECE,
    estimate_hours,
    memory_parts,
    plan_memory,
    plan_tier,
    usable_bytes,
)
from train.tiers import TIERS, load_tier, tier_names

GB = 1e9


def test_at_1b_a_micro_batch_of_32k_tokens_takes_58_gb_beside_22_gb_of_state() -> None:
    parts = memory_parts(load_tier("1b"), "none", 1, 16)
    assert parts["activations"] / GB == pytest.approx(58, rel=0.02)
    assert parts["activations"] / 32_768 == pytest.approx(1.8e6, rel=0.01)
    state = parts["weights"] + parts["gradients"] + parts["adam_moments"]
    assert state / GB == pytest.approx(22, rel=0.01)


MEASURED = [
    ("100m", 16, 16.865), ("100m", 32, 28.009), ("100m", 64, 49.570), ("400m", 16, 39.930), ("400m", 32, 69.732),
    ("1b", 8, 56.371), ("1b", 16, 87.387),
    ("micro", 32, 5.503), ("smoke", 32, 7.738), ("small", 40, 11.849),
]  # fmt: skip
"""Peaks on an H200 in GB: of whole steps, benchmarks/results/gpu-h200-2026-11-23.json; micro to small, of trainings."""


@pytest.mark.parametrize(("model", "rows", "gigabytes"), MEASURED)
def test_the_plan_is_at_most_a_tenth_above_the_measured_peak_and_never_below(
    model: str, rows: int, gigabytes: float
) -> None:
    planned = sum(memory_parts(load_tier(model), "none", 1, rows).values()) / GB
    assert 1 <= planned / gigabytes < 1.1


@pytest.mark.parametrize(("model", "rows"), [("100m", 32), ("400m", 32), ("1b", 8)])
def test_a_card_of_80_gb_takes_the_largest_micro_batch_that_was_measured_to_fit(model: str, rows: int) -> None:
    assert plan_tier(load_tier(model), gpu="h100").memory.micro_batch_rows == rows


@pytest.mark.parametrize("name", [name for name in tier_names() if load_tier(name).evidence and name != "micro-1x"])
def test_one_card_splits_a_batch_in_two_or_more_for_the_noise_scale(name: str) -> None:
    tier = load_tier(name)
    assert tier.batch_rows // tier.micro_batch_rows >= 2


def test_the_state_of_7b_with_dclm_s_vocabulary_takes_110_gb() -> None:
    parts = memory_parts(load_tier("dclm-7b"), "none", 1, 1)
    assert (parts["weights"] + parts["gradients"] + parts["adam_moments"]) / GB == pytest.approx(110, rel=0.01)


SIZES = [(name, size) for name in tier_names() for size in (1, 8, 64)]
UNEVEN = [(name, size) for name, size in SIZES if load_tier(name).batch_rows % size]
TOO_LARGE = [(name, 1) for name in ("7b-1x", "7b-2x", "dclm-7b-1x", "dclm-7b-2x")]


@pytest.mark.parametrize(("name", "world_size"), [case for case in SIZES if case not in UNEVEN + TOO_LARGE])
def test_a_plan_keeps_the_batch_exactly_and_fits(name: str, world_size: int) -> None:
    tier = load_tier(name)
    plan = plan_tier(tier, gpu="h200", gpus=world_size)
    memory = plan.memory
    assert world_size * memory.accumulation * memory.micro_batch_rows * tier.shape.context_tokens == tier.batch_tokens
    assert memory.total_bytes <= usable_bytes(memory.device_bytes)
    assert memory.micro_batch_rows <= tier.micro_batch_rows
    assert plan.hours * world_size == pytest.approx(plan.estimate.hours)


@pytest.mark.parametrize(("name", "world_size"), UNEVEN)
def test_a_batch_that_cards_do_not_divide_is_refused(name: str, world_size: int) -> None:
    with pytest.raises(RunError, match="cannot be split evenly"):
        plan_tier(load_tier(name), gpus=world_size)


@pytest.mark.parametrize(("name", "world_size"), TOO_LARGE)
def test_a_model_that_one_card_cannot_hold_is_refused(name: str, world_size: int) -> None:
    with pytest.raises(RunError, match="what would fit: 2 GPUs of this size"):
        plan_tier(load_tier(name), gpus=world_size)


@pytest.mark.parametrize(("gpus", "nodes"), [(8, 1), (64, 8)])
def test_7b_is_sharded_on_8_and_64_cards(gpus: int, nodes: int) -> None:
    plan = plan_tier(load_tier("7b"), gpus=gpus)
    parts = plan.memory.parts
    assert (plan.memory.sharding, plan.nodes) == ("fsdp2", nodes)
    assert plan.tier.num_steps == 126_086
    state = parts["weights"] + parts["gradients"] + parts["adam_moments"]
    assert state == pytest.approx(16 * plan.tier.shape.total_params / gpus)


def test_models_up_to_1b_are_whole_on_every_card_larger_ones_sharded() -> None:
    found = {
        model: plan_tier(load_tier(model), gpus=8).memory.sharding for model in ("micro", "100m", "1b", "3b", "7b")
    }
    assert found == {"micro": "ddp", "100m": "ddp", "1b": "ddp", "3b": "fsdp2", "7b": "fsdp2"}
    assert plan_tier(load_tier("1b"), gpus=1).memory.sharding == "none"


def test_a_model_that_ddp_cannot_hold_is_sharded() -> None:
    assert plan_memory(load_tier("1b"), 24 * 10**9, 8).sharding == "fsdp2"


def test_less_memory_gives_smaller_micro_batches_and_more_of_them() -> None:
    roomy, tight = (plan_tier(load_tier("1b"), gpu=gpu).memory for gpu in ("h200", "h100"))
    assert (roomy.micro_batch_rows, roomy.accumulation) == (16, 16)
    assert (tight.micro_batch_rows, tight.accumulation) == (8, 32)


def test_too_little_memory_is_refused_with_what_would_fit() -> None:
    with pytest.raises(RunError, match=r"tier 7b-1x: out of memory.*2 GPUs of this size; 1 of b200; tier 3b here"):
        plan_tier(load_tier("7b"), gpu="h200", gpus=1)
    assert plan_tier(load_tier("7b"), gpu="h200", gpus=2).memory.world_size == 2
    assert plan_tier(load_tier("7b"), gpu="b200").memory.accumulation >= 1


def test_nothing_known_fits_on_a_card_without_memory() -> None:
    with pytest.raises(RunError, match="out of memory"):
        plan_memory(load_tier("7b"), 10**6, 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": 64}, "a batch of 80 windows cannot be split evenly over 64 GPUs; expected one of 1, 2, 4, 5, 8"),
        ({"gpu": "h20"}, r"--gpu: unknown card `h20`.*did you mean `h200`"),
        ({"gpus": 0}, "--gpus: 0, expected 1 or more"),
        ({"gpus": 8, "nodes": 3}, "--nodes: 8 GPUs on 3 nodes"),
    ],
)
def test_an_impossible_plan_is_refused(options: dict[str, int | str], message: str) -> None:
    with pytest.raises(RunError, match=message):
        plan_tier(load_tier("small"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "hours"), [("100m", 1.1), ("300m", 4.9), ("400m", 10), ("1b", 131), ("dclm-3b", 566), ("7b", 3_200)]
)
def test_hours_of_one_h200_at_half_its_peak_are_those_of_the_reference(model: str, hours: float) -> None:
    tier = load_tier(model)
    by_hand = tier.num_flops / (0.5 * 989e12 * 3_600)
    assert by_hand == pytest.approx(hours, rel=0.03)
    estimate = estimate_hours(tier, replace(CARDS["a100"], driver_name="NVIDIA H200"))
    assert estimate.hours == pytest.approx(by_hand * 0.5 / estimate.mfu)
    assert estimate.source == "assumed" or estimate.source.startswith("measured: NVIDIA H200")


def test_a_measured_mfu_replaces_the_assumed_one_and_is_named() -> None:
    tier = load_tier("100m")
    measured = MeasuredMfu(
        tier="100m", device="NVIDIA H200", mfu=0.4, mfu_causal=0.35, tokens_per_second=1e5,
        date="2026-01-02", script="s",
    )  # fmt: skip
    estimate = estimate_hours(tier, CARDS["h200"], measured)
    assert estimate.hours == pytest.approx(tier.num_flops / (0.4 * 989e12 * 3_600))
    assert (estimate.mfu, estimate.source) == (0.4, "measured: NVIDIA H200, 2026-01-02, s")


def test_pieces_of_the_loss_are_those_that_it_makes() -> None:
    assert (CPU_PIECE, GPU_PIECE) == (losses.PIECE_POSITIONS, losses.GPU_PIECE_POSITIONS)


@pytest.mark.parametrize(
    ("model", "piece", "held"), [("pico", CPU_PIECE, 3), ("nano", CPU_PIECE, 3), ("micro", 1_024, 2)]
)
def test_laptop_tiers_make_the_loss_in_a_cpu_s_pieces(model: str, piece: int, held: int) -> None:
    """At two windows of 512 tokens a card's piece of 16,384 is all of them: two copies of logits, else three."""
    tier = replace(TIERS[model], shape=replace(TIERS[model].shape, context_tokens=512))
    element = 2 if tier.precision == "bf16" else 4
    head = tier.shape.vocab_size * tier.shape.width
    expected = held * element * piece * tier.shape.vocab_size + (12 + element) * head
    assert memory_parts(tier, "none", 1, 2)["logits_and_loss"] == expected


def test_float32_doubles_activations_and_needs_no_copies() -> None:
    half = TIERS["micro"]
    full = replace(half, precision="fp32")
    one, two = memory_parts(half, "none", 1, 4), memory_parts(full, "none", 1, 4)
    assert two["activations"] == 2 * one["activations"]
    assert (two["bf16_copies"], one["bf16_copies"]) == (0, 2 * half.shape.non_embedding_params)


def test_sharding_divides_the_state_and_adds_what_is_gathered() -> None:
    whole, part = (memory_parts(TIERS["7b"], sharding, 8, 1) for sharding in ("ddp", "fsdp2"))  # type: ignore[arg-type]
    assert part["weights"] == math.ceil(whole["weights"] / 4 / 8) * 4
    assert set(part) - set(whole) == {"gathered"}
