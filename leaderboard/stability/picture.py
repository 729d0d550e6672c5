"""Ranks by tier as a picture (bump chart): one line a recipe, small tier left, target right; SVG, HTML or PNG.

Drawn are recipes that every tier has (if no two, those at the target and one more), the best on top; recipes tied at a
tier share their mean rank. A line is orange where its recipe falls behind one that it leads at an earlier tier; others
are blue. No script, no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.console import printable
from curation.errors import RunError
from curation.files import replacing
from curation.page import page
from leaderboard.stability.compared import Stability
from leaderboard.stability.pairs import Floats

SUFFIXES = (".svg", ".png", ".html")
MAX_LINES = 60
"""Recipes that are drawn: the best at the target."""
LABELS, STEP, LINE, TOP, MARGIN = 240, 170, 20, 64, 12
BLUE, ORANGE = "#2166ac", "#b35806"


def check_picture(path: Path) -> None:
    """Refuse a file that could not be written later, before anything is computed.

    Raises: RunError for another suffix, or PNG without its library.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise RunError(f"{path}: a picture ends in {', '.join(SUFFIXES)}; choose one of them for --plot")
    if path.suffix.lower() == ".png":
        _converter(path)


def write_picture(path: Path, found: Stability) -> None:
    """Write the picture; the suffix says its kind.

    Raises: RunError as `check_picture`.
    """
    check_picture(path)
    drawing = svg(found)
    data = drawing.encode()
    if path.suffix.lower() == ".png":
        data = bytes(_converter(path).svg_to_png(drawing, scale=2))
    elif path.suffix.lower() == ".html":
        data = page("Ranks by tier", "stability", [f'<div class="scroll">{drawing}</div>']).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def svg(found: Stability) -> str:
    """Return the drawing; the target is the last column."""
    scores = found.scores
    target = scores.column(scores.target)
    columns = [place for place in range(len(scores.tiers)) if place != target] + [target]
    oriented = -scores.means if scores.lower_is_better else scores.means
    chosen = _chosen(oriented, columns)
    ranks = np.stack([mean_ranks(oriented[chosen, place]) for place in columns], axis=1)
    falls = {one.behind for one in found.crossings.found}
    width = 2 * MARGIN + 2 * LABELS + STEP * (len(columns) - 1)
    height = TOP + LINE * len(chosen) + 2 * MARGIN
    more = f": {len(chosen)} of {len(scores.recipes)} recipes" if len(chosen) < len(scores.recipes) else ""
    marks = [_text(MARGIN, 20, f"Ranks by tier, best on top{more}", weight="bold")]
    for number, place in enumerate(columns):
        marks.append(_text(_x(number), TOP - 16, scores.tiers[place], anchor="middle", weight="bold"))
    for row, recipe in enumerate(chosen):
        marks += _recipe(scores.recipes[recipe], ranks[row], ORANGE if recipe in falls else BLUE)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(marks)}</svg>\n"
    )


def mean_ranks(values: Floats) -> Floats:
    """Return ranks from 1 for the highest; equal values share their mean rank, NaN has none."""
    present = np.isfinite(values)
    own = values[present]
    above = (own[None, :] > own[:, None]).sum(axis=1)
    equal = (own[None, :] == own[:, None]).sum(axis=1)
    ranks = np.full(len(values), np.nan)
    ranks[present] = above + (equal + 1) / 2
    return ranks


def _chosen(oriented: Floats, columns: Sequence[int]) -> list[int]:
    """Return the recipes to draw, best at the target first."""
    present = np.isfinite(oriented[:, columns])
    whole: npt.NDArray[np.bool_] = np.all(present, axis=1)
    usable = whole if whole.sum() > 1 else present[:, -1] & (present.sum(axis=1) > 1)
    final = oriented[:, columns[-1]]
    order = np.argsort(-np.where(usable, final, -np.inf), kind="stable")
    return [int(row) for row in order if usable[row]][:MAX_LINES]


def _recipe(name: str, ranks: Floats, colour: str) -> list[str]:
    points = [(_x(number), _y(float(rank))) for number, rank in enumerate(ranks) if np.isfinite(rank)]
    if not points:
        return []
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    said = ", ".join("–" if not np.isfinite(rank) else f"{rank:g}" for rank in ranks)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points)
    label = printable(name if len(name) <= 34 else f"{name[:17]}…{name[-16:]}")
    ends = []
    if np.isfinite(ranks[0]):
        ends.append(_text(points[0][0] - 10, points[0][1] + 4, label, anchor="end", colour=colour))
    if np.isfinite(ranks[-1]):
        ends.append(_text(points[-1][0] + 10, points[-1][1] + 4, label, colour=colour))
    return [
        f"<g><title>{escape(printable(name))}: ranks {said}</title>",
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8" opacity="0.75"/>{dots}',
        *ends,
        "</g>",
    ]


def _x(number: int) -> float:
    return MARGIN + LABELS + STEP * number


def _y(rank: float) -> float:
    return TOP + LINE * (rank - 0.5)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#222222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(printable(text))}</text>"
    )


def _converter(path: Path) -> Any:
    try:
        return import_module("vl_convert")
    except ImportError:
        raise RunError(
            f"{path}: PNG needs vl-convert, which is not installed; `pip install 'curate-ladder[report]'`, "
            f"or write {path.with_suffix('.svg').name}"
        ) from None
