"""Results for people: a table of tasks by family, what is missing and why, and the numbers over tasks.

Accuracy is shown only where it beats chance by two standard errors; a number that is not there says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.suites.eligibility import eligibility
from curation.suites.tasks import FAMILIES
from train.evals.results import Metric, Results, TaskResult

if TYPE_CHECKING:
    from rich.console import Console

BELOW_CHANCE = "·"
HIDDEN = "-"
UNKNOWN = "?"
CUT = "cut"


def draw_results(console: Console, results: Results, place: str) -> None:
    """Print one model's results on one suite."""
    model, suite = results.model, results.suite
    step = "" if model.checkpoint is None else f", step {model.checkpoint:,}"
    averaged = f", mean of {len(results.averaged)} checkpoints" if results.averaged else ""
    console.print(
        f"{model.name}{step}{averaged} on {suite.name}@{suite.version} ({suite.digest[:8]}), "
        f"context {results.context:,}",
        markup=False,
    )
    if results.partial is not None:
        console.print("PARTIAL: not the whole suite; these numbers are no evidence and enter no comparison.")
    if results.tasks:
        _draw_tasks(console, results)
    if results.slices:
        _draw_slices(console, results)
    for name, reason in results.missing.items():
        console.print(f"missing   {name}: {reason}", markup=False)
    for name, one in results.aggregates.items():
        if one.value is None and results.partial is not None and results.partial.tasks:
            continue  # of tasks that were not asked
        told = f"N/A ({one.reason})" if one.value is None else _value(one.value, one.se)
        console.print(f"{name:<20} {told}", markup=False)
    seconds = f" in {results.duration_seconds:,.0f} s" if results.duration_seconds is not None else ""
    console.print(f"{place}{seconds}", markup=False)


def _draw_tasks(console: Console, results: Results) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header, justify in (
        ("family", "left"), ("task", "left"), ("shots", "right"), ("n", "right"), ("metric", "left"),
        ("value", "right"), ("accuracy", "right"), ("chance", "right"), ("left out, cut", "left"),
    ):  # fmt: skip
        table.add_column(header, justify=justify, no_wrap=header != "left out, cut")  # type: ignore[arg-type]
    accuracies = [_accuracy(results, name, task) for name, task in results.tasks.items()]
    for family in sorted({task.family for task in results.tasks.values()}, key=_place):
        for name, task in results.tasks.items():
            if task.family == family:
                table.add_row(family, name, *_cells(results, name, task))
        over = results.families.get(family)
        if over is not None:
            told = "N/A" if over.value is None else _value(over.value, over.se)
            table.add_row("", "[bold]mean[/bold]", "", "", _short(over.metric), f"[bold]{told}[/bold]", "", "", "")
    console.print(table)
    if any(task.above_chance is False for task in results.tasks.values()):
        console.print(f"{BELOW_CHANCE} accuracy not above chance by two standard errors: not shown.", markup=False)
    if any(cell.endswith(UNKNOWN) for cell in accuracies):
        console.print(f"{UNKNOWN} no chance or no standard error is known: whether it is above chance is open.")
    if any(task.truncated for task in results.tasks.values()):
        console.print(f"{CUT}: items that are scored, after a context that lost its beginning to fit the window.")
    for line in _trust(results):
        console.print(line, markup=False)


def _place(family: str) -> tuple[int, str]:
    """Return where a family stands: in the order that suites know, others after them by name."""
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family)


def _level(results: Results, name: str, metric: str | None) -> str:
    """Return what a metric of a task is good for at the model's tier: `judged`, `shown` or `hidden`."""
    return eligibility(name, metric or "", tier=results.model.tier, suite=results.suite.name).level


def _trust(results: Results) -> list[str]:
    """Return what the tier is too small for."""
    tasks = results.tasks.items()
    primary = [name for name, task in tasks if _level(results, name, task.primary) != "judged"]
    hidden = [name for name, task in tasks if _level(results, name, task.accuracy) == "hidden"]
    told = f"at tier {results.model.tier}"
    found = [f"Not judged {told}: {'all tasks' if len(primary) == len(results.tasks) else ', '.join(primary)}."]
    found = found if primary else []
    return found + ([f"{HIDDEN} accuracy says nothing {told}: {', '.join(hidden)}."] if hidden else [])


def _cells(results: Results, name: str, task: TaskResult) -> list[str]:
    primary = task.metrics.get(task.primary)
    chance = task.baseline_v2 if task.baseline_v2 is not None else task.baseline_v1
    left_out = [f"{reason} {count:,}" for reason, count in task.excluded.items()]
    left_out += [f"{CUT} {task.truncated:,}"] if task.truncated else []
    return [
        str(task.shots), f"{task.n:,}", _short(task.primary), _metric(primary), _accuracy(results, name, task),
        "" if chance is None else f"{chance:.3f}", ", ".join(left_out),
    ]  # fmt: skip


def _accuracy(results: Results, name: str, task: TaskResult) -> str:
    found = task.metrics.get(task.accuracy or "")
    if found is None or found.value is None:
        return ""
    if _level(results, name, task.accuracy) == "hidden":
        return HIDDEN
    return {True: _metric(found), False: BELOW_CHANCE, None: f"{_metric(found)} {UNKNOWN}"}[task.above_chance]


def _short(metric: str) -> str:
    """Return a metric's name as the narrow column has it."""
    return "bits/byte" if metric == "bits_per_byte_corr" else metric


def _metric(metric: Metric | None) -> str:
    return "N/A" if metric is None or metric.value is None else _value(metric.value, metric.se)


def _value(value: float, error: float | None) -> str:
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"


def _draw_slices(console: Console, results: Results) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("slice", "nats/token", "bits/byte", "95 %", "perplexity", "docs", "families", "marks"):
        table.add_column(header, justify="left" if header in ("slice", "marks") else "right")
    for name, one in results.slices.items():
        interval = "" if one.low is None or one.high is None else f"{one.low:.4f} to {one.high:.4f}"
        table.add_row(
            name, _plain(one.nats_per_token, 4), _plain(one.bits_per_byte, 4), interval, _plain(one.perplexity, 2),
            f"{one.num_docs:,}", f"{one.num_families:,}", ", ".join(one.marks),
        )  # fmt: skip
    console.print(table)


def _plain(value: float | None, digits: int) -> str:
    return "N/A" if value is None else f"{value:,.{digits}f}"


def draw_course(console: Console, several: Sequence[Results]) -> None:
    """Print how the numbers over tasks change from checkpoint to checkpoint of one suite."""
    from rich.table import Table

    last = several[-1]
    names = [name for name, one in last.families.items() if one.value is not None]
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"{last.suite.name}: through training")
    table.add_column("step", justify="right")
    table.add_column("tokens seen", justify="right")
    for name in names:
        table.add_column(name, justify="right")
    for results in several:
        step = "end" if results.model.checkpoint is None else f"{results.model.checkpoint:,}"
        tokens = results.model.tokens_seen
        values = [_plain(results.families[name].value, 4) for name in names]
        table.add_row(step, "" if tokens is None else f"{tokens:,}", *values)
    console.print(table)
