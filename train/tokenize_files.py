"""`curate tokenize`: files that a user already has, Parquet or JSON Lines, to packed token streams and a manifest.

The output directory holds `stream-00000.bin` ... (one a slice, or one in all), `stream-00000.documents.bin` ...,
`streams.json` and `manifest.json`, and appears whole. Documents come in the order of their files' paths and of their
rows; nothing is dropped but rows without text and lines that cannot be read, which are counted. While it is made
everything lies in `OUT/.work/`, in a directory named by settings and inputs: a killed run is taken up there, unit by
unit.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from curation.dedup.file_units import Unit, damaged, parquet_units
from curation.dedup.jsonl_staging import Staged, stage
from curation.errors import ShardError, nearest
from curation.files import Json, digest_json
from curation.own_output import WORK, finished_output
from curation.progress import Progress
from curation.sources.locate import Input, find_inputs
from curation.store import MANIFEST, Artifact, ArtifactWriter, Store, load_artifact
from curation.tokenizers import Tokenizer
from train.shards import VERSION, stream_facts
from train.stream_building import PACKING, Source, build_streams
from train.token_rows import Columns

MAX_BAD_FRACTION = 0.01
"""Share of lines that may be unreadable; more is a damaged or wrong file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizePlan:
    """What will be tokenized, and the identity of the result."""

    files: tuple[Input, ...]
    num_bytes: int
    """Stored size of the files."""
    num_ignored: int
    tokenizer: Tokenizer
    columns: Columns
    params: Mapping[str, Json]
    fingerprint: str
    known: Artifact | None
    """The finished result, if the output directory holds it."""


def plan_tokens(paths: Sequence[str], tokenizer: Tokenizer, columns: Columns, out: Path) -> TokenizePlan:
    """Return what a run would read and write; of the files only size and time of change are asked.

    Raises: ShardError for missing input; CurateError if `out` holds something else.
    """
    inputs = find_inputs(paths)
    stats = [item.path.stat() for item in inputs.files]
    seen: list[Json] = [
        [str(item.path.resolve()), stat.st_size, stat.st_mtime_ns]
        for item, stat in zip(inputs.files, stats, strict=True)
    ]
    params: dict[str, Json] = {
        "tokenizer": tokenizer.name,
        "digest": tokenizer.digest,
        "eos": tokenizer.eos_token,
        "packing": PACKING,
        "text_column": columns.text,
        "slice_column": columns.slice,
        "source_column": columns.source,
    }
    fingerprint = digest_json({"version": VERSION, "params": params, "inputs": seen})
    return TokenizePlan(
        files=inputs.files,
        num_bytes=sum(stat.st_size for stat in stats),
        num_ignored=inputs.num_ignored,
        tokenizer=tokenizer,
        columns=columns,
        params=params,
        fingerprint=fingerprint,
        known=finished_output(out, fingerprint, inputs.files),
    )


def tokenize_files(plan: TokenizePlan, out: Path, *, workers: int, progress: Progress) -> Artifact:
    """Return the finished result in `out`, made or taken up where an earlier try stopped.

    Raises: ShardError for damaged input or text that does not survive; StoreBusyError if another process works there.
    """
    if plan.known is not None:
        shutil.rmtree(out / WORK, ignore_errors=True)  # of a run killed between its last two steps
        return plan.known
    with Store.open(out / WORK).building("tokens", plan.fingerprint) as work:
        result = ArtifactWriter(path=work.path / "result", kind="tokens", fingerprint=plan.fingerprint)
        if not result.has(MANIFEST):
            units, left_out = _units(plan, work.path, progress)
            source = Source(units=units, columns=_with_id(plan.columns, units), tokenizer=plan.tokenizer)
            built = build_streams(source, result.path, workers=workers, progress=progress)
            if not built.slices:
                raise ShardError(f"{plan.files[0].path}: no text in {len(plan.files)} files; expected documents")
            summary: dict[str, Json] = {
                **stream_facts(plan.tokenizer, PACKING),
                "unique_tokens": sum(section.num_ids for section in built.slices.values()),
                "lines_left_out": left_out,
                **built.as_json(),
            }
            inputs: list[Json] = [str(item.path) for item in plan.files]
            result.finish({"version": VERSION, "params": plan.params, "inputs": inputs, "summary": summary})
        for entry in sorted(result.path.iterdir(), key=lambda path: path.name == MANIFEST):
            entry.replace(out / entry.name)
    shutil.rmtree(out / WORK)
    return load_artifact(out)


def _units(plan: TokenizePlan, folder: Path, progress: Progress) -> tuple[list[Unit], dict[str, Json]]:
    """Return all units in the order of their files, and the JSON lines left out by reason."""
    lines = [item for item in plan.files if item.container == "jsonl"]
    staged: dict[Path, Staged] = {}
    units: list[Unit] = []
    try:
        if lines:
            total = sum(item.path.stat().st_size for item in lines)
            with progress.task("read JSON Lines", total, unit="bytes") as task:
                for number, item in enumerate(lines):
                    place = folder / f"staged-{number:05d}"
                    staged[item.path] = stage(item, place, plan.columns.text, on_read=task.advance)
        for item in plan.files:
            found = staged.get(item.path)
            if found is None:
                units += _checked_units(item, plan.columns, item.path, ((0, 0),))
                continue
            for piece in found.pieces:
                own = Input(path=piece.path, container="parquet")
                units += _checked_units(own, plan.columns, item.path, piece.starts)
    except ShardError as error:
        raise ShardError(str(error).replace("--set text=", "--text-column ")) from None
    return units, _left_out(list(staged.values()), sum(unit.num_docs for unit in units), progress)


def _checked_units(item: Input, columns: Columns, origin: Path, starts: tuple[tuple[int, int], ...]) -> list[Unit]:
    """Return the units of a file whose columns are there."""
    try:
        schema = pq.read_schema(item.path)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise damaged(origin, error) from None
    for option, name in (("--slice-column", columns.slice), ("--source-column", columns.source)):
        if name is not None and name not in schema.names:
            raise ShardError(
                f"{origin}: no column `{name}`, which {option} names; columns: {', '.join(schema.names)}; "
                f"{nearest(name, schema.names)}"
            )
    return parquet_units(item, origin.stem, columns.text, origin=origin, starts=starts)


def _with_id(columns: Columns, units: Sequence[Unit]) -> Columns:
    """Return the columns with `id` where every file has one, to name documents by."""
    everywhere = all("id" in pq.read_schema(path).names for path in {unit.path for unit in units})
    return replace(columns, id="id" if everywhere else None)


def _left_out(staged: Sequence[Staged], num_rows: int, progress: Progress) -> dict[str, Json]:
    reasons: dict[str, int] = {}
    for found in staged:
        for reason, number in found.rejected.items():
            reasons[reason] = reasons.get(reason, 0) + number
    bad = sum(reasons.values())
    if not bad:
        return {}
    told = ", ".join(f"{number:,} {reason}" for reason, number in sorted(reasons.items()))
    first = next(case for found in staged for case in found.cases)
    text = f"{first}: {bad:,} of {bad + num_rows:,} lines cannot be read ({told})"
    if bad > MAX_BAD_FRACTION * (bad + num_rows):
        raise ShardError(f"{text}, expected at most {MAX_BAD_FRACTION:.0%}; mend or remove them")
    progress.note(f"tokenize: {text}; they are left out")
    return cast("dict[str, Json]", dict(sorted(reasons.items())))
