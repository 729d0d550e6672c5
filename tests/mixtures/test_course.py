"""Courses: caps, UniMax, budgets of slices, groups, phases, and what repeats are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError
from curation.recipe import MixSpec, as_json, validate
from mixtures.course import Course, Span, course, fill
from mixtures.draws import Stretch, draw, draw_stretches, worst_share_error
from mixtures.repeats import R_STAR, effective_tokens, repeat_warnings
from mixtures.weights import slice_weights

SPAN = Span(tokens_at_1x=1_000_000, batch_tokens=1_000, window_tokens=10)


def counts(**tokens: int) -> dict[str, SliceCounts]:
    """Return slices of so many stream tokens, four bytes each."""
    return {name.replace("_", "/"): SliceCounts(docs=0, bytes=4 * n, tokens=n) for name, n in tokens.items()}


def settled(mix: Mapping[str, object], held: dict[str, SliceCounts], span: Span = SPAN) -> Course:
    windows = {name: found.stream_tokens // 10 for name, found in held.items()}
    spec: MixSpec = validate(MixSpec, mix, "r.yaml: mix")
    return course(spec, held, windows, span=span, where="r.yaml: mix")


def shares(found: Course, phase: int = 0) -> dict[str, float]:
    return {name: round(share, 9) for name, share in found.phases[phase].shares.items()}


def unimax(sizes: list[float], budget: float, epochs: float) -> list[float]:
    """Algorithm 1 of Chung et al. 2023, word for word: from the smallest, an equal part of what is left or the cap."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    given_, left = [0.0] * len(sizes), budget
    for place, i in enumerate(order):
        part = left / (len(sizes) - place)
        given_[i] = sizes[i] * epochs if part > sizes[i] * epochs else part
        left -= given_[i]
    return given_


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=20), st.floats(0.1, 8.0), st.floats(0.01, 1.0))
def test_filling_equal_weights_is_unimax(sizes: list[int], epochs: float, part: float) -> None:
    budget = part * epochs * sum(sizes)
    found = fill(budget, [1.0] * len(sizes), [epochs * size for size in sizes])
    assert found == pytest.approx(unimax([float(size) for size in sizes], budget, epochs))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 100.0)), min_size=1, max_size=12), st.floats(0.01, 1.0))
def test_filling_gives_the_cap_or_one_common_multiple_of_the_weight(
    rows: list[tuple[float, float]], part: float
) -> None:
    weights, caps = [w for w, _ in rows], [c for _, c in rows]
    amount = part * sum(caps)
    found = fill(amount, weights, caps)
    assert sum(found) == pytest.approx(amount)
    free = [x / w for x, w, c in zip(found, weights, caps, strict=True) if x < c * (1 - 1e-9)]
    assert all(x <= c * (1 + 1e-9) for x, c in zip(found, caps, strict=True))
    if free:
        level = max(free)
        assert free == pytest.approx([level] * len(free))
        capped = [x / w for x, w, c in zip(found, weights, caps, strict=True) if x >= c * (1 - 1e-9)]
        assert all(each <= level * (1 + 1e-6) for each in capped)


def test_unimax_caps_the_small_slice_and_shares_the_rest_alike() -> None:
    found = settled({"weights": "unimax", "max_epochs": 4}, counts(big=900_000, mid=300_000, small=20_000))
    assert shares(found) == {"small": 0.08, "mid": 0.46, "big": 0.46}  # 4 x 20k of 1M; the rest halved
    assert found.capped == ("small",)


def test_a_cap_on_one_slice_gives_its_overflow_to_the_others_by_their_weights() -> None:
    mix = {"weights": {"a": 0.5, "b": 0.3, "c": 0.2}, "max_epochs": {"a": 2}}
    found = settled(mix, counts(a=100_000, b=1_000_000, c=1_000_000))
    assert shares(found) == {"a": 0.2, "b": 0.48, "c": 0.32}


def test_temperature_weighs_by_the_root_of_the_size() -> None:
    found = slice_weights(MixSpec(weights="temperature", temperature=2.0), counts(a=10_000, b=1_000_000), "m")
    assert found["a"].byte_share == pytest.approx(1 / 11)  # 100 : 1000
    one = slice_weights(MixSpec(weights="temperature", temperature=1.0), counts(a=1, b=3), "m")
    assert one["b"].byte_share == pytest.approx(0.75)


def test_a_budget_in_tokens_is_drawn_and_the_others_share_the_rest() -> None:
    found = settled({"tokens": {"code": "250K"}}, counts(code=200_000, web=300_000, books=100_000))
    assert shares(found) == {"books": 0.1875, "web": 0.5625, "code": 0.25}
    assert found.windows(found.draws)["code"] * 10 == pytest.approx(250_000)


def test_groups_hold_their_weight_and_overflow_stays_inside_first() -> None:
    mix = {"max_epochs": 2, "groups": {"web": {"weight": 0.6, "within": "uniform"}, "code": {"weight": 0.4}}}
    held = counts(web_news=500_000, web_blogs=50_000, code=400_000)
    assert shares(settled(mix, held)) == {"code": 0.4, "web/blogs": 0.1, "web/news": 0.5}


def test_groups_without_weights_are_weighed_by_the_scheme() -> None:
    mix = {"weights": "uniform", "groups": {"web": {}, "code": {}}}
    held = counts(web_a=300_000, web_b=100_000, code=5_000)
    assert shares(settled(mix, held)) == {"code": 0.5, "web/a": 0.375, "web/b": 0.125}


def test_buckets_share_their_slice_by_size_times_repeat() -> None:
    held = {"web#1": 100_000, "web#2": 900_000, "code": 1_000_000}
    quality = {"score": "s", "slices": ["web"], "buckets": [{"top": 0.1, "repeat": 9}, {"repeat": 1}]}
    found = settled({"quality": quality}, {n: SliceCounts(docs=0, bytes=4 * t, tokens=t) for n, t in held.items()})
    assert shares(found) == {"code": 0.5, "web#1": 0.25, "web#2": 0.25}
    assert found.parents["web#1"] == "web"


def test_phases_keep_counts_and_a_later_phase_gets_what_the_cap_leaves() -> None:
    mix = {
        "max_epochs": {"code": 2},
        "phases": [{"until": 0.5, "weights": {"code": 0.3, "web": 0.7}}, {"weights": {"code": 0.5, "web": 0.5}}],
    }
    found = settled(mix, counts(code=100_000, web=2_000_000))
    assert [phase.end for phase in found.phases] == [50_000, None]
    assert shares(found, 0)["code"] == 0.3  # 150k of the 200k that the cap allows
    assert shares(found, 1)["code"] == 0.1  # the last 50k, in 500k
    assert found.windows(100_000)["code"] == pytest.approx(20_000)


def test_an_end_in_tokens_is_that_of_the_fraction() -> None:
    held = counts(code=1_000_000, web=1_000_000)
    both = [settled({"phases": [{"until": until}, {"weights": "uniform"}]}, held) for until in (0.25, "250K")]
    assert both[0].phases == both[1].phases


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"weights": {"a": 0.5, "b": 0.2}}, "weights sum to 0.7, expected 1; fix them or set `normalize: true`"),
        ({"weights": "temperature", "temperature": 0}, "temperature is 0, expected more than 0"),
        ({"weights": "temperature", "temperature": -1}, "temperature is -1, expected more than 0"),
        ({"weights": "temperature"}, "without a temperature; set `temperature: 3.3`"),
        ({"temperature": 2}, "is given and not used"),
        ({"weights": "unimax"}, "`unimax` without `max_epochs`; set `max_epochs: 4`"),
        ({"phases": [{"until": 0.8}, {"until": 0.4}, {}]}, "phases end at 0.8, 0.4: out of order"),
        ({"phases": [{}, {}]}, r"phases\[0\] has no `until`"),
        ({"phases": [{"until": 0.8}, {"until": "100K"}, {}]}, "phases end after 800,000, 100,000 tokens: out of order"),
        ({"groups": {"a": {"weight": 0.5, "slices": ["b", "b"]}}}, "lists `b` twice"),
        (
            {"groups": {"x": {"weight": 0.5, "slices": ["a", "b"]}, "y": {"weight": 0.5, "slices": ["b"]}}},
            "slice `b` is in the groups `x` and `y`",
        ),
        (
            {"groups": {"x": {"weight": 0.5, "slices": ["*"]}, "b": {"weight": 0.5}}},
            "slice `b` is in the groups `b` and `x`; expected one; narrow `slices`",
        ),
        ({"groups": {"a": {"weight": 1}}}, "slice `b` is in no group"),
        ({"groups": {"a": {"weight": 1}, "b": {}}}, "groups.b has no weight, other groups have"),
        ({"weights": {"a": 0.5, "c": 0.5}}, "weights.c: 0.5 for a slice without text"),
        ({"weights": {"a": 0.5, "b": 0.5}, "tokens": {"b": "1M"}}, "has a weight and a budget in `tokens`"),
        ({"tokens": {"c": "1M"}}, "tokens.c: .* of a slice without text"),
        ({"tokens": {"a": "2M"}}, "tokens: 2,000,000 in all, the budget is 1,000,000"),
        ({"tokens": {"a": "2Q"}}, "`2Q` is no amount"),
        ({"max_epochs": {"z": 3}}, "max_epochs.z: no slice of that name has text"),
        ({"max_epochs": 0.5}, "the caps allow 100,000 of 200,000 unique ones; .* raise `max_epochs` to 5 or more"),
        ({"tokens": {"a": "500K"}, "max_epochs": {"a": 4}}, "500,000 tokens are asked of `a`, the caps allow 400,000"),
        ({"max_epochs": 0}, "max_epochs"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_place_and_remedy(mix: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        settled(mix, counts(a=100_000, b=100_000))
    assert str(caught.value).startswith("r.yaml: mix")


@pytest.mark.parametrize(
    "mix",
    [{}, {"weights": "uniform"}, {"weights": {"a": 3, "b": 1}, "unit": "tokens", "normalize": True}],
)
def test_a_recipe_without_the_new_settings_dumps_as_it_always_did(mix: dict[str, object]) -> None:
    dumped = as_json(validate(MixSpec, mix, "m"))
    assert dumped == {"weights": "natural", "unit": "bytes", "normalize": False} | mix


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=12))
def test_shares_are_within_a_thousandth_from_one_percent_of_the_budget_on(weights: list[float]) -> None:
    """Whatever ranks share the reading: `tests/train/test_dealing.py`."""
    budget = 100_000  # windows; micro-1x draws 258,016
    names = [f"s{i:02d}" for i in range(len(weights))]
    drawn = draw(dict(zip(names, weights, strict=True)), dict.fromkeys(names, 999), seed=1, start=0, count=budget)
    seen = np.cumsum(drawn.slices[:, None] == np.arange(len(names)), axis=0)
    prefixes = np.arange(1, budget + 1)
    target = np.array(weights) / sum(weights)
    error = np.abs(seen / prefixes[:, None] - target)[budget // 100 - 1 :]
    assert error.max() <= 0.001
    assert worst_share_error(len(names), budget // 100) <= 0.001


stretch_rows = st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(stretch_rows, st.lists(st.integers(1, 200), min_size=3, max_size=3, unique=True))
def test_across_phases_every_prefix_is_within_one_draw_of_the_sum_of_targets(
    rows: list[list[int]], cuts: list[int]
) -> None:
    ends = [*sorted(cuts)[: len(rows) - 1], None]
    stretches = [
        Stretch(shares={f"s{i}": w / sum(row) for i, w in enumerate(row)}, end=end)
        for row, end in zip(rows, ends, strict=True)
    ]
    found = draw_stretches(stretches, {f"s{i}": 5 for i in range(4)}, seed=2, start=0, count=400)
    targets = np.zeros((400, 4))
    start = 0
    for row, end in zip(rows, ends, strict=True):
        targets[start:end] = np.array(row) / sum(row)
        start = end or 400
    own = [int(name[1:]) for name in found.names]
    seen = np.cumsum(found.slices[:, None] == np.arange(len(own)), axis=0)
    assert np.abs(seen - np.cumsum(targets, axis=0)[:, own]).max() < 1.0
    again = draw_stretches(stretches, {f"s{i}": 5 for i in range(4)}, seed=2, start=137, count=50)
    assert np.array_equal(again.windows, found.windows[137:187])
    for number in range(len(own)):  # windows and epochs go on across phases as if nothing had changed
        mine = found.slices == number
        assert found.epochs[mine].tolist() == [place // 5 for place in range(int(mine.sum()))]


def test_one_stretch_or_several_equal_ones_draw_alike() -> None:
    shares_, windows = {"a": 0.61, "b": 0.3, "c": 0.09}, {"a": 9, "b": 9, "c": 9}
    plain = draw(shares_, windows, seed=4, start=0, count=3_000)
    cut = draw_stretches(
        [Stretch(shares=shares_, end=777), Stretch(shares=shares_, end=None)], windows, seed=4, start=0, count=3_000
    )
    assert np.array_equal(plain.slices, cut.slices)
    assert np.array_equal(plain.windows, cut.windows)


def test_repeats_are_worth_what_the_data_constrained_law_says() -> None:
    assert effective_tokens(80.0, 100.0) == 80.0
    assert effective_tokens(400.0, 100.0) == pytest.approx(100 + 100 * R_STAR * (1 - math.exp(-3 / R_STAR)))
    assert effective_tokens(400.0, 100.0) == pytest.approx(372.57, abs=0.01)  # 3 / R* = 0.19496, 1 - exp = 0.17713
    assert effective_tokens(1e12, 1.0) == pytest.approx(1 + R_STAR)
    assert effective_tokens(5.0, 0.0) == 0.0


def test_more_than_four_epochs_and_low_effective_data_are_warned_about() -> None:
    assert repeat_warnings({"a": 400.0, "b": 10.0}, {"a": 100.0, "b": 100.0}) == []
    told = repeat_warnings({"a": 900.0, "b": 10.0}, {"a": 100.0, "b": 100.0})
    assert len(told) == 2
    assert "slice `a` is read 9.00 times, worth 7.24 times" in told[0]
    assert "910 tokens are worth 734 new ones (80.6%)" in told[1]
