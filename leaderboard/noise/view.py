"""Noise packs on a terminal: tables by slice and task, and what a number of seeds can and cannot show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.power import SEEDS_SHOWN
from leaderboard.noise.rows import Row

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
    causes = sorted({name for row in rows for name in row.causes})
    numbers = ["mean", "sigma", "95% interval", *causes, "ckpt", "naive SE", "clustered SE"]
    table = _table("Spread of one run (per cent, or of the metric itself)", ["slice or task"], numbers, [])
    for row in rows:
        table.add_row(
            _name(row),
            "-" if row.mean is None else f"{row.mean:.4f}",
            _size(row, row.sigma),
            f"{_size(row, row.low)} to {_size(row, row.high)}",
            *(_cause(row, name) for name in causes),
            _size(row, row.sigma_checkpoints),
            _size(row, row.naive_error),
            _size(row, row.clustered_error),
        )
    console.print(table)


def _draw_power(console: Console, rows: Sequence[Row]) -> None:
    gains = list(rows[0].seeds) if rows else []
    numbers = [*(f"{count} seeds" for count in SEEDS_SHOWN), *(f"seeds for {gain}" for gain in gains), "SNR"]
    table = _table(
        "Smallest gain found with 80 % (one-sided 5 %), seeds it takes (by looks)", ["slice or task"], numbers, []
    )
    for row in rows:
        table.add_row(
            _name(row),
            *(_size(row, row.detectable.get(str(count))) for count in SEEDS_SHOWN),
            *(f"{_count(row.seeds[gain])} ({_look(row.seeds_by_looks[gain])})" for gain in gains),
            "-" if row.signal_to_noise is None else f"{row.signal_to_noise:.1f}",
        )
    console.print(table)
    console.print(
        "Gains are relative where sigma is; else in the metric's own unit (1 % is 0.01). By looks: at 2, 3 "
        "or 5 seeds, with t above 2.71, 2.63, 2.53.",
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


def _name(row: Row) -> str:
    name = row.name if row.metric == "bits_per_byte" else f"{row.name}: {row.metric}"
    return printable(name if row.basis == "seeds" else f"{name} ({row.basis})")


def _size(row: Row, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if row.scale == "log" else f"{value:.4f}"


def _cause(row: Row, name: str) -> str:
    held = row.causes.get(name)
    return "-" if held is None else _size(row, float(held["sigma"]))


def _count(seeds: int | None) -> str:
    return "> 1000" if seeds is None else str(seeds)


def _look(seeds: int | None) -> str:
    return "> 5" if seeds is None else str(seeds)


def _table(title: str, words: Sequence[str], numbers: Sequence[str], last: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name, overflow="fold")
    return table
