"""`curate import-corpus`: files that others curated, as a corpus to train on, compare, show and publish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    StoreOption,
    WorkersOption,
    give,
    printable,
    progress_for,
)
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console


def import_corpus(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Parquet or JSONL(.gz, .zst) files, directories or globs.")
    ],
    text: Annotated[str, typer.Option("--text", metavar="COL", help="Column or field of the text.")] = "text",
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COL", help="Column of ids; default: computed from the record.")
    ] = None,
    slice_column: Annotated[
        str | None, typer.Option("--slice", metavar="COL", help="Column of slices, such as dump; default: one slice.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="Where the files are from; default: read off the path.")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Which revision of it.")] = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Take a corpus that others made as one of yours: no stage, no panel; marked `imported`, with its origin.

    FineWeb: --id id --slice dump. DCLM: no options. What is not a column of ours is kept in `meta`.
    """
    from curation.imported import import_files, origin_of
    from curation.nodes import Planner
    from curation.recipe import Recipe, validate
    from curation.sources.find import pool_inputs
    from curation.store import Store
    from curation.yamlio import apply_overrides

    pool: dict[str, Any] = {"path": list(sources), "text": text}
    pool |= {} if id_column is None else {"id": id_column}
    pool |= {} if slice_column is None else {"slice": slice_column}
    value = apply_overrides({"name": "imported", "pool": pool}, tuple(overrides))
    recipe: Recipe = validate(Recipe, value, "import-corpus")
    found = origin_of(sources[0])
    said = {"origin": origin or found["origin"], "revision": revision or found["revision"]}
    if dry_run:
        inputs = pool_inputs(recipe.pool)
        size = sum(item.stored_bytes() for item in inputs.files)
        plan: dict[str, Json] = {**said, "files": len(inputs.files), "bytes": size, "ignored": inputs.num_ignored}
        give(plan, lambda console: console.print(printable(str(plan)), markup=False), as_json=json_output)
        return
    progress = progress_for(quiet=quiet)
    planner = Planner(store=Store.open(store), workers=workers, progress=progress)
    corpus = import_files(recipe, said, planner)
    result: dict[str, Json] = {"path": str(corpus.path), "fingerprint": corpus.fingerprint, "summary": corpus.summary}
    give(result, lambda console: _draw(console, result), as_json=json_output)


def _draw(console: Console, value: dict[str, Any]) -> None:
    summary, said = value["summary"], value["summary"]["imported"]
    console.print(
        f"{summary['num_docs']:,} documents, {summary['num_bytes'] / 1e6:,.1f} MB of text, {summary['num_tokens']:,} "
        f"tokens ({summary['tokenizer']}), from {printable(str(said['origin']))} {said['revision'] or ''}",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"corpus: {value['path']}", soft_wrap=True, markup=False)
