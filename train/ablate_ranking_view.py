"""What `curate mix ablate` prints of how averages rank trained unions, and of the part of the panel they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.console import printable
from train.ablate import Part
from train.ablate_agreement import Estimate, Overall, Ranking

if TYPE_CHECKING:
    from rich.console import Console

FEW_FAMILIES = 5
"""A slice of fewer tells little of what other text would say."""


def draw_overall(console: Console, overall: Overall) -> None:
    """Print both rankings with intervals."""
    from rich.table import Table

    table = Table(title=f"the target over {len(overall.unions)} trained unions, by", title_justify="left")
    table.add_column("")
    table.add_column("average")
    table.add_column("members' mean")
    both = (overall.proxy, overall.mean_of_members)
    table.add_row("ρ (95 %)", *(_told(one.spearman) for one in both))
    table.add_row("ρ without each partition", *(_range(one) for one in both))
    for size in overall.proxy.within_size:
        table.add_row(
            f"ρ within unions of {size}", *(f"{one.within_size[size]:.3f}" for one in both if size in one.within_size)
        )
    table.add_row("pairs ranked right", *(f"{one.pairs_right} of {overall.pairs}" for one in both))
    table.add_row("bias", *(_told(one.bias, per_cent=True) for one in both))
    table.add_row("RMSE", *(_told(one.rmse, per_cent=True) for one in both))
    table.add_row("regret of the best", *(_told(one.regret, per_cent=True) for one in both))
    console.print(table)
    if overall.by_size is not None:
        console.print(f"by the number of members alone: ρ {overall.by_size:.3f}")
    few = [f"{name} {num}" for name, num in overall.families.items() if num < FEW_FAMILIES]
    told = f"; few families: {', '.join(few)}" if few else ""
    console.print(
        printable(f"Intervals resample families of the panel, not runs: one seed each{told}"),
        soft_wrap=True,
        markup=False,
    )


def part_line(part: Part) -> str:
    """Return what is said of a part of the panel."""
    rank = "-" if part.spearman is None else f"{part.spearman:.3f}"
    return (
        f"scored on {part.documents} of {part.of_documents} documents of the panel (--panel-share {part.share:g}); on "
        f"{part.runs} trained runs that misses the whole panel's comparisons by {100 * part.error:.2f} % (root mean "
        f"square), ρ {rank}"
    )


def _told(one: Estimate, *, per_cent: bool = False) -> str:
    if one.value is None:
        return "-"
    scale, form = (100, "+.2f") if per_cent else (1, ".3f")
    ends = ""
    if one.interval is not None:
        ends = f" ({scale * one.interval.low:{form}} to {scale * one.interval.high:{form}})"
    return f"{scale * one.value:{form}}{' %' if per_cent else ''}{ends}"


def _range(one: Ranking) -> str:
    return "-" if one.without_each is None else f"{one.without_each[0]:.3f} to {one.without_each[1]:.3f}"
