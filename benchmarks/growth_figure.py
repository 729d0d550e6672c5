"""The curve of `growth.py` as a small SVG: CPU seconds over size beside a straight line, and peak memory.

Usage: python benchmarks/growth_figure.py FIGURES.json PICTURE.svg
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, MARGIN = 340, 220, 48
ALLOWED = 1.15
"""Cost per MB, in units of the smallest input's, that the project promises not to exceed."""


def figure(rows: Sequence[dict[str, Any]], *, allowed: float = ALLOWED) -> str:
    """Return the picture; `allowed` is the share above the smallest build's cost per MB that the band shows."""
    first = rows[0]["cpu_seconds"] / rows[0]["mb"]
    cost = [(row["mb"], row["cpu_seconds"]) for row in rows]
    ends = [rows[0]["mb"], rows[-1]["mb"]]
    low, high = [(mb, mb * first) for mb in ends], [(mb, mb * first * allowed) for mb in ends]
    memory = [(row["mb"], row["peak_mb"]) for row in rows]
    left = _panel(0, "CPU seconds", cost, [low, high])
    right = _panel(WIDTH, "peak memory, MB", memory, [[(mb, memory[0][1]) for mb in ends]])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="white"/>\n{left}{right}</svg>\n'
    )


def _panel(shift: int, title: str, points: list[tuple[float, float]], lines: list[list[tuple[float, float]]]) -> str:
    every = [*points, *(point for line in lines for point in line)]
    x = _scale([point[0] for point in every], shift + MARGIN, shift + WIDTH - 20)
    y = _scale([point[1] for point in every], HEIGHT - 34, 30)
    parts = [f'<text x="{shift + MARGIN}" y="16">{title}, over MB of text (both axes logarithmic)</text>']
    parts += [
        f'<polyline points="{_path(line, x, y)}" fill="none" stroke="#999" stroke-dasharray="4 3"/>' for line in lines
    ]
    parts.append(f'<polyline points="{_path(points, x, y)}" fill="none" stroke="#05a" stroke-width="2"/>')
    for mb, value in points:
        parts.append(f'<circle cx="{x(mb):.1f}" cy="{y(value):.1f}" r="3" fill="#05a"/>')
        parts.append(f'<text x="{x(mb):.1f}" y="{HEIGHT - 16}" text-anchor="middle">{mb:,.0f}</text>')
        parts.append(f'<text x="{x(mb) - 6:.1f}" y="{y(value) - 7:.1f}" text-anchor="end">{value:,.0f}</text>')
    return "\n".join(parts) + "\n"


def _scale(values: Sequence[float], begin: float, end: float) -> Callable[[float], float]:
    low, high = math.log(min(values) * 0.8), math.log(max(values) * 1.25)
    return lambda value: begin + (math.log(value) - low) / (high - low) * (end - begin)


def _path(line: Sequence[tuple[float, float]], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    return " ".join(f"{x(mb):.1f},{y(value):.1f}" for mb, value in line)


def main() -> None:
    """Draw the builds with the most common number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, help="what growth.py --json wrote")
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    rows = json.loads(given.figures.read_text())
    given.picture.write_text(figure([row for row in rows if row["workers"] == rows[0]["workers"]]))


if __name__ == "__main__":
    main()
