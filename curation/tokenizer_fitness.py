"""Whether a tokenizer can be compared in bits per byte at all: every byte has a code, and decoding gives the text back.

Without either a model is not scored on the text but on less of it, and its bits per byte are of something else.
Rule 7: byte-fallback BPE.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from curation.errors import RecipeError
from curation.token_engines import PROBE, view_of
from curation.tokenizer_files import byte_of_character
from curation.tokenizers import Tokenizer

BYTES_OF_TEXT = frozenset(range(256)) - {0xC0, 0xC1} - frozenset(range(0xF5, 0x100))
"""Bytes that UTF-8 can hold: 243 of 256."""


def codes_every_byte(tokenizer: Tokenizer) -> bool:
    """Return whether each byte of UTF-8 has an id of its own, by a byte-level vocabulary or by byte fallback."""
    value = cast("Any", json.loads(tokenizer.path.read_text(encoding="utf-8")))
    vocabulary = value["model"]["vocab"]
    if tokenizer.file.table is not None:
        return all(character in vocabulary for character, byte in byte_of_character().items() if byte in BYTES_OF_TEXT)
    names = set(vocabulary if isinstance(vocabulary, dict) else (entry[0] for entry in vocabulary))
    return bool(value["model"].get("byte_fallback")) and all(f"<0x{byte:02X}>" in names for byte in BYTES_OF_TEXT)


def inexact_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts that do not come back, byte by byte, from their ids."""
    encoded = tokenizer.encode(view_of(texts))
    return [
        number
        for number, text in enumerate(texts)
        if tokenizer.decode(encoded.tokens[encoded.offsets[number] : encoded.offsets[number + 1]])
        != text.encode("utf-8")
    ]


def refuse_without_bytes(tokenizer: Tokenizer, where: str) -> None:
    """Raise RecipeError for a tokenizer without a code for every byte."""
    if not codes_every_byte(tokenizer):
        raise RecipeError(
            f"{where}: tokenizer {tokenizer.name} ({tokenizer.path}): lacks ids for some bytes, expected byte-level "
            "BPE or byte fallback (rule 7): text outside its vocabulary has no bits per byte; train it with a "
            "ByteLevel pre-tokenizer and decoder and all bytes in its alphabet, or with `byte_fallback=True`"
        )


def inexact_note(tokenizer: Tokenizer) -> str:
    """Return what is wrong with a tokenizer from whose ids the probe texts do not come back; empty when they do."""
    lost = inexact_texts(tokenizer, PROBE)
    if not lost:
        return ""
    return (
        f"tokenizer {tokenizer.name}: {len(lost)} of {len(PROBE)} probe texts do not come back from their ids, first "
        f"{PROBE[lost[0]][:40]!r}; expected every byte; remove `normalizer` and `add_prefix_space` from its file, or "
        "choose another"
    )
