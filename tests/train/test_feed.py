"""The feed of windows: the same rows whether read ahead or not, whatever is asked for."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixtures.draws import Draws, draw
from train.feed import Feed
from train.shards import Streams, TokenStream

T = 8


def streams() -> Streams:
    tokens = {"a": np.arange(0, 400, dtype=np.uint16), "b": np.arange(1_000, 1_300, dtype=np.uint16)}
    return Streams(shares={"a": 0.7, "b": 0.3}, tokens=tokens)


def batches(count: int, rows: int = 4) -> list[Draws]:
    found = streams()
    return [
        draw(found.shares, found.num_windows(T), seed=1, start=step * rows, count=rows) for step in range(count)
    ] + [draw(found.shares, found.num_windows(T), seed=1, start=0, count=0)]


def expected(drawn: Draws) -> np.ndarray:
    tokens = streams().tokens
    pairs = zip(drawn.slices, drawn.windows, strict=True)
    return np.array([tokens[drawn.names[number]][window * T : window * T + T + 1] for number, window in pairs])


@pytest.mark.parametrize("ahead", [False, True])
def test_rows_are_the_windows_of_the_draws_as_64_bit_ids(ahead: bool) -> None:
    wanted = batches(6)
    with Feed(streams(), T, ahead=ahead, pinned=False) as feed:
        for drawn, following in itertools.pairwise(wanted):
            rows = feed.rows(drawn, following)
            assert rows.dtype == np.int64
            assert np.array_equal(rows, expected(drawn))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_steps_in_any_order_get_their_own_rows(order: list[int]) -> None:
    """A run that goes back, or skips, asks for something else than it announced."""
    wanted = batches(6)
    with Feed(streams(), T, ahead=True, pinned=False) as feed:
        for step in order:
            assert np.array_equal(feed.rows(wanted[step], wanted[step + 1]), expected(wanted[step]))


class Slow(Streams):
    """What is read ahead takes long: it is still being written when the order of steps changes."""

    def window(self, name: str, index: int, window_tokens: int) -> TokenStream:
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.005)
        return super().window(name, index, window_tokens)


def test_what_is_still_read_for_an_announced_step_is_not_written_over_another() -> None:
    wanted, held = batches(6), streams()
    with Feed(Slow(shares=held.shares, tokens=held.tokens), T, ahead=True, pinned=False) as feed:
        for step in (0, 5, 3):  # nothing follows step 5: the third call gets the buffer that step 1 is read into
            rows = feed.rows(wanted[step], wanted[6] if step == 3 else wanted[step + 1])
            time.sleep(0.05 if step == 3 else 0)
            assert np.array_equal(rows, expected(wanted[step])), step


def test_rows_stay_while_the_next_ones_are_read() -> None:
    wanted = batches(4)
    with Feed(streams(), T, ahead=True, pinned=False) as feed:
        for drawn, following in itertools.pairwise(wanted):
            rows = feed.rows(drawn, following)
            if feed.coming is not None:
                feed.coming[1].result()
            assert np.array_equal(rows, expected(drawn))


def test_a_change_of_the_batch_is_followed() -> None:
    small, large = batches(2, rows=2), batches(2, rows=6)
    with Feed(streams(), T, ahead=True, pinned=False) as feed:
        assert np.array_equal(feed.rows(small[0], large[1]), expected(small[0]))
        assert np.array_equal(feed.rows(large[1], small[1]), expected(large[1]))
        assert np.array_equal(feed.rows(small[1], large[2]), expected(small[1]))
