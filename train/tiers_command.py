"""`curate tiers`: the tiers by family, every number of one, and its plan on given cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from curation.console import JsonFlag, give
from curation.errors import RunError
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from train.cpu_plan import CpuPlan
    from train.tier_plan import TierPlan
    from train.tiers import Tier

FAMILIES = {
    "laptop": "laptop: one CPU core; plumbing, no evidence (rule 18)",
    "ladder": "ladder: the project's own; evidence starts here",
    "dclm": "dclm: published settings of DCLM, dclm-like",
}
COLUMNS = ("tier", "N_ne", "N_mm", "N_tot", "tokens", "FLOPs", "batch", "rate", "\u03b22", "steps", "GB")
HOURS = {"laptop": "CPU h"}
"""Of a family's last column; otherwise those of an H200."""
LEAST_NEEDED = ("\u03b22", "N_mm", "N_ne", "FLOPs", "rate", "GB", "batch", "steps")
"""Columns in the order in which a narrow terminal loses them."""
GB = 1e9


def tiers(
    name: Annotated[str | None, typer.Argument(help="Tier to show every number of; none lists all.")] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", min=1, help="Plan it on so many cards in all.")] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="Kind of card: h200, h100, a100, b200, l40s ...")] = "h200",
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, help="Machines that the cards are in (default: 8 cards each).")
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """List tiers, show every number of one, or plan it on cards: memory, sharding, micro-batch, steps, hours."""
    from train.cpu_plan import plan_cpu
    from train.tier_plan import plan_tier
    from train.tiers import load_tier, tier_names

    if name is None:
        if gpus is not None or nodes is not None:
            raise RunError("--gpus: no tier is named, expected `curate tiers NAME --gpus N`; name one")
        rows = [describe(load_tier(known)) for known in tier_names()]
        give(cast("Json", rows), lambda console: _draw_list(console, rows), as_json=json_output)
        return
    tier = load_tier(name)
    if gpus is None and nodes is None and gpu == "h200":
        numbers = describe(tier)
        give(numbers, lambda console: _draw_numbers(console, numbers), as_json=json_output)
        return
    if tier.family == "laptop":
        processes = plan_cpu(tier, gpus or nodes or 1)
        give(processes.as_json(), lambda console: draw_plan(console, processes), as_json=json_output)
        return
    plan = plan_tier(tier, gpu=gpu, gpus=gpus or 1, nodes=nodes)
    give(plan.as_json(), lambda console: draw_plan(console, plan), as_json=json_output)


def describe(tier: Tier) -> dict[str, Json]:
    """Return every number of the tier, its memory whole on one device, its hours there and its learning-rate sweep."""
    from train.cpu_plan import cpu_hours, speed_source, tokens_a_cpu_second
    from train.sweep_result import sweep_of
    from train.tier_plan import CARDS, estimate_hours, memory_parts
    from train.tiers import tier_json

    parts = memory_parts(tier, "none", 1, tier.micro_batch_rows)
    laptop = tier.family == "laptop"
    hours = None if laptop else estimate_hours(tier, CARDS["h200"])
    return {
        **tier_json(tier),
        "memory_bytes": {**parts, "total": sum(parts.values())},
        "h200_hours": hours.hours if hours else None,
        "mfu": hours.mfu if hours else None,
        "mfu_source": hours.source if hours else None,
        "cpu_hours": cpu_hours(tier) if laptop else None,
        "tokens_a_cpu_second": tokens_a_cpu_second(tier) if laptop else None,
        "tokens_a_cpu_second_source": speed_source(tier) if laptop else None,
        "lr_sweep": sweep_of(tier),
    }


def draw_plan(console: Console, plan: TierPlan | CpuPlan) -> None:
    """Print a plan as a person reads it."""
    from train.cpu_plan import CpuPlan

    memory, tier = plan.memory, plan.tier
    unit = "process" if isinstance(plan, CpuPlan) else "card"
    place = f"{memory.world_size} CPU process(es)" if isinstance(plan, CpuPlan) else _cards(plan)
    console.print(f"{tier.name} on {place}: {memory.sharding}", markup=False)
    console.print(
        f"batch {tier.batch_tokens:,} tokens = {memory.world_size} {unit}(s) x {memory.accumulation} micro-batch(es) x "
        f"{memory.micro_batch_rows} window(s) x {tier.shape.context_tokens:,} tokens; {tier.num_steps:,} steps, "
        f"{tier.num_tokens:,} tokens",
        markup=False,
    )
    parts = ", ".join(f"{name.replace('_', ' ')} {size / GB:.1f}" for name, size in memory.parts.items() if size)
    console.print(
        f"memory a {unit}: {memory.total_bytes / GB:.1f} of {memory.device_bytes / GB:.0f} GB, estimated ({parts})",
        markup=False,
    )
    console.print(_cpu_time(plan) if isinstance(plan, CpuPlan) else _card_time(plan), markup=False)


def _cards(plan: TierPlan) -> str:
    return f"{plan.memory.world_size} x {plan.card.name}, {plan.nodes} node(s)"


def _card_time(plan: TierPlan) -> str:
    estimate = plan.estimate
    return (
        f"about {_number(plan.hours)} hours, {_number(estimate.hours)} card-hours at {estimate.mfu:.0%} MFU "
        f"({estimate.source}); an estimate without evaluation, compilation and communication"
    )


def _cpu_time(plan: CpuPlan) -> str:
    from train.cpu_plan import speed_source, tokens_a_cpu_second

    return (
        f"about {_number(plan.hours)} hours, {_number(plan.cpu_hours)} CPU-hours at "
        f"{tokens_a_cpu_second(plan.tier):,.0f} tokens a CPU-second ({speed_source(plan.tier)}); an estimate without "
        "evaluation"
    )


def _draw_list(console: Console, rows: list[dict[str, Json]]) -> None:
    from rich import box
    from rich.table import Table

    cells = {family: [_cells(row) for row in rows if row["family"] == family] for family in FAMILIES}
    shown = _columns_within(console.width, list(cells.values()))
    for family, title in FAMILIES.items():
        headings = (*COLUMNS, HOURS.get(family, "H200 h"))
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for place in shown:
            table.add_column(headings[place], justify="left" if place == 0 else "right", no_wrap=True)
        for row in cells[family]:
            table.add_row(*(row[place] for place in shown))
        console.print(table)
    missing = [name for place, name in enumerate(COLUMNS) if place not in shown]
    if missing:
        console.print(f"Not shown for want of width: {', '.join(missing)}; widen the terminal, or `curate tiers NAME`.",
                      markup=False)  # fmt: skip
    console.print(
        "Also -<m>x of each, for example nano-0.1x, 1b-4x. GB: whole on one device at the recipe's micro-batch.\n"
        "CPU h: of one core; H200 h: of one card, at the MFU that `curate tiers NAME` states. All are estimates.",
        markup=False,
    )


def _columns_within(width: int, tables: Sequence[Sequence[Sequence[str]]]) -> list[int]:
    """Return the places of the columns that fit into so many cells in every table, the least needed left out first."""
    shown = list(range(len(COLUMNS) + 1))
    headed = [list(zip((*COLUMNS, "H200 h"), *rows, strict=True)) for rows in tables]
    widths = [[max(map(len, column)) for column in columns] for columns in headed]
    for name in LEAST_NEEDED:
        if all(sum(table[place] + 2 for place in shown) <= width + 1 for table in widths):  # two cells part columns
            break
        shown.remove(COLUMNS.index(name))
    return shown


def _cells(row: Mapping[str, Json]) -> list[str]:
    numbers = cast("Mapping[str, Any]", row)
    return [
        str(row["name"]),
        *(_short(numbers[f"params_{kind}"]) for kind in ("non_embedding", "matmul", "total")),
        _short(numbers["tokens"]),
        f"{numbers['flops']:.1e}".replace("e+", "e"),
        f"{numbers['batch_tokens']:,}",
        f"{numbers['learning_rate']:.1e}".replace("e-0", "e-"),
        f"{numbers['beta2']:.4g}",
        f"{numbers['steps']:,}",
        f"{numbers['memory_bytes']['total'] / GB:.1f}",
        _number(numbers["cpu_hours"] if numbers["h200_hours"] is None else numbers["h200_hours"]),
    ]


def _draw_numbers(console: Console, numbers: Mapping[str, Json]) -> None:
    from rich.table import Table

    table = Table(show_header=False)
    flat = {**numbers, **cast("Mapping[str, Json]", numbers["shape"])}
    nested: tuple[str, ...] = ("shape", "memory_bytes", "lr_sweep", "deviations", "h200_hours", "mfu", "mfu_source")
    nested += ("cpu_hours", "tokens_a_cpu_second", "tokens_a_cpu_second_source")
    for key, value in flat.items():
        if key not in nested:
            table.add_row(key, _shown(value))
    for key, value in cast("Mapping[str, int]", numbers["memory_bytes"]).items():
        table.add_row(f"memory: {key.replace('_', ' ')}", f"{value / GB:.2f} GB, estimated")
    table.add_row(*_hours(cast("Mapping[str, Any]", numbers)))
    for deviation in cast("list[str]", numbers["deviations"]):
        table.add_row("deviation", f"{deviation}: dclm-like, losses not claimed equal")
    table.add_row("learning-rate sweep", str(cast("Mapping[str, Json]", numbers["lr_sweep"])["said"]))
    console.print(table)


def _hours(numbers: Mapping[str, Any]) -> tuple[str, str]:
    if numbers["h200_hours"] is None:
        speed = f"{numbers['tokens_a_cpu_second']:,.0f} tokens a CPU-second ({numbers['tokens_a_cpu_second_source']})"
        return "cpu_hours", f"{_number(numbers['cpu_hours'])}, estimated at {speed}"
    estimate = f"{_number(numbers['h200_hours'])}, estimated at {numbers['mfu']:.0%} MFU"
    return "h200_hours", f"{estimate} ({numbers['mfu_source']})"


def _shown(value: Json) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _short(value: float) -> str:
    """Return a count in three digits: 85.0M, 2.20B."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= unit:
            scaled = value / unit
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{letter}"
    return str(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
