"""Engines that turn text into ids: gigatoken where its ids are those of Hugging Face `tokenizers`, else `tokenizers`.

At first use of a tokenizer in a process both engines encode `PROBE`; on any difference, or when gigatoken is missing or
cannot read the file, the reference encodes everything and a note says why. Which engine ran is told in manifests and
never part of an identity: ids are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curation.batches import TextView
from curation.errors import RecipeError
from curation.tokenizer_files import TokenizerFile

Engine = Literal["fast", "reference"]
TokenIds = npt.NDArray[np.unsignedinteger[Any]]

PROBE: tuple[str, ...] = (
    "",
    "word",
    "no newline at the end",
    "CR\r\nLF\r\n\n\n",
    "\N{SLIGHTLY SMILING FACE}\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}\N{EMOJI MODIFIER FITZPATRICK TYPE-3}",
    "日本語と中文。한국어 ไทย",
    "e\u0301a\u0308 \u212b \ufb01 \u2460 नमस्ते مرحبا",
    "\x01\x02\x1c\x7f\x85 \x00",
    "x" * 2_000,
    " " * 300 + "\n" * 300 + "\t" * 40 + "end",
    "a<|endoftext|>b<|im_start|></s>[EOS]<s> <|padding|>",
    "I'm WE'LL they'd 1234567890 12.5e-3 \u00bd \u2167 \u0663",
    "\u2028\u00a0\u3000 \t\v\f \ufeff \U0010fffd",
    "def f(x):\n    if x != {'a': [1, 2]}:\n\t\treturn  x  # why?\n\n\n",
    '<p class="a">A &amp; B</p>  https://example.org/a?b=c&d=%20 user@example.org',
    " lead  two   three    four\n  trail   ",
    "a  b\u00a0\u00a0c \r \n d",
)
"""Text on which engines have differed: blanks in runs, controls, composed and decomposed letters, special tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedView:
    """Token ids of a column of documents: document i is `tokens[offsets[i]:offsets[i + 1]]`; no EOS inside."""

    tokens: TokenIds
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The engine that encodes, and why it is not the fast one; the note is empty otherwise."""

    engine: Engine
    note: str = ""


def token_dtype(vocab_size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the little-endian type that holds every id below `vocab_size`: two bytes up to 65,536."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


@lru_cache(maxsize=16)
def choose_engine(file: TokenizerFile, where: str) -> Choice:
    """Return the fast engine if it gives the reference's ids on `PROBE`.

    Raises: RecipeError when the reference cannot read the file, or text can produce EOS.
    """
    texts = (*PROBE, file.eos_token)
    view = view_of(texts)
    try:
        expected = encode_reference(file, view)
    except Exception as error:  # the library raises bare exceptions
        raise RecipeError(
            f"{where}: `tokenizers` cannot read it ({error}); expected its own format; choose another"
        ) from None
    if file.eos_id in expected.tokens:
        raise RecipeError(
            f"{where}: text can produce EOS ({file.eos_token!r}); expected an id of its own; mark it special"
        )
    try:
        found = encode_fast(file, view)
    except Exception as error:  # whatever a compiled engine raises, ids can still be had
        return Choice(engine="reference", note=f"{where}: the fast engine cannot be used ({_short(error)})")
    differing = differing_document(found, expected)
    if differing is not None:
        note = f"{where}: the fast engine gives other ids than `tokenizers` on {texts[differing][:40]!r}"
        return Choice(engine="reference", note=note)
    return Choice(engine="fast")


def view_of(documents: Sequence[str]) -> TextView:
    """Return a view of some texts; without Arrow, whose `array` imports pandas where there is one."""
    encoded = [document.encode("utf-8") for document in documents]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(document) for document in encoded], out=offsets[1:])
    return TextView(data=np.frombuffer(b"".join(encoded), np.uint8), offsets=offsets)


def differing_document(one: TokenizedView, other: TokenizedView) -> int | None:
    """Return the first document whose ids differ, None when all are equal."""
    for number in range(len(one)):
        mine, theirs = (v.tokens[v.offsets[number] : v.offsets[number + 1]] for v in (one, other))
        if not np.array_equal(mine, theirs):
            return number
    return None


def encode_fast(file: TokenizerFile, view: TextView) -> TokenizedView:
    """Encode with the fast engine; `parallel=False` keeps it on this thread and safe after a fork."""
    import awkward as ak

    text = ak.contents.NumpyArray(view.data, parameters={"__array__": "byte"})
    column = ak.contents.ListOffsetArray(ak.index.Index64(view.offsets), text, parameters={"__array__": "bytestring"})
    layout = _fast_backend(file).encode_batch(ak.Array(column), parallel=False).layout
    offsets = np.asarray(layout.offsets.data, np.int64)
    tokens = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
    return TokenizedView(tokens=tokens.astype(token_dtype(file.vocab_size)), offsets=offsets - offsets[0])


def encode_reference(file: TokenizerFile, view: TextView) -> TokenizedView:
    """Encode with the reference implementation, document by document."""
    backend = reference_backend(file)
    raw = view.data.data
    ids = [
        backend.encode(bytes(raw[start:end]).decode("utf-8"), add_special_tokens=False).ids
        for start, end in zip(view.offsets[:-1], view.offsets[1:], strict=True)
    ]
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(document) for document in ids], out=offsets[1:])
    tokens = np.fromiter((i for d in ids for i in d), token_dtype(file.vocab_size), int(offsets[-1]))
    return TokenizedView(tokens=tokens, offsets=offsets)


@lru_cache(maxsize=8)
def _fast_backend(file: TokenizerFile) -> Any:
    import gigatoken

    return gigatoken.Tokenizer.from_json(file.plain)


@lru_cache(maxsize=8)
def reference_backend(file: TokenizerFile) -> Any:
    """Return Hugging Face's tokenizer of the file, without its special tokens."""
    from tokenizers import Tokenizer as Backend

    return Backend.from_str(file.plain)


def _short(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
