"""The order of data under edits: against a list that is edited by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.randomness import generator
from mixtures.draws import Draws, draw
from train.order import Edit, edited_order, places

ROWS = 3
STEPS = 40

edits = st.lists(
    st.builds(
        Edit,
        kind=st.sampled_from(["skip", "reorder"]),
        step=st.integers(0, STEPS + 5),
        batches=st.integers(1, 15),
        seed=st.integers(0, 3),
    ),
    max_size=4,
)


def edited_by_hand(edits: Sequence[Edit], count: int) -> list[int]:
    """Return the slow twin: a long list of rows, edited one edit after the other."""
    rows = list(range(count + 1_000))
    for edit in edits:
        first, length = edit.step * ROWS, edit.batches * ROWS
        window = rows[first : first + length]
        mixed = generator(edit.seed, "reorder", edit.step, edit.batches).permutation(length)
        rows[first : first + length] = [] if edit.kind == "skip" else [window[i] for i in mixed]
    return rows[:count]


@given(edits)
def test_edits_do_to_a_run_what_they_do_to_a_list(edits: list[Edit]) -> None:
    found = places(edits, ROWS, start=0, count=STEPS * ROWS)
    assert found.tolist() == edited_by_hand(edits, STEPS * ROWS)


@given(edits, st.integers(0, STEPS - 1))
def test_a_step_reads_the_same_whether_asked_alone_or_within_the_run(edits: list[Edit], step: int) -> None:
    whole = places(edits, ROWS, start=0, count=STEPS * ROWS)
    alone = places(edits, ROWS, start=step * ROWS, count=ROWS)
    assert alone.tolist() == whole[step * ROWS : (step + 1) * ROWS].tolist()


@given(edits)
def test_no_row_is_read_twice_and_steps_before_every_edit_read_what_they_did(edits: list[Edit]) -> None:
    found = places(edits, ROWS, start=0, count=STEPS * ROWS)
    first = min((edit.step for edit in edits), default=STEPS)
    assert len(set(found.tolist())) == len(found)
    assert found[: first * ROWS].tolist() == list(range(min(first, STEPS) * ROWS))


def test_skipped_batches_are_never_read_and_the_rest_moves_up() -> None:
    edit = Edit(kind="skip", step=2, batches=3)
    assert places([edit], 2, start=0, count=8).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]


@pytest.mark.parametrize("kind", ["skip", "reorder"])
def test_an_edited_run_has_whole_batches_of_real_draws_to_its_end(kind: str) -> None:
    shares, windows = {"a": 0.75, "b": 0.25}, {"a": 11, "b": 7}

    def draws(steps: int) -> Draws:
        return draw(shares, windows, seed=1, start=0, count=steps * ROWS)

    edit = Edit(kind=kind, step=6, batches=9, seed=1)  # type: ignore[arg-type]
    order = edited_order(draws, [edit], batch_rows=ROWS, num_steps=10)
    assert [len(order.batch(step)) for step in (0, 9, 10)] == [ROWS, ROWS, 0]
    assert sum(order.windows_by_slice().values()) == 10 * ROWS
    plain = draws(40)
    read = places([edit], ROWS, start=0, count=10 * ROWS)
    assert np.array_equal(order.rows.windows, plain.windows[read])
