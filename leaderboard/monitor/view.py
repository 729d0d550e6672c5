"""What a monitor found, as a person reads it: each point in its band, budgets, batches, flags with advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboard.monitor.band import Band
from leaderboard.monitor.classify import Judged
from leaderboard.monitor.watch import Watched

if TYPE_CHECKING:
    from rich.console import Console

STRIP = 21
"""Cells of the picture of a band: its edges at a quarter and three quarters."""


def draw_watched(console: Console, found: Watched) -> None:
    """Draw everything; flags come last, where they are read first."""
    if found.band is not None:
        _draw_band(console, found.band)
    if found.judged is not None and found.band is not None:
        _draw_points(console, found.judged, found.band)
    _draw_valleys(console, found)
    _draw_batches(console, found)
    for warning in found.warnings:
        console.print(f"note: {warning}", style="dim", markup=False)
    if not found.flags:
        text = (
            "nothing is flagged: go on with the ladder" if found.verdict == "inside" else "insufficient: nothing judged"
        )
        console.print(text, style="green" if found.verdict == "inside" else "yellow")
    for kind in dict.fromkeys(flag.kind for flag in found.flags):
        same = [flag for flag in found.flags if flag.kind == kind]
        for flag in same:
            console.print(f"{kind}: {flag.where}; {flag.said}", style="bold red", markup=False)
        console.print(f"  {same[0].advice}", markup=False)


def strip(sigmas: float, critical: float) -> str:
    """Return a point's place relative to the band: `|` are its edges, the point is `o` inside and `X` outside."""
    middle = STRIP // 2
    edge = middle // 2
    cells = ["·"] * STRIP
    cells[middle - edge] = cells[middle + edge] = "|"
    place = middle + round(max(-2.0, min(2.0, sigmas / critical)) * edge)
    outside = abs(sigmas) > critical
    if outside:
        place = max(middle + edge + 1, place) if sigmas > 0 else min(middle - edge - 1, place)
    cells[max(0, min(STRIP - 1, place))] = "X" if outside else "o"
    return "".join(cells)


def _draw_band(console: Console, band: Band) -> None:
    found = band.residuals
    console.print(
        f"law of the earlier runs: {band.fitted.law.card.name}, {band.fitted.data.n} rows; sigma "
        f"{found.sigma:.2%} of the loss; {int(found.outliers.sum())} rows beyond {found.limit:.1f} sigma; runs "
        f"test p = {found.runs_p:.2g}",
        markup=False,
    )


def _draw_points(console: Console, judged: Judged, band: Band) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("run", "C", "loss", f"{band.level:.0%} band", "sigma", "too low | band | too high", "class")
    for point in judged.points:
        table.add_row(
            escape(point.run),
            f"{point.compute:.3g}",
            f"{point.observed:.4f}",
            f"{point.low:.4f} to {point.high:.4f}",
            f"{point.sigmas:+.1f}",
            strip(point.sigmas, band.critical),
            point.kind or point.state,
        )
    console.print(table)


def _draw_valleys(console: Console, found: Watched) -> None:
    from rich.table import Table

    if not found.valleys:
        return
    table = Table("budget", "runs", "best N", "path", "sigma", "state", title="IsoFLOP valleys", title_justify="left")
    for one in found.valleys.budgets:
        table.add_row(
            f"{one.flops:.3g}",
            str(one.num_runs),
            "" if one.lowest is None else f"{one.lowest:.3g}",
            "" if one.path is None else f"{one.path:.3g}",
            "" if one.sigmas is None else f"{one.sigmas:+.1f}",
            one.state,
        )
    console.print(table)


def _draw_batches(console: Console, found: Watched) -> None:
    from rich.table import Table

    if not found.batches:
        return
    table = Table("C", "batch", "larger", "loss", "sigma", "", title="Batches at equal compute", title_justify="left")
    for pair in found.batches.pairs:
        table.add_row(
            f"{pair.compute:.3g}",
            f"{pair.smaller:,.6g}",
            f"{pair.larger:,.6g}",
            f"{pair.as_json()['relative_loss_of_larger']:+.2%}",
            "" if pair.sigmas is None else f"{pair.sigmas:+.1f}",
            "worse" if pair.worse else "",
        )
    console.print(table)
    sigma = "unknown, so nothing is flagged" if found.batches.sigma is None else f"{found.batches.sigma:.2%}"
    console.print(f"noise of a run: {sigma} ({found.batches.source})", markup=False)
