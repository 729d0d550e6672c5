"""External panels: validation documents that others published, as a panel artifact like our own.

Paths are Parquet or JSON Lines files, folders, globs, or a folder in Paloma's layout, `SOURCE/val/*.jsonl.gz` beside
`SOURCE/test/...`, where every source is a slice. Nothing says what training data was kept apart from such documents, so
the panel and all its scores carry the mark `external`. Its digest depends on ids and texts, never on files or order.
Source of the layout: Paloma, arXiv 2312.10523, and the data's card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BeforeValidator, Field

from curation.batches import text_view, write_table
from curation.errors import ShardError, SuiteChangedError
from curation.files import Json, digest_json, replacing
from curation.nodes import Node, NodeRun, Planner
from curation.panel import DOCUMENTS, cut_documents, panel_digest
from curation.panel_rows import NO_COLUMN, PanelRows, RowReader
from curation.panel_slices import slice_facts
from curation.progress import Progress
from curation.recipe import PoolSpec, validate
from curation.slices import Domain
from curation.sources.locate import kind_of_file
from curation.store import Artifact, Store
from curation.yamlio import apply_overrides

VERSION = "external-panel@1"
SPLITS = ("val", "test")
_SLICE_COLUMN = "slice"


class ExternalSpec(PoolSpec):
    """Where the documents of an external panel come from, which columns hold what, and what is scored of them."""

    default_slice: str = ""
    """Slice of records without that column; none means the panel's name."""
    name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    """None means that of the folder or file."""
    version: Annotated[str, BeforeValidator(str)] = "1"
    split: Literal["val", "test"] = "val"
    """Which folder of a source is read, in Paloma's layout."""
    max_doc_bytes_scored: int = Field(default=32_768, gt=0)
    """Bytes of a document that are scored, cut at a character boundary (rule 5)."""
    domains: Mapping[str, Domain] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    spec: ExternalSpec
    name: str
    rows: PanelRows
    scored: pa.Table
    digest: str


def read_spec(paths: Sequence[str], overrides: Sequence[str] = ()) -> ExternalSpec:
    """Return the settings of an external panel, `KEY=VALUE` each. Raises: RecipeError that lists every fault."""
    value = apply_overrides({"path": list(paths)}, tuple(overrides))
    spec: ExternalSpec = validate(ExternalSpec, value, " ".join(paths))
    return spec


def external_panel(store: Store, spec: ExternalSpec, progress: Progress, *, expect: str | None = None) -> Artifact:
    """Return the panel that the settings name, read and built in the store unless it holds it.

    Raises: ShardError for missing, damaged or empty files; SuiteChangedError if its digest does not begin with
    `expect`.
    """
    read = _read(spec)
    if expect is not None and (len(expect) < 8 or not read.digest.startswith(expect)):
        raise SuiteChangedError(
            f"{' '.join(spec.path)}: panel digest {read.digest[:16]}, expected {expect}; the files are not the ones "
            "that were pinned: fetch those, or give the new digest (8 digits or more)"
        )
    return Planner(store=store, workers=1, progress=progress).materialise(_node(read))


def paloma_sources(folder: Path, split: str) -> dict[str, list[str]]:
    """Return the readable files of `split` by source, if the folder has Paloma's layout; empty if it has not."""
    found: dict[str, list[str]] = {}
    for source in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not source.is_dir() or not any((source / name).is_dir() for name in SPLITS):
            continue
        inside = sorted((source / split).rglob("*")) if (source / split).is_dir() else []
        found[source.name] = [str(path) for path in inside if path.is_file() and kind_of_file(path)]
    return found


def _read(spec: ExternalSpec) -> _Read:
    name = spec.name or _name_of(spec.path[0])
    reader = RowReader()
    for entry in spec.path:
        sources = paloma_sources(Path(entry).expanduser(), spec.split)
        for source, files in sources.items():
            _read_source(reader, spec, source, files)
        if not sources:
            own = spec.model_copy(update={"path": (entry,), "default_slice": spec.default_slice or name})
            reader.read(own, entry)
    rows = reader.finish()
    scored = cut_documents(rows.table, spec.max_doc_bytes_scored)
    return _Read(spec=spec, name=name, rows=rows, scored=scored, digest=panel_digest(scored))


def _read_source(reader: RowReader, spec: ExternalSpec, source: str, files: Sequence[str]) -> None:
    """Read a source as one slice, or, with a column named for slices, as `SOURCE/VALUE` where a record has it."""
    where = f"slice `{source}`"
    if not files:
        raise ShardError(
            f"{where}: empty, {source}/{spec.split} has no readable file; expected .jsonl.gz or another known kind; "
            f"fetch it, or leave {source} out"
        )
    if spec.slice == _SLICE_COLUMN:
        own = spec.model_copy(update={"path": tuple(files), "slice": NO_COLUMN, "default_slice": source})
        reader.read(own, where)
    else:
        own = spec.model_copy(update={"path": tuple(files), "default_slice": ""})
        reader.read(own, where, f"{source}/")


def _name_of(entry: str) -> str:
    """Return a panel's name from its first path."""
    name = Path(entry).expanduser().resolve().name.split(".")[0]
    return "".join(char if char.isalnum() or char in "_-" else "-" for char in name)[:64].strip("-") or "panel"


def _node(read: _Read) -> Node:
    columns = {name: read.scored[name].to_pylist() for name in ("slice", "family", "source", "lang")}
    params: dict[str, Json] = {
        "digest": read.digest,
        "columns": digest_json(columns),
        "name": read.name,
        "version": read.spec.version,
        "domains": dict(sorted(read.spec.domains.items())),
        "excluded": dict(read.rows.excluded),
    }
    return Node(
        kind="panel", version=VERSION, params=params, inputs={}, run=partial(_write, read), label=f"panel {read.name}"
    )


def _write(read: _Read, run: NodeRun) -> Mapping[str, Json]:
    with replacing(run.out.path / DOCUMENTS) as temporary:
        write_table(temporary, read.scored)
    whole = text_view(read.rows.table["text"]).num_bytes.tolist()
    return {
        "digest": read.digest,
        "external": True,
        "name": read.name,
        "panel_version": read.spec.version,
        "max_doc_bytes": read.spec.max_doc_bytes_scored,
        "excluded": dict(read.rows.excluded),
        "slices": {**slice_facts(read.scored, whole, read.spec.domains)},
    }
