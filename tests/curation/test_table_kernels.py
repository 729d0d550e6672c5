"""The hash table against a dictionary."""

from __future__ import annotations

import numpy as np

from curation.compiled import kernel
from curation.randomness import generator
from curation.table_kernels import HashTable, find, hash_table


def places(table: HashTable, values: list[int]) -> list[int]:
    return [int(find(table.keys, table.places, table.bits, np.uint64(value))) for value in values]


def test_every_value_is_found_at_its_first_place_and_no_other_is() -> None:
    values = generator(1, "table").integers(0, 1 << 63, 3000).astype(np.uint64) | np.uint64(1)
    others = generator(2, "table").integers(0, 1 << 63, 3000).astype(np.uint64) | np.uint64(1)
    table = hash_table(np.concatenate([values, values[:10]]))
    assert places(table, values.tolist()) == list(range(3000))
    assert places(table, others.tolist()) == [-1] * 3000


def test_values_that_share_a_slot_are_all_found() -> None:
    values = [(i << 40) | 1 for i in range(1, 200)]
    table = hash_table(np.array(values, np.uint64))
    assert places(table, values) == list(range(199))


def test_an_empty_table_holds_nothing() -> None:
    assert places(hash_table(np.zeros(0, np.uint64)), [1, 3]) == [-1, -1]


def test_kernels_are_compiled_without_the_lock() -> None:
    assert callable(kernel)
    assert find.targetoptions["nogil"]
