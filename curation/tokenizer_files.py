"""What a `tokenizer.json` holds: ids, EOS, the bytes behind each id; files that cannot train a model are refused.

Special tokens of a file (EOS and its kin) never come out of text: their characters in a document are plain text. So
they are taken out of what the engines see, which is `encode_special_tokens` of Hugging Face `tokenizers`. Added tokens
that are not special (runs of blanks) stay. V is the number of ids, which must be 0 to V - 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from curation.errors import RecipeError, nearest

EOS_TOKEN = "<|endoftext|>"
EOS_TOKENS = (EOS_TOKEN, "</s>", "<|end_of_text|>", "<eos>", "<|eos|>", "<|endofdoc|>", "[EOS]")
"""What EOS is called, in the order in which it is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one object a file: caches key on it cheaply
class TokenizerFile:
    """A read and checked tokenizer file."""

    plain: str
    """The file's JSON without special tokens and post-processing: what engines encode with."""
    vocab_size: int
    eos_token: str
    eos_id: int
    table: tuple[bytes, ...] | None
    """The bytes of every id; None when the vocabulary is not byte-level and the reference has to decode."""
    normalises: bool
    """Whether text is normalised before it is encoded, so that decoding gives the normal form."""


def read_tokenizer_file(path: Path, eos: str | None = None) -> TokenizerFile:
    """Return what the file holds; `eos` names its end-of-text token where it has an unusual one.

    Raises: RecipeError for a file that is no tokenizer, has no EOS, or has ids outside 0 to V - 1.
    """
    changed = path.stat() if path.is_file() else None
    if changed is None:
        raise RecipeError(
            f"{path}: no such file, expected a tokenizer.json of Hugging Face `tokenizers`; mend the path"
        )
    return _read(path, eos, changed.st_size, changed.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: Path, eos: str | None, _size: int, _changed: int) -> TokenizerFile:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        model, added = value["model"], list(value.get("added_tokens") or [])
        ids = dict(_entries(model["vocab"])) | {str(token["content"]): int(token["id"]) for token in added}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError(
            f"{path}: no tokenizer.json ({type(error).__name__}: {error}); expected a file that Hugging Face "
            "`tokenizers` saved, with `model.vocab`; choose another"
        ) from None
    _refuse_ids(path, ids)
    token = _eos_of(path, ids, eos)
    kept = [entry for entry in added if not entry.get("special")]
    plain = {**value, "added_tokens": kept, "post_processor": None, "truncation": None, "padding": None}
    return TokenizerFile(
        plain=json.dumps(plain),
        vocab_size=len(ids),
        eos_token=token,
        eos_id=ids[token],
        table=_byte_table(model["vocab"], added, len(ids)) if _is_byte_level(value) else None,
        normalises=value.get("normalizer") is not None,
    )


def _entries(vocabulary: Mapping[str, int] | list[Any]) -> Iterator[tuple[str, int]]:
    """Yield (token, id); a unigram model lists (token, score) in the order of ids."""
    if isinstance(vocabulary, list):
        yield from ((str(entry[0]), number) for number, entry in enumerate(vocabulary))
    else:
        yield from ((token, int(number)) for token, number in vocabulary.items())


def _refuse_ids(path: Path, ids: Mapping[str, int]) -> None:
    size = len(ids)
    wrong = next((token for token, number in ids.items() if not 0 <= number < size), None)
    if wrong is not None:
        raise RecipeError(
            f"{path}: token {wrong!r} has id {ids[wrong]:,}, outside the vocabulary of {size:,}; expected ids 0 to "
            f"{size - 1:,}, one each; renumber the tokens or choose another tokenizer"
        )
    if len(set(ids.values())) != size:
        raise RecipeError(f"{path}: {size:,} tokens share {len(set(ids.values())):,} ids, expected one each; mend it")


def _eos_of(path: Path, ids: Mapping[str, int], eos: str | None) -> str:
    if eos is not None:
        if eos not in ids:
            raise RecipeError(f"{path}: has no token {eos!r} to end documents with; {nearest(eos, EOS_TOKENS)}")
        return eos
    found = next((token for token in EOS_TOKENS if token in ids), None)
    if found is None:
        raise RecipeError(
            f"{path}: has no end-of-text token, expected one of {', '.join(EOS_TOKENS)}; "
            "name the tokenizer's own with --eos, or choose another tokenizer"
        )
    return found


def _is_byte_level(value: Mapping[str, Any]) -> bool:
    decoder = value.get("decoder") or {}
    return decoder.get("type") == "ByteLevel" and value["model"].get("type") == "BPE"


def _byte_table(vocabulary: Mapping[str, int], added: list[Mapping[str, Any]], size: int) -> tuple[bytes, ...] | None:
    """Return the bytes of each id; added tokens stand for their own characters. None if a token is not in bytes."""
    byte_of = byte_of_character()
    table = [b""] * size
    own = {str(entry["content"]) for entry in added}
    for token, index in vocabulary.items():
        if token in own:
            continue
        if any(character not in byte_of for character in token):
            return None
        table[index] = bytes(byte_of[character] for character in token)
    for entry in added:
        table[int(entry["id"])] = str(entry["content"]).encode("utf-8")
    return tuple(table)


@lru_cache(maxsize=1)
def byte_of_character() -> dict[str, int]:
    """Return GPT-2's map from printable stand-ins to bytes, which byte-level vocabularies are written in."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
