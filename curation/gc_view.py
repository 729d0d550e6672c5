"""`curate doctor --gc` as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curation.console import give, printable
from curation.files import Json
from curation.store_gc import DEFAULT_AGE_HOURS, Garbage, free, survey

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 40


def give_gc(root: Path | None, *, yes: bool, min_age_hours: float | None, as_json: bool) -> None:
    """Print what nothing refers to; with `yes` free it first."""
    from curation.store import Store

    store = Store.open(root) if yes else Store.reading(root)
    age = DEFAULT_AGE_HOURS if min_age_hours is None else min_age_hours
    freed = free(store, min_age_hours=age) if yes else []
    left = survey(store, min_age_hours=age)
    items = freed if yes else left.garbage
    value: dict[str, Json] = {
        "store": str(store.root.resolve()),
        "freed": yes,
        "items": [_json(item) for item in items],
        "bytes": sum(item.num_bytes for item in items),
        "too_young": [_json(item) for item in left.too_young],
        "older_than_hours": age,
        "kept": left.num_kept,
        "kept_bytes": left.kept_bytes,
    }

    def draw(console: Console) -> None:
        _draw(console, items)
        total, young = sum(item.num_bytes for item in items), sum(item.num_bytes for item in left.too_young)
        verb = "freed" if yes else "can be freed"
        lines = [
            f"{store.root}: {verb}: {len(items)} ({total / 1e6:,.1f} MB); referred to: {left.num_kept} "
            f"({left.kept_bytes / 1e6:,.1f} MB)"
        ]
        if left.too_young:
            lines.append(
                f"{len(left.too_young)} more ({young / 1e6:,.1f} MB) changed in the last {age:g} h; --older-than HOURS"
            )
        if items and not yes:
            lines.append("nothing was removed; --yes frees what is listed")
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)

    give(value, draw, as_json=as_json)


def _json(item: Garbage) -> Json:
    return {"path": str(item.path), "why": item.why, "bytes": item.num_bytes, "age_hours": round(item.age_hours, 2)}


def _draw(console: Console, items: Sequence[Garbage]) -> None:
    from rich.table import Table

    if not items:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("why")
    for heading in ("MB", "age, h"):
        table.add_column(heading, justify="right")
    largest = sorted(items, key=lambda item: (-item.num_bytes, item.path.name))
    for item in largest[:SHOWN]:
        row = (printable(item.path.name), item.why, f"{item.num_bytes / 1e6:,.1f}", f"{item.age_hours:,.1f}")
        table.add_row(*row)
    if len(largest) > SHOWN:
        rest = sum(item.num_bytes for item in largest[SHOWN:])
        table.add_row(f"… {len(largest) - SHOWN} more", "", f"{rest / 1e6:,.1f}", "")
    console.print(table)
