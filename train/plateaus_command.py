"""`curate plateaus`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give

if TYPE_CHECKING:
    from rich.console import Console


def plateaus(
    remove: Annotated[bool, typer.Option("--remove", help="Remove all of them; no result changes.")] = False,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """List the branch checkpoints in the store, or remove them all: a run without one trains its steps again."""
    from curation.store import Store
    from train.branches import kept_plateaus, remove_plateaus

    opened = Store.open(store) if remove else Store.reading(store)
    found = kept_plateaus(opened)
    if remove:
        remove_plateaus(opened)

    def draw(console: Console) -> None:
        for one in found:
            console.print(
                f"{one.path.name}: {one.model} seed {one.seed}, {one.step:,} steps, {one.num_bytes:,} bytes",
                markup=False,
            )
        total = sum(one.num_bytes for one in found)
        console.print(f"{len(found)} plateaus, {total:,} bytes{', removed' if remove else ''}")

    give({"plateaus": [one.as_json() for one in found], "removed": remove}, draw, as_json=json_output)
