"""Rows of ids for the model, none of which holds a token twice that could be shared.

Choices of an item that begin alike become one row: what they share, then each one's own end. Every end reads what is
shared and itself, at the positions it would have alone (tree attention): one pass instead of a cache. Choices of one
token after the same context are predicted by the same position, so all but the first are free; equal requests are
scored once. Rows are batched by length, longest first, so batches depend on the task's items alone.
Shapes: B rows, T positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.evals.requests import Encoded, Request
from train.readers import Ids

BATCH_POSITIONS = 2_048
MIN_SAVED_TOKENS = 16
MIN_SAVED_FRACTION = 0.2
"""Of an item's tokens. A shared beginning that saves less is read again with each end: its mask costs more."""
PAD, SHARED = -1, 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """Ids to read once and the predictions that count."""

    ids: Ids
    positions: Ids
    parts: Ids
    """0 for the shared beginning, 1.. for the ends; all 0 in a plain row."""
    places: Ids
    """Position in the row of each prediction."""
    targets: Ids
    requests: Ids
    """Number of the request that each prediction belongs to."""

    @property
    def is_tree(self) -> bool:
        """Whether ends share a beginning."""
        return bool(self.parts[-1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows side by side; plain ones are filled up at their ends, trees at their beginnings."""

    ids_BT: Ids
    positions_BT: Ids | None
    """None: 0, 1, 2 … in every row, each position reading all before it."""
    parts_BT: Ids | None
    rows: Ids
    """Row of each prediction."""
    places: Ids
    targets: Ids
    requests: Ids
    num_rows: int

    @property
    def first_place(self) -> int:
        """The earliest position that predicts anything."""
        return int(self.places.min())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A task's rows, and the request that each choice of each item is, by number."""

    rows: tuple[Row, ...]
    num_requests: int
    choices: tuple[tuple[int, ...], ...]
    uncond: tuple[tuple[int, ...], ...]


def lay_out(items: Sequence[Encoded], *, sharing: bool = True) -> Layout:
    """Return the rows in which the items' requests are scored; without `sharing` one row a request."""
    numbers: dict[object, int] = {}
    rows: list[Row] = []

    def numbered(requests: Sequence[Request]) -> tuple[int, ...]:
        known, fresh = [], {}
        for request in requests:
            key = request.key if sharing else object()
            if key not in numbers:
                numbers[key] = len(numbers)
                fresh[numbers[key]] = request
            known.append(numbers[key])
        if fresh:
            rows.extend(_rows(fresh) if sharing else (_plain({number: one}) for number, one in fresh.items()))
        return tuple(known)

    choices = tuple(numbered(item.choices) for item in items)
    uncond = tuple(numbered(item.uncond) for item in items)
    return Layout(rows=tuple(rows), num_requests=len(numbers), choices=choices, uncond=uncond)


def batches(rows: Sequence[Row]) -> Iterator[Batch]:
    """Yield the rows in batches of like length, plain ones first, the longest first."""
    order = sorted(range(len(rows)), key=lambda number: (rows[number].is_tree, -len(rows[number].ids), number))
    start = 0
    while start < len(order):
        first = rows[order[start]]
        end = min(start + max(1, BATCH_POSITIONS // len(first.ids)), len(order))
        while rows[order[end - 1]].is_tree != first.is_tree:
            end -= 1
        yield _batch([rows[number] for number in order[start:end]])
        start = end


def _rows(requests: dict[int, Request]) -> list[Row]:
    """Return the rows of requests that may begin alike."""
    by_inputs: dict[bytes, dict[int, Request]] = {}
    for number, request in requests.items():
        by_inputs.setdefault(request.inputs.tobytes(), {})[number] = request
    ends = list(by_inputs.values())
    shared = _shared_length([request for end in ends for request in end.values()])
    total = sum(len(next(iter(end.values())).inputs) for end in ends)
    if shared * (len(ends) - 1) < max(MIN_SAVED_TOKENS, MIN_SAVED_FRACTION * total):
        return [_plain(end) for end in ends]
    return [_tree(ends, shared)]


def _shared_length(requests: Sequence[Request]) -> int:
    """Return how many ids all requests begin with, up to the first position that predicts."""
    length = min(request.first for request in requests)
    first = requests[0].ids
    for request in requests[1:]:
        differ = np.flatnonzero(request.ids[:length] != first[:length])
        length = int(differ[0]) if len(differ) else length
    return length


def _plain(requests: dict[int, Request]) -> Row:
    """Return the row of requests with equal inputs."""
    inputs = next(iter(requests.values())).inputs
    predictions = [_predictions(number, request, 0) for number, request in requests.items()]
    return Row(
        ids=inputs,
        positions=np.arange(len(inputs)),
        parts=np.zeros(len(inputs), np.int64),
        **{name: np.concatenate(columns) for name, columns in zip(_PICKS, zip(*predictions, strict=True), strict=True)},
    )


def _tree(ends: Sequence[dict[int, Request]], shared: int) -> Row:
    """Return one row of a shared beginning and several ends."""
    inputs = [next(iter(end.values())).inputs for end in ends]
    own = [ids[shared:] for ids in inputs]
    starts = shared + np.cumsum([0, *map(len, own)])
    predictions = [
        _predictions(number, request, int(start) - shared)
        for end, start in zip(ends, starts[:-1], strict=True)
        for number, request in end.items()
    ]
    return Row(
        ids=np.concatenate([inputs[0][:shared], *own]),
        positions=np.concatenate([np.arange(shared), *(np.arange(shared, shared + len(ids)) for ids in own)]),
        parts=np.concatenate([np.zeros(shared, np.int64), *(np.full(len(ids), n + 1) for n, ids in enumerate(own))]),
        **{name: np.concatenate(columns) for name, columns in zip(_PICKS, zip(*predictions, strict=True), strict=True)},
    )


_PICKS = ("places", "targets", "requests")


def _predictions(number: int, request: Request, shift: int) -> tuple[Ids, Ids, Ids]:
    places = np.arange(request.first, len(request.ids) - 1) + shift
    return places, request.ids[-request.length :], np.full(request.length, number, np.int64)


def _batch(rows: Sequence[Row]) -> Batch:
    longest, trees = max(len(row.ids) for row in rows), rows[0].is_tree
    ids, positions = np.zeros((2, len(rows), longest), np.int64)
    parts = np.full((len(rows), longest), PAD, np.int64)
    shifts: npt.NDArray[np.int64] = np.array([longest - len(row.ids) if trees else 0 for row in rows])
    for number, (row, shift) in enumerate(zip(rows, shifts.tolist(), strict=True)):
        span = slice(shift, shift + len(row.ids))
        ids[number, span], positions[number, span], parts[number, span] = row.ids, row.positions, row.parts
    counts = [len(row.places) for row in rows]
    return Batch(
        ids_BT=ids,
        positions_BT=positions if trees else None,
        parts_BT=parts if trees else None,
        rows=np.repeat(np.arange(len(rows)), counts),
        places=np.concatenate([row.places for row in rows]) + np.repeat(shifts, counts),
        targets=np.concatenate([row.targets for row in rows]),
        requests=np.concatenate([row.requests for row in rows]),
        num_rows=len(rows),
    )
