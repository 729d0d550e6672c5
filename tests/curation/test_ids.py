"""Ids, partitions and the cap."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curation.files import canonical_json
from curation.ids import (
    PARTITION_BYTES,
    common_ceiling,
    content_digest,
    id_hash,
    kept_under_cap,
    num_partitions,
    numbered,
    partition_of,
)
from curation.sources.records import Row

ROW = Row(
    text='naïve "quotes"\n\u2028 \\ \x7f 😀', source="s", slice="a", url=None, lang=None, license=None, date=None,
    meta='{"n":1}', own_id=None,
)  # fmt: skip


def test_a_computed_id_is_xxh128_of_the_canonical_json_of_the_columns() -> None:
    expected = xxhash.xxh3_128_hexdigest(canonical_json(list(ROW[:8])).encode("utf-8"))
    assert content_digest(ROW.content()).hex() == expected


def test_the_number_of_partitions_is_the_least_power_of_two_that_keeps_their_mean_small() -> None:
    sizes = [0, 1, PARTITION_BYTES, PARTITION_BYTES + 1, 3 * PARTITION_BYTES, 4 * PARTITION_BYTES + 1]
    assert [num_partitions(size) for size in sizes] == [1, 1, 1, 2, 4, 8]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_partitions_of_a_smaller_count_are_unions_of_those_of_a_larger(values: list[int]) -> None:
    hashes = np.array(values, np.uint64)
    assert (partition_of(hashes, 4) == partition_of(hashes, 16) // 4).all()
    assert (partition_of(hashes, 1) == 0).all()


def test_the_hash_of_an_id_is_the_published_xxh64() -> None:
    assert id_hash("") == 0xEF46DB3751D8E999  # xxHash specification, empty input, seed 0


def test_equal_ids_are_numbered_from_the_second_on() -> None:
    assert numbered(["a", "b", "b", "b", "c"]) == ["a", "b", "b-1", "b-2", "c"]


def test_under_a_cap_a_document_that_does_not_fit_is_passed_over() -> None:
    kept = kept_under_cap(np.array([3, 1, 2], np.uint64), np.array([40, 50, 60]), 100)
    assert kept.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("totals", "cap", "ceiling"),
    [([10, 10], 10, 5), ([2, 8], 5, 3), ([1, 2, 30, 40], 23, 10), ([4, 4], 100, 4), ([7], 3, 3)],
)
def test_a_common_ceiling_cuts_only_what_is_above_it(totals: list[int], cap: int, ceiling: int) -> None:
    assert common_ceiling(totals, cap) == ceiling
    assert sum(min(total, ceiling) for total in totals) <= cap


def test_equal_records_stay_or_go_together_under_a_cap() -> None:
    assert kept_under_cap(np.array([1, 1, 2], np.uint64), np.array([30, 30, 30]), 40).tolist() == [2]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=30), st.integers(0, 100), st.randoms())
def test_a_cap_holds_and_does_not_depend_on_order(docs: list[tuple[int, int]], quota: int, rng: object) -> None:
    sizes = dict(docs)
    docs = [(key, sizes[key]) for key, _ in docs]
    shuffled = docs[::-1]
    first, second = (
        kept_under_cap(
            np.array([key for key, _ in order], np.uint64), np.array([size for _, size in order], np.int64), quota
        )
        for order in (docs, shuffled)
    )
    assert first.tolist() == second.tolist()
    assert sum(size for key, size in docs if key in set(first.tolist())) <= quota
