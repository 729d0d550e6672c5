"""Frozen tokenizers: the same text gives the same ids on every machine, forever (rule 7).

Each is a byte-level BPE file shipped with the project under `data/tokenizers/NAME.json`. Every byte is a token, so
nothing is unknown and decoding is exact. `<|endoftext|>` is one id that text can never produce: the characters of a
special token inside a document are plain text. `open_tokenizer` takes any other file of Hugging Face `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.batches import TextView
from curation.errors import RecipeError, nearest
from curation.files import sha256_file
from curation.token_engines import (
    Choice,
    Engine,
    TokenizedView,
    choose_engine,
    encode_fast,
    encode_reference,
    reference_backend,
    token_dtype,
)
from curation.tokenizer_files import EOS_TOKEN, TokenizerFile, read_tokenizer_file
from curation.tokenizer_shelf import is_shelved_name, shelved_path

FOLDER = Path(__file__).resolve().parent / "data" / "tokenizers"

PIECE_BYTES = 4_000_000
"""Text that is counted at a time."""

_WINDOW = 65_536

__all__ = ["EOS_TOKEN", "Engine", "TokenizedView", "Tokenizer", "load_tokenizer", "open_tokenizer", "tokenizer_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """A frozen tokenizer; `digest` is the sha256 of its file and enters every fingerprint that depends on it."""

    name: str
    path: Path
    digest: str
    vocab_size: int
    eos_id: int
    eos_token: str = EOS_TOKEN
    wanted: Engine | None = None
    """The engine to use whatever a probe says; None leaves it to `token_engines.choose_engine`."""

    @property
    def file(self) -> TokenizerFile:
        """What its file holds."""
        return read_tokenizer_file(self.path, self.eos_token)

    @property
    def choice(self) -> Choice:
        """The engine that encodes, and why if it is not the fast one; probed at first use."""
        return Choice(engine=self.wanted) if self.wanted else choose_engine(self.file, str(self.name))

    @property
    def engine(self) -> Engine:
        """The engine that encodes."""
        return self.choice.engine

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The type of its ids: two bytes up to 65,536 of them, four beyond."""
        return token_dtype(self.vocab_size)

    def encode(self, view: TextView) -> TokenizedView:
        """Return the ids of each document, on the calling thread, without EOS; safe from several threads."""
        if len(view) == 0 or view.offsets[-1] == view.offsets[0]:
            return TokenizedView(tokens=np.zeros(0, self.dtype), offsets=np.zeros(len(view) + 1, np.int64))
        return encode_fast(self.file, view) if self.engine == "fast" else encode_reference(self.file, view)

    def count(self, view: TextView) -> npt.NDArray[np.int64]:
        """Return the number of tokens of each document, EOS not counted; memory does not grow with the documents."""
        pieces = cut_documents(view)
        counts = np.zeros(len(view), np.int64)
        for begin, end in batches(pieces.bounds):
            batch = TextView(data=view.data, offsets=pieces.bounds[begin : end + 1])
            np.add.at(counts, pieces.owners[begin:end], np.diff(self.encode(batch).offsets))
        return counts

    def decode(self, tokens: Sequence[int] | npt.NDArray[np.integer[Any]]) -> bytes:
        """Return the exact bytes that `tokens` stand for."""
        table = self.file.table
        if table is None:
            text: str = reference_backend(self.file).decode([int(token) for token in tokens], skip_special_tokens=False)
            return text.encode("utf-8")
        return b"".join(table[int(token)] for token in tokens)

    def normal_form(self, text: str) -> str:
        """Return what decoding the ids of `text` must give: the text itself unless the file has a normaliser."""
        if not self.file.normalises:
            return text
        return str(reference_backend(self.file).normalizer.normalize_str(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Documents cut where that does not change their tokens: piece k is bytes `bounds[k]` to `bounds[k + 1]`."""

    bounds: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    """The document of each piece, for adding tokens up; pieces of empty documents may name a neighbour."""
    ends: npt.NDArray[np.bool_]
    """Whether a document ends with the piece."""


def cut_documents(view: TextView) -> Pieces:
    """Return the documents in pieces that are encoded one by one.

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
    return Pieces(bounds=bounds, owners=owners, ends=~np.isin(bounds[1:], cuts))


def _cut(data: npt.NDArray[np.uint8], start: int, end: int) -> int | None:
    """Return the first place from `start` on, before `end`, of a space between two ASCII letters."""
    for place in range(start, end - 1, _WINDOW):
        window = data[place - 1 : min(place + _WINDOW + 1, end)]
        letter = ((window | 32) >= ord("a")) & ((window | 32) <= ord("z"))
        found = np.flatnonzero(letter[:-2] & (window[1:-1] == ord(" ")) & letter[2:])
        if len(found):
            return place + int(found[0])
    return None


def batches(bounds: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
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
    """Return the shipped tokenizer `name`; by default with the fast engine where it gives the reference's ids.

    `file-<digits>` is a file of the user's on a shelf (`curation.tokenizer_shelf`).
    Raises: RecipeError for an unknown name.
    """
    if is_shelved_name(name):
        return replace(_opened(shelved_path(name, where), None), name=name, wanted=engine)
    if name not in tokenizer_names():
        raise RecipeError(f"{where}: unknown tokenizer `{name}`; {nearest(name, tokenizer_names())}")
    return _load(name, engine)


def open_tokenizer(name: str, *, eos: str | None = None, where: str = "--tokenizer") -> Tokenizer:
    """Return the tokenizer in the file `name`, or the shipped one of that name.

    Raises: RecipeError for an unknown name, or a file without EOS or with ids outside its vocabulary.
    """
    path = Path(name)
    if not path.is_file():
        if path.suffix == ".json" or path.name != name:
            raise RecipeError(f"{where}: {name}: no such file, expected a tokenizer.json; mend the path")
        return load_tokenizer(name, where=where)
    return _opened(path, eos)


def _opened(path: Path, eos: str | None) -> Tokenizer:
    file = read_tokenizer_file(path, eos)
    return Tokenizer(
        name=path.name,
        path=path.resolve(),
        digest=sha256_file(path),
        vocab_size=file.vocab_size,
        eos_id=file.eos_id,
        eos_token=file.eos_token,
    )


@lru_cache(maxsize=16)
def _load(name: str, engine: Engine | None) -> Tokenizer:
    path = tokenizer_path(name)
    file = read_tokenizer_file(path, EOS_TOKEN)
    return Tokenizer(
        name=name,
        path=path,
        digest=sha256_file(path),
        vocab_size=file.vocab_size,
        eos_id=file.eos_id,
        wanted=engine,
    )
