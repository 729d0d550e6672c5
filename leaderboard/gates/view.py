"""Gates on the terminal: the table of conditions, the decision and what to do next; and the gates' file as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.gates.case import share
from leaderboard.gates.definition import Gates, limits_text
from leaderboard.gates.overrides import Override
from leaderboard.gates.report import ConditionResult, GateReport, NamedCheck

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLE = {"pass": "green", "fail": "bold red", "insufficient": "yellow", "found": "bold red", "not-found": "green"}
GO = "scale-up"
ORDER = {"fail": 0, "insufficient": 1, "pass": 2}
MEANING = {
    "scale-up": "go on to the next scale",
    "one-more-proxy": "the evidence does not suffice yet",
    "reject": "stop here",
    "target-domain-only": "use it for the target domain, not for the whole mixture",
    "keep-for-post-training": "its gain is one of format: keep it for post-training",
}


def draw_report(console: Console, report: GateReport, overrides: Sequence[Override], *, explain: bool) -> None:
    """Draw one verdict: failed conditions first."""
    tier = f", decided at {report.tier}" if report.tier else ""
    console.print(_bold(f"{report.gate} {report.title}: {report.name}, arm {report.arm}{tier}"), soft_wrap=True)
    _draw_conditions(console, report.conditions, explain=explain)
    style = "bold green" if report.decision == GO else "bold yellow"
    console.print(_text(f"decision: {report.decision} ({MEANING[report.decision]})", style))
    console.print(_text(f"  {report.why}"))
    _draw_winner(console, report)
    if explain:
        _draw_named(console, "survival checks", report.survival)
        _draw_named(console, "why gains vanish", report.diagnoses)
        _draw_looks(console, report)
    _draw_next(console, report)
    for item in overrides:
        console.print(
            _text(f"override by {item.by}: {item.decision} instead of {item.machine}: {item.reason}", "bold magenta")
        )
    console.print(_text(f"gates: {report.gates} ({report.gates_digest[:8]})", "dim"))
    if not explain:
        console.print(_text("--explain: thresholds, evidence, survival checks and diagnoses", "dim"))


def draw_gates(console: Console, gates: Gates) -> None:
    """Draw a gates' file: every condition with its rule and limits."""
    from rich.table import Table

    console.print(_text(f"{gates.name} ({gates.digest[:8]})", "bold"))
    table = Table(show_lines=False)
    for name in ("gate", "condition", "rule", "asks that", "limits"):
        table.add_column(name, overflow="fold")
    for gate in gates.gates.values():
        for number, one in enumerate(gate.conditions):
            kinds = f" ({', '.join(one.kinds)})" if one.kinds else ""
            rule = "" if one.rule is None else str(one.rule)
            first = f"{gate.name} {gate.title}" if number == 0 else ""
            table.add_row(first, one.name, rule, one.text + kinds, limits_text(one.limits))
        for name in gate.not_failed:
            table.add_row("", f"gate-{name.lower()}", "", f"nothing failed at {name}", "–")
        table.add_section()
    console.print(table)
    looks = ", ".join(f"n = {count}: t ≥ {value:g}" for count, value in sorted(gates.looks.critical.items()))
    console.print(
        _text(f"looks: {looks}; futile below |t| {gates.looks.futile_below:g} from n = {gates.looks.futile_from}")
    )


def _draw_conditions(console: Console, found: Sequence[ConditionResult], *, explain: bool) -> None:
    from rich.table import Table

    table = Table()
    for name in ("condition", "state", "rule", "found"):
        table.add_column(name, overflow="fold", no_wrap=name == "state")
    for item in sorted(found, key=lambda one: ORDER[one.state]):
        text = printable(item.text)
        if explain:
            text += f"\nasked: {item.title}; {item.threshold}" if item.threshold else f"\nasked: {item.title}"
            text += f"\nevidence: {', '.join(item.evidence)}" if item.evidence else ""
        rule = "" if item.rule is None else str(item.rule)
        table.add_row(_text(item.name), _text(item.state, STYLE[item.state]), rule, _text(text))
    console.print(table)


def _draw_winner(console: Console, report: GateReport) -> None:
    won = report.winner
    if won.gain is None:
        return
    known = won.low is not None and won.high is not None
    text = f"gain {share(won.gain)}" + (f" ({share(won.low or 0)} to {share(won.high or 0)})" if known else "")
    text += f"; on the half that selected nothing {share(won.held_out)}" if won.held_out is not None else ""
    text += f"; on the board's seed {share(won.confirmation)}" if won.confirmation is not None else ""
    text += "; fragile: one run more or less changes it, add seeds" if won.fragile else ""
    text += "; neutral: the interval lies inside the margin" if won.neutral else ""
    console.print(_text(text))


def _draw_named(console: Console, title: str, found: Sequence[NamedCheck]) -> None:
    console.print(_text(title, "bold"))
    for item in found:
        console.print(
            _text(f"  {item.name}: ").append(item.state, STYLE[item.state]).append(f": {printable(item.text)}")
        )


def _draw_looks(console: Console, report: GateReport) -> None:
    looks = report.looks
    console.print(
        _text(
            f"looks at panel {looks.panel[:8]}: {looks.arms} arms here, {looks.of_this_study} at other versions of it "
            f"(counted as tries), {looks.earlier_results} at earlier results of this arm, {looks.of_others} by "
            "other studies"
        )
    )


def _draw_next(console: Console, report: GateReport) -> None:
    work = report.next_runs
    if work is None:
        return
    cost = f"{work.runs} runs, {work.flops:.2g} FLOPs" if work.runs else "no training"
    console.print(_text(f"cheapest next: {cost}, to clear {', '.join(work.clears) or 'nothing'}", "bold"))
    for command in work.commands:
        console.print(_text(f"  {command}"), soft_wrap=True)
    if work.open:
        console.print(_text(f"no run clears: {', '.join(work.open)}"))


def _text(value: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(value) if "\n" not in value else value, style=style)


def _bold(value: str) -> Text:
    return _text(value, "bold")
