"""Forest plot of a comparison as a picture: SVG drawn here, HTML around it, PNG made from it. No script, no request.

One panel a table of `forest.grouped`, each with its own scale; a row is a point with its 95 % interval, pale when it is
not judged, blue where A is better, orange where it is worse. PNG needs the extra `[report]` (vl-convert).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path

from curation.console import printable
from curation.errors import RunError
from curation.files import replacing
from curation.page import page
from leaderboard.charts import nice_ticks
from leaderboard.compare_command import Compared
from leaderboard.comparison.forest import grouped, scale, shown
from leaderboard.comparison.row import Row

SUFFIXES = (".svg", ".png", ".html")
COLOURS = {"better": "#2166ac", "worse": "#b35806", "level": "#555555", "unknown": "#999999"}
LABELS, PLOT, NUMBERS = 250, 430, 200
"""Widths of the three columns in pixels: names, intervals, numbers."""
LINE = 20
MARGIN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    marks: list[str]
    height: float


def write_picture(path: Path, found: Sequence[Compared]) -> None:
    """Write the picture of everything compared; the suffix says its kind.

    Raises: RunError for another suffix, or PNG without its library.
    """
    write_drawing(path, lambda _: svg(found), option="--plot", title="Differences with 95 % intervals")


def write_drawing(path: Path, draw: Callable[[str], str], *, option: str, title: str) -> None:
    """Write an SVG, alone, in a page or as PNG by the file's suffix; `draw` is told the suffix.

    Raises: RunError for another suffix, or PNG without its library.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise RunError(f"{path}: a picture ends in {', '.join(SUFFIXES)}; choose one of them for {option}")
    drawing = draw(kind)
    data = drawing.encode()
    if kind == ".png":
        try:
            converter = import_module("vl_convert")
        except ImportError:
            raise RunError(
                f"{path}: PNG needs vl-convert, which is not installed; `pip install 'curate-ladder[report]'`, "
                f"or write {path.with_suffix('.svg').name}"
            ) from None
        data = bytes(converter.svg_to_png(drawing, scale=2))
    elif kind == ".html":
        data = page(title, "compare", [f'<div class="scroll">{drawing}</div>']).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def svg(found: Sequence[Compared]) -> str:
    """Return the drawing of all places and tables, one below the other."""
    marks: list[str] = []
    at = float(MARGIN)
    for outcome in (one for pair in found for one in pair.outcomes):
        head = f"{outcome.a} − {outcome.b}, {outcome.place.label}: {outcome.verdict}"
        marks.append(_text(MARGIN, at + 14, head, weight="bold", size=15))
        at += 30
        for title, rows in grouped(outcome.rows):
            drawn = _panel(title, rows, at)
            marks += drawn.marks
            at += drawn.height
    width = 2 * MARGIN + LABELS + PLOT + NUMBERS
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{at + MARGIN:.0f}" '
        f'viewBox="0 0 {width} {at + MARGIN:.0f}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(marks)}</svg>\n'
    )


def _panel(title: str, rows: Sequence[Row], top: float) -> _Drawn:
    low, high = scale(rows)
    left = MARGIN + LABELS
    good = "left" if rows[0].lower_is_better else "right"
    marks = [_text(MARGIN, top + 13, f"{title} (A is better to the {good})", weight="bold")]
    first, last = top + LINE, top + LINE * (len(rows) + 1)
    for tick in nice_ticks(low, high, 6):
        x = left + _across(tick, low, high)
        colour = "#000000" if tick == 0 else "#dddddd"
        marks.append(_line((x, first), (x, last), colour, 1))
        marks.append(_text(x, last + 14, f"{tick:+g}" if tick else "0", anchor="middle", colour="#555555"))
    for number, row in enumerate(rows):
        marks += _row(row, first + LINE * number + LINE / 2, low, high)
    return _Drawn(marks=marks, height=LINE * (len(rows) + 1) + 34)


def _row(row: Row, y: float, low: float, high: float) -> list[str]:
    left = MARGIN + LABELS
    colour = COLOURS[row.side]
    x = left + _across(shown(row.delta, row), low, high)
    text = f"{shown(row.delta, row):+.2f}"
    marks = [_text(left - 8, y + 4, _cut(row.name), anchor="end", weight="bold" if row.level != "task" else "normal")]
    if row.low is not None and row.high is not None:
        ends = [shown(row.low, row), shown(row.high, row)]
        text += f" ({ends[0]:+.2f} to {ends[1]:+.2f})"
        places = [left + _across(end, low, high) for end in ends]
        marks.append(_line((places[0], y), (places[1], y), colour, 2))
    marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
    marks.append(_text(left + PLOT + 10, y + 4, text.replace("-", "−"), colour=colour))
    note = escape(printable(row.note or row.metric))
    return [f'<g opacity="{1 if row.judged else 0.45}"><title>{note}</title>', *marks, "</g>"]


def _across(value: float, low: float, high: float) -> float:
    return PLOT * (min(high, max(low, value)) - low) / (high - low)


def _cut(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, width: int) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    size: int = 12,
    colour: str = "#111",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="{colour}">{escape(printable(text))}</text>'
    )
