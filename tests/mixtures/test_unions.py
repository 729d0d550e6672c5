"""Unions of partitions: which there are, what they draw, and how estimates of them are judged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curation.errors import LawError
from curation.numerics import pearson, spearman
from mixtures.unions import (
    best_union,
    mean_of_members,
    parse_partitions,
    parse_target,
    parse_union,
    score,
    union_weights,
    unions_of,
)

SLICES = {"web": 0.5, "books": 0.25, "code": 0.25}


def test_every_slice_is_a_partition_unless_some_are_named() -> None:
    assert parse_partitions([], SLICES) == {name: {name: 1.0} for name in ("books", "code", "web")}
    named = parse_partitions(["prose=web+books", "code"], SLICES)
    assert named == {"prose": {"web": pytest.approx(2 / 3), "books": pytest.approx(1 / 3)}, "code": {"code": 1.0}}


def test_members_of_a_union_get_equal_shares() -> None:
    partitions = parse_partitions(["prose=web+books", "code"], SLICES)
    found = union_weights(("prose", "code"), partitions)
    assert found == {"web": pytest.approx(1 / 3), "books": pytest.approx(1 / 6), "code": 0.5}


def test_all_unions_of_three() -> None:
    assert unions_of("abc") == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c")]
    assert unions_of("abc", 1) == [("a",), ("b",), ("c",), ("a", "b", "c")]


def test_many_partitions_are_scored_in_small_unions_and_all_together() -> None:
    """10 alone and 45 pairs are 55; 120 triples would pass 64."""
    found = unions_of([str(i) for i in range(10)])
    assert [len(union) for union in found] == [1] * 10 + [2] * 45 + [10]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["a=web+wbe", "code"], "no slice `wbe`; did you mean `web`"),
        (["a=web", "b=web+code"], "slice `web` is in `a` too"),
        (["prose=web+books"], r"1 partition\(s\) \(`prose`\), expected at least 2"),
        (["a=web", "a=code"], "expected a new NAME="),
    ],
)
def test_bad_partitions_are_named(texts: list[str], said: str) -> None:
    with pytest.raises(LawError, match=said):
        parse_partitions(texts, SLICES)


def test_one_slice_cannot_be_ablated() -> None:
    with pytest.raises(LawError, match="expected at least 2"):
        parse_partitions([], {"web": 1.0})


def test_unions_and_targets_are_read_strictly() -> None:
    assert parse_union("web+books", ["books", "code", "web"]) == ("books", "web")
    for text in ("web+nope", "", "web+web"):
        with pytest.raises(LawError, match="--verify"):
            parse_union(text, ["web", "books"])
    assert parse_target({}, ["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert parse_target({"a": 2.0, "b": 6.0}, ["a", "b"]) == {"a": 0.25, "b": 0.75}
    with pytest.raises(LawError, match="no slice `c` in the panel"):
        parse_target({"c": 1.0}, ["a", "b"])


def test_the_score_is_a_mean_of_logs_and_the_best_is_the_lowest() -> None:
    assert score({"a": 2.0, "b": 8.0}, {"a": 0.5, "b": 0.5}) == pytest.approx(math.log(4.0))
    assert best_union({("a", "b"): 1.0, ("b",): 1.0, ("a",): 2.0}) == ("b",)


def test_the_yardstick_is_the_mean_of_perplexities() -> None:
    assert mean_of_members(("a", "b"), {"a": {"x": 10.0}, "b": {"x": 30.0}, "c": {"x": 1.0}}, "x") == 20.0


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=20))
def test_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    one, two = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    if len(set(one)) == 1 or len(set(two)) == 1:
        assert pearson(one, two) is None
        return
    assert pearson(one, two) == pytest.approx(stats.pearsonr(one, two).statistic, abs=1e-9)
    assert spearman(one, two) == pytest.approx(stats.spearmanr(one, two).statistic, abs=1e-9)


def test_two_pairs_have_no_correlation() -> None:
    assert pearson([1.0, 2.0], [1.0, 2.0]) is None
