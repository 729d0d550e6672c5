"""Frozen tokenizers: the same text gives the same ids on every machine, forever (rule 7).

Each is a byte-level BPE file shipped with the project under `data/tokenizers/NAME.json`. Every byte is a token, so
nothing is unknown and decoding is exact. `<|endoftext|>` is one id that text can never produce: the characters of a
special token inside a document are plain text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curation.batches import TextView
from curation.errors import RecipeError, nearest
from curation.files import sha256_file

EOS_TOKEN = "<|endoftext|>"
FOLDER = Path(__file__).resolve().parent / "data" / "tokenizers"

PIECE_BYTES = 4_000_000
"""Text that is counted at a time."""

Engine = Literal["fast", "reference"]

_WINDOW = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedView:
    """Token ids of a column of documents: document i is `tokens[offsets[i]:offsets[i + 1]]`; no EOS inside."""

    tokens: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """A frozen tokenizer; `digest` is the sha256 of its file and enters every fingerprint that depends on it."""

    name: str
    path: Path
    digest: str
    vocab_size: int
    eos_id: int
    engine: Engine

    def encode(self, view: TextView) -> TokenizedView:
        """Return the ids of each document, on the calling thread, without EOS; safe from several threads."""
        if len(view) == 0 or view.offsets[-1] == view.offsets[0]:
            return TokenizedView(tokens=np.zeros(0, np.uint16), offsets=np.zeros(len(view) + 1, np.int64))
        return _encode_fast(self.path, view) if self.engine == "fast" else _encode_reference(self.path, view)

    def count(self, view: TextView) -> npt.NDArray[np.int64]:
        """Return the number of tokens of each document, EOS not counted; memory does not grow with the documents."""
        pieces, owners = _pieces(view)
        counts = np.zeros(len(view), np.int64)
        for begin, end in _batches(pieces):
            batch = TextView(data=view.data, offsets=pieces[begin : end + 1])
            np.add.at(counts, owners[begin:end], np.diff(self.encode(batch).offsets))
        return counts

    def decode(self, tokens: Sequence[int] | npt.NDArray[np.integer[Any]]) -> bytes:
        """Return the exact bytes that `tokens` stand for."""
        table = _byte_table(self.path)
        return b"".join(table[int(token)] for token in tokens)


def _pieces(view: TextView) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (bounds of the pieces that are counted one by one, the document of each).

    A document of more than `PIECE_BYTES` is cut before a space between two ASCII letters: there the splitter in front
    of every byte-level vocabulary begins a new word, so the tokens of the pieces are those of the whole.
    """
    cuts: list[int] = []
    for doc in np.flatnonzero(view.num_bytes > PIECE_BYTES):
        place, end = int(view.offsets[doc]), int(view.offsets[doc + 1])
        while (cut := _cut(view.data, place + PIECE_BYTES, end)) is not None:
            cuts.append(cut)
            place = cut
    bounds = np.sort(np.concatenate([view.offsets, np.array(cuts, np.int64)]))
    # Pieces of empty documents hold no tokens, so it does not matter that they count for a neighbour.
    owners = np.minimum(np.searchsorted(view.offsets, bounds[:-1], side="right"), len(view)) - 1
    return bounds, owners


def _cut(data: npt.NDArray[np.uint8], start: int, end: int) -> int | None:
    """Return the first place from `start` on, before `end`, of a space between two ASCII letters."""
    for place in range(start, end - 1, _WINDOW):
        window = data[place - 1 : min(place + _WINDOW + 1, end)]
        letter = ((window | 32) >= ord("a")) & ((window | 32) <= ord("z"))
        found = np.flatnonzero(letter[:-2] & (window[1:-1] == ord(" ")) & letter[2:])
        if len(found):
            return place + int(found[0])
    return None


def _batches(bounds: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield runs of pieces of at most `PIECE_BYTES` together, or one larger piece."""
    begin = 0
    while begin < len(bounds) - 1:
        end = int(np.searchsorted(bounds, bounds[begin] + PIECE_BYTES, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, end
        begin = end


def tokenizer_path(name: str) -> Path:
    """Return where the tokenizer called `name` is or would be stored."""
    return FOLDER / f"{name}.json"


def tokenizer_names() -> list[str]:
    """Return the names of the shipped tokenizers, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_tokenizer(name: str, *, where: str = "tokenizer", engine: Engine | None = None) -> Tokenizer:
    """Return the shipped tokenizer `name`; by default with the fast engine where it is installed.

    Both engines give equal ids (a test holds it). Raises: RecipeError for an unknown name.
    """
    if name not in tokenizer_names():
        raise RecipeError(f"{where}: unknown tokenizer `{name}`; {nearest(name, tokenizer_names())}")
    return _load(name, engine or _best_engine())


@lru_cache(maxsize=16)
def _load(name: str, engine: Engine) -> Tokenizer:
    path = tokenizer_path(name)
    described = json.loads(path.read_text(encoding="utf-8"))
    return Tokenizer(
        name=name,
        path=path,
        digest=sha256_file(path),
        vocab_size=len(described["model"]["vocab"]) + len(described["added_tokens"]),
        eos_id=described["model"]["vocab"][EOS_TOKEN],
        engine=engine,
    )


@lru_cache(maxsize=1)
def _best_engine() -> Engine:
    from importlib.util import find_spec

    return "fast" if find_spec("gigatoken") else "reference"


@lru_cache(maxsize=8)
def _fast_backend(path: Path) -> Any:
    import gigatoken

    return gigatoken.Tokenizer.from_json(path.read_text(encoding="utf-8"))


def _encode_fast(path: Path, view: TextView) -> TokenizedView:
    """Encode with the fast engine; `parallel=False` keeps it on this thread and safe after a fork."""
    raw = view.data.data
    documents = [bytes(raw[start:end]) for start, end in zip(view.offsets[:-1], view.offsets[1:], strict=True)]
    layout = _fast_backend(path).encode_batch(documents, parallel=False).layout
    offsets = np.asarray(layout.offsets.data, np.int64)
    tokens = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
    return TokenizedView(tokens=tokens.astype(np.uint16), offsets=offsets - offsets[0])


@lru_cache(maxsize=8)
def _reference_backend(path: Path) -> Any:
    from tokenizers import Tokenizer as Backend

    return Backend.from_file(str(path))


def _encode_reference(path: Path, view: TextView) -> TokenizedView:
    """Encode with the reference implementation, document by document."""
    backend = _reference_backend(path)
    raw = view.data.data
    ids = [
        backend.encode(bytes(raw[start:end]).decode("utf-8"), add_special_tokens=False).ids
        for start, end in zip(view.offsets[:-1], view.offsets[1:], strict=True)
    ]
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(document) for document in ids], out=offsets[1:])
    return TokenizedView(tokens=np.fromiter((i for d in ids for i in d), np.uint16, int(offsets[-1])), offsets=offsets)


@lru_cache(maxsize=8)
def _byte_table(path: Path) -> list[bytes]:
    """Return the bytes of each id."""
    described = json.loads(path.read_text(encoding="utf-8"))
    vocabulary, added = described["model"]["vocab"], described["added_tokens"]
    byte_of = _byte_of_character()
    table = [b""] * (len(vocabulary) + len(added))
    for token, index in vocabulary.items():
        table[index] = bytes(byte_of[character] for character in token)
    for token in added:  # plain text: runs of spaces
        table[token["id"]] = token["content"].encode("utf-8")
    return table


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """Return GPT-2's map from printable stand-ins to bytes, which byte-level vocabularies are written in."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
