"""Noise packs on a terminal: tables by slice and task, and what a number of seeds can and cannot show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.noise.pack import MIN_SEEDS, NoisePack
from leaderboard.noise.power import SEEDS_SHOWN
from leaderboard.noise.rows import Row

FIRM_DEGREES = MIN_SEEDS - 1
"""Degrees of freedom from which a sigma counts as measured."""

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leaderboard.noise.plan import PlannedRun


def draw_packs(console: Console, packs: Sequence[tuple[Path, NoisePack]]) -> None:
    """Print one line a pack."""
    table = _table(
        "Noise packs", ["tier", "status", "slices, tasks"], ["seeds", "noise runs"], ["device, date", "file"]
    )
    for path, pack in packs:
        table.add_row(
            pack.tier,
            pack.status if pack.evidence else f"{pack.status}, laptop tier",
            ", ".join(str(len({one.name for one in pack.measures if one.kind == kind})) for kind in ("slice", "task")),
            str(sum(run.seed is not None for run in pack.runs)),
            str(sum(run.noise is not None for run in pack.runs)),
            printable(f"{pack.provenance.device}, {pack.provenance.date}"),
            printable(path.name),
        )
    console.print(table)


def draw_pack(console: Console, path: Path, pack: NoisePack, rows: Sequence[Row]) -> None:
    """Print a pack: where it is from, the spread of runs, its causes, and what may be detected."""
    facts = pack.provenance
    console.print(f"{path.name}: {pack.tier}, {pack.status}", style="bold", markup=False)
    for why in pack.why:
        console.print(f"  not a prior: {why}", markup=False)
    if not pack.evidence:
        console.print("  a laptop tier: plumbing, not evidence (rule 18)", markup=False)
    panel = facts.panel[:16] if facts.panel else "not written down"
    told = f"{facts.device}, {facts.date}; panel {panel}; recipe {pack.recipe_version}, {pack.tokenizer}"
    console.print(f"  {printable(told)}, context {pack.context}", markup=False, soft_wrap=True)
    _draw_spread(console, rows)
    _draw_power(console, rows)
    for row in rows:
        if row.outlier:
            console.print(f"{row.name}: one run makes most of it, {row.outlier} (kept: none is dropped)", markup=False)


def _draw_spread(console: Console, rows: Sequence[Row]) -> None:
    numbers = ["mean", "sigma", "95% interval", "ckpt", "naive SE", "clustered SE"]
    for title, own in _by_metric(rows):
        table = _table(f"Spread of one run: {title}", ["slice or task"], numbers, [])
        for row in own:
            table.add_row(
                _name(row),
                "-" if row.mean is None else f"{row.mean:.4f}",
                ("~" if row.degrees < FIRM_DEGREES else "") + _size(row, row.sigma),
                f"{_size(row, row.low)} to {_size(row, row.high)}",
                _size(row, row.sigma_checkpoints),
                _size(row, row.naive_error),
                _size(row, row.clustered_error),
            )
        console.print(table)
    _draw_causes(console, rows)
    console.print(
        "sigma: standard deviation of one run over seeds; ckpt: of one checkpoint around its neighbours; naive SE and "
        "clustered SE: error from the drawn items, taken alone and with items of one passage or family together.",
        style="dim",
    )
    if any(row.degrees < FIRM_DEGREES for row in rows):
        fewest = min(row.degrees for row in rows)
        console.print(
            f"~: a guess from few runs ({fewest:.0f} degrees of freedom, {FIRM_DEGREES} come from 8 seeds), not a "
            "measurement: a sigma near 0 says only that these few were alike; go by the interval.",
            style="bold",
        )


def _draw_causes(console: Console, rows: Sequence[Row]) -> None:
    causes = sorted({name for row in rows for name in row.causes})
    for title, own in _by_metric(rows) if causes else ():
        table = _table(f"Causes of the spread: {title}", ["slice or task"], causes, [])
        for row in own:
            table.add_row(_name(row), *(_cause(row, name) for name in causes))
        console.print(table)


def _draw_power(console: Console, rows: Sequence[Row]) -> None:
    gains = list(rows[0].seeds) if rows else []
    snr = ["SNR"] if any(row.signal_to_noise is not None for row in rows) else []
    seeds = [f"{count} seeds" for count in SEEDS_SHOWN]
    for title, own in _by_metric(rows):
        table = _table(f"Smallest gain found with 80 % (one-sided 5 %): {title}", ["slice or task"], [*seeds, *snr], [])
        takes = _table(
            f"Seeds an arm that find a gain (by looks): {title}",
            ["slice or task"],
            [f"seeds for {g}" for g in gains],
            [],
        )
        for row in own:
            found = [_size(row, row.detectable.get(str(count))) for count in SEEDS_SHOWN]
            ratio = "-" if row.signal_to_noise is None else f"{row.signal_to_noise:.1f}"
            table.add_row(_name(row), *found, *([ratio] if snr else []))
            takes.add_row(
                _name(row), *(f"{_count(row.seeds[gain])} ({_look(row.seeds_by_looks[gain])})" for gain in gains)
            )
        console.print(table)
        if gains:
            console.print(takes)
    console.print(
        "Gains are relative where sigma is; else in the metric's own unit (1 % is 0.01). By looks: at 2, 3 "
        "or 5 seeds, with t above 2.71, 2.63, 2.53. Questions held fixed: what recipes do to single items asks for "
        "more, and more seeds do not help. `curate compare` judges two-sided: detectable_two_sided of --json.",
        style="dim",
    )
    if all(row.signal_to_noise is None for row in rows):
        console.print("SNR needs several recipes: give --signal STUDY_DIR.", style="dim")


def draw_plan(console: Console, runs: Sequence[PlannedRun], cost: Mapping[str, str]) -> None:
    """Print what a noise measurement trains and what it costs."""
    table = _table("Runs of a noise measurement", ["run", "what it varies"], [], ["state"])
    for run in runs:
        table.add_row(run.label, run.purpose, "in the store" if run.reused else "to train")
    console.print(table)
    for name, text in cost.items():
        console.print(f"{name}: {text}", markup=False)


def _by_metric(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return rows by metric, each with the metric's name and its unit: a table apiece."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.metric, row.scale), []).append(row)
    units = {metric: ", per cent" if scale == "log" else ", in its own unit" for metric, scale in found}
    return [(printable(f"{metric}{units[metric]}"), own) for (metric, _), own in found.items()]


def _name(row: Row) -> str:
    return printable(row.name if row.basis == "seeds" else f"{row.name} ({row.basis})")


def _size(row: Row, value: float | None) -> str:
    if value is None:
        return "-"
    if row.scale != "log":
        return f"{value:.4f}"
    return f"{value:.2%}" if value >= 0.001 or value == 0 else f"{100 * value:.2g}%"


def _cause(row: Row, name: str) -> str:
    held = row.causes.get(name)
    return "-" if held is None else _size(row, float(held["sigma"]))


def _count(seeds: int | None) -> str:
    return "> 1000" if seeds is None else str(seeds)


def _look(seeds: int | None) -> str:
    return "> 5" if seeds is None else str(seeds)


def _table(title: str, words: Sequence[str], numbers: Sequence[str], last: Sequence[str]) -> Table:
    """Return a table whose names and numbers are never broken; headings wrap at their words."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        widest = max((len(word) for word in name.split()), default=1)
        table.add_column(name, justify="right", min_width=widest)
    for name in last:
        table.add_column(name, overflow="fold")
    return table
