"""Agreement of partitions, against hand arithmetic and published definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.tags.agreement import Agreement, adjusted_rand, silhouette

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30)


def test_measures_of_a_table_that_was_worked_out_by_hand() -> None:
    """Clusters a: 2 x, 1 y; b: 1 x, 2 y. Purity 4/6; ARI by Hubert and Arabie (2 - 2.4) / (6 - 2.4)."""
    found = Agreement.of(list("aaabbb"), list("xxyxyy"))
    assert found.purity() == pytest.approx(4 / 6)
    assert found.ari() == pytest.approx((2 - 6 * 6 / 15) / (6 - 6 * 6 / 15))
    mutual = 4 / 6 * math.log(4 / 3) + 2 / 6 * math.log(2 / 3)
    assert found.nmi() == pytest.approx(mutual / math.log(2))
    assert found.as_json()["table"] == {"a": {"x": 2, "y": 1}, "b": {"x": 1, "y": 2}}


@settings(max_examples=30)
@given(LABELS)
def test_the_adjusted_rand_index_is_that_of_counted_pairs(labels: list[tuple[int, int]]) -> None:
    first, second = (np.array(side, np.int64) for side in zip(*labels, strict=True))
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    both = sum(first[i] == first[j] and second[i] == second[j] for i, j in pairs)
    one, other = (sum(side[i] == side[j] for i, j in pairs) for side in (first, second))
    expected, most = one * other / len(pairs), (one + other) / 2
    assert adjusted_rand(first, second) == pytest.approx(
        1.0 if most == expected else (both - expected) / (most - expected)
    )


@settings(max_examples=30)
@given(LABELS)
def test_equal_partitions_under_other_names_agree_fully(labels: list[tuple[int, int]]) -> None:
    first = [str(a) for a, _ in labels]
    found = Agreement.of(first, [f"{3 - int(name)}" for name in first])
    assert (found.purity(), found.nmi(), found.ari()) == pytest.approx((1, 1, 1))


def test_the_silhouette_is_rousseeuws() -> None:
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], np.float32)
    labels = np.array([0, 0, 1, 2])

    def distance(i: int, j: int) -> float:
        return 1 - float(rows[i] @ rows[j])

    scores = []
    for i in (0, 1):
        own, other = distance(0, 1), min(distance(i, 2), distance(i, 3))
        scores.append((other - own) / max(other, own))
    assert silhouette(rows, labels) == pytest.approx(sum(scores) / 4)  # the two that stand alone count 0
