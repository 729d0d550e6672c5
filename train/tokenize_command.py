"""`curate tokenize`: Parquet or JSON Lines to packed token streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    WorkersOption,
    give,
    printable,
    progress_for,
)
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from train.tokenize_files import TokenizePlan


def tokenize(
    paths: Annotated[list[str], typer.Argument(metavar="PATHS...", help="Parquet or JSONL files, folders or globs.")],
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", metavar="FILE|NAME", help="A tokenizer.json, or a shipped tokenizer's name.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write the streams there.")],
    text_column: Annotated[
        str, typer.Option("--text-column", metavar="C", help="Column or field of the text.")
    ] = "text",
    slice_column: Annotated[
        str | None, typer.Option("--slice-column", metavar="C", help="One stream a value of this column; default: one.")
    ] = None,
    source_column: Annotated[
        str | None, typer.Option("--source-column", metavar="C", help="Where documents come from; default: not kept.")
    ] = None,
    eos: Annotated[
        str | None, typer.Option("--eos", metavar="TOKEN", help="End-of-text token, where the file has an unusual one.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the result again: digests, ids, one EOS a document.")
    ] = False,
    workers: WorkersOption = DEFAULT_WORKERS,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Tokenize Parquet or JSONL files into packed streams that numpy maps in one line (docs/training.md).

    Each document is followed by EOS; special tokens in text are plain text. Ids are those of Hugging Face `tokenizers`.
    The input is only read; after Ctrl-C or a crash the same command continues.
    """
    from curation.tokenizers import open_tokenizer
    from train.token_rows import Columns
    from train.tokenize_files import plan_tokens, tokenize_files

    columns = Columns(text=text_column, slice=slice_column, id=None, source=source_column)
    plan = plan_tokens(paths, open_tokenizer(tokenizer, eos=eos), columns, out)
    if dry_run:
        value = _plan_json(plan, out)
        give(value, lambda console: _draw_plan(console, value), as_json=json_output)
        return
    progress = progress_for(quiet=quiet)
    if plan.num_ignored:
        progress.note(f"tokenize: {plan.num_ignored:,} files of other kinds in the given directories are not read")
    artifact = tokenize_files(plan, out, workers=workers, progress=progress)
    if verify:
        from train.shards import verify_streams

        verify_streams(artifact)
    result = {"out": str(out), "fingerprint": artifact.fingerprint, "verified": verify, **artifact.summary}
    give(result, lambda console: _draw_result(console, result), as_json=json_output)


def _plan_json(plan: TokenizePlan, out: Path) -> dict[str, Json]:
    return {
        "out": str(out),
        "files": len(plan.files),
        "bytes": plan.num_bytes,
        "action": "reuse" if plan.known else "build",
        "vocab_size": plan.tokenizer.vocab_size,
        "eos_id": plan.tokenizer.eos_id,
        "params": dict(plan.params),
    }


def _draw_plan(console: Console, value: Mapping[str, Any]) -> None:
    params = value["params"]
    console.print(
        f"{value['action']}: {value['files']:,} files, {value['bytes'] / 1e6:,.1f} MB -> {printable(value['out'])}",
        markup=False,
    )
    console.print(
        f"{printable(params['tokenizer'])}: {value['vocab_size']:,} ids, EOS {value['eos_id']}, {params['packing']}",
        markup=False,
    )


def _draw_result(console: Console, value: Mapping[str, Any]) -> None:
    slices = value["slices"]
    docs, text = (sum(item[key] for item in slices.values()) for key in ("docs", "bytes"))
    console.print(
        f"{docs:,} documents, {text / 1e6:,.1f} MB of text, {value['unique_tokens']:,} ids with EOS "
        f"({text / max(1, value['unique_tokens'] - docs):.2f} bytes a token) in {len(slices):,} streams",
        markup=False,
    )
    checked = f"{value['checked_docs']:,} documents decoded and compared; engine {value['engine']}"
    console.print(checked + (f": {printable(value['engine_note'])}" if value["engine_note"] else ""), markup=False)
    console.print(f"written to {printable(value['out'])}: stream-*.bin, manifest.json", soft_wrap=True, markup=False)
