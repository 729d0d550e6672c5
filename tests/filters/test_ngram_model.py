"""The n-gram model: probabilities of the textbook formula, summing to one, on any text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from curation.tokenizers import TokenizedView, load_tokenizer
from filters.models.ngram_model import NgramModel, fit, load

TOKENIZER = load_tokenizer("ladder-nano@1")
END = TOKENIZER.eos_id


class Twin:
    """Interpolated Kneser-Ney in plain dictionaries."""

    def __init__(self, documents: Sequence[Sequence[int]], order: int) -> None:
        self.order = order
        streams = [(END,) * (order - 1) + tuple(document) + (END,) for document in documents]
        highest = Counter(s[i - order : i] for s in streams for i in range(order, len(s) + 1))
        self.counts: dict[int, Counter[tuple[int, ...]]] = {order: highest}
        for k in range(order - 1, 0, -1):
            self.counts[k] = Counter(gram[1:] for gram in self.counts[k + 1])
        self.discounts = {k: self.discount(counts) for k, counts in self.counts.items()}
        self.totals: dict[tuple[int, ...], float] = defaultdict(float)
        self.types: dict[tuple[int, ...], int] = defaultdict(int)
        for counts in self.counts.values():
            for gram, count in counts.items():
                self.totals[(len(gram), *gram[:-1])] += count
                self.types[(len(gram), *gram[:-1])] += 1

    @staticmethod
    def discount(counts: Counter[tuple[int, ...]]) -> float:
        once, twice = list(counts.values()).count(1), list(counts.values()).count(2)
        return once / (once + 2 * twice) if once and twice else 0.5

    def chance(self, token: int, history: tuple[int, ...], k: int | None = None) -> float:
        k = self.order if k is None else k
        if k == 0:
            return 1 / TOKENIZER.vocab_size
        past = history[len(history) - (k - 1) :]
        lower = self.chance(token, history, k - 1)
        total = self.totals.get((k, *past))
        if not total:
            return lower
        discount = self.discounts[k]
        seen = self.counts[k].get((*past, token), 0)
        return max(seen - discount, 0) / total + discount * self.types[(k, *past)] / total * lower

    def nats(self, document: Sequence[int]) -> float:
        stream = (END,) * (self.order - 1) + tuple(document) + (END,)
        start = self.order - 1
        return -sum(math.log(self.chance(stream[i], stream[i - start : i])) for i in range(start, len(stream)))


def fitted(folder: Path, texts: Sequence[str], order: int) -> NgramModel:
    folder.mkdir(parents=True, exist_ok=True)
    fit(text_view(text_array(list(texts))), folder, order)
    load.cache_clear()
    return load(folder)


def ids(text: str) -> list[int]:
    found: list[int] = TOKENIZER.encode(text_view(text_array([text]))).tokens.tolist()
    return found


SHORT = st.text("ab c\n中", max_size=12)
TRAINING = ("the cat sat on the mat. the cat sat.", "the dog sat on the log", "", "a cat and a dog\n" * 3)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("text", ["the cat sat on the log", "zebra 中文 🎉", "", "a", *TRAINING])
def test_a_document_has_the_chance_of_the_formula(tmp_path: Path, order: int, text: str) -> None:
    model = fitted(tmp_path, TRAINING, order)
    expected = Twin([ids(item) for item in TRAINING], order).nats(ids(text))
    assert model.nats(TOKENIZER.encode(text_view(text_array([text]))))[0] == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("ab c\n中", max_size=12), min_size=1, max_size=5),
    st.text("ab c\n中", max_size=12),
    st.integers(1, 5),
)
def test_any_training_set_gives_the_formula(tmp_path: Path, texts: list[str], text: str, order: int) -> None:
    model = fitted(tmp_path / "model", texts, order)
    expected = Twin([ids(item) for item in texts], order).nats(ids(text))
    assert model.nats(TOKENIZER.encode(text_view(text_array([text]))))[0] == pytest.approx(expected, rel=1e-12)


def test_the_chances_of_all_next_tokens_sum_to_one(tmp_path: Path) -> None:
    model = fitted(tmp_path, TRAINING, 3)
    prefix = ids("the cat")
    rows = [[*prefix, token] for token in range(TOKENIZER.vocab_size) if token != END]
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    tokens = np.array([token for row in rows for token in row], np.uint16)
    ends = Twin([ids(item) for item in TRAINING], 3)
    whole = model.nats(TokenizedView(tokens=tokens, offsets=offsets))
    base = ends.nats(prefix) + math.log(ends.chance(END, tuple(prefix[-2:])))
    closing = np.array([-math.log(ends.chance(END, tuple(row[-2:]))) for row in rows])
    assert np.exp(-(whole - base - closing)).sum() + ends.chance(END, tuple(prefix[-2:])) == pytest.approx(1.0)


def test_perplexity_and_bits_per_byte_are_the_same_code_length(tmp_path: Path) -> None:
    model = fitted(tmp_path, TRAINING, 3)
    text = "the cat sat on 中"
    perplexity, bits = model.measure(text_view(text_array([text])))[0]
    tokens = len(ids(text)) + 1
    assert tokens * math.log2(perplexity) == pytest.approx(bits * len(text.encode()))


def test_text_like_the_training_text_is_less_perplexing(tmp_path: Path) -> None:
    model = fitted(tmp_path, TRAINING, 3)
    measured = model.measure(text_view(text_array(["the dog sat on the mat", "xqz vvv jjk"])))
    assert measured[0, 0] < measured[1, 0] / 10


def test_equal_documents_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fitted(tmp_path / name, TRAINING, 5)
    assert (tmp_path / "one/ngrams.parquet").read_bytes() == (tmp_path / "two/ngrams.parquet").read_bytes()


def test_awkward_text_is_measured(tmp_path: Path, awkward_text: str) -> None:
    model = fitted(tmp_path, TRAINING, 5)
    assert np.isfinite(model.measure(text_view(text_array([awkward_text])))).all()
