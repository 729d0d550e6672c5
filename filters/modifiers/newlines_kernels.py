"""Compiled part of `filters.modifiers.newlines`: one pass over the bytes."""

from __future__ import annotations

from typing import Any

from curation.compiled import kernel
from curation.text_kernels import BYTES, OFFSETS


@kernel()
def _write_returns(out: Any, place: int, number: int) -> int:
    for i in range(place, place + number):
        out[i] = 13
    return place + number


@kernel(f"void({BYTES}, {OFFSETS}, int64, boolean, uint8[::1], int64[::1], int64[:, ::1])")
def fold(data: Any, offsets: Any, max_consecutive: int, crlf: bool, out: Any, out_offsets: Any, counts: Any) -> None:
    """Write each document without CRs before LF (if `crlf`) and with at most `max_consecutive` newlines in a row.

    `counts` gets the carriage returns and the newlines left out, a row a document.
    """
    place = 0
    for doc in range(len(offsets) - 1):
        run = 0
        returns = 0  # carriage returns whose fate the next other byte decides
        for i in range(offsets[doc], offsets[doc + 1]):
            byte = data[i]
            if crlf and byte == 13:
                returns += 1
                continue
            if byte == 10:
                counts[doc, 0] += returns
                returns = 0
                run += 1
                if run > max_consecutive:
                    counts[doc, 1] += 1
                    continue
            else:
                place = _write_returns(out, place, returns)
                returns = 0
                run = 0
            out[place] = byte
            place += 1
        place = _write_returns(out, place, returns)
        out_offsets[doc + 1] = place
