"""The windows of a step as one array; for a device with its own memory, gathered while the step before is computed.

Windows are slices of memory-mapped streams. Two page-locked buffers take turns, so a copy to the device needs no wait
and is done before its buffer is filled again: a step ends with numbers that come from the device.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
import numpy.typing as npt
import torch

from mixtures.draws import Draws
from train.shards import Streams

Rows = npt.NDArray[np.int64]


class Feed:
    """Reads windows of T + 1 ids; a context manager, as it may hold a thread."""

    def __init__(self, streams: Streams, window_tokens: int, *, ahead: bool, pinned: bool) -> None:
        """Read one step `ahead` in a thread, or at once; `pinned` buffers are page-locked."""
        self.streams = streams
        self.window_tokens = window_tokens
        self.pinned = pinned
        self.pool = ThreadPoolExecutor(max_workers=1) if ahead else None
        self.coming: tuple[Draws, Future[Rows]] | None = None
        self.buffers: list[Rows] = []
        self.turn = 0

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def rows(self, drawn: Draws, following: Draws) -> Rows:
        """Return the windows of `drawn`, valid until the call after the next; then expect to be asked `following`."""
        if self.pool is None:
            return self._gather(drawn, self._new(len(drawn)))
        coming, self.coming = self.coming, None
        if coming is not None and _same(coming[0], drawn):
            found = coming[1].result()
        else:  # the first step, or the order of steps has changed
            if coming is not None:  # its thread may still be writing into the buffer whose turn comes next
                coming[1].result()
            found = self._gather(drawn, self._buffer(len(drawn)))
        if len(following):
            buffer = self._buffer(len(following))
            self.coming = following, self.pool.submit(self._gather, following, buffer)
        return found

    def _gather(self, drawn: Draws, into: Rows) -> Rows:
        pairs = zip(drawn.slices.tolist(), drawn.windows.tolist(), strict=True)
        for row, (number, window) in zip(into, pairs, strict=True):
            row[:] = self.streams.window(drawn.names[number], window, self.window_tokens)
        return into

    def _buffer(self, num_rows: int) -> Rows:
        """Return the buffer whose turn it is."""
        if len(self.buffers) != 2 or len(self.buffers[0]) != num_rows:
            self.buffers = [self._new(num_rows), self._new(num_rows)]
        self.turn = 1 - self.turn
        return self.buffers[self.turn]

    def _new(self, num_rows: int) -> Rows:
        held = torch.empty((num_rows, self.window_tokens + 1), dtype=torch.int64, pin_memory=self.pinned)
        found: Rows = held.numpy()
        return found


def _same(one: Draws, two: Draws) -> bool:
    return np.array_equal(one.slices, two.slices) and np.array_equal(one.windows, two.windows)
