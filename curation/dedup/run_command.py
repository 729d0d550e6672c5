"""`curate dedup run`: raw files in, the same files without near copies out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    WorkersOption,
    give,
    printable,
    progress_for,
)
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.dedup.file_run import Plan
    from curation.dedup.file_settings import FileDedupParams


def dedup_run(
    paths: Annotated[list[str], typer.Argument(metavar="PATHS...", help="Parquet or JSONL files, folders or globs.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the result there.")],
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    index: Annotated[
        str | None, typer.Option(metavar="DIR", help="Also drop what repeats a document of this index.")
    ] = None,
    update_index: Annotated[
        bool, typer.Option("--update-index", help="Add the kept documents to the index; makes it if there is none.")
    ] = False,
    workers: WorkersOption = DEFAULT_WORKERS,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Drop near copies from Parquet or JSONL files: the kept rows with all columns, and a table of the copies.

    Settings are those of `dedup: minhash` (`--set preset=fineweb --set verify=0.7 --set scope=source`) and the columns
    (`--set text=content --set id=url`). The input is only read; after Ctrl-C or a crash the same command continues.
    """
    from curation.dedup.file_run import dedup_files, plan_files
    from curation.dedup.file_settings import read_settings
    from curation.lean_start import arrow_without_pandas

    arrow_without_pandas()
    chosen = [*overrides, *([f"index={json.dumps(index)}"] if index is not None else [])]
    params = read_settings(chosen)
    plan = plan_files(paths, params, out, update_index=update_index)
    if dry_run:
        value = _plan_json(plan, params, out)
        give(value, lambda console: _draw_plan(console, value), as_json=json_output)
        return
    progress = progress_for(quiet=quiet)
    if plan.num_ignored:
        progress.note(f"dedup: {plan.num_ignored:,} files of other kinds in the given directories are not read")
    artifact = dedup_files(plan, params, out, workers=workers, progress=progress)
    value = {"out": str(out), "fingerprint": artifact.fingerprint, **artifact.summary}
    give(value, lambda console: _draw_result(console, value, quiet=quiet), as_json=json_output)


def _plan_json(plan: Plan, params: FileDedupParams, out: Path) -> dict[str, Json]:
    from curation.dedup.expectation import expectation
    from curation.dedup.file_settings import identity

    return {
        "out": str(out),
        "files": len(plan.files),
        "bytes": plan.num_bytes,
        "action": "reuse" if plan.known else "build",
        "params": {**identity(params), "preset": params.preset},
        "expected": dict(expectation(params.banding, params.verify)),
    }


def _draw_plan(console: Console, value: Mapping[str, Any]) -> None:
    console.print(f"{value['action']}: {value['files']:,} files, {value['bytes'] / 1e6:,.1f} MB -> {value['out']}")
    _draw_expected(console, value["params"])


def _draw_result(console: Console, value: Mapping[str, Any], *, quiet: bool) -> None:
    docs_in, kept = value["docs_in"], value["docs_kept"]
    share = (docs_in - kept) / max(1, docs_in)
    text = f"{docs_in:,} documents, {kept:,} kept, {docs_in - kept:,} dropped ({share:.1%})"
    if quiet:
        console.print(f"{text}: {printable(value['out'])}", soft_wrap=True, markup=False)
        return
    megabytes = f"{value['bytes_kept'] / 1e6:,.1f} of {value['bytes_in'] / 1e6:,.1f} MB of text kept"
    console.print(f"{text}; {megabytes}", soft_wrap=True, markup=False)
    if "docs_in_index" in value:
        held = value["index"]["num_entries"]
        console.print(f"{value['docs_in_index']:,} repeat one of the {held:,} documents of the index")
    console.print(f"{value['clusters']:,} clusters, the largest of {value['largest_cluster']:,} documents")
    expected = value["expected"]
    console.print(
        f"{value['bands']} bands of {value['rows']}: expected to find {expected['expected_recall']:.1%} of pairs with "
        f"similarity {expected['recall_above']:.3g} or more (more: `expected` in --json)",
        soft_wrap=True,
        markup=False,
    )
    console.print(
        f"written to {printable(value['out'])}: data/, copies.parquet, manifest.json", soft_wrap=True, markup=False
    )


def _draw_expected(console: Console, shape: Mapping[str, Any]) -> None:
    from curation.dedup.expectation import expected_text
    from curation.dedup.presets import Banding

    banding = Banding(bands=shape["bands"], rows=shape["rows"], ngram=shape["ngram"], unit=shape["unit"])
    console.print(expected_text(banding, shape["verify"]), markup=False)
