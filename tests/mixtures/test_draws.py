"""The order of training windows: shares at every prefix, each window once an epoch, resume anywhere."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import RunError
from curation.randomness import stable_hash
from mixtures.draws import SHARE_UNITS, Draws, draw, share_units

MASK = (1 << 64) - 1

mixes = st.lists(st.tuples(st.floats(0.001, 1.0), st.integers(1, 60)), min_size=1, max_size=12).map(
    lambda rows: (
        {f"s{i:02d}": share for i, (share, _) in enumerate(rows)},
        {f"s{i:02d}": size for i, (_, size) in enumerate(rows)},
    )
)


def triples(draws: Draws) -> list[tuple[str, int, int]]:
    rows = zip(draws.slices.tolist(), draws.windows.tolist(), draws.epochs.tolist(), strict=True)
    return [(draws.names[s], w, e) for s, w, e in rows]


def slow_order(shares: list[float], count: int) -> list[int]:
    """Tijdeman's assignment in exact fractions, one draw at a time."""
    units = [Fraction(int(unit), SHARE_UNITS) for unit in share_units(shares)]
    floor = Fraction(1, max(2 * len(units) - 2, 1))
    drawn = [0] * len(units)
    order = []
    for n in range(1, count + 1):
        deficits = [unit * n - done for unit, done in zip(units, drawn, strict=True)]
        open_to = [s for s, deficit in enumerate(deficits) if deficit >= floor]
        order.append(min(open_to, key=lambda s: ((1 - floor - deficits[s]) / units[s], s)))
        drawn[order[-1]] += 1
    return order


def slow_mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def slow_permuted(seed: int, name: str, epoch: int, place: int, size: int) -> int:
    """The keyed permutation in Python integers."""
    key = slow_mix(stable_hash(seed, "order", name) ^ slow_mix(epoch + 1))
    half = next(h for h in range(1, 33) if 4**h >= size)
    while True:
        left, right = place >> half, place & ((1 << half) - 1)
        for turn in range(6):
            left, right = right, left ^ (slow_mix(right ^ slow_mix((key + turn) & MASK)) & ((1 << half) - 1))
        place = left << half | right
        if place < size:
            return place


@settings(max_examples=60, deadline=None)
@given(mixes, st.integers(1, 400))
def test_after_every_prefix_each_slice_is_within_one_draw_of_its_share(
    mix: tuple[dict[str, float], dict[str, int]], count: int
) -> None:
    shares, sizes = mix
    drawn = draw(shares, sizes, seed=1, start=0, count=count)
    total = sum(shares.values())
    seen = np.cumsum(drawn.slices[:, None] == np.arange(len(drawn.names)), axis=0)
    wanted = np.arange(1, count + 1)[:, None] * np.array([shares[name] / total for name in drawn.names])
    assert np.abs(seen - wanted).max() < 1.0


def test_many_equal_slices_beside_a_large_one_stay_within_one_draw() -> None:
    shares = {"big": 0.5, **{f"s{i}": 0.5 / 40 for i in range(40)}}
    drawn = draw(shares, dict.fromkeys(shares, 7), seed=3, start=0, count=4000)
    seen = np.cumsum(drawn.slices[:, None] == np.arange(41), axis=0)
    wanted = np.arange(1, 4001)[:, None] * np.array([shares[name] for name in drawn.names])
    assert np.abs(seen - wanted).max() < 1.0


@settings(max_examples=40, deadline=None)
@given(mixes, st.integers(0, 2**32))
def test_every_window_comes_once_in_each_epoch(mix: tuple[dict[str, float], dict[str, int]], seed: int) -> None:
    shares, sizes = mix
    seen = Counter(triples(draw(shares, sizes, seed=seed, start=0, count=600)))
    assert set(seen.values()) == {1}
    finished = Counter((name, epoch) for name, _, epoch in seen)
    last = {name: max(epoch for other, epoch in finished if other == name) for name, _ in finished}
    assert all(number == sizes[name] for (name, epoch), number in finished.items() if epoch < last[name])


@settings(max_examples=40, deadline=None)
@given(mixes, st.integers(0, 300), st.integers(0, 100))
def test_draws_from_any_step_are_those_of_the_whole_order(
    mix: tuple[dict[str, float], dict[str, int]], start: int, count: int
) -> None:
    whole = triples(draw(*mix, seed=5, start=0, count=start + count))
    assert triples(draw(*mix, seed=5, start=start, count=count)) == whole[start:]


@settings(max_examples=30, deadline=None)
@given(mixes)
def test_the_kernel_interleaves_as_exact_fractions_do(mix: tuple[dict[str, float], dict[str, int]]) -> None:
    drawn = draw(*mix, seed=0, start=0, count=120)
    assert drawn.slices.tolist() == slow_order([mix[0][name] for name in drawn.names], 120)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 64, 65, 1000])
def test_the_kernel_permutes_as_python_integers_do(size: int) -> None:
    drawn = draw({"only": 1.0}, {"only": size}, seed=9, start=0, count=2 * size)
    expected = [slow_permuted(9, "only", epoch, place, size) for epoch in range(2) for place in range(size)]
    assert drawn.windows.tolist() == expected


def test_the_order_is_frozen() -> None:
    drawn = draw({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 100, "b": 100, "c": 100}, seed=1, start=0, count=10)
    assert "".join(drawn.names[s] for s in drawn.slices) == "abacabacba"  # by hand, from the rule


def test_seeds_epochs_and_slices_have_their_own_order() -> None:
    sizes = {"a": 200, "b": 200}
    one, two = (draw({"a": 1, "b": 1}, sizes, seed=seed, start=0, count=800) for seed in (1, 2))
    rows = triples(one)
    orders = [tuple(w for n, w, e in rows if (n, e) == key) for key in (("a", 0), ("a", 1), ("b", 0), ("b", 1))]
    assert len(set(orders)) == 4
    assert one.slices.tolist() == two.slices.tolist()
    assert one.windows.tolist() != two.windows.tolist()


def test_positions_spread_evenly_over_a_large_slice() -> None:
    windows = draw({"a": 1.0}, {"a": 100_000}, seed=4, start=0, count=10_000).windows
    counts = np.histogram(windows, bins=20, range=(0, 100_000))[0]
    assert abs(counts - 500).max() < 5 * np.sqrt(500)


def test_slices_without_a_whole_window_leave_their_share_to_the_others() -> None:
    drawn = draw({"a": 0.5, "b": 0.25, "c": 0.25}, {"a": 4, "b": 0, "c": 4}, seed=1, start=0, count=6)
    assert Counter(drawn.names[s] for s in drawn.slices) == {"a": 4, "c": 2}


def test_nothing_to_draw_is_an_error_that_says_so() -> None:
    with pytest.raises(RunError, match="no slice has a share and a whole window"):
        draw({"a": 1.0}, {"a": 0}, seed=1, start=0, count=1)
