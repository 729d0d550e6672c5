"""Pieces: the ids that a run of row groups adds to each slice, encoded in bounded memory, kept until streams are whole.

A piece is `piece-00000.bin` (slices in order of name, one after another: first the ids of all, then of each where its
documents end, int64, and the numbers of their sources, uint32) and `piece-00000.json`, which is written last and says
what each slice got, the largest id, the piece's sources, and the digest of the bytes. A killed build keeps the pieces
whose digest holds. Of every unit `SAMPLE_DOCS` documents spread over its rows are checked: their ids decode to their
text, and are those of Hugging Face `tokenizers` when another engine made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xxhash

from curation.batches import TextView
from curation.dedup.file_units import Unit
from curation.errors import RunError, ShardError
from curation.files import Json, read_json, replacing, write_json
from curation.token_engines import TokenIds, TokenizedView, encode_reference
from curation.tokenizers import Tokenizer, batches, cut_documents
from train.token_rows import Columns, TextRows, text_rows

SAMPLE_DOCS = 8
SAMPLE_TOKENS = 30_000
"""Longer documents are not drawn into the sample."""


class EngineDisagreesError(Exception):
    """The fast engine's ids of a document are not the reference's."""


@dataclass(slots=True, kw_only=True)
class Section:
    """What one slice got."""

    docs: int = 0
    num_bytes: int = 0
    num_ids: int = 0
    """With the EOS of each document."""
    max_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A finished piece on disk."""

    path: Path
    sections: Mapping[str, Section]
    """By slice, in order of name."""
    checked_docs: int
    nulls: int
    """Rows without text, which are passed over."""
    sources: tuple[str, ...]
    """By number; empty without a column of sources."""

    def ends_of(self, name: str, id_bytes: int) -> npt.NDArray[np.int64]:
        """Return how many ids of the slice stand before the end of each of its documents, EOS included."""
        return np.fromfile(self.path, "<i8", self.sections[name].docs, offset=self._documents_at(name, id_bytes))

    def sources_of(self, name: str, id_bytes: int) -> npt.NDArray[np.uint32]:
        """Return the number of each document's source."""
        docs = self.sections[name].docs
        return np.fromfile(self.path, "<u4", docs, offset=self._documents_at(name, id_bytes) + 8 * docs)

    def _documents_at(self, name: str, id_bytes: int) -> int:
        before = sum(section.docs for other, section in self.sections.items() if other < name)
        return sum(section.num_ids for section in self.sections.values()) * id_bytes + 12 * before


@dataclass(slots=True)
class _Growing:
    section: Section = field(default_factory=Section)
    ids: list[TokenIds] = field(default_factory=list)
    ends: list[npt.NDArray[np.int64]] = field(default_factory=list)
    sources: list[npt.NDArray[np.uint32]] = field(default_factory=list)


def piece_of(unit: Unit, columns: Columns, tokenizer: Tokenizer, path: Path) -> Piece:
    """Return the piece of a unit, made and written to `path` unless an earlier try finished it.

    Raises: ShardError for a damaged file or text that does not survive encoding; EngineDisagreesError.
    """
    known = _finished(path)
    if known is not None:
        return known
    growing: dict[str, _Growing] = {}
    wanted = set(np.linspace(0, max(0, unit.num_docs - 1), SAMPLE_DOCS).astype(int).tolist())
    checked = nulls = 0
    numbers: dict[str, int] = {}
    for rows in text_rows(unit, columns):
        nulls += rows.nulls
        renumbered = [numbers.setdefault(name, len(numbers)) for name in rows.source_names] or [0]
        sources = np.array(renumbered, np.uint32)[rows.sources]
        for part in _encoded(rows.view, tokenizer):
            for name, first, end in rows.spans:
                _add(growing.setdefault(name, _Growing()), part, part.documents_from(first, end), sources)
            for row in part.whole_documents(rows.rows, wanted):
                _check(_Sampled(unit=unit, rows=rows, row=row), part.ids_of(row), tokenizer)
                checked += 1
        for name, first, end in rows.spans:
            growing[name].section.num_bytes += int(rows.view.offsets[end] - rows.view.offsets[first])
    return _written(path, growing, {"checked_docs": checked, "nulls": nulls, "sources": list(numbers)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A few MB of documents, encoded in one call; a long one may go over several parts."""

    encoded: TokenizedView
    """Of the pieces that documents were cut into."""
    with_eos: TokenIds
    starts: npt.NDArray[np.int64]
    """Where each piece starts in `with_eos`, and the end of the last."""
    ends: npt.NDArray[np.bool_]
    """Whether a document ends with the piece."""
    whole: npt.NDArray[np.bool_]
    """Whether the piece is a document."""
    documents: npt.NDArray[np.int64]
    """The document of each piece."""

    def documents_from(self, first: int, end: int) -> slice:
        """Return the pieces of documents `first` to `end - 1`."""
        begin, stop = np.searchsorted(self.documents, [first, end])
        return slice(int(begin), int(stop))

    def whole_documents(self, rows: npt.NDArray[np.int64], wanted: set[int]) -> list[int]:
        """Return the documents on wanted rows, but for long ones."""
        short = self.whole & (np.diff(self.encoded.offsets) <= SAMPLE_TOKENS)
        return [number for number in self.documents[short].tolist() if int(rows[number]) in wanted]

    def ids_of(self, document: int) -> TokenIds:
        """Return the ids of a document that is one piece, without EOS."""
        place = int(np.searchsorted(self.documents, document))
        return self.encoded.tokens[self.encoded.offsets[place] : self.encoded.offsets[place + 1]]


def _encoded(view: TextView, tokenizer: Tokenizer) -> Iterator[_Part]:
    """Yield the ids of documents, EOS after each, a few MB of text at a time."""
    pieces = cut_documents(view)
    documents: npt.NDArray[np.int64] = np.cumsum(pieces.ends, dtype=np.int64) - pieces.ends
    whole = pieces.ends & np.concatenate([[True], pieces.ends[:-1]])
    for begin, end in batches(pieces.bounds):
        encoded = tokenizer.encode(TextView(data=view.data, offsets=pieces.bounds[begin : end + 1]))
        ends = pieces.ends[begin:end]
        ended = np.concatenate([[0], np.cumsum(ends)])
        ids = np.full(len(encoded.tokens) + int(ended[-1]), tokenizer.eos_id, tokenizer.dtype)
        text = np.ones(len(ids), np.bool_)
        text[encoded.offsets[1:][ends] + np.arange(ended[-1])] = False
        ids[text] = encoded.tokens
        yield _Part(
            encoded=encoded,
            with_eos=ids,
            starts=encoded.offsets + ended,
            ends=ends,
            whole=whole[begin:end],
            documents=documents[begin:end],
        )


def _add(slot: _Growing, part: _Part, pieces: slice, sources: npt.NDArray[np.uint32]) -> None:
    """Append the ids of some of a part's pieces, and what documents end there, to what a slice gets."""
    start = part.starts[pieces.start]
    ids = part.with_eos[start : part.starts[pieces.stop]]
    ended = part.ends[pieces]
    slot.ends.append(part.starts[pieces.start + 1 : pieces.stop + 1][ended] - start + slot.section.num_ids)
    slot.sources.append(sources[part.documents[pieces][ended]])
    slot.section.docs += int(ended.sum())
    slot.section.num_ids += len(ids)
    slot.section.max_id = max(slot.section.max_id, int(ids.max(initial=0)))
    slot.ids.append(ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sampled:
    """A document whose ids are checked."""

    unit: Unit
    rows: TextRows
    row: int

    def __str__(self) -> str:
        place = int(self.unit.places(self.rows.rows[self.row : self.row + 1])[0])
        name = f" `{self.rows.ids[self.row].as_py()}`" if self.rows.ids is not None else ""
        return f"{self.unit.origin}: document{name} (row {place:,})"


def _check(document: _Sampled, ids: TokenIds, tokenizer: Tokenizer) -> None:
    """Compare the ids of a document with its text, and with the reference's."""
    offsets = document.rows.view.offsets[document.row : document.row + 2]
    view = TextView(data=document.rows.view.data, offsets=offsets)
    if tokenizer.engine == "fast" and not np.array_equal(encode_reference(tokenizer.file, view).tokens, ids):
        raise EngineDisagreesError(f"{document}: the fast engine gives other ids than `tokenizers`")
    text = view.data[offsets[0] : offsets[1]].tobytes().decode("utf-8")
    if tokenizer.decode(ids) != tokenizer.normal_form(text).encode("utf-8"):
        raise ShardError(
            f"{document}: its {len(ids):,} ids of tokenizer {tokenizer.name} decode to other text, expected the "
            "document; this tokenizer loses text: choose another"
        )


def _written(path: Path, growing: Mapping[str, _Growing], counted: Mapping[str, Any]) -> Piece:
    slots = [growing[name] for name in sorted(growing)]
    digest = xxhash.xxh3_128()
    with replacing(path) as temporary, temporary.open("wb") as file:
        documents = (array for slot in slots for array in (*slot.ends, *slot.sources))
        for array in (*(ids for slot in slots for ids in slot.ids), *documents):
            data = np.ascontiguousarray(array).data
            digest.update(data)
            file.write(data)
    sections = {name: growing[name].section for name in sorted(growing)}
    told = {name: cast("Json", asdict(section)) for name, section in sections.items()}
    write_json(path.with_suffix(".json"), {**counted, "sections": told, "xxh3_128": digest.hexdigest()})
    return _piece(path, sections, counted)


def _finished(path: Path) -> Piece | None:
    """Return the piece of an earlier try if all of it is there."""
    if not path.with_suffix(".json").is_file() or not path.is_file():
        return None
    told = cast("Mapping[str, Any]", read_json(path.with_suffix(".json")))
    if xxhash.xxh3_128_hexdigest(np.fromfile(path, np.uint8).data) != told["xxh3_128"]:
        return None
    sections = {name: Section(**told["sections"][name]) for name in sorted(told["sections"])}
    return _piece(path, sections, told)


def _piece(path: Path, sections: Mapping[str, Section], counted: Mapping[str, Any]) -> Piece:
    return Piece(path=path, sections=sections, checked_docs=counted["checked_docs"], nulls=counted["nulls"],
                 sources=tuple(counted["sources"]))  # fmt: skip


def refuse_ids_beyond(largest: int, vocab_size: int, where: object) -> None:
    """Raise RunError when an id is outside the vocabulary."""
    if largest >= vocab_size:
        raise RunError(
            f"{where}: holds id {largest:,}, expected ids below {vocab_size:,}: wrong vocabulary; "
            "tokenize again with the tokenizer that is meant"
        )
