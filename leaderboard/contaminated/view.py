"""Contamination in the scores for people (tables, flags first) and programs (one JSON object)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from curation.files import Json
from leaderboard.contaminated.gain import PerformanceGain
from leaderboard.contaminated.scores import Contamination, PartScore, TaskContamination
from leaderboard.contaminated.verdict import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PARTS = ("all", "clean", "suspicious", "unknown")


def draw_contamination(console: Console, found: Contamination) -> None:
    """Print scores by part, gaps, performance gains and growth; flagged tasks first."""
    table = _table(
        f"Scores on clean and suspicious items ({found.detector})",
        ("task", "tier", "part", "items", "B", "A", "A better by"),
    )
    ordered = sorted(found.tasks, key=lambda one: not one.verdict.flagged)
    for one in ordered:
        for number, name in enumerate(part for part in PARTS if one.parts[part].num_items):
            part = one.parts[name]
            lead = (f"{one.task} ({one.metric})", one.tier) if number == 0 else ("", "")
            _add(table, *lead, name, f"{part.num_items:,}", _number(part.baseline), _number(part.candidate),
                 shown(part.gain))  # fmt: skip
        _add(table, "", "", "gap", "", "", "", shown(one.gap))
    console.print(table)
    _say(console, "A better by: turned so that more is better, also where fewer bits are.", "dim")
    for one in ordered:
        if one.verdict.judged:
            style = "bold red" if one.verdict.flagged else None
            _say(console, f"{one.task} at {one.tier}: {one.verdict.kind}: {one.verdict.words}", style)
    _draw_not_judged(console, ordered)
    _draw_gains(console, found)
    _draw_growth(console, found)
    if found.removed != "none":
        _say(console, f"The corpus was cleaned of what {found.detector} found ({found.removed}s removed): these items")
        _say(console, "were in the pool, and only what it does not see can be left of them.")
    if found.unlisted:
        _say(console, f"Nobody looked for the items of: {', '.join(found.unlisted)}.")


def _draw_not_judged(console: Console, tasks: Sequence[TaskContamination]) -> None:
    """Print why tasks are not judged, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for one in tasks:
        if not one.verdict.judged:
            reasons.setdefault(one.verdict.words, []).append(f"{one.task} at {one.tier}")
    for words, names in reasons.items():
        _say(console, f"{words}: {', '.join(names)}")


def _say(console: Console, text: str, style: str | None = None) -> None:
    """Print a line whose names may come from a stranger's file."""
    console.print(printable(text), style=style, markup=False, highlight=False)


def _table(title: str, headers: tuple[str, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(printable(title)), box=None, pad_edge=False, header_style="bold", title_justify="left"
    )  # fmt: skip
    for header in headers:
        table.add_column(header, justify="left" if header in ("task", "tier", "part", "") else "right")
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def _draw_gains(console: Console, found: Contamination) -> None:
    rows = [(one, gain) for one in found.tasks for gain in one.gains]
    if not rows:
        return
    table = _table(
        "Estimated performance gain: score on known − on clean items",
        ("task", "tier", "from score", "suspicious", "B", "A", ""),
    )
    for one, gain in rows:
        _add(
            table, one.task, one.tier, f"{gain.threshold:.3g}", f"{gain.num_suspicious:,}", shown(gain.baseline),
            shown(gain.candidate), "largest" if gain.largest else "",
        )  # fmt: skip
    console.print(table)


def _draw_growth(console: Console, found: Contamination) -> None:
    for name, gap in found.mean_gap.items():
        if gap is not None:
            _say(console, f"Mean gap over tasks at {name}: {shown(gap)}")
    for one in found.growth:
        course = " → ".join(f"{tier} {_number(gap)}" for tier, gap in zip(one.tiers, one.gaps, strict=True))
        told = "it grows with the tier" if one.grows else "no growth shown"
        _say(
            console, f"{one.task}: gap {course}; change {shown(one.change)}: {told}", "bold red" if one.grows else None
        )


def contamination_json(found: Contamination) -> Json:
    """Return everything as one JSON object."""
    return {
        "detector": found.detector,
        "removed": found.removed,
        "tasks": [_task_json(one) for one in found.tasks],
        "mean_gap": {name: gap.as_json() if gap else None for name, gap in found.mean_gap.items()},
        "growth": [
            {
                "task": one.task, "tiers": list(one.tiers), "gaps": list(one.gaps), "grows": one.grows,
                "change": one.change.as_json() if one.change else None,
            }
            for one in found.growth
        ],
        "unlisted": list(found.unlisted),
        "flagged": sorted({one.task for one in found.flagged}),
    }  # fmt: skip


def _task_json(one: TaskContamination) -> Json:
    return {
        "task": one.task,
        "tier": one.tier,
        "metric": one.metric,
        "suite": one.suite,
        "parts": {name: _part_json(part) for name, part in one.parts.items()},
        "gap": one.gap.as_json() if one.gap else None,
        "performance_gain": [_gain_json(gain) for gain in one.gains],
        "verdict": {"kind": one.verdict.kind, "flagged": one.verdict.flagged, "words": one.verdict.words},
    }


def _part_json(part: PartScore) -> Json:
    return {
        "num_items": part.num_items,
        "num_clusters": part.num_clusters,
        "candidate": part.candidate,
        "baseline": part.baseline,
        "gain": part.gain.as_json() if part.gain else None,
    }


def _gain_json(gain: PerformanceGain) -> Json:
    return {
        "threshold": gain.threshold,
        "num_suspicious": gain.num_suspicious,
        "candidate": gain.candidate.as_json() if gain.candidate else None,
        "baseline": gain.baseline.as_json() if gain.baseline else None,
        "largest": gain.largest,
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
