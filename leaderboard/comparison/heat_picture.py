"""Heat map of a comparison as a picture: SVG drawn here, HTML around it, PNG made from it. No script, no request.

A cell has the value, its interval and a tooltip; colours diverge from 0 (`heat`), unresolved cells are hatched and in
brackets. SVG and HTML follow the reader's light or dark scheme. PNG needs the extra `[report]` (vl-convert).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from curation.console import printable
from leaderboard.compare_command import Compared
from leaderboard.comparison.heat import BLUES, ORANGES, STEPS, Cell, Heat, heats
from leaderboard.comparison.marks import mark_words
from leaderboard.comparison.picture import write_drawing

WIDTH, HEIGHT, LABELS, MARGIN = 108, 44, 190, 14
HEAD = 104
"""Room for a table's title and the names of its columns."""
MIDDLE = "#f7f7f7"
DARK_MIDDLE = "#2a2a2a"
DARK_BLUES = ("#12324f", "#1b4f7d", "#2a72b0", "#5a9bd3", "#9cc8ee")
DARK_ORANGES = ("#4a2a08", "#74420c", "#a5600f", "#d98a2b", "#f7b768")
"""The same two hues from dark to bright: nearer to 0 is nearer to the page in either scheme."""


def write_heatmap(path: Path, found: Sequence[Compared]) -> None:
    """Write the heat map of everything compared; the suffix says its kind.

    Raises: RunError for another suffix, or PNG without its library.
    """
    title = "Differences by slice and by family of tasks"
    write_drawing(path, lambda kind: svg(found, themed=kind != ".png"), option="--heatmap", title=title)


def svg(found: Sequence[Compared], *, themed: bool = True) -> str:
    """Return the drawing of all tables, one below the other; `themed` follows a dark scheme, too."""
    marks: list[str] = []
    at, widest = float(MARGIN), 0
    for heat in heats(found):
        marks += _table(heat, at)
        at += HEAD + HEIGHT * len(heat.arms) + 30
        widest = max(widest, len(heat.columns))
    width = 2 * MARGIN + LABELS + WIDTH * max(widest, 5)
    style = f"<style>{_dark()}</style>" if themed else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{at:.0f}" viewBox="0 0 {width} {at:.0f}" '
        f'role="img" aria-label="Heat map of differences" font-family="sans-serif" font-size="12">{style}'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke="#8a8a8a" stroke-width="1"/></pattern></defs>'
        f'<rect class="page" width="100%" height="100%" fill="white"/>{"".join(marks)}</svg>\n'
    )


def _table(heat: Heat, top: float) -> list[str]:
    legend = (
        f"blue: better, orange: worse, full colour at {heat.largest:.2f}; hatched and in brackets: not resolved; "
        "below each value its single 95 % interval, uncorrected"
    )
    marks = [
        _text(MARGIN, top + 14, f"{heat.title}, against {heat.against}, {heat.place}", weight="bold", size=14),
        _text(MARGIN, top + 32, legend),
        _text(MARGIN, top + 48, f"not hatched: {heat.basis}"),
    ]
    left, first = MARGIN + LABELS, top + HEAD
    for number, name in enumerate(heat.columns):
        x = left + WIDTH * number + WIDTH / 2
        marks.append(_text(x, first - 22, _cut(name, 16), anchor="middle", weight="bold"))
        told = _below(heat, name)
        marks += [_text(x, first - 8, told, anchor="middle", size=10)] if told else []
    for place, arm in enumerate(heat.arms):
        y = first + HEIGHT * place
        marks.append(_text(left - 8, y + HEIGHT / 2 + 4, _cut(arm, 26), anchor="end"))
        for number, name in enumerate(heat.columns):
            cell = heat.cells.get((arm, name))
            if cell is not None:
                marks += _cell(cell, left + WIDTH * number, y, arm)
    return marks


def _below(heat: Heat, name: str) -> str:
    """Return what a column says under its name: a slice that is protected, traded or that something was fitted to."""
    rows = [cell.row for (_, column), cell in heat.cells.items() if column == name]
    marks = {mark for row in rows for mark in row.marks}
    told = [mark for mark in ("selected-for", "protect", "trade") if mark in marks]
    return ", ".join(told) or ("" if all(row.judged for row in rows) else "not judged")


def _cell(cell: Cell, x: float, y: float, arm: str) -> list[str]:
    fill, style, ink = _colour(cell.step)
    box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{WIDTH - 2}" height="{HEIGHT - 2}"'
    told = f"{arm}, {cell.row.name}: {cell.text} ({cell.interval})"
    tip = "; ".join([told, cell.basis, *mark_words(cell.row), cell.row.note])
    marks = [f"<g><title>{escape(printable(tip))}</title>", f'<rect class="{style}" {box} fill="{fill}"/>']
    if not cell.resolved:  # the value stands on a plain field, so that the hatching does not cross it
        marks.append(f'<rect {box} fill="url(#hatch)"/>')
        inner = f'x="{x + 9:.1f}" y="{y + 6:.1f}" width="{WIDTH - 18}" height="{HEIGHT - 12}"'
        marks.append(f'<rect class="{style}" {inner} fill="{fill}"/>')
    kind = f"ink-{style}"
    marks.append(_text(x + WIDTH / 2, y + 19, cell.text, anchor="middle", weight="bold", colour=ink, kind=kind))
    marks.append(_text(x + WIDTH / 2, y + 34, cell.interval, anchor="middle", size=10, colour=ink, kind=kind))
    state = {"held": "✓", "worse": "✗", "unclear": "?"}.get(cell.row.kept, "")
    if state:
        marks.append(_text(x + WIDTH - 12, y + 15, state, anchor="middle", weight="bold", colour=ink, kind=kind))
    return [*marks, "</g>"]


def _colour(step: int) -> tuple[str, str, str]:
    """Return the fill of a step, its class, and the ink that can be read on it."""
    if not step:
        return MIDDLE, "s0", "#111111"
    colours, name = (BLUES, "b") if step > 0 else (ORANGES, "o")
    return colours[abs(step) - 1], f"{name}{abs(step)}", "#ffffff" if abs(step) > 3 else "#111111"


def _dark() -> str:
    rules = [".page{fill:#161616}", "text{fill:#eeeeee}", f".s0{{fill:{DARK_MIDDLE}}}", ".hatch{stroke:#777777}"]
    for name, colours in (("b", DARK_BLUES), ("o", DARK_ORANGES)):
        for step in range(1, STEPS + 1):
            rules.append(f".{name}{step}{{fill:{colours[step - 1]}}}")
            rules.append(f"text.ink-{name}{step}{{fill:{'#111111' if step > 3 else '#ffffff'}}}")
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    size: int = 12,
    colour: str = "#111111",
    kind: str = "",
) -> str:
    of = f' class="{kind}"' if kind else ""
    return (
        f'<text{of} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="{colour}">{escape(printable(text))}</text>'
    )
