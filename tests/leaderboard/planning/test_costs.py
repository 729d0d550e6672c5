"""Hours, decoding and shapes: arithmetic and the ladder's own rows."""

from __future__ import annotations

import pytest

from curation.errors import LawError
from leaderboard.planning.costs import BANDWIDTH, card_hours, decodable, decode_ms, shape_for
from train.tier_plan import CARDS
from train.tiers import TIERS

LADDER = [tier for tier in TIERS.values() if tier.family == "ladder"]


def test_hours_are_flops_over_peak_and_measured_mfu() -> None:
    """989 TFLOP/s at the 58.4 % that were measured on 1b."""
    found = card_hours(1e20, 1.3e9, "h200")
    assert found.hours == pytest.approx(1e20 / (989e12 * 0.584) / 3_600)
    assert found.source.startswith("measured on tier 1b")


def test_what_was_not_measured_is_called_assumed() -> None:
    assert card_hours(1e20, 1.3e9, "h100").source.startswith("assumed")
    assert "assumed for 7e+10" in card_hours(1e24, 7e10, "h200").source


def test_an_unknown_card_is_refused_with_the_nearest() -> None:
    with pytest.raises(LawError, match="h200"):
        card_hours(1e20, 1e9, "h20")


def test_ten_milliseconds_on_an_h200_read_24b_parameters() -> None:
    """0.01 s x 4.8e12 B/s / 2 B."""
    found = decodable(10, "h200")
    assert found.params == pytest.approx(24e9)
    assert decode_ms(24e9, "h200") == pytest.approx(10)
    assert decodable(10, "h200", 4).params == pytest.approx(96e9)


def test_every_card_has_a_bandwidth() -> None:
    assert set(BANDWIDTH) == set(CARDS)


def test_weights_beyond_the_memory_are_told() -> None:
    assert decodable(20, "h100").fits
    assert not decodable(40, "h100").fits


@pytest.mark.parametrize("tier", LADDER, ids=lambda tier: tier.model)
def test_the_shape_rule_gives_the_ladders_own_shapes(tier: object) -> None:
    shape = tier.shape  # type: ignore[attr-defined]
    assert shape_for(shape.matmul_params, context_tokens=shape.context_tokens) == shape


@pytest.mark.parametrize("params", [2e7, 5e8, 2.9e10, 2e12])
def test_a_shape_has_at_most_the_parameters_and_nearly_all(params: float) -> None:
    shape = shape_for(params)
    assert 0.9 * params < shape.matmul_params <= params
    assert shape.num_heads * 128 == shape.width


def test_a_model_smaller_than_its_vocabulary_has_no_shape() -> None:
    with pytest.raises(LawError, match="vocabulary"):
        shape_for(1e6)
