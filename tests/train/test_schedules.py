"""Learning rates by step: values from the formulas by hand, and what must hold of every schedule."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.schedules import Schedule
from train.tiers import TIERS, load_tier

# 100 steps of 10 tokens; warm-up over 50 tokens = 5 steps; the last 20 steps fall
WSD = Schedule(
    kind="wsd", peak=8.0, num_steps=100, batch_tokens=10, warmup_tokens=50, decay_shape="linear", decay_fraction=0.2,
    min_fraction=0.0,
)  # fmt: skip
COSINE = replace(WSD, kind="cosine", num_steps=105, decay_shape="cosine", decay_fraction=0.0, min_fraction=0.25)
WSD_MODELS = [name for name, tier in TIERS.items() if tier.schedule == "wsd"]


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.6), (1, 3.2), (4, 8.0), (5, 8.0), (80, 8.0), (81, 7.6), (90, 4.0), (99, 0.4), (100, 0.0)]
)
def test_wsd_warms_up_stays_and_falls_in_a_line(step: int, rate: float) -> None:
    assert WSD.rate_at(step) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (79, 8.0),
        (80, 8.0),
        (85, 4.0),  # a quarter of the fall: 1 - 1/2
        (95, 8 * (1 - 0.75**0.5)),
        (100, 0.0),
    ],
)
def test_one_minus_sqrt_falls_fast_first(step: int, rate: float) -> None:
    assert replace(WSD, decay_shape="1-sqrt").rate_at(step) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "rate"),
    # from 8 to 2 over the 100 steps after warm-up: a quarter of them is cos 45° down, a half the mean of both
    [(0, 1.6), (4, 8.0), (5, 8.0), (30, 5 + 3 * 0.5**0.5), (55, 5.0), (80, 5 - 3 * 0.5**0.5), (105, 2.0)],
)
def test_cosine_falls_from_the_end_of_warm_up_to_its_end_rate(step: int, rate: float) -> None:
    assert COSINE.rate_at(step) == pytest.approx(rate, abs=1e-12)


def test_an_end_rate_lifts_the_whole_fall() -> None:
    assert replace(WSD, min_fraction=0.5).rate_at(90) == pytest.approx(8 * 0.75)


def test_the_fall_begins_at_four_fifths_of_the_steps() -> None:
    assert (WSD.decay_start, WSD.decay_steps) == (80, 20)
    assert (COSINE.decay_start, COSINE.decay_steps) == (5, 100)


@pytest.mark.parametrize("model", WSD_MODELS)
@pytest.mark.parametrize(("short", "long"), [(0.5, 1), (1, 2), (2, 4), (0.5, 4), (0.1, 3)])
def test_budgets_of_a_model_share_every_rate_before_the_earlier_fall(model: str, short: float, long: float) -> None:
    one, two = load_tier(f"{model}-{short:g}x"), load_tier(f"{model}-{long:g}x")
    start = one.rates.decay_start
    assert start < two.rates.decay_start
    steps = {*range(min(start, 300)), start // 2, start - 1, start}
    assert all(one.learning_rate_at(step) == two.learning_rate_at(step) for step in steps)
    assert one.learning_rate_at(start + 1) < two.learning_rate_at(start + 1)


schedules = st.builds(
    Schedule,
    kind=st.just("wsd"),
    peak=st.floats(1e-5, 1e-1),
    num_steps=st.integers(1, 400),
    batch_tokens=st.integers(1, 50),
    warmup_tokens=st.integers(1, 5_000),
    decay_shape=st.sampled_from(["linear", "1-sqrt"]),
    decay_fraction=st.floats(0.01, 1.0),
    min_fraction=st.floats(0.0, 1.0),
) | st.builds(
    Schedule,
    kind=st.just("cosine"),
    peak=st.floats(1e-5, 1e-1),
    num_steps=st.integers(1, 400),
    batch_tokens=st.integers(1, 50),
    warmup_tokens=st.integers(1, 5_000),
    decay_shape=st.just("cosine"),
    decay_fraction=st.just(0.0),
    min_fraction=st.floats(0.0, 1.0),
)


@given(schedules)
def test_every_rate_is_positive_up_to_the_peak_and_only_falls_after_warm_up(one: Schedule) -> None:
    rates = [one.rate_at(step) for step in range(one.num_steps)]
    assert all(0 < rate <= one.peak * (1 + 1e-12) for rate in rates)
    after = rates[one.warmup_steps :]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(after))


@given(schedules)
def test_no_rate_jumps_by_more_than_its_steepest_piece_allows(one: Schedule) -> None:
    # warm-up climbs by B / W a step; a line or half a cosine falls by at most pi / 2 over K; a root by 1 / sqrt(K)
    bound = one.batch_tokens / one.warmup_tokens + max(1.6 / max(1, one.decay_steps), max(1, one.decay_steps) ** -0.5)
    rates = [one.rate_at(step) for step in range(one.num_steps)]
    assert all(abs(b - a) <= one.peak * bound + 1e-12 for a, b in pairwise(rates))
