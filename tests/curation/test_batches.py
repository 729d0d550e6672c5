from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.batches import TextView, text_view


def documents(view: TextView) -> list[str]:
    return [bytes(view.data[view.offsets[i] : view.offsets[i + 1]]).decode() for i in range(len(view))]


@given(st.lists(st.one_of(st.none(), st.text())), st.integers(0, 5), st.integers(0, 5))
def test_a_view_shows_the_documents_of_any_slice_and_nulls_as_empty(
    texts: list[str | None], skip: int, drop: int
) -> None:
    array = pa.array(texts, pa.large_string())[skip : max(len(texts) - drop, skip)]
    expected = [text or "" for text in texts[skip : max(len(texts) - drop, skip)]]
    assert documents(text_view(array)) == expected


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_chunks_and_short_offsets_are_one_view(kind: pa.DataType) -> None:
    chunked = pa.chunked_array([["a", "bé"], [], ["c"]], kind)
    assert documents(text_view(chunked)) == ["a", "bé", "c"]
    assert text_view(chunked).num_bytes.tolist() == [1, 3, 1]
