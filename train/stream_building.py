"""Building token streams: units encoded in parallel into pieces, pieces joined into one stream a slice.

Beside each stream lies where its documents end and of which source they are (`train.stream_documents`).

Pieces lie in `pieces/` until every stream is whole; then `streams.json` says what the streams hold and the pieces go.
A build that was killed goes on from the pieces, or streams, that are finished, and gives the same bytes; neither the
number of threads nor the cut into units changes a stream.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from curation.dedup.file_units import Unit
from curation.errors import RunError
from curation.files import Json, read_json, replacing, write_json
from curation.progress import Progress
from curation.tokenizers import Engine, Tokenizer
from train.stream_documents import Sections, document_bytes, document_file, named_sources, write_documents
from train.token_pieces import EngineDisagreesError, Piece, Section, piece_of, refuse_ids_beyond
from train.token_rows import Columns

PACKING = "eos-separated"
"""Documents one after another, EOS after each, windows cut without regard to them; no mask, no padding."""
PACKINGS = (PACKING,)
PIECES = "pieces"
STREAMS = "streams.json"
REFERENCE = "reference.json"
"""Says, among the pieces, why the reference encodes them."""
COPY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is tokenized, with what."""

    units: Sequence[Unit]
    columns: Columns
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What the streams of a folder hold."""

    slices: Mapping[str, Section]
    files: Mapping[str, str]
    engine: Engine
    note: str
    """Why the fast engine did not encode; empty when it did."""
    checked_docs: int
    """Documents whose ids were decoded and compared with their text."""
    nulls: int
    sources: Sequence[str]
    """Names by code in the files of documents; empty where the input does not name sources."""
    by_source: Mapping[str, Mapping[str, Mapping[str, int]]]
    """Documents and tokens, EOS included, by slice and source."""

    def as_json(self) -> dict[str, Json]:
        """Return what manifests say of the streams."""
        return {
            "engine": self.engine,
            "engine_note": self.note,
            "checked_docs": self.checked_docs,
            "rows_without_text": self.nulls,
            "sources": list(self.sources),
            "slices": {
                name: {
                    "file": self.files[name],
                    "documents": document_file(self.files[name]),
                    "sources": {source: dict(counts) for source, counts in self.by_source[name].items()},
                    "docs": section.docs,
                    "bytes": section.num_bytes,
                    "tokens": section.num_ids - section.docs,
                    "stream_tokens": section.num_ids,
                    "max_id": section.max_id,
                }
                for name, section in self.slices.items()
            },
        }


def build_streams(source: Source, folder: Path, *, workers: int, progress: Progress) -> Built:
    """Return what the streams in `folder` hold, made or taken up where an earlier try stopped.

    Raises: ShardError for damaged input or text that does not survive encoding; RunError for ids beyond V.
    """
    known = _known(folder, source.tokenizer)
    if known is None:
        note = _fallen_back(folder) or source.tokenizer.choice.note
        if note:
            progress.note(f"{note}; `tokenizers` encodes instead, slower")
        try:
            known = _build(source, folder, workers, progress, note)
        except EngineDisagreesError as error:
            progress.note(f"{error}; all is encoded again with `tokenizers`, slower")
            shutil.rmtree(folder / PIECES, ignore_errors=True)
            write_json(folder / PIECES / REFERENCE, str(error))  # for the next try, if this one is killed
            known = _build(source, folder, workers, progress, str(error))
    shutil.rmtree(folder / PIECES, ignore_errors=True)
    return known


def _fallen_back(folder: Path) -> str:
    """Return why an earlier try gave the fast engine up; empty when it did not."""
    path = folder / PIECES / REFERENCE
    return str(read_json(path)) if path.is_file() else ""


def _build(given: Source, folder: Path, workers: int, progress: Progress, note: str) -> Built:
    source = replace(given, tokenizer=replace(given.tokenizer, wanted="reference")) if note else given
    pieces = _pieces(source, folder / PIECES, workers, progress)
    names = sorted({name for piece in pieces for name in piece.sections})
    files = {name: f"stream-{number:05d}.bin" for number, name in enumerate(names)}
    slices = {name: _joined([piece.sections[name] for piece in pieces if name in piece.sections]) for name in names}
    id_bytes = source.tokenizer.dtype.itemsize
    sources = named_sources(pieces, id_bytes)
    by_source = {}
    for name in names:
        refuse_ids_beyond(slices[name].max_id, source.tokenizer.vocab_size, f"{folder}: slice `{name}`")
        _write_stream(folder / files[name], name, pieces, id_bytes)
        holding = [piece for piece in pieces if name in piece.sections]
        sections = Sections(name=name, pieces=holding, id_bytes=id_bytes, sources=sources)
        by_source[name] = write_documents(folder / document_file(files[name]), sections)
    built = Built(
        slices=slices,
        files=files,
        engine=source.tokenizer.engine,
        note=note,
        checked_docs=sum(piece.checked_docs for piece in pieces),
        nulls=sum(piece.nulls for piece in pieces),
        sources=sources,
        by_source=by_source,
    )
    write_json(folder / STREAMS, cast("Json", {**asdict(built), "tokenizer_digest": source.tokenizer.digest}))
    return built


def _pieces(source: Source, folder: Path, workers: int, progress: Progress) -> list[Piece]:
    total = sum(unit.num_bytes for unit in source.units)
    with (
        progress.task("tokenize", total, unit="bytes") as task,
        ThreadPoolExecutor(max_workers=workers) as pool,
    ):

        def one(number: int) -> Piece:
            unit = source.units[number]
            piece = piece_of(unit, source.columns, source.tokenizer, folder / f"piece-{number:05d}.bin")
            task.advance(unit.num_bytes)
            return piece

        waiting = [pool.submit(one, number) for number in range(len(source.units))]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _joined(sections: Sequence[Section]) -> Section:
    return Section(
        docs=sum(section.docs for section in sections),
        num_bytes=sum(section.num_bytes for section in sections),
        num_ids=sum(section.num_ids for section in sections),
        max_id=max(section.max_id for section in sections),
    )


def _write_stream(path: Path, name: str, pieces: Sequence[Piece], id_bytes: int) -> None:
    with replacing(path) as temporary, temporary.open("wb") as out:
        for piece in pieces:
            before = 0
            for other, section in piece.sections.items():
                if other == name:
                    _copy(piece.path, before * id_bytes, section.num_ids * id_bytes, out)
                before += section.num_ids


def _copy(path: Path, start: int, num_bytes: int, out: IO[bytes]) -> None:
    with path.open("rb") as stream:
        stream.seek(start)
        while num_bytes and (chunk := stream.read(min(COPY_BYTES, num_bytes))):
            num_bytes -= len(chunk)
            out.write(chunk)
    if num_bytes:
        raise RunError(f"{path}: ends {num_bytes:,} bytes early; remove it and rerun")


def _known(folder: Path, tokenizer: Tokenizer) -> Built | None:
    """Return what an earlier try left if all its streams are whole."""
    if not (folder / STREAMS).is_file():
        return None
    told = cast("dict[str, Any]", read_json(folder / STREAMS))
    slices = {name: Section(**told["slices"][name]) for name in sorted(told["slices"])}
    sizes: dict[Path, int] = {}
    for name, section in slices.items():
        stream = str(told["files"][name])
        sizes[folder / stream] = section.num_ids * tokenizer.dtype.itemsize
        sizes[folder / document_file(stream)] = document_bytes(section.docs, told["sources"])
    whole = all(path.is_file() and path.stat().st_size == size for path, size in sizes.items())
    if not whole or told.pop("tokenizer_digest") != tokenizer.digest:
        return None
    return Built(**{**told, "slices": slices})
