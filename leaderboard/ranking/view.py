"""Tables of the board on a terminal: readable at 80 columns, names are stripped and never markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.console import printable
from leaderboard.ranking.candidates import LeftOut
from leaderboard.ranking.panel_means import HEADLINE_METRIC
from leaderboard.ranking.row import Row, Table
from leaderboard.studies.verdict import is_laptop_tier
from leaderboard.words import log_percent

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 110
BADGES = ("confirmed", "audit")
"""Beginnings of marks that stand beside the level; an entry without `confirmed` is unconfirmed."""


def draw_tables(console: Console, tables: Sequence[Table], left: Sequence[LeftOut] = (), limit: int = 0) -> None:
    """Print every table with its title, then what stands in none; `limit` rows a table, 0 for all."""
    if not tables and not left:
        console.print("no study result yet; make one with `curate study run STUDY.yaml` or `curate demo`")
        return
    alone = [table for table in tables if len(table.rows) == 1 and not table.lower_is_better]
    for table in tables:
        if table not in alone:
            _draw(console, table, limit)
    _draw_alone(console, alone, limit)
    for one in left:
        text = f"in no table: {one.study}, {one.arm} at {one.tier}: {one.reason}"
        console.print(printable(text), markup=False, style="dark_orange3")
    _legend(console, tables)


def _draw(console: Console, table: Table, limit: int) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    wide = console.width >= WIDE
    ranked = table.num_ranked > 0
    panel = table.lower_is_better
    name = table.metric.replace("_", " ")
    console.print(Text(printable(table.title), style="bold"))
    if panel and table.metric != HEADLINE_METRIC:
        told = f"bits per byte of slice {table.metric} alone; change is that of the slice, against the study's baseline"
        console.print(printable(told), markup=False, soft_wrap=True)
    drawn = RichTable(header_style="bold")
    for column in _columns(panel=panel, wide=wide, ranked=ranked, metric=name if not panel else table.metric):
        left = column in ("recipe", "verdict")
        drawn.add_column(column, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    shown = table.rows[:limit] if limit else table.rows
    for row in shown:
        cells = _cells(row, panel=panel, wide=wide, ranked=ranked)
        drawn.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(drawn)
    if len(shown) < len(table.rows):
        console.print(f"… {len(table.rows) - len(shown)} more rows; all with --all, --json or --csv FILE")
    if panel:
        console.print(printable(f"run noise: {table.noise}"), markup=False)
    if table.detectable is not None:
        console.print(f"smallest difference found with 80 % (median of pairs): {table.detectable:.2%}")
    _reasons(console, shown)
    console.print()


def _draw_alone(console: Console, tables: Sequence[Table], limit: int) -> None:
    """Print published runs that no other run may be compared with, in one list."""
    from rich.table import Table as RichTable
    from rich.text import Text

    if not tables:
        return
    metric = tables[0].metric.replace("_", " ")
    console.print(Text(f"{len(tables)} runs alone in their tables: nothing has their tier and training recipe"))
    drawn = RichTable("tier", "training recipe", "recipe", metric, header_style="bold")
    shown = tables[:limit] if limit else tables
    for table in shown:
        row = table.rows[0]
        value = "N/A" if row.value is None else f"{row.value:.4f}"
        cells = [row.tier, table.key.recipe or table.key.tokenizer, _name(row, panel=False), value]
        drawn.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(drawn)
    if len(shown) < len(tables):
        console.print(f"… {len(tables) - len(shown)} more; all with --all, --json or --csv FILE")


def _columns(*, panel: bool, wide: bool, ranked: bool, metric: str) -> list[str]:
    place = ["rank", "of 95 %", "P(first)", "tie"] if ranked else []
    value = "bits/byte" if panel else metric
    against = ["headline" if metric == HEADLINE_METRIC else "change", "95% interval"] if wide and panel else []
    supply = ["unique tokens", "epochs"] if wide and panel else []
    return [*place, "recipe", value, *against, "n", *supply, *(["verdict"] if panel else ["level"])]


def _cells(row: Row, *, panel: bool, wide: bool, ranked: bool) -> list[str]:
    place = []
    if ranked:
        place = ["–"] * 4
        if row.rank is not None:
            sure = "" if row.p_first is None else f"{row.p_first:.2f}"
            place = [str(row.rank), f"{row.rank_low}–{row.rank_high}", sure, _letter(row.tie_group)]
    value = "N/A" if row.value is None else f"{row.value:.4f}"
    bounds = "" if row.low is None else f"{log_percent(row.low)} to {log_percent(row.high)}"
    against = ["" if row.log_ratio is None else log_percent(row.log_ratio), bounds] if wide and panel else []
    tokens = "" if row.unique_tokens is None else f"{row.unique_tokens:,}"
    supply = [tokens, "" if row.epochs is None else f"{row.epochs:.2f}"] if wide and panel else []
    last = [_verdict(row)] if panel else [_badge(row)]
    return [*place, _name(row, panel=panel), value, *against, str(row.num_seeds), *supply, *last]


def _name(row: Row, *, panel: bool) -> str:
    name = row.arm
    mark = next((one.partition(":")[0] for one in row.marks if one.startswith(("retracted", "challenged"))), "")
    study = row.study.partition(",")[0] if panel else ""
    return " ".join(filter(None, [study, name, f"[{mark}]" if mark else ""]))


def _verdict(row: Row) -> str:
    badge = _badge(row)
    return ", ".join(filter(None, [row.verdict, "intervened" if row.intervened else "", badge]))


def _badge(row: Row) -> str:
    told = [word for word in BADGES if any(one.startswith(word) for one in row.marks)]
    return " ".join([row.level, *told]) if row.level else ""


def _letter(group: int | None) -> str:
    """Return a tie group as letters: A, B, … Z, AA."""
    text, rest = "", group or 0
    while rest:
        rest, place = divmod(rest - 1, 26)
        text = chr(ord("A") + place) + text
    return text


def _reasons(console: Console, rows: Sequence[Row]) -> None:
    """Print why rows have no rank, each reason once with how many rows it holds for."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.unranked:
            counts[row.unranked] = counts.get(row.unranked, 0) + 1
    for reason, count in counts.items():
        console.print(printable(f"no rank ({count}): {reason}"), markup=False)


def _legend(console: Console, tables: Sequence[Table]) -> None:
    rows = [row for table in tables for row in table.rows]
    if any(row.log_ratio is not None for row in rows):
        console.print("Headline: change in bits per byte against the study's own baseline; less is better.")
    if any(is_laptop_tier(row.tier) for row in rows):
        console.print("pico and nano are listed without rank (rule 9): laptop tiers are plumbing, not evidence.")
    if any(row.intervened for row in rows):
        console.print("Intervened: recovery rewound or changed a training; it compares only where that was replayed.")
    if any(row.unranked.startswith("insufficient") for row in rows):
        console.print("Rows whose verdict is insufficient have no rank: their runs cannot tell them apart.")
    if any(row.rank is not None for row in rows):
        console.print(
            "P(first): probability to be truly the best of its table. Tie: rows of one letter are connected by "
            "differences that are no finding (Holm, 5 %)."
        )
    if any(table.key.division == "private" for table in tables):
        console.print("Private division: pools that nobody else can check.")
    if any(table.key.division == "published" for table in tables):
        console.print(
            "Published: others' numbers as they stand (L0), sums of one run each: sorted by value, without interval, "
            "rank or P(first) (rules 8 and 9)."
        )
