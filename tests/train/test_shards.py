"""Token streams: order, EOS, shares and windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from curation.errors import RunError
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.recipe import MixSpec
from curation.store import Artifact, Store
from curation.tokenizers import load_tokenizer
from train.shards import open_streams, tokens_node

Build = Callable[[Node], Artifact]
Make = Callable[..., Node]
Sentences = Callable[..., list[str]]
PICO = "ladder-pico@1"


def documents(ids: np.ndarray) -> list[str]:
    tokenizer = load_tokenizer(PICO)
    ends = np.flatnonzero(ids == tokenizer.eos_id)
    return [tokenizer.decode(part[part != tokenizer.eos_id]).decode() for part in np.split(ids, ends + 1)[:-1]]


def test_a_stream_is_the_slices_documents_in_order_each_with_eos(build: Build, make_corpus: Make) -> None:
    docs = {"a": ["one", "", "<|endoftext|> is text", "four\n"], "b": ["ü"] * 3}
    streams = open_streams(build(tokens_node(make_corpus(docs, num_shards=3), PICO)))
    assert {name: documents(np.asarray(ids)) for name, ids in streams.tokens.items()} == docs
    assert all(ids[-1] == load_tokenizer(PICO).eos_id for ids in streams.tokens.values())


def test_shards_and_workers_change_nothing(tmp_path: Path, make_corpus: Make, random_sentences: Sentences) -> None:
    docs = {"a": random_sentences("a", 40), "b": random_sentences("b", 7)}
    streams = []
    for number, (shards, workers) in enumerate([(1, 1), (5, 2)]):
        planner = Planner(store=Store.open(tmp_path / str(number)), workers=workers, progress=SilentProgress())
        streams.append(open_streams(planner.materialise(tokens_node(make_corpus(docs, num_shards=shards), PICO))))
    one, two = streams
    assert one.shares == two.shares
    assert all(np.array_equal(one.tokens[name], two.tokens[name]) for name in docs)


def test_natural_shares_draw_every_slice_equally_often(
    build: Build, make_corpus: Make, random_sentences: Sentences
) -> None:
    docs = {"a": random_sentences("a", 40), "b": random_sentences("b", 7), "c": ["日本語" * 200] * 3}
    streams = open_streams(build(tokens_node(make_corpus(docs), PICO)))
    per_share = [len(streams.tokens[name]) / streams.shares[name] for name in docs]
    assert per_share == pytest.approx([per_share[0]] * 3)


def test_byte_weights_become_shares_of_this_tokenizers_tokens(build: Build, make_corpus: Make) -> None:
    docs = {"a": ["word " * 100], "b": ["日本語" * 100]}
    node = tokens_node(make_corpus(docs, mix=MixSpec(weights={"a": 0.5, "b": 0.5})), PICO)
    streams = open_streams(build(node))
    per_byte = {name: len(streams.tokens[name]) / len(texts[0].encode()) for name, texts in docs.items()}
    assert streams.shares["a"] / streams.shares["b"] == pytest.approx(per_byte["a"] / per_byte["b"])


def test_windows_overlap_by_their_one_shared_token_and_end_inside(
    build: Build, make_corpus: Make, random_sentences: Sentences
) -> None:
    streams = open_streams(build(tokens_node(make_corpus({"a": random_sentences("a", 30)}), PICO)))
    ids = streams.tokens["a"]
    count = streams.num_windows(64)["a"]
    assert count == (len(ids) - 1) // 64
    assert streams.window("a", 0, 64)[-1] == streams.window("a", 1, 64)[0]
    assert len(streams.window("a", count - 1, 64)) == 65


def test_slices_that_are_empty_or_short_are_kept_apart_from_draws(
    build: Build, make_corpus: Make, random_sentences: Sentences
) -> None:
    artifact = build(tokens_node(make_corpus({"a": random_sentences("a", 30), "b": ["tiny"], "c": []}), PICO))
    assert open_streams(artifact).num_windows(64) == {"a": open_streams(artifact).num_windows(64)["a"], "b": 0}
    assert "c" not in artifact.summary["slices"]  # type: ignore[operator]


def test_a_corpus_without_documents_is_refused(build: Build, make_corpus: Make) -> None:
    with pytest.raises(RunError, match="no documents"):
        build(tokens_node(make_corpus({"a": []}), PICO))
