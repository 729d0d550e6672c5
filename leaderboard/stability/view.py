"""Rank stability on the terminal: the verdict of each pair of tiers first, then what changes places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from curation.numerics import Interval
from leaderboard.stability.compared import MIN_FOR_TAU, Stability, TierPair
from leaderboard.stability.noise import Resolved

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 6
"""Crossings, inversions and recipes that the terminal lists."""
LONGEST = 48
ABSENT = 3


def draw_stability(console: Console, found: Sequence[Stability]) -> None:
    """Draw the whole table (or the mean over groups) in full, and one row a group."""
    whole = found[0]
    title = "all recipes" if whole.scores.group is None else whole.scores.group
    _line(console, f"{len(whole.scores.recipes)} recipes, target {whole.scores.target}: {title}")
    _draw_pairs(console, whole.pairs)
    for pair in whole.pairs:
        if pair.target == whole.scores.target:
            _draw_words(console, pair)
    _draw_crossings(console, whole)
    _draw_forecast(console, whole)
    groups = [one for one in found if one.scores.group is not None]
    if groups:
        _draw_groups(console, groups)
    for note in whole.scores.notes:
        _line(console, f"note: {note}")
    _line(console, "all numbers, bins by gap, slopes and ties: --json; definitions: docs/stability.md")


def _draw_pairs(console: Console, pairs: Sequence[TierPair]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tiers", "n", "decision accuracy", "strict", "tau-b", "Spearman", "regret", "verdict"):
        table.add_column(name, justify="left" if name in ("tiers", "verdict") else "right", overflow="fold")
    for pair in pairs:
        table.add_row(*(printable(cell) for cell in _cells(pair)))
    console.print(table, markup=False)
    if any(pair.agreement.num_recipes < MIN_FOR_TAU for pair in pairs):
        _line(
            console,
            f"tau-b is shown from {MIN_FOR_TAU} recipes on: with 4, 0.6 happens by chance 17 % of the time (rule 11)",
        )


def _cells(pair: TierPair) -> tuple[str, ...]:
    values = pair.agreement.values
    return (
        f"{pair.small} → {pair.target}",
        str(pair.agreement.num_recipes),
        _with_interval(values["decision_accuracy"], pair.intervals.get("decision_accuracy")),
        _number(values["decision_accuracy_strict"]),
        _number(values["kendall_tau_b"]) if pair.agreement.num_recipes >= MIN_FOR_TAU else "–",
        _number(values["spearman"]),
        _number(values["regret"], 3),
        pair.verdict,
    )


def _draw_words(console: Console, pair: TierPair) -> None:
    """Say who wins, what noise resolves, what it costs, and why the verdict is what it is."""
    head = f"{pair.small} → {pair.target}:"
    if pair.winners_from and pair.winners_to:
        _line(
            console,
            f"{head} first at {pair.small} {_names(pair.winners_from)}, at {pair.target} {_names(pair.winners_to)}",
        )
    if isinstance(pair.resolved, Resolved):
        kept = f", P(winner kept) {pair.noise.winner_kept:.2f}" if pair.noise else ""
        _line(
            console,
            f"  {pair.resolved.at_both} of {pair.agreement.counts.total} pairs resolved at both tiers, "
            f"{_counted(pair.resolved.num_inverted, 'significant inversion')}{kept}",
        )
        for one in pair.resolved.inversions[:SHOWN]:
            ahead, behind = (_short(pair.recipes[place]) for place in (one.ahead, one.behind))
            _line(console, f"    {ahead} leads at {pair.small}, {behind} at {pair.target}")
    if pair.cost:
        accuracy = _number(pair.agreement.values["decision_accuracy"])
        assumed = " (assumed: FLOPs of curate's tiers of these names)" if pair.cost.assumed else ""
        costs = "would cost" if assumed else "costs"
        _line(
            console,
            f"  the decision {costs} {pair.cost.total_from:.2e} FLOPs, {100 * pair.cost.share:.2g} % of "
            f"{pair.cost.total_to:.2e} at {pair.target}{assumed}; plain ranking at {pair.small}: {accuracy}",
        )
    if pair.reasons:
        _line(console, f"  {pair.verdict}: {'; '.join(pair.reasons)}")
    for side, names in ((pair.small, pair.absent_from), (pair.target, pair.absent_to)):
        if names:
            more = ", …" if len(names) > ABSENT else ""
            _line(console, f"  {len(names)} not at {side}, so not compared: {_names(names[:ABSENT])}{more}")


def _draw_crossings(console: Console, found: Stability) -> None:
    crossings = found.crossings
    if crossings.total is None:
        _line(console, "too many recipes to list which pairs cross")
        return
    pairs = (
        "1 pair of recipes changes places"
        if crossings.total == 1
        else f"{crossings.total} pairs of recipes change places"
    )
    _line(console, pairs)
    names, tiers = found.scores.recipes, found.scores.tiers
    for one in crossings.found[:SHOWN]:
        slope = "" if one.slope is None else f", gap grows {one.slope:+.3g} a {found.scale}"
        ahead, behind = _short(names[one.ahead]), _short(names[one.behind])
        _line(console, f"  {ahead} passes {behind} between {tiers[one.at[-1]]} and {tiers[one.to]}{slope}")


def _draw_forecast(console: Console, found: Stability) -> None:
    """Say whether a fitted law ranks better than the plain ranking; nothing where no law can be fitted."""
    told = found.forecast
    if isinstance(told, str):
        return
    assumed = ", FLOPs assumed" if found.flops.assumed else ""
    said = {True: "the law ranks better", False: "the law ranks worse", None: "no difference shown"}[told.beats]
    _line(
        console,
        f"fitted {told.law} over {', '.join(told.tiers)}: decision accuracy {told.fitted.decision_accuracy:.2f} at "
        f"{told.fitted.flops:.2e} FLOPs; plain ranking at {told.tiers[-1]}: {told.plain.decision_accuracy:.2f} at "
        f"{told.plain.flops:.2e} ({told.num_recipes} recipes{assumed}): {said}",
    )


def _draw_groups(console: Console, groups: Sequence[Stability]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("group", "tiers", "n", "decision accuracy", "regret", "verdict"):
        table.add_column(name, justify="left" if name in ("group", "tiers", "verdict") else "right", overflow="fold")
    for one in groups:
        for pair in one.pairs:
            if pair.target == one.scores.target:
                cells = _cells(pair)
                table.add_row(*(printable(cell) for cell in (str(one.scores.group), *cells[:3], *cells[6:])))
    console.print(table, markup=False)


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if interval is None:
        return _number(value)
    return f"{_number(value)} ({interval.low:.2f} to {interval.high:.2f})"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(_short, names[:SHOWN])) + more


def _short(name: str) -> str:
    """Return a name that leaves room for others: its beginning and its end, which is where variants differ."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-(LONGEST // 2) + 1 :]}"


def _line(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, soft_wrap=True)
