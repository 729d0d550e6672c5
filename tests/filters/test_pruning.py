"""The pruning metric: near prototypes is easy, far is hard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from curation.batches import text_array, text_view
from curation.randomness import generator
from curation.sidecars import ROLE_REFERENCE, ROLE_TRAIN
from filters.models.pruning import distances, embeddings, find_prototypes, word_weights


def words(topic: str, id_: str) -> str:
    return " ".join(generator(0, id_).choice([f"{topic}{i}" for i in range(20)], 60).tolist())


def corpus() -> list[dict[str, Any]]:
    """Reference documents of two topics; training documents of these and ten of no topic at all."""
    rows = []
    for topic in ("sea", "hill"):
        for i in range(30):
            for role, kind in ((ROLE_REFERENCE, "r"), (ROLE_TRAIN, "t")):
                id_ = f"{kind}-{topic}-{i}"
                rows.append({"id": id_, "text": words(topic, id_), "slice": "web", "role": role})
    for i in range(10):
        text = words(f"odd{i}x", f"odd-{i}")
        rows.append({"id": f"t-odd-{i}", "text": text, "slice": "web", "role": ROLE_TRAIN})
    return rows


def kept(verdicts: dict[str, str | None]) -> set[str]:
    return {id_ for id_, reason in verdicts.items() if reason is None and id_.startswith("t-")}


def test_the_hard_end_is_what_no_prototype_is_near(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    assert kept(world.judge("pruning-metric", mode="hard", keep=1 / 7)) == {f"t-odd-{i}" for i in range(10)}


def test_the_easy_end_is_the_rest(make_world: Callable[..., Any]) -> None:
    verdicts = make_world(corpus()).judge("pruning-metric", mode="easy", keep=6 / 7)
    assert {id_ for id_, reason in verdicts.items() if reason == "too-hard"} >= {f"t-odd-{i}" for i in range(10)}
    assert len(kept(verdicts)) == 60


def test_one_worker_or_two_give_the_same_bytes(make_world: Callable[..., Any]) -> None:
    built = [make_world(corpus(), workers=n, store=f"s{n}").build("pruning-metric") for n in (1, 2)]
    assert [path.read_bytes() for path in built[0].part_paths()] == [p.read_bytes() for p in built[1].part_paths()]


def test_frequent_words_weigh_little() -> None:
    weights = word_weights(text_view(text_array(["the " * 999 + "harbour"])))
    # p = 0.999 and 0.001 of all words: 0.001 / 1.000 and 0.001 / 0.002
    assert sorted(set(weights)) == pytest.approx([0.001 / 1.0, 0.5, 1.0])


def test_embeddings_are_unit_vectors_that_ignore_word_order() -> None:
    one, two, none = embeddings(text_view(text_array(["a b c", "c b a", "..."])), np.ones(1 << 18))
    assert np.linalg.norm(one) == pytest.approx(1.0)
    assert one == pytest.approx(two)
    assert not none.any()


def test_prototypes_of_separate_clusters_are_their_middles() -> None:
    axes = np.eye(3)
    noise = generator(0, "noise").normal(0, 0.01, (60, 3))
    vectors = axes[np.arange(60) % 3] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = find_prototypes(vectors, 3, 0)
    assert sorted(found.argmax(axis=1).tolist()) == [0, 1, 2]
    assert distances(axes, found) == pytest.approx(np.zeros(3), abs=1e-3)


def test_awkward_text_has_a_distance(awkward_text: str) -> None:
    vectors = embeddings(text_view(text_array([awkward_text])), np.ones(1 << 18))
    assert 0 <= distances(vectors, np.eye(64))[0] <= 2
