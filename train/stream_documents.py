"""Where the documents of a stream end and which source each is from: `stream-00000.documents.bin` beside the stream.

For n documents: n ends, int64 (the place in the stream after the document's EOS, so ends grow and the last is the
stream's length), then n numbers of sources, uint16, into the `sources` of the manifest; without sources only the ends.
Both are little-endian and are mapped, never read whole. The position p of a stream belongs to the first document whose
end is beyond p. Sources are named as the corpus' funnel names them: the `MAX_SOURCES` with most documents, and the
others together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.errors import ShardError
from curation.files import replacing
from curation.funnel import MAX_SOURCES, OTHER_SOURCES
from train.token_pieces import Piece

_END = np.dtype("<i8")
_CODE = np.dtype("<u2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The documents of one stream in order, memory-mapped."""

    ends: npt.NDArray[np.int64]
    codes: npt.NDArray[np.uint16]
    """Of each document's source; empty where there are no sources."""
    sources: tuple[str, ...]
    """Names by code."""
    source_tokens: Mapping[str, int]
    """Tokens of the stream, EOS included, by source."""

    def renamed(self, prefix: str) -> Documents:
        """Return the same with a prefix before the name of every source."""
        names = {name: f"{prefix}{name}" for name in self.sources}
        tokens = {names[name]: count for name, count in self.source_tokens.items()}
        return replace(self, sources=tuple(names.values()), source_tokens=tokens)


def document_file(stream: str) -> str:
    """Return the name of the file beside a stream's."""
    return stream.removesuffix(".bin") + ".documents.bin"


def document_bytes(num_docs: int, sources: Sequence[str]) -> int:
    """Return the size of the file for so many documents."""
    return num_docs * (_END.itemsize + (_CODE.itemsize if sources else 0))


def named_sources(pieces: Sequence[Piece], id_bytes: int) -> tuple[str, ...]:
    """Return the sources that are told apart, sorted, and last what stands for the others if there are others.

    Of equally frequent ones the first in order of name; none without a column of sources.
    """
    found: Counter[str] = Counter()
    for piece in pieces:
        for name in piece.sections if piece.sources else ():
            counts = np.bincount(piece.sources_of(name, id_bytes), minlength=len(piece.sources))
            found.update(dict(zip(piece.sources, counts.tolist(), strict=True)))
    ranked = sorted(found, key=lambda name: (-found[name], name))
    others = (OTHER_SOURCES,) if len(ranked) > MAX_SOURCES else ()
    return (*sorted(ranked[:MAX_SOURCES]), *others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """What the pieces that hold a slice say of it."""

    name: str
    pieces: Sequence[Piece]
    id_bytes: int
    sources: tuple[str, ...]

    def ends(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the ends of the slice's documents in its stream, piece by piece."""
        done = 0
        for piece in self.pieces:
            yield piece.ends_of(self.name, self.id_bytes) + done
            done += piece.sections[self.name].num_ids

    def codes(self) -> Iterator[npt.NDArray[np.uint16]]:
        """Yield the codes of their sources."""
        places = {name: code for code, name in enumerate(self.sources)}
        for piece in self.pieces:
            codes = [places.get(name, len(self.sources) - 1) for name in piece.sources]
            yield np.array(codes, _CODE)[piece.sources_of(self.name, self.id_bytes)]


def write_documents(path: Path, sections: Sections) -> dict[str, dict[str, int]]:
    """Write the file of one stream; return documents and tokens, EOS included, by source."""
    docs = np.zeros(len(sections.sources), np.int64)
    tokens = np.zeros(len(sections.sources), np.int64)
    with replacing(path) as temporary, temporary.open("wb") as file:
        for ends in sections.ends():
            file.write(ends.astype(_END).data)
        last = 0
        for ends, codes in zip(sections.ends(), sections.codes() if sections.sources else (), strict=False):
            file.write(codes.data)
            docs += np.bincount(codes, minlength=len(docs))
            np.add.at(tokens, codes, np.diff(ends, prepend=last))
            last = int(ends[-1]) if len(ends) else last
    return {
        name: {"docs": num_docs, "stream_tokens": num_tokens}
        for name, num_docs, num_tokens in zip(sections.sources, docs.tolist(), tokens.tolist(), strict=True)
        if num_docs
    }


def open_documents(path: Path, held: Mapping[str, object], sources: Sequence[str]) -> Documents:
    """Return the documents of a stream of which the manifest says `held`.

    Raises: ShardError if the file is not there or is not of the size and end that the manifest counts.
    """
    docs, length = int(str(held["docs"])), int(str(held["stream_tokens"]))
    expected = document_bytes(docs, sources)
    found = path.stat().st_size if path.is_file() else 0
    if found != expected:
        raise ShardError(
            f"{path}: {found:,} bytes, expected {expected:,} for {docs:,} documents; rebuild {path.parent}"
        )
    ends = np.asarray(np.memmap(path, _END, mode="r", shape=(docs,)))
    if int(ends[-1]) != length:
        raise ShardError(f"{path}: ends at {int(ends[-1]):,}, the stream has {length:,} ids; rebuild {path.parent}")
    codes = np.zeros(0, np.uint16)
    if sources:
        codes = np.asarray(np.memmap(path, _CODE, mode="r", offset=docs * _END.itemsize, shape=(docs,)))
    counted = held["sources"]
    assert isinstance(counted, Mapping)
    return Documents(
        ends=ends,
        codes=codes,
        sources=tuple(sources),
        source_tokens={str(name): int(counts["stream_tokens"]) for name, counts in counted.items()},
    )


def refuse_wrong_documents(path: Path, documents: Documents, eos_places: npt.NDArray[np.int64]) -> None:
    """Compare every end with the places of EOS in the stream, and every code with the sources.

    Raises: ShardError that names the file.
    """
    if not np.array_equal(documents.ends, eos_places + 1):
        raise ShardError(f"{path}: its documents do not end where the stream has EOS; rebuild {path.parent}")
    largest = int(documents.codes.max(initial=0))
    if documents.sources and largest >= len(documents.sources):
        raise ShardError(f"{path}: source {largest}, expected one of {len(documents.sources)}; rebuild {path.parent}")
