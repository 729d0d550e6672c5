"""Study results on a terminal: the same findings as the page, as rich tables. Names are stripped and never markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.studies.promotion import kill_text
from leaderboard.studies.results import Assessment, Comparison, Delta, StudyResult
from leaderboard.studies.verdict import is_laptop_tier
from leaderboard.words import VERDICTS, finding, interval, percent, regression_rows, seconds_text, side

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"better": "blue", "worse": "dark_orange3", "level": "", "unknown": ""}


def draw_result(console: Console, result: StudyResult) -> None:
    """Print a study's result: decisions, supply, unigram check, and every assessment with what got worse and why.

    Arms that failed smoke are named among the decisions and are in no table.
    """
    draw_decisions(console, result)
    draw_supply(console, result)
    _draw_unigram(console, result)
    for item in result.assessments:
        if item.arm not in result.broken:
            _draw_assessment(console, item)
    for failure in result.failures:
        where = f"{failure.arm}, {failure.tier}, seed {failure.seed}"
        console.print(f"failed: {printable(where)}: {printable(failure.message)}", markup=False, style="red")
    if any(is_laptop_tier(tier) for tier in result.tiers):
        console.print("Laptop tiers (pico, nano) are plumbing, not evidence: they do not rank recipes.", style="bold")
    console.print(f"time: {_times(result)}", markup=False, soft_wrap=True)


def draw_decisions(console: Console, result: StudyResult) -> None:
    """Print which arms went on from which tier, why the others did not, and how many were stopped."""
    promotion = result.facts.promotion
    if not promotion:
        return
    table = _table("Decisions", ["tier", "arm", "gate", "goes on"], [], ["because"])
    for item in promotion:
        _add(table, item.tier, item.arm, item.gate, "yes" if item.promoted else "no", item.reason)
    console.print(table)
    for line in kill_text(promotion):
        console.print(line, markup=False)


def draw_supply(console: Console, result: StudyResult) -> None:
    """Print unique tokens and epochs by arm and tier (rule 4)."""
    table = _table("Unique tokens and epochs", ["arm", "tier"], ["unique tokens", "tokens seen", "epochs"], ["flag"])
    for row in (item for item in result.supply if item.arm not in result.broken):
        flag = "; ".join(filter(None, ["more than 1.25x from the baseline's" if row.flag else "", row.repeats]))
        _add(table, row.arm, row.tier, f"{row.unique_tokens:,}", f"{row.tokens_seen:,}", f"{row.epochs:.2f}", flag)
    console.print(table)


def draw_comparison(console: Console, comparison: Comparison) -> None:
    """Print one comparison slice by slice, the mean last."""
    title = f"{printable(comparison.arm)} against {printable(comparison.against)} at {printable(comparison.tier)}"
    numbers = [printable(comparison.against), printable(comparison.arm), "change", "95% interval"]
    table = _table(f"{title}: bits per byte", ["slice"], numbers, ["judged"])
    for item in comparison.slices:
        _add_delta(
            table, [item.slice, f"{item.other_bpb:.4f}", f"{item.bpb:.4f}"], item.delta, item.not_judged or "yes"
        )
    if comparison.headline:
        note = "over judged slices" if comparison.headline_judged else "orientation only: no slice may be judged"
        _add_delta(table, ["mean of log ratios", "", ""], comparison.headline, note)
    console.print(table)


def _draw_assessment(console: Console, item: Assessment) -> None:
    draw_comparison(console, item.total)
    console.print(printable(finding(item)), markup=False)
    worse = [f"{name} {percent(delta.share)} ({noise})" for name, delta, noise in regression_rows(item.total)]
    console.print(f"got worse: {printable(', '.join(worse)) or 'no slice'}", markup=False)
    for protected in item.protect:
        if protected.state != "held":
            text = f"protected slice {protected.slice}: {protected.state} ({protected.text})"
            console.print(printable(text), markup=False)
    console.print(f"verdict: [bold]{item.verdict}[/bold] ({VERDICTS[item.verdict]})")
    for reason in (*item.reasons, *item.notes):
        console.print(f"  - {printable(reason.text)} (rule {reason.rule})", markup=False)


def _draw_unigram(console: Console, result: StudyResult) -> None:
    if not result.unigram:
        return
    slices = sorted({name for row in result.unigram for name in row.gap})
    title = "Unigram model's bits per byte minus the trained model's, worst seed (more is better)"
    table = _table(title, ["arm", "tier"], [printable(name) for name in slices], [])
    for row in (item for item in result.unigram if item.arm not in result.broken):
        _add(table, row.arm, row.tier, *(f"{row.gap[name]:.2f}" if name in row.gap else "–" for name in slices))
    console.print(table)


def _times(result: StudyResult) -> str:
    ordered = sorted(result.seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {seconds_text(seconds)}" for name, seconds in ordered)


def _table(title: str, left: Sequence[str], right: Sequence[str], last: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name)
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def _add_delta(table: Table, cells: Sequence[str], delta: Delta, last: str) -> None:
    from rich.text import Text

    plain = [Text(printable(cell)) for cell in cells]
    change = Text(percent(delta.share), style=COLOURS[side(delta)])
    table.add_row(*plain, change, Text(interval(delta)), Text(printable(last)))
