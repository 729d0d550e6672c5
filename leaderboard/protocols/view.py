"""Measurements on the screen: one table a requirement, arms as columns; sweeps, claims, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.protocols.measured import Measured, SideSweep, SweepClaim
from leaderboard.words import percent

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.studies.facts import Measurement, Missing

MAX_ARM_COLUMNS = 4
"""More arms are rows, so that a table fits a narrow screen."""
HIDDEN = ("curves",)
"""Told as JSON alone: one number a run."""


def draw_measured(console: Console, found: Measured) -> None:
    """Print everything that was measured, then what is missing and the command that would mend it."""
    say(console, f"{found.study}: kind {found.kind}, protocol {found.protocol}", style="bold")
    say(console, f"budget: {found.rule}")
    for sweep in found.sweeps:
        _draw_sweep(console, sweep)
    for claim in found.claims:
        say(console, claim_text(claim))
    if found.kind == "tokenizer" or not found.sweeps:
        for name in dict.fromkeys(row.name for row in found.measurements if row.name not in HIDDEN):
            _draw_rows(console, name, [row for row in found.measurements if row.name == name])
    else:
        _draw_points(console, found)
    for note in found.notes:
        say(console, f"note: {note}")
    _draw_missing(console, found.missing)


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a line that nothing in it can colour."""
    console.print(printable(text), markup=False, highlight=False, style=style)


def claim_text(claim: SweepClaim) -> str:
    """Return a claim in words."""
    told = f"{claim.side} at {claim.arm} against {claim.against}, {claim.tier}: "
    lucky = f"{percent_of(claim.choosing_log_ratio)} on the seed that chose, which is too good by the choice"
    if claim.log_ratio is None:
        return f"{told}nothing is claimed: {claim.why} ({lucky})"
    seeds = ", ".join(map(str, claim.fresh_seeds))
    bounds = (
        f" ({percent_of(claim.low)} to {percent_of(claim.high)})"
        if claim.low is not None and claim.high is not None
        else ""
    )
    spoilt = f"; decides nothing: {claim.why}" if claim.why else ""
    return f"{told}{percent_of(claim.log_ratio)} bits per byte{bounds} on fresh seeds {seeds}; {lucky}{spoilt}"


def percent_of(log_ratio: float) -> str:
    """Return a log ratio as a relative change."""
    import math

    return percent(math.expm1(log_ratio))


def number(value: float) -> str:
    """Return a number in about four digits: 1,234,000, 12.35, 0.0123."""
    if value == 0 or abs(value) >= 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _draw_rows(console: Console, name: str, rows: Sequence[Measurement]) -> None:
    from rich.table import Table

    arms = list(dict.fromkeys(row.arm for row in rows))
    wide = len(arms) <= MAX_ARM_COLUMNS
    table = Table(title=name, title_justify="left", title_style="bold")
    table.add_column("of")
    table.add_column("unit")
    for column in arms if wide else ("arm", "value"):
        table.add_column(printable(column), justify="right")
    places = dict.fromkeys((row.tier, row.of, row.unit) for row in rows)
    values = {(row.tier, row.of, row.unit, row.arm): row.value for row in rows}
    for tier, of, unit in places:
        shown = " ".join(part for part in (tier, of) if part) or "all"
        here = [values.get((tier, of, unit, arm)) for arm in arms]
        cells = ["" if value is None else number(value) for value in here]
        if wide:
            table.add_row(printable(shown), unit, *cells)
        else:
            for arm, cell in zip(arms, cells, strict=True):
                table.add_row(printable(shown), unit, printable(arm), cell)
    console.print(table)


def _draw_sweep(console: Console, sweep: SideSweep) -> None:
    from rich.table import Table

    table = Table(title=f"{sweep.side}, {sweep.tier}: mean ln(bits per byte), seed {sweep.chosen_by_seed}",
                  title_justify="left", title_style="bold")  # fmt: skip
    rates = sorted({point.learning_rate_multiplier for point in sweep.points})
    table.add_column("batch")
    for rate in rates:
        table.add_column(f"rate x{rate:g}", justify="right")
    for batch in sorted({point.batch_multiplier for point in sweep.points}):
        here = {p.learning_rate_multiplier: p for p in sweep.points if p.batch_multiplier == batch}
        cells = []
        for rate in rates:
            point = here.get(rate)
            mark = " *" if point is not None and point.arm == sweep.best else ""
            cells.append("" if point is None or point.loss is None else f"{point.loss:.4f}{mark}")
        table.add_row(f"x{batch:g}", *cells)
    console.print(table)
    for edge in sweep.at_edge:
        say(console, f"  best (*) at an edge: {edge}", style="yellow")


def _draw_points(console: Console, found: Measured) -> None:
    """Print one row a point of an optimizer study: clock, memory, spikes."""
    from rich.table import Table

    table = Table(title="points", title_justify="left", title_style="bold")
    for column in ("arm", "tier", "tokens/s", "state MB", "peak MB", "spikes", "skipped"):
        table.add_column(column, justify="left" if column in ("arm", "tier") else "right")
    rows = found.measurements

    def of(unit: str, arm: str, tier: str) -> list[float]:
        return [row.value for row in rows if (row.unit, row.arm, row.tier) == (unit, arm, tier)]

    for arm, tier in dict.fromkeys((row.arm, row.tier) for row in rows if row.name == "spikes"):
        speed, state, peak = (
            of(unit, arm, tier) for unit in ("tokens per second", "bytes of optimizer state", "peak bytes")
        )
        skipped = of("share of steps skipped", arm, tier)
        table.add_row(
            printable(arm),
            tier,
            number(speed[0]) if speed else "",
            f"{state[0] / 1e6:.2f}" if state else "",
            f"{peak[0] / 1e6:,.0f}" if peak else "",
            number(sum(of("spikes", arm, tier))),
            f"{max(skipped):.2%}" if skipped else "",
        )
    console.print(table)


def _draw_missing(console: Console, missing: Sequence[Missing]) -> None:
    if not missing:
        say(console, "everything that the protocol requires was measured", style="green")
        return
    say(console, f"missing: {len(missing)} (a gate says insufficient)", style="yellow")
    for one in missing:
        place = f" at {one.tier}" if one.tier else ""
        say(console, f"  {one.name}{place}, {', '.join(one.arms)}: {one.why}")
        say(console, f"    to mend: {one.remedy}")
