"""The signal set `dclm` against a plain-Python twin that follows DCLM's definitions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from filters.signal_sets.dclm import DCLM
from filters.signal_sets.unicode_classes import unicode_classes
from filters.signals import compute_signals

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def unicode_words(text: str) -> list[str]:
    """Cut with the compiled segmenter, which test_unicode_words.py holds to uniseg."""
    from filters.signal_sets.unicode_words_kernels import next_break

    view = text_view(text_array([text]))
    raw = text.encode()
    found, at = [], 0
    while at < len(raw):
        end, _ = next_break(view.data, at, len(raw), unicode_classes())
        found.append(raw[at:end].decode())
        at = end
    return [word for word in found if word[0].isalnum()]


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def copies(segments: Sequence[str]) -> tuple[float, float]:
    counts = Counter(segments)
    repeated = [segment for segment in segments if counts[segment] > 1]
    return share(len(repeated), len(segments)), share(sum(map(len, repeated)), sum(map(len, segments)))


def gram_share(words: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(grams)
    most = max(counts.values(), default=0)
    if most < 2:
        return 0.0
    total = sum(map(len, words))
    if n <= 4:
        return most * max(len("".join(gram)) for gram, count in counts.items() if count == most) / total
    covered = {j for i, gram in enumerate(grams) if counts[gram] > 1 for j in range(i, i + n)}
    return sum(len(words[j]) for j in covered) / total


def twin(text: str) -> dict[str, float]:
    words = text.split()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part.strip() for part in re.split("\n\n", text) if part.strip()]
    grams = unicode_words(text)
    fasttext = [word for word in re.split("[ \t\n\x0b\x0c\r\x00]+", text) if word]
    line_copies, paragraph_copies = copies(lines), copies(paragraphs)
    return {
        "num_words": sum(word[0].isalnum() for word in fasttext),
        "num_unicode_words": len(grams),
        "mean_word_chars": share(sum(map(len, words)), len(words)),
        "symbol_word_ratio": share(sum(map(text.count, ("#", "...", ". . .", "…"))), len(words)),
        "bullet_line_fraction": share(sum(line.startswith(("●", "•", "*", "-")) for line in lines), len(lines)),
        "ellipsis_line_fraction": share(sum(line.endswith(("...", ". . .", "…")) for line in lines), len(lines)),
        "non_alphabetic_word_fraction": share(sum(not any(map(str.isalpha, word)) for word in words), len(words)),
        "num_stop_words": sum(word.lower() in STOP_WORDS for word in words),
        "duplicate_line_fraction": line_copies[0],
        "duplicate_paragraph_fraction": paragraph_copies[0],
        "duplicate_line_char_fraction": line_copies[1],
        "duplicate_paragraph_char_fraction": paragraph_copies[1],
        **{f"top_{n}_gram_char_fraction": gram_share(grams, n) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram_char_fraction": gram_share(grams, n) for n in range(5, 11)},
    }


def rows(texts: pa.Array) -> list[dict[str, float]]:
    columns = compute_signals(DCLM, pa.table({"text": texts}))
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(texts))]


PIECES = st.sampled_from(
    ["a", "b", "a b ", "the", " The ", "of,", " ", " ", "\n", "\n\n", "\n \n", "\r\n", "...", ". . .", "....", "…", ".",
     "#", "- ", "• ", "● ", "* ", "é", "e\u0301", "中。", "🎉", "\u2028", "\u3000", "\x85", "\t", "can't", "x.y", "1",
     "½", "²", "\x00", "\x1c", "ｶﾞ", "U.S. ", "a b a b a b a b a b a b "]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=80).map("".join) | st.text(max_size=60)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["", "a a", ". . . . ....", "a\n\n\na"])
def test_the_compiled_statistics_equal_the_plain_twin(texts: list[str]) -> None:
    assert rows(text_array(texts)) == [twin(text) for text in texts]


def test_awkward_text_has_the_statistics_of_the_twin(awkward_text: str) -> None:
    assert rows(text_array(["before", awkward_text, "after"]))[1] == twin(awkward_text)


def test_a_slice_of_a_column_is_read_at_its_own_offsets() -> None:
    assert rows(text_array(["skipped\nskipped", "one two.", "a\na\n\na"]).slice(1)) == [
        twin("one two."),
        twin("a\na\n\na"),
    ]


@pytest.mark.parametrize(
    "text", ["a" * 2_000_000, "中" * 300_000, "🎉" * 300_000, "\u0301" * 300_000, "\x00" * 1_000_000]
)
def test_a_long_text_without_spaces_is_one_pass(text: str) -> None:
    assert rows(text_array([text]))[0]["num_words"] == text[0].isalnum()


def test_an_empty_column_has_no_rows() -> None:
    assert rows(text_array([])) == []
