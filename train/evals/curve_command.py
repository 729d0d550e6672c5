"""`curate panel curve`: bits per byte by slice against tokens seen, in the terminal and as a page."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from train.evals.panel_curve import Curve, Point

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a65628")
WIDTH, HEIGHT, LEFT, BOTTOM = 760, 360, 56, 34
SUBSET_NOTE = (
    "Fewer than two checkpoints were scored on the whole panel: these are the subset's scores from the training log, "
    "whose level is not the panel's."
)

ONE_POINT = (
    "One point is no curve: runs are scored at each tenth of the model's 1x budget; a shorter run has its end only."
)
NO_MORE = (
    "The finished model is all that is left of this run. Other states exist while a run goes on, and as plateaus of "
    "`curate train CORPUS --budgets 0.5,1`."
)


def panel_curve(
    run: Annotated[str, typer.Argument(help="Run in the store, finished or going on.")],
    panel: Annotated[
        str | None,
        typer.Option("--panel", help="Which panel, if several were scored: a directory or a name."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.html", help="Also write a page there.")] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show how bits per byte of each slice of a panel went through training.

    Points are the checkpoints that `curate eval RUN --suite panel --checkpoints all` scored; without two of them, the
    subset of the panel that every training scores on its way.
    """
    from curation.store import Store
    from train.evals.panel_curve import read_curve
    from train.lookup import find_panel

    opened = Store.reading(store)
    digest = str(find_panel(opened, panel).summary["digest"]) if panel is not None else None
    curve = read_curve(opened, run, digest)
    if out is not None:
        write_curve_page(out, curve)
    give(curve.as_json(), lambda console: draw_curve(console, curve, out), as_json=json_output)


def draw_curve(console: Console, curve: Curve, out: Path | None = None) -> None:
    """Print one line a slice: first value, the way down, last value with its interval, change."""
    from rich.table import Table

    from train.live import sparkline

    shown = curve.shown
    alone = len(shown) == 1
    over = f"at {shown[0].tokens:,}" if alone else f"over {shown[0].tokens:,} to {shown[-1].tokens:,}"
    title = f"{curve.run}: bits per byte {over} tokens"
    table = Table(title=printable(title), title_justify="left")
    for column in ("slice", "first", "through training", "last", "95 %", "change"):
        table.add_column(column, justify="left" if column in ("slice", "through training") else "right")
    for name in curve.slices:
        values = [point.bpb[name] for point in shown if name in point.bpb]
        pair = shown[-1].intervals.get(name)
        table.add_row(
            printable(name),
            f"{values[0]:.4f}",
            "" if alone else sparkline(values),
            f"{values[-1]:.4f}",
            f"{pair[0]:.4f} to {pair[1]:.4f}" if pair else "",
            "" if alone else f"{values[-1] / values[0] - 1:+.1%}",
        )
    console.print(table)
    if alone:
        console.print(ONE_POINT, soft_wrap=True)
    if curve.shown is curve.subset:
        console.print(SUBSET_NOTE, soft_wrap=True)
        if curve.points:
            console.print(NO_MORE, soft_wrap=True)
        else:
            told = f"Next: curate eval {curve.run} --suite panel --checkpoints all"
            console.print(told, markup=False, soft_wrap=True)
    elif curve.panel is not None:
        console.print(f"{len(shown)} checkpoints on {printable(curve.panel)}", markup=False)
    if out is not None:
        console.print(f"Page written to {printable(str(out))}", markup=False, soft_wrap=True)


def write_curve_page(path: Path, curve: Curve) -> None:
    """Write the curve as a self-contained page: a plot of all slices and the numbers."""
    from curation.page import paragraph, table, write_page

    note = SUBSET_NOTE if curve.shown is curve.subset else f"Whole panel {curve.panel}."
    rows = [
        [point.tokens, *(round(point.bpb[name], 4) if name in point.bpb else None for name in curve.slices)]
        for point in curve.shown
    ]
    parts = [
        paragraph(note),
        f'<div class="scroll">{curve_svg(curve.shown, curve.slices)}</div>',
        table("Bits per byte by tokens seen", ["tokens", *curve.slices], rows),
    ]
    write_page(path, f"{curve.run} through training", "curate: bits per byte by slice", parts)


def curve_svg(points: Sequence[Point], slices: Sequence[str]) -> str:
    """Return the plot: bits per byte up, tokens to the right; a point's title holds its numbers."""
    tokens = [point.tokens for point in points]
    values = [value for point in points for value in point.bpb.values()]
    low, high = math.floor(min(values) * 10) / 10, math.ceil(max(values) * 10) / 10
    high = high if high > low else low + 0.1

    def place(count: int, value: float) -> tuple[float, float]:
        across = count / max(*tokens, 1)
        return LEFT + across * (WIDTH - LEFT - 10), 10 + (high - value) / (high - low) * (HEIGHT - BOTTOM - 10)

    drawn = []
    for share in range(5):
        value = low + (high - low) * share / 4
        _, y = place(0, value)
        drawn.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
        x, _ = place(round(max(tokens) * share / 4), low)
        drawn.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{max(tokens) * share / 4 / 1e6:,.3g} M</text>'
        )
    for number, name in enumerate(slices):
        drawn.append(
            _line(
                name,
                COLOURS[number % len(COLOURS)],
                [(p, *place(p.tokens, p.bpb[name])) for p in points if name in p.bpb],
            )
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="bits per byte by tokens seen" '
        f'font-size="12" fill="currentColor">{"".join(drawn)}</svg>{_legend(slices)}'
    )


def _line(name: str, colour: str, places: Sequence[tuple[Point, float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{escape(printable(name))}: '
        f"{point.bpb[name]:.4f} at {point.tokens:,} tokens</title></circle>"
        for point, x, y in places
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def _legend(slices: Sequence[str]) -> str:
    return "<p>" + " ".join(
        f'<span style="color:{COLOURS[number % len(COLOURS)]}">&#9632;</span>&nbsp;{escape(printable(name))}'
        for number, name in enumerate(slices)
    ) + "</p>"  # fmt: skip
