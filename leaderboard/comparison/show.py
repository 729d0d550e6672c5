"""A comparison on a terminal: what got worse first, then loss by slice, tasks, the split, checks and the verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.comparison.checks import CANNOT_TELL, FOUND, Check
from leaderboard.comparison.forest import axis, bars, grouped, shown
from leaderboard.comparison.heat import draw_heat
from leaderboard.comparison.marks import mark_words
from leaderboard.comparison.row import LOG_RATIO, UNITS_ONLY, Row
from leaderboard.contaminated.view import draw_contamination
from leaderboard.studies.verdict import is_laptop_tier
from leaderboard.words import VERDICTS, percent

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.compare_command import Compared
    from leaderboard.comparison.verdicts import Outcome
    from leaderboard.contaminated.scores import Contamination

COLOURS = {"better": "blue", "worse": "dark_orange3", "level": "", "unknown": ""}
MOST_REGRESSIONS = 12


def draw_compared(console: Console, found: Sequence[Compared], lists: Sequence[Contamination] = ()) -> None:
    """Print every pair of sides: place by place, then the checks over all places; last, what item lists say."""
    for pair in found:
        for outcome in pair.outcomes:
            draw_outcome(console, outcome)
        draw_checks(console, pair.checks)
    draw_heat(console, found)
    draw_decision(console, found)
    for one in lists:
        draw_contamination(console, one)


def draw_outcome(console: Console, outcome: Outcome) -> None:
    """Print one place: regressions first."""
    seeds = ", ".join(map(str, outcome.seeds))
    head = f"{outcome.a} against {outcome.b} at {outcome.place.label}, paired by seed {seeds}"
    console.print(printable(head), style="bold", markup=False)
    _draw_regressions(console, outcome)
    for title, rows in grouped(outcome.rows):
        _draw_table(console, title, rows, len(outcome.seeds))
    _draw_split(console, outcome)
    _draw_attribution(console, outcome)
    for note in outcome.notes:
        console.print(printable(f"note: {note}"), markup=False)
    if outcome.invalid:
        console.print(printable(f"Invalid: {outcome.invalid} (rule 17)."), markup=False)
    console.print(_coverage(outcome.rows, len(outcome.seeds)), markup=False)
    console.print(f"verdict: [bold]{outcome.verdict}[/bold] ({VERDICTS[outcome.verdict]})")
    for reason in outcome.reasons:
        console.print(f"  - {printable(reason.text)} (rule {reason.rule})", markup=False)
    if is_laptop_tier(outcome.place.tier):
        console.print("pico and nano are plumbing, not evidence (rule 18): no difference here ranks recipes.")


def draw_checks(console: Console, found: Sequence[Check]) -> None:
    """Print the checks: those that found something in full, the others with what they looked at."""
    for one in found:
        if one.state == CANNOT_TELL:
            console.print(printable(f"check: {one.name}: {one.state}: {one.evidence}"), style="dim", markup=False)
            continue
        style = "bold" if one.state == FOUND else ""
        console.print(printable(f"check: {one.name}: {one.state}"), style=style, markup=False)
        if one.evidence:
            console.print(printable(f"  {one.evidence}"), markup=False)
        if one.state == FOUND:
            console.print(printable(f"  {one.explanation}"), markup=False)
            console.print(printable(f"  what to do: {one.advice}"), markup=False)


def _draw_regressions(console: Console, outcome: Outcome) -> None:
    worse, seeds = outcome.regressions, len(outcome.seeds)
    for row in outcome.rows:
        if row.level in ("headline", "all-tasks") and row.side == "worse":
            text = (
                f"worse on the whole: {row.name} ({row.metric}): {_change(row)} ({_interval(row)}), beyond the interval"
            )
            console.print(printable(f"{text}; a mean of rows below, so it has no mark"), style="bold", markup=False)
    if not worse:
        console.print("got worse: no slice, no family, no task")
        return
    beyond = sum(row.side == "worse" and row.num_seeds == seeds for row in worse)
    fewer = sum(row.num_seeds < seeds for row in worse)
    also = f"; {fewer} have fewer seeds than the others and come last" if fewer else ""
    console.print(f"got worse: {len(worse)}, of which {beyond} beyond the interval{also}")
    for row in worse[:MOST_REGRESSIONS]:
        how = {"worse": "beyond the interval", "unknown": "noise unknown"}.get(row.side, "within the interval")
        how += " of items alone" if row.covers == UNITS_ONLY and row.side != "unknown" else ""
        bounds = "" if row.side == "unknown" else f" ({_interval(row)})"
        text = f"  {row.level} {row.name} ({row.metric}): {_change(row)}{bounds}, {how}{_marks(row, seeds)}"
        beyond_noise = row.side == "worse" and row.num_seeds == seeds
        console.print(printable(text), style=COLOURS[row.side] if beyond_noise else "", markup=False)
    if len(worse) > MOST_REGRESSIONS:
        console.print(f"  and {len(worse) - MOST_REGRESSIONS} more below")


def _draw_table(console: Console, title: str, rows: Sequence[Row], seeds: int) -> None:
    from rich.table import Table
    from rich.text import Text

    listed = [row for row in rows if row.above_chance is not False]
    hidden = [row.name for row in rows if row.above_chance is False]
    if listed:
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("", no_wrap=True)
        for name in ("B", "A", "change", "95% interval"):
            table.add_column(name, justify="right", no_wrap=True)
        lower = listed[0].lower_is_better
        table.add_column("A better · B better" if lower else "B better · A better", no_wrap=True)
        table.add_column("marks", overflow="fold")
        for row, bar in zip(listed, bars(listed), strict=True):
            style = COLOURS[row.side]
            cells = [row.name, f"{row.b:.4f}", f"{row.a:.4f}", _change(row), _interval(row), bar, _said(row, seeds)]
            table.add_row(
                *(Text(printable(cell), style=style if place > 2 else "") for place, cell in enumerate(cells))
            )
        table.add_row(*("" for _ in range(5)), Text(axis(listed), style="dim"), "")
        console.print(table)
        for line in (*_means_differ(listed), *_not_judged(listed)):
            console.print(printable(line), style="dim", markup=False)
    if hidden:
        text = f"at chance on both sides, not shown (--json has them): {', '.join(hidden)}"
        console.print(printable(text), markup=False)


def _said(row: Row, seeds: int) -> str:
    """Return a row's last cell: marks, number of tasks of a mean, and whether it is judged; why is said below."""
    tasks = row.note.partition(",")[0] if row.level in ("family", "all-tasks") and row.judged else ""
    judged = "" if row.judged else "not judged"
    return ", ".join(filter(None, [_mark_words(row, seeds), *mark_words(row), tasks, judged]))


def _means_differ(rows: Sequence[Row]) -> list[str]:
    """Return how means of bits per byte differ from those that `curate eval` shows."""
    if not any(row.level in ("family", "all-tasks") and row.unit == LOG_RATIO and row.low is not None for row in rows):
        return []
    return [
        "B and A are geometric means over tasks: every task's ratio counts alike; `curate eval` shows arithmetic "
        "means, and its aggregates may leave tasks out (small_bpb the multilingual ones), which all tasks here do not"
    ]


def _not_judged(rows: Sequence[Row]) -> list[str]:
    """Return why rows are not judged, a line a reason with its rows."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if not row.judged:
            counted = re.fullmatch(r"([\d.,]+) (families|MB), (under .*)", row.note)
            reason = f"{counted[2]} {counted[3]}" if counted else row.note
            reasons.setdefault(reason, []).append(f"{row.name} {counted[1]}" if counted else row.name)
    return [f"not judged, {reason}: {', '.join(dict.fromkeys(names))}" for reason, names in reasons.items()]


def _draw_split(console: Console, outcome: Outcome) -> None:
    """Print how the gain divides by the control (rule 3)."""
    rows = [row for row in outcome.rows if row.quality is not None and row.level in ("headline", "all-tasks", "family")]
    for row in rows:
        text = (
            f"split of {row.name} ({row.metric}): of {_change(row)}, {_amount(row, row.quality)} is against "
            f"random-matched (document quality), {_amount(row, row.rest)} is reweighting of slices and less text"
        )
        console.print(printable(text), markup=False)


def _draw_attribution(console: Console, outcome: Outcome) -> None:
    """Print what a gain on the raised slices is attributed to, with every contrast; of other slices --json has them."""
    if outcome.attribution is None:
        return
    raised = ", ".join(outcome.attribution.raised)
    console.print(f"attribution of the gain on {printable(raised)}, by arms without one of them:", markup=False)
    tests = outcome.attribution.tests
    if tests:
        console.print(f"  Holm's marks over the {tests} contrasts of this arm and tier in all judged slices")
    for one in outcome.attribution.slices:
        if one.slice in outcome.attribution.raised:
            console.print(printable(f"  {one.sentence}"), markup=False)


def draw_decision(console: Console, found: Sequence[Compared]) -> None:
    """Print what the study said before its first training that it would decide."""
    lines = next((pair.decision for pair in found if pair.decision), ())
    if lines:
        console.print("to decide, said before the first training:")
    for line in lines:
        console.print(printable(f"  - {line}"), markup=False)


def _coverage(rows: Sequence[Row], seeds: int) -> str:
    held = [row for row in rows if row.covers != "nothing"]
    if not held:
        return "No interval: results are sums alone."
    if all(row.covers == UNITS_ONLY for row in held):
        return (
            "One seed each: the interval holds families and items only, seed noise is unknown (rule 8): it speaks of "
            "these two models, not of the recipes that made them."
        )
    text = "Intervals hold the noise of seeds (parametric) and of families and items (bootstrap): their variances add."
    if any(row.covers == UNITS_ONLY for row in held):
        text += f" Rows of 1 seed, of {seeds}, may hold families and items only (rule 8): nothing is claimed by them."
    return text


def _mark_words(row: Row, seeds: int) -> str:
    words = [] if row.num_seeds >= seeds else [f"{row.num_seeds} of {seeds} seeds"]
    words += [word for word, mark in (("Holm", row.holm), ("BH", row.bh), ("max-T", row.max_t)) if mark]
    if row.mcnemar_p is not None:
        words.append(f"McNemar {row.mcnemar_a_only}:{row.mcnemar_b_only}, p {row.mcnemar_p:.2g} for these two models")
    if row.p is not None:
        words.append(f"p {row.p:.2g}")
    return ", ".join(words)


def _marks(row: Row, seeds: int) -> str:
    words = _mark_words(row, seeds)
    return f"; {words}" if words else ""


def _change(row: Row) -> str:
    return _amount(row, row.delta)


def _amount(row: Row, value: float | None) -> str:
    if value is None:
        return "–"
    text = percent(shown(value, row) / 100)
    return text if row.unit == LOG_RATIO else text.replace("%", " pp")


def _interval(row: Row) -> str:
    if row.low is None or row.high is None:
        return "unknown"
    return f"{_amount(row, row.low)} to {_amount(row, row.high)}"
