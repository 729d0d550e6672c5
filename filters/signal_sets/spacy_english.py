"""The tables of spaCy's English tokenizer that `spacy_words_kernels` reads, from the shipped `spacy_english.txt`.

`python -m filters.signal_sets.spacy_english` makes that file anew from the installed spaCy and datatrove. Its lines:
`class NAME RANGES` are code points in hexadecimal, `101-177/2` is every second one; `unit X` may be cut off after a
digit; `special A B` is a chunk or rest of one that spaCy knows and its tokens; `pattern A B` are the tokens that
spaCy finds in a special when it does not know it, which its matcher later puts together again.
What depends on Unicode alone (letters, punctuation, digits) is asked of the running Python, as spaCy and datatrove do.
Source: spaCy 3.8 (MIT), `lang/{char_classes,punctuation,tokenizer_exceptions}.py`, `lang/en/`; datatrove 0.10.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from filters.signal_sets.spacy_affix_kernels import (
    ALPHA,
    ALPHA_ANY,
    BEFORE_DOT,
    DECIMAL,
    INFIX,
    LOWER,
    NON_SYMBOL,
    NUM_CODES,
    NUM_SLOTS,
    PREFIX,
    PUNCT,
    QUOTE,
    SENT_END,
    SPACE,
    SUFFIX,
    UNIT,
    UNIT_SALT,
    UPPER,
    WORD,
)
from filters.signal_sets.spacy_special_kernels import GRAM_PRIME, NUM_NODES

FILE = Path(__file__).with_name("spacy_english.txt")
CLASSES = {
    "sentence-end": SENT_END,
    "symbol": NON_SYMBOL,
    "prefix": PREFIX,
    "suffix": SUFFIX,
    "infix": INFIX,
    "alpha": ALPHA,
    "lower": LOWER,
    "upper": UPPER,
    "before-dot": BEFORE_DOT,
    "quote": QUOTE,
}
MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Arrays of the tokenizer; few, because a kernel hands each of them on at every call."""

    classes: npt.NDArray[np.uint16]
    """Class bits of each code point."""
    slots: npt.NDArray[np.int32]
    """Names by hash, open addressing: 256 x (place in `names` + 1) + the hash's upper byte; 0 is a free slot.

    Behind it 2 x 256 rows: for each first and each last byte of a special, the lengths that it has, as bits.
    """
    names: npt.NDArray[np.uint8]
    """Specials and units: number of bytes (plus `UNIT`), number of tokens, bytes of each token, then the bytes."""
    node_keys: npt.NDArray[np.uint64]
    """Paths of token hashes from the start of a pattern, open addressing; 0 is a free slot."""
    node_values: npt.NDArray[np.int32]
    """Of each path: 2 x (place of the special that ends here + 1), plus 1 if a pattern that changes tokens passes."""


@cache
def rules() -> Rules:
    """Return the tables, made once a process in some 0.2 s."""
    lines = [line.split(" ") for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("##")]
    specials = [tuple(words) for kind, *words in lines if kind == "special"]
    slots, names, places = np.zeros(NUM_SLOTS + 512, np.int32), bytearray(), {}
    for tokens in specials:
        name = "".join(tokens).encode()
        places[tokens] = _add_name(slots[:NUM_SLOTS], names, tokens, word_hash(name))
        slots[[NUM_SLOTS + name[0], NUM_SLOTS + 256 + name[-1]]] |= 1 << len(name)
    for unit in (words[0] for kind, *words in lines if kind == "unit"):
        names[_add_name(slots[:NUM_SLOTS], names, (unit,), word_hash(unit.encode()) ^ int(UNIT_SALT))] += UNIT
    keys, values = _nodes([tuple(words) for kind, *words in lines if kind == "pattern"], places)
    return Rules(
        classes=_classes({words[0]: words[1:] for kind, *words in lines if kind == "class"}),
        slots=slots,
        names=np.frombuffer(bytes(names), np.uint8).copy(),
        node_keys=keys,
        node_values=values,
    )


def _add_name(slots: npt.NDArray[np.int32], names: bytearray, tokens: tuple[str, ...], key: int) -> int:
    """Append a special or unit; return its place in `names`."""
    place = len(names)
    encoded = [token.encode() for token in tokens]
    names += bytes([sum(map(len, encoded)), len(encoded), *map(len, encoded)]) + b"".join(encoded)
    slots[_free_slot(slots, key)] = (place + 1) << 8 | key >> 56
    return place


def word_hash(word: bytes) -> int:
    """Return `words_kernels.hash_bytes` of a word, in plain Python."""
    state = 0xCBF29CE484222325
    for byte in word:
        state = ((state ^ byte) * 0x100000001B3) & MASK
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = ((state ^ (state >> 33)) * factor) & MASK
    return (state ^ (state >> 33)) or 1


def _free_slot(taken: npt.NDArray[Any], key: int) -> int:
    slot = key % len(taken)
    while taken[slot]:
        slot = (slot + 1) % len(taken)
    return slot


def _nodes(
    patterns: list[tuple[str, ...]], places: dict[tuple[str, ...], int]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Return keys and values of the trie of patterns as an open-addressing table over path hashes."""
    found: dict[int, int] = {}
    place_of = {"".join(tokens): place for tokens, place in places.items()}
    for pattern in patterns:
        path = 0
        for depth, token in enumerate(pattern, 1):
            path = (path * int(GRAM_PRIME) + word_hash(token.encode())) & MASK
            found[path] = found.get(path, 0) | (pattern not in places)
            if depth == len(pattern):
                found[path] |= 2 * (place_of["".join(pattern)] + 1)
    keys, values = np.zeros(NUM_NODES, np.uint64), np.zeros(NUM_NODES, np.int32)
    for path, value in found.items():
        slot = _free_slot(keys, path)
        keys[slot], values[slot] = path, value
    return keys, values


def _classes(ranges: dict[str, list[str]]) -> npt.NDArray[np.uint16]:
    """Return the class bits of every code point below `NUM_CODES`."""
    classes = np.zeros(NUM_CODES, np.uint16)
    for name, spans in ranges.items():
        for span in spans:
            first, last, step = re.fullmatch(r"(\w+)(?:-(\w+))?(?:/(\d))?", span).groups()  # type: ignore[union-attr]
            classes[int(first, 16) : int(last or first, 16) + 1 : int(step or 1)] |= CLASSES[name]
    classes ^= NON_SYMBOL  # the file lists the symbols
    chars = [chr(code) for code in range(NUM_CODES)]
    classes |= np.array([char.isalpha() for char in chars]) * np.uint16(ALPHA_ANY)
    classes |= np.array([char.isalnum() or char == "_" for char in chars]) * np.uint16(WORD)
    classes |= np.array([char.isdecimal() for char in chars]) * np.uint16(DECIMAL)
    classes |= np.array([char.isspace() for char in chars]) * np.uint16(SPACE)
    classes |= np.array([unicodedata.category(char)[0] == "P" for char in chars]) * np.uint16(PUNCT)
    return classes


def extracted() -> str:
    """Return the content of the file, from the installed spaCy and datatrove."""
    import spacy
    from datatrove.utils.text import PUNCTUATION_SET
    from spacy.lang import char_classes as spacy_classes
    from spacy.pipeline import Sentencizer
    from spacy.symbols import ORTH
    from spacy.tokenizer import Tokenizer

    full = spacy.blank("en").tokenizer
    bare = Tokenizer(
        full.vocab,
        prefix_search=full.prefix_search,
        suffix_search=full.suffix_search,
        infix_finditer=full.infix_finditer,
        url_match=full.url_match,
    )
    before_dot = rf"{spacy_classes.ALPHA_LOWER}%²\-\+{spacy_classes.PUNCT}(?:{spacy_classes.CONCAT_QUOTES})0-9"
    members: dict[str, Callable[[str], Any]] = {
        "sentence-end": set(Sentencizer.default_punct_chars).__contains__,
        "symbol": PUNCTUATION_SET.__contains__,
        "prefix": full.find_prefix,
        "suffix": full.find_suffix,
        "infix": full.find_infix,
        "alpha": re.compile(f"[{spacy_classes.ALPHA}]").match,
        "lower": re.compile(f"[{spacy_classes.ALPHA_LOWER}]").match,
        "upper": re.compile(f"[{spacy_classes.ALPHA_UPPER}]").match,
        "before-dot": re.compile(f"[{before_dot}]").match,
        "quote": re.compile(f"[{spacy_classes.CONCAT_QUOTES}]").match,
    }
    lines = [f"## Made from spaCy {spacy.__version__} (MIT) by filters/signal_sets/spacy_english.py; do not edit."]
    lines += [f"class {name} {' '.join(_spans(test))}" for name, test in members.items()]
    units = f"{spacy_classes.UNITS}|{spacy_classes.CURRENCY}".replace("\\", "").split("|")
    lines += [f"unit {unit}" for unit in sorted(set(units))]
    for name, tokens in sorted(full.rules.items()):
        if name.isspace():
            continue  # whitespace is cut off before specials are looked up
        lines.append("special " + " ".join(token[ORTH] for token in tokens))
        pattern = [token.text for token in bare(name)]
        if len(pattern) > 1:
            lines.append("pattern " + " ".join(pattern))
    return "\n".join(lines) + "\n"


def _spans(test: Callable[[str], Any]) -> Iterator[str]:
    """Yield the code points that pass `test` as runs of step 1 or 2."""
    inside = [code for code in range(NUM_CODES) if not 0xD800 <= code < 0xE000 and test(chr(code))]
    at = 0
    while at < len(inside):
        last = at
        step = inside[at + 1] - inside[at] if at + 1 < len(inside) else 1
        while step <= 2 and last + 1 < len(inside) and inside[last + 1] - inside[last] == step:
            last += 1
        if last == at + 1 and step == 2:
            last = at  # two are no run
        yield f"{inside[at]:X}" + (f"-{inside[last]:X}" + "/2" * (step == 2) if last > at else "")
        at = last + 1


if __name__ == "__main__":
    FILE.write_text(extracted(), encoding="utf-8")
