"""Item errors: clusters widen them as they should, pairs narrow them, and seeds are told from items."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.numerics import bootstrap_sums
from curation.randomness import generator
from leaderboard.noise.items import (
    item_error,
    log_error,
    pair_error,
    pair_ratio_error,
    ratio_error,
    seeds_and_items,
)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_items_by_themselves_have_the_usual_error(values: list[float]) -> None:
    found = item_error(np.array(values), list(range(len(values))))
    assert found is not None
    assert found.clustered == pytest.approx(found.naive, abs=1e-12)
    assert found.naive == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)), abs=1e-12)


def test_two_passages_of_two_questions_by_hand() -> None:
    found = item_error(np.array([1.0, 1.0, 0.0, 0.0]), ["a", "a", "b", "b"])
    assert found is not None
    assert found.naive == pytest.approx(math.sqrt(1 / (4 * 3)))  # 4 · 0.25 over 4 · 3
    assert found.clustered == pytest.approx(math.sqrt((1 + 1) * 2 / 1) / 4)  # sums +1 and -1, C/(C-1) = 2, n = 4
    assert (found.num_items, found.num_clusters) == (4, 2)


def test_one_cluster_has_no_error() -> None:
    assert item_error(np.array([1.0, 2.0]), ["a", "a"]) is None
    assert item_error(np.array([]), []) is None


def test_the_clustered_error_covers_and_the_naive_one_does_not() -> None:
    """40 passages of 8 questions, half of the variance of a question from its passage: naive is 2.1x too small."""
    rng = generator(4, "clusters")
    clusters = np.repeat(np.arange(40), 8).tolist()
    hits = {"naive": 0, "clustered": 0}
    worlds = 1_000
    for _ in range(worlds):
        values = rng.normal(size=40).repeat(8) + rng.normal(size=320)
        found = item_error(values, clusters)
        assert found is not None
        hits["naive"] += abs(values.mean()) <= 2.02 * found.naive
        hits["clustered"] += abs(values.mean()) <= 2.02 * found.clustered
    assert 0.93 <= hits["clustered"] / worlds <= 0.97
    assert hits["naive"] / worlds < 0.75


def test_the_error_of_a_log_ratio_is_that_of_its_bootstrap() -> None:
    rng = generator(4, "families")
    sizes = rng.uniform(500, 1500, size=120)
    nats = np.stack([sizes * rng.lognormal(0.7, 0.2, 120) for _ in range(2)], axis=1)
    sums = bootstrap_sums(nats, generator(4, "draws"), 4_000)
    assert ratio_error(nats[:, 0], nats[:, 1]) == pytest.approx(np.std(np.log(sums[:, 0] / sums[:, 1])), rel=0.05)


def test_equal_families_have_no_error() -> None:
    assert log_error(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0)
    assert pair_ratio_error(np.array([[1.0, 2.0], [3.0, 6.0]])) == pytest.approx(0)


def test_what_two_runs_have_in_common_leaves_their_difference() -> None:
    rng = generator(4, "pairs")
    hard = rng.normal(scale=10, size=(400, 1))
    values = hard + rng.normal(scale=0.1, size=(400, 6))
    found = pair_error(values, list(range(400)))
    assert found == pytest.approx(0.1 * math.sqrt(2 / 400), rel=0.1)
    assert pair_error(values[:, :1], list(range(400))) is None


def test_seeds_and_items_are_told_apart() -> None:
    rng = generator(4, "anova")
    seed, item, rest = 0.3, 1.0, 0.5
    found = []
    for _ in range(300):
        values = (
            rng.normal(scale=seed, size=(1, 5))
            + rng.normal(scale=item, size=(60, 1))
            + rng.normal(scale=rest, size=(60, 5))
        )
        parts = seeds_and_items(values)
        assert parts is not None
        found.append((parts.seed, parts.item, parts.rest))
    assert np.mean(found, axis=0) == pytest.approx([seed**2, item**2, rest**2], rel=0.1)
