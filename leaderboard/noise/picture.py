"""A noise pack as a picture: every slice's sigma with its interval, and the smallest gain that 2 and 5 seeds find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from leaderboard.noise.rows import Row

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 220, 40, 30, 74
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""Ticks of the logarithmic axis, per cent."""
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:15px}.m{fill:#666;font-size:12px}"
    ".g{stroke:#ddd}.i{stroke:#1f5fa8;stroke-width:3}.s{fill:#1f5fa8}.d{fill:none;stroke:#b4530a;stroke-width:2}"
    ".e{fill:#b4530a}@media(prefers-color-scheme:dark){text{fill:#eee}.m{fill:#aaa}.g{stroke:#444}}"
)


def picture(title: str, rows: Sequence[Row]) -> str:
    """Return an SVG file; rows without a number above zero are left out."""
    shown = [row for row in rows if row.sigma > 0 and row.scale == "log"] or [row for row in rows if row.sigma > 0]
    ends = [value for row in shown for value in (row.low, row.high, *row.detectable.values()) if value > 0]
    low, high = (min(ends), max(ends)) if ends else (0.001, 0.01)
    first, last = math.log(100 * low) - 0.15, math.log(100 * high) + 0.15
    height = TOP + ROW * len(shown) + 40

    def at(value: float) -> float:
        return LEFT + (math.log(100 * value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="t" x="16" y="24">{escape(title)}</text>',
        '<text class="m" x="16" y="44">blue: spread of one run with its 95 % interval; ring, dot: smallest gain found '
        "with 80 % by 2 and by 5 seeds an arm</text>",
    ]
    for tick in (step for step in STEPS if first <= math.log(step) <= last):
        x = at(tick / 100)
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 12}" y2="{height - 34}"/>')
        parts.append(f'<text class="m" x="{x:.1f}" y="{height - 16}" text-anchor="middle">{tick:g} %</text>')
    for number, row in enumerate(shown):
        parts += _strip(row, TOP + ROW * number + 6, at)
    return "\n".join([*parts, "</svg>", ""])


def _strip(row: Row, y: float, at: object) -> list[str]:
    assert callable(at)
    label = row.name if row.metric == "bits_per_byte" else f"{row.name} {row.metric}"
    low, high = max(row.low, row.sigma / 100), row.high
    parts = [
        f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
        f'<line class="i" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="{y}" y2="{y}"/>',
        f'<circle class="s" cx="{at(row.sigma):.1f}" cy="{y}" r="5"/>',
    ]
    for count, kind in (("2", "d"), ("5", "e")):
        found = row.detectable.get(count, 0.0)
        if found > 0:
            parts.append(f'<circle class="{kind}" cx="{at(found):.1f}" cy="{y}" r="5"/>')
    return parts
