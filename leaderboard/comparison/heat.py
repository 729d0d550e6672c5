"""Heat map of a comparison on a terminal: arms down, slices or families across, one cell a difference.

Colours diverge from 0: blue where A is better, orange where it is worse, in five steps of the largest value of a
table. A difference that its noise does not resolve stands in brackets and without colour, so that a screen without
colours says the same. Resolved is Holm's mark where run noise was measured, else an interval that leaves zero out; the
legend says which, and in a table with both `°` marks the cells of the second kind. Intervals are never corrected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.comparison.forest import grouped, shown
from leaderboard.comparison.row import LOG_RATIO, Row

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.compare_command import Compared

STEPS = 5
"""Steps of colour on either side of 0."""
LEVELS = ("headline", "slice", "panel", "all-tasks", "family")
"""Rows that are drawn, but for accuracy at chance on both sides; single tasks are in the tables."""
BLUES = ("#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061")
ORANGES = ("#fee0b6", "#fdb863", "#e08214", "#b35806", "#7f3b08")
"""Source: ColorBrewer RdBu and PuOr, told apart with every common kind of colour blindness."""
HOLM = "resolved by Holm's correction at 5 % over an arm's judged rows of this table, not over arms"
SINGLE = "resolved by its single 95 % interval, uncorrected"
UNCORRECTED = "°"
"""After a value that Holm's correction did not see, in a table where it saw others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One difference of one arm."""

    row: Row
    value: float
    """Per cent of bits per byte, or points."""
    low: float | None
    high: float | None
    step: int
    """-5 (much worse) to 5 (much better), 0 in the middle."""
    resolved: bool
    is_marked: bool = False
    """Whether the value bears `UNCORRECTED`."""

    @property
    def text(self) -> str:
        """The value, in brackets where noise does not resolve it."""
        told = _signed(self.value, 2)
        return (told if self.resolved else f"({told})") + (UNCORRECTED if self.is_marked else "")

    @property
    def basis(self) -> str:
        """What `resolved` rests on, in words."""
        said = SINGLE if self.row.holm is None else HOLM
        return said if self.resolved else f"not {said}"

    @property
    def interval(self) -> str:
        """The interval; `?` where nothing is known of it."""
        if self.low is None or self.high is None:
            return "?"
        return f"{_two_digits(self.low)} to {_two_digits(self.high)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """One table: a measure at a place."""

    place: str
    title: str
    against: str
    columns: tuple[str, ...]
    arms: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    """By arm and column; an arm that lacks a column was not scored on it."""
    largest: float

    @property
    def basis(self) -> str:
        """What resolved means in this table, in words."""
        kinds = {cell.row.holm is None for cell in self.cells.values()}
        if len(kinds) == 2:
            return f"{HOLM}; with {UNCORRECTED} {SINGLE}"
        return SINGLE if True in kinds else HOLM


def resolved(row: Row) -> bool:
    """Whether a difference stands beyond noise: Holm's mark if there is one, else an interval without zero."""
    return row.holm if row.holm is not None else row.side in ("better", "worse")


def heats(found: Sequence[Compared]) -> list[Heat]:
    """Return the tables of everything compared: one a place and measure, in the order of the comparison."""
    rows: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for outcome in (one for pair in found for one in pair.outcomes):
        for title, group in grouped(_drawn(outcome.rows)):
            key = (outcome.place.label, title, outcome.b)
            rows.setdefault(key, {})[outcome.a] = list(group)
    return [_heat(*key, by_arm) for key, by_arm in rows.items()]


def draw_heat(console: Console, found: Sequence[Compared]) -> None:
    """Print the heat maps where several arms are compared; with one arm the tables say it all."""
    from rich.table import Table
    from rich.text import Text

    for heat in heats(found):
        if len(heat.arms) < 2:
            continue
        title = f"{heat.title} against {heat.against}, {heat.place}; blue better, orange worse, (brackets) not resolved"
        table = Table(title=printable(title), title_justify="left", header_style="bold")
        table.add_column("", overflow="fold")
        for name in heat.columns:
            table.add_column(printable(name), justify="right", overflow="fold")
        for arm in heat.arms:
            cells = [heat.cells.get((arm, name)) for name in heat.columns]
            told = [Text("–") if cell is None else Text(cell.text, style=_style(cell)) for cell in cells]
            table.add_row(printable(arm), *told)
        console.print(table)
        console.print(f"without brackets: {heat.basis}", soft_wrap=True, highlight=False)


def _drawn(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the maps: what the tables leave out, accuracy that is at chance on both sides, is left out."""
    return [row for row in rows if row.level in LEVELS and row.above_chance is not False]


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign; one that rounds to 0 has none."""
    told = f"{value:+.{digits}f}".replace("-", "−")
    return told if set(told) - set("+−0.") else told[1:]


def _heat(place: str, title: str, against: str, by_arm: dict[str, list[Row]]) -> Heat:
    rows = [row for group in by_arm.values() for row in group]
    largest = max((abs(shown(row.delta, row)) for row in rows), default=0.0)
    corrected = any(row.holm is not None for row in rows)
    cells = {(arm, row.name): _cell(row, largest, corrected) for arm, group in by_arm.items() for row in group}
    return Heat(
        place=place,
        title=title,
        against=against,
        columns=tuple(dict.fromkeys(row.name for row in rows)),
        arms=tuple(by_arm),
        cells=cells,
        largest=largest,
    )


def _cell(row: Row, largest: float, corrected: bool) -> Cell:
    value = shown(row.delta, row)
    gain = -value if row.unit == LOG_RATIO else math.copysign(abs(value), row.gain)
    step = math.ceil(STEPS * abs(value) / largest - 1e-9) if largest else 0
    return Cell(
        row=row,
        value=value,
        low=None if row.low is None else shown(row.low, row),
        high=None if row.high is None else shown(row.high, row),
        step=step if gain > 0 else -step,
        resolved=resolved(row),
        is_marked=corrected and row.holm is None,
    )


def _two_digits(value: float) -> str:
    """Return a signed number with two significant digits: `−0.053`, `+1.2`, `+12`, `0.0`."""
    if not value:
        return "0.0"
    value = float(f"{value:.1e}")
    decimals = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:+.{decimals}f}".replace("-", "−")


def _style(cell: Cell) -> str:
    if not cell.resolved or not cell.step:
        return "dim" if not cell.resolved else ""
    colours = BLUES if cell.step > 0 else ORANGES
    return f"{'white' if abs(cell.step) > 3 else 'black'} on {colours[abs(cell.step) - 1]}"
