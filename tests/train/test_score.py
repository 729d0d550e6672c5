"""Scoring: every byte once, the same as window by window, bits per byte by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch

from curation.batches import text_array, text_view
from curation.errors import RunError
from curation.nodes import Node
from curation.store import Artifact
from curation.tokenizers import TokenizedView, load_tokenizer
from train.model import build_model
from train.score import (
    PanelDocuments,
    bits_per_byte,
    document_nats,
    model_nats,
    read_panel,
    scores_table,
    unigram_bits_per_byte,
)
from train.shards import tokens_node
from train.tiers import Tier

Build = Callable[[Node], Artifact]
PICO = load_tokenizer("ladder-pico@1")
TEXTS = ["", "a", "日本語\r\n", "the cat sat on the mat " * 40, "x" * 300, "end"]


def encoded(texts: list[str]) -> TokenizedView:
    return PICO.encode(text_view(text_array(texts)))


def score(texts: list[str], nats_of: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]) -> list[float]:
    return document_nats(encoded(texts), PICO.eos_id, 64, nats_of, lambda _: None).tolist()


def test_every_token_is_scored_exactly_once() -> None:
    counted = score(TEXTS, lambda ids: np.ones((ids.shape[0], ids.shape[1] - 1), np.float32))
    assert counted == np.diff(encoded(TEXTS).offsets).tolist()


def test_a_token_is_predicted_from_the_one_before_it_or_eos() -> None:
    def pair_sums(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return (ids[:, :-1] * 7 + ids[:, 1:]).astype(np.float32)

    view = encoded(TEXTS)
    expected = []
    for start, end in zip(view.offsets[:-1], view.offsets[1:], strict=True):
        ids = [PICO.eos_id, *view.tokens[start:end].tolist()]
        expected.append(float(sum(7 * before + after for before, after in itertools.pairwise(ids))))
    assert score(TEXTS, pair_sums) == expected


def test_batches_give_the_scores_of_one_window_at_a_time(tiny: Tier) -> None:
    model = build_model(tiny, 3).eval()
    view = encoded(TEXTS)
    slow = []
    for start, end in zip(view.offsets[:-1], view.offsets[1:], strict=True):
        ids = torch.tensor([PICO.eos_id, *view.tokens[start:end].tolist()])
        total = 0.0
        for first in range(0, len(ids) - 1, 64):
            window = ids[first : first + 65]
            with torch.no_grad():
                logits = model(window[None, :-1])[0]
            total += float(torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum"))
        slow.append(total)
    assert score(TEXTS, model_nats(model)) == pytest.approx(slow, rel=1e-5)


def test_scoring_twice_gives_the_same_bits(tiny: Tier) -> None:
    nats_of = model_nats(build_model(tiny, 3).eval())
    assert score(TEXTS, nats_of) == score(TEXTS, nats_of)


def table_of(rows: list[tuple[str, float, int]]) -> pa.Table:
    slices, nats, sizes = zip(*rows, strict=True)
    return pa.table({"slice": list(slices), "nats": list(nats), "num_bytes": list(sizes)})


def test_bits_per_byte_are_summed_nats_over_summed_bytes() -> None:
    table = table_of([("a", 10 * math.log(2), 10), ("a", 90 * math.log(2), 40), ("b", 8 * math.log(2), 1), ("c", 0, 0)])
    assert bits_per_byte(table) == pytest.approx({"a": 2.0, "b": 8.0})


def test_a_score_that_is_not_finite_names_its_document() -> None:
    documents = PanelDocuments(
        table=pa.table({"id": ["x", "y"], "slice": ["s", "s"], "family": ["f", "f"]}), num_bytes=np.array([1, 1])
    )
    with pytest.raises(RunError, match="document y: nan nats"):
        scores_table(documents, np.array([1.0, math.nan]), np.array([1, 1]))


def test_an_empty_panel_is_refused(build: Build, make_panel: Callable[..., Node], small_corpus: Node) -> None:
    with pytest.raises(RunError, match="expected a panel"):
        read_panel(build(small_corpus))


def test_the_unigram_model_is_add_one_counts_of_the_streams(
    build: Build, make_corpus: Callable[..., Node], make_panel: Callable[..., Node]
) -> None:
    tokens = build(tokens_node(make_corpus({"a": ["aaaa b"] * 5, "b": ["c"] * 9}), PICO.name))
    panel = build(make_panel({"p": ["a b", "c"]}))
    counts = np.ones(PICO.vocab_size)
    for text in ["aaaa b"] * 5 + ["c"] * 9:
        for token in encoded([text]).tokens.tolist():
            counts[token] += 1
        counts[PICO.eos_id] += 1
    scored = [token for text in ("a b", "c") for token in encoded([text]).tokens.tolist()]
    expected = -sum(math.log2(counts[token] / counts.sum()) for token in scored) / 4
    assert unigram_bits_per_byte(tokens, panel, PICO) == pytest.approx({"p": expected})


def test_the_unigram_model_of_a_weighted_mixture_weighs_its_slices(
    build: Build, make_corpus: Callable[..., Node], make_panel: Callable[..., Node]
) -> None:
    from curation.recipe import MixSpec

    docs = {"a": ["a"] * 50, "b": ["b"] * 50}
    panel = build(make_panel({"only-a": ["a"], "only-b": ["b"]}))
    mix = MixSpec(weights={"a": 0.9, "b": 0.1})
    found = unigram_bits_per_byte(build(tokens_node(make_corpus(docs, mix=mix), PICO.name)), panel, PICO)
    assert found["only-b"] - found["only-a"] == pytest.approx(math.log2((0.9 * 100 + 1) / (0.1 * 100 + 1)), abs=1.0)
    assert found["only-b"] > found["only-a"] + 2
