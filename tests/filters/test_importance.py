"""DSIR: weights of the formula, a sample in proportion to them, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from curation.randomness import generator
from curation.sidecars import ROLE_REFERENCE, ROLE_TRAIN
from filters.models.importance import bucket_counts, gumbel_noise, log_ratios, log_weights

GOOD = [f"good{i}" for i in range(30)]
BAD = [f"bad{i}" for i in range(30)]


def words(vocabulary: list[str], id_: str) -> str:
    return " ".join(generator(0, id_).choice(vocabulary, 30).tolist())


def corpus() -> list[dict[str, Any]]:
    rows = []
    for i in range(20):
        rows.append({"id": f"r{i}", "text": words(GOOD, f"r{i}"), "slice": "docs", "role": ROLE_REFERENCE})
        rows.append({"id": f"w{i}", "text": words(BAD, f"w{i}"), "slice": "web", "role": ROLE_REFERENCE})
    for i in range(50):
        text = words(BAD if i % 5 else GOOD, f"t{i}")
        rows.append({"id": f"t{i:02}", "text": text, "slice": "web", "role": ROLE_TRAIN})
    return rows


def features(text: str) -> list[tuple[str, ...]]:
    found = [word.lower() for word in re.findall(r"[A-Za-z0-9\x80-\U0010ffff]+", text)]
    return [(word,) for word in found] + list(pairwise(found))


def places(texts: list[str], num_buckets: int) -> dict[tuple[str, ...], int]:
    """The bucket of every feature, found by counting texts that hold it and little else."""
    found: dict[tuple[str, ...], int] = {}
    for feature in {feature for text in texts for feature in features(text)}:
        counts = bucket_counts(text_view(text_array([" ".join(feature)])), num_buckets)
        for word in feature if len(feature) == 2 else ():
            counts -= bucket_counts(text_view(text_array([word])), num_buckets)
        found[feature] = int(np.flatnonzero(counts)[0])
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab cé.,\n", max_size=20), min_size=1, max_size=4))
def test_a_weight_is_the_mean_log_ratio_of_words_and_pairs(texts: list[str]) -> None:
    num_buckets = 50
    bucket = places(texts, num_buckets)
    table = np.linspace(-1, 1, num_buckets)
    means = [np.mean([table[bucket[f]] for f in features(text)]) if features(text) else 0.0 for text in texts]
    assert log_weights(text_view(text_array(texts)), table) == pytest.approx(np.array(means) * 255)


def test_counts_are_of_words_and_pairs() -> None:
    assert bucket_counts(text_view(text_array(["a b c", "", "d"])), 1000).sum() == 3 + 2 + 1


def test_log_ratios_add_one_to_every_bucket() -> None:
    ratios = log_ratios(np.array([3, 0]), np.array([0, 1]))
    assert ratios == pytest.approx([np.log((4 / 5) / (1 / 3)), np.log((1 / 5) / (2 / 3))])


def test_without_noise_the_documents_most_like_the_target_stay(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    artifact = world.build("dsir", keep=0.2, noise=0)
    kept = {id_ for id_, reason in world.verdicts(artifact).items() if reason is None and id_.startswith("t")}
    assert kept == {f"t{i:02}" for i in range(0, 50, 5)}
    assert artifact.summary["selected_for"] == ["docs"]
    assert artifact.summary["notes"][0] == "learned from: slices docs (selected-for)"


@pytest.mark.parametrize("keep", [0.001, 0.02, 0.21, 0.5, 0.77, 0.999, 1.0])
@pytest.mark.parametrize("noise", [0.0, 100.0])
def test_the_best_scored_share_is_kept_exact_to_one_document(
    make_world: Callable[..., Any], keep: float, noise: float
) -> None:
    world = make_world(corpus(), num_parts=3)
    artifact = world.build("dsir", keep=keep, noise=noise)
    kept = [id_ for id_, reason in world.verdicts(artifact).items() if reason is None and id_.startswith("t")]
    assert len(kept) == max(1, int(keep * 50 + 0.5))


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1.0, 1e12])
def test_the_threshold_is_the_one_that_sorting_gives(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, spread: float
) -> None:
    world = make_world(corpus(), num_parts=3)
    values = {row["id"]: float(np.floor(spread * generator(0, row["id"]).random() * 7)) for row in corpus()}

    def noise(ids: list[str], seed: int) -> Any:
        return np.array([values[id_] for id_ in ids])

    monkeypatch.setattr("filters.models.importance.gumbel_noise", noise)
    monkeypatch.setattr("filters.models.importance.log_weights", lambda view, table: np.zeros(len(view)))
    verdicts = world.verdicts(world.build("dsir", keep=0.3))
    ranked = sorted((id_ for id_ in values if id_.startswith("t")), key=lambda id_: (-values[id_], id_))
    assert {id_ for id_ in ranked if verdicts[id_] is None} == set(ranked[:15])


def test_gumbel_noise_samples_in_proportion_to_the_weights() -> None:
    ids = [str(i) for i in range(40_000)]
    noise = gumbel_noise(ids, 0).reshape(-1, 4) + np.log([1.0, 2.0, 3.0, 4.0])
    drawn = np.bincount(noise.argmax(axis=1), minlength=4) / len(noise)
    # 10,000 draws: the standard error of a share is below 0.005
    assert drawn == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)


def test_a_seed_is_one_draw_and_another_seed_another(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    draws = [world.judge("dsir", keep=0.5, noise=100, seed=seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_awkward_text_has_a_weight(awkward_text: str) -> None:
    assert np.isfinite(log_weights(text_view(text_array([awkward_text])), np.ones(10))).all()
