"""Forest plot of a comparison on a terminal: intervals as aligned bars, and which rows share a scale.

Per cent of bits per byte, where A is better to the left; points of accuracy and shares, where it is to the right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.comparison.row import LOG_RATIO, Row

WIDTH = 31


def shown(value: float, row: Row) -> float:
    """Return a difference of a row in per cent, or in points for shares."""
    return 100 * (math.expm1(value) if row.unit == LOG_RATIO else value)


def bars(rows: Sequence[Row], width: int = WIDTH) -> list[str]:
    """Return one bar a row on a common scale: `├──●──┤`, `│` at zero; ends beyond the scale are arrows."""
    low, high = scale(rows)
    drawn = []
    for row in rows:
        cells = [" "] * width
        if row.low is not None and row.high is not None:
            start, end = shown(row.low, row), shown(row.high, row)
            first, last = _cell(start, low, high, width), _cell(end, low, high, width)
            for place in range(first, last + 1):
                cells[place] = "─"
            cells[first] = "├" if start >= low else "◂"
            cells[last] = "┤" if end <= high else "▸"
        zero = _cell(0.0, low, high, width)
        cells[zero] = "│" if cells[zero] == " " else "┼"
        cells[_cell(shown(row.delta, row), low, high, width)] = "●"
        drawn.append("".join(cells))
    return drawn


def axis(rows: Sequence[Row], width: int = WIDTH) -> str:
    """Return the numbers under the bars: both ends of the scale, and 0 where it has room."""
    low, high = scale(rows)
    left, right = (f"{end:+.2g}".replace("+0", "0") if not end else f"{end:+.2g}" for end in (low, high))
    cells = list(left.ljust(width - len(right)) + right)
    zero = _cell(0.0, low, high, width)
    if len(left) < zero < width - len(right) - 1:
        cells[zero] = "0"
    return "".join(cells)


def grouped(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return rows by table: loss by slice, means of tasks, tasks by measure; single scales each."""
    loss = [row for row in rows if row.level in ("headline", "slice", "panel")]
    tables = [("Loss: change of bits per byte, %", loss)]
    for level, word in (("mean", "Means of tasks"), ("task", "Tasks")):
        own = [row for row in rows if (row.level in ("all-tasks", "family")) == (level == "mean") and row not in loss]
        bits = [row for row in own if row.unit == LOG_RATIO]
        accuracy = [row for row in own if row.unit != LOG_RATIO and ("acc_" in row.metric or "accuracy" in row.metric)]
        rest = [row for row in own if row not in bits and row not in accuracy]
        tables.append((f"{word}: change of bits per byte of the gold answer, %", bits))
        tables.append((f"{word}: difference of accuracy, points", accuracy))
        tables += [
            (f"{word}: difference of {metric}, points", [row for row in rest if row.metric == metric])
            for metric in dict.fromkeys(row.metric for row in rest)
        ]
    return [(title, own) for title, own in tables if own]


def scale(rows: Sequence[Row]) -> tuple[float, float]:
    """Return a range that holds zero and every point; very wide intervals are cut at its ends."""
    points = [shown(row.delta, row) for row in rows]
    bound = max(3 * max((abs(value) for value in points), default=0.0), 0.1)
    ends = [shown(end, row) for row in rows for end in (row.low, row.high) if end is not None]
    values = [0.0, *points, *(min(bound, max(-bound, end)) for end in ends)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (-1.0, 1.0)


def _cell(value: float, low: float, high: float, width: int) -> int:
    share = (min(high, max(low, value)) - low) / (high - low)
    return min(width - 1, max(0, round(share * (width - 1))))
