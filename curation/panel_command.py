"""`curate panel build`, `curate panel show`: external panels, and what any panel holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from curation.console import JsonFlag, QuietFlag, SetOption, StoreOption, give, printable, progress_for
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.store import Artifact

SAMPLE_CHARS = 160


def panel_build(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS...", help="Parquet or JSONL files, folders, globs; or Paloma's folder."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Also write the panel there.")] = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="DIGEST", help="Refuse files that make another panel (8+ digits).")
    ] = None,
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Make a panel of validation documents that others published; `curate eval --panel` then takes its name.

    Columns and limits: `--set text=content --set slice=topic --set family=site --set id=doc_id --set split=test
    --set tagger=kmeans:topics.tags --set name=paloma --set version=1 --set max_doc_bytes_scored=32768
    --set domains.legalese=curated`.
    """
    from curation.panel_check import copied_to, verified
    from curation.panel_files import external_panel, read_spec
    from curation.store import Store

    opened = Store.open(store)
    panel = external_panel(opened, read_spec(paths, overrides), progress_for(quiet=quiet), expect=expect)
    if out is not None:
        panel = copied_to(verified(panel), out)
    _give(panel, 0, as_json=json_output)


def panel_show(
    panel: Annotated[
        str, typer.Argument(help="Panel, corpus, or files of an external panel: a directory or a name in the store.")
    ],
    samples: Annotated[int, typer.Option("--samples", min=0, help="Documents of each slice to show.")] = 0,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show what a panel holds: digest, slices, families, bytes, languages, and which slices may be judged (rule 5)."""
    from curation.panel_check import find_any_panel, names_files
    from curation.store import Store

    opened = Store.open(store) if names_files(panel) else Store.reading(store)
    found = find_any_panel(opened, panel, progress_for(quiet=True))
    _give(found, samples, as_json=json_output)


def _give(panel: Artifact, samples: int, *, as_json: bool) -> None:
    from curation.panel_view import described

    value = described(panel, samples)
    give(value, lambda console: _draw(console, value), as_json=as_json)


def _draw(console: Console, value: Mapping[str, Json]) -> None:
    from rich.table import Table

    held = cast("Mapping[str, Any]", value)
    kind = "external panel" if held["external"] else "panel"
    title = f"{kind} {printable(held['name'])} version {held['version']}, digest {held['digest'][:16]}"
    console.print(title, markup=False)
    table = Table()
    for column in ("slice", "domain", "documents", "families", "kB", "judged"):
        table.add_column(column, justify="left" if column in ("slice", "domain", "judged") else "right")
    for name, one in held["slices"].items():
        table.add_row(printable(name), one["domain"], *_cells(one))
        for lang, own in one["languages"].items():
            table.add_row(f"  {printable(lang)}", "", *_cells(own))
    console.print(table)
    if held["excluded"]:
        counts = ", ".join(f"{number:,} {reason}" for reason, number in held["excluded"].items())
        console.print(f"Records that are no documents of it: {counts}", markup=False)
    for name, texts in held["samples"].items():
        for one in texts:
            console.print(f"{printable(name)}: {printable(one['text'][:SAMPLE_CHARS])}", markup=False, soft_wrap=True)
    console.print(f"Next: curate eval MODEL --panel {printable(held['path'])}", markup=False, soft_wrap=True)


def _cells(facts: Mapping[str, Any]) -> tuple[str, str, str, str]:
    judged = "yes" if facts["judged"] else f"no: {'; '.join(facts['why'])}"
    return f"{facts['docs']:,}", f"{facts['families']:,}", f"{facts['bytes'] / 1e3:,.0f}", judged
