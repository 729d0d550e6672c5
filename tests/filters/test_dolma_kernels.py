"""The signal set `dolma` against a plain-Python twin that follows the definitions of dolma's taggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from filters.signal_sets.dolma import DOLMA
from filters.signals import compute_signals

REQUIRED = {"the", "be", "to", "of", "and", "that", "have", "with"}


def share(part: float, whole: float) -> float:
    return part / max(whole, 1)


def gram_share(words: Sequence[str], n: int) -> float:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not counts:
        return 0.0
    if n <= 4:
        gram, count = counts.most_common(1)[0]
        return share(count * len("".join(gram)), sum(map(len, words)))
    lengths = {gram: count * len("".join(gram)) for gram, count in counts.items()}
    return share(sum(lengths[gram] for gram in counts if counts[gram] > 1), sum(lengths.values()))


def twin(text: str) -> dict[str, float]:
    words, lines, lowered = text.split(), text.split("\n"), text.lower()
    counts = Counter(lines)
    repeated = [line for line in lines if counts[line] > 1]
    stripped = [line.strip() for line in lowered.split("\n")]
    return {
        "num_chars": len(text),
        "num_words": len(words),
        "num_lines": len(lines),
        "median_word_chars": float(median(map(len, words))) if words else 0.0,
        "symbol_word_fraction": share(sum("#" in word or "…" in word for word in words), len(words)),
        "alphabetic_word_fraction": share(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "num_required_words": sum(word in REQUIRED for word in words),
        "bullet_line_fraction": share(sum(line.startswith(("*", "-")) for line in lines), len(lines)),
        "ellipsis_line_fraction": share(sum(line.endswith("…") for line in lines), len(lines)),
        "duplicate_line_fraction": share(len(repeated), len(lines)),
        "duplicate_line_char_fraction": share(sum(map(len, repeated)), sum(map(len, words))),
        **{f"top_{n}_gram_char_fraction": gram_share(words, n) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram_char_fraction": gram_share(words, n) for n in range(5, 11)},
        "num_curly_brackets": text.count("{"),
        "num_lorem_ipsum": "lorem ipsum" in lowered,
        "num_javascript": "javascript" in lowered,
        "open_line_fraction": share(sum(not line.endswith((".", "?", "!", '"')) for line in stripped), len(lines)),
        "short_line_fraction": share(sum(len(line.split()) < 3 for line in stripped), len(lines)),
    }


def rows(texts: pa.Array) -> list[dict[str, float]]:
    columns = compute_signals(DOLMA, pa.table({"text": texts}))
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(texts))]


PIECES = st.sampled_from(
    ["a", "b", "a b ", "the", " The ", "of,", " ", " ", "\n", "\n\n", "\n \n", "\r\n", "...", "…", ".", '"', "?", "#",
     "- ", "* ", "é", "e\u0301", "中。", "🎉", "\u2028", "\u3000", "\x85", "\t", "{", "Lorem Ipsum", "JavaScript", "1",
     "½", "²", "\x00", "\x1c", "İ", "\u212a", "w" * 70, "a b a b a b a b a b a b "]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=80).map("".join) | st.text(max_size=60)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["", "a a", "\n\n", "w" * 70 + " a " + "w" * 80])
def test_the_compiled_statistics_equal_the_plain_twin(texts: list[str]) -> None:
    assert rows(text_array(texts)) == [twin(text) for text in texts]


def test_awkward_text_has_the_statistics_of_the_twin(awkward_text: str) -> None:
    assert rows(text_array(["before", awkward_text, "after"]))[1] == twin(awkward_text)


def test_a_slice_of_a_column_is_read_at_its_own_offsets() -> None:
    texts = ["skipped\nskipped", "one two.", "a\na\n\na"]
    assert rows(text_array(texts).slice(1)) == [twin(text) for text in texts[1:]]


@pytest.mark.parametrize("char", ["a", "中", "🎉", "\u0301", "\x00", "\n"])
def test_a_long_text_without_spaces_is_one_pass(char: str) -> None:
    assert rows(text_array([char * 1_000_000]))[0] == twin(char * 1_000_000)


def test_an_empty_column_has_no_rows() -> None:
    assert rows(text_array([])) == []
