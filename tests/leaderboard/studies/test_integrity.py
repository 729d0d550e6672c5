"""Integrity of corpora made by hand, document by document."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.nodes import Planner, existing_node
from curation.progress import SilentProgress
from curation.recipe import load_recipe
from curation.store import Artifact, Store
from leaderboard.studies.facts import CorpusIntegrity
from leaderboard.studies.integrity import integrity_node, integrity_of

PLAIN = "these are seven words of plain text"


def corpus(store: Store, texts: list[str], **summary: Any) -> Artifact:
    """Write a corpus of one slice."""
    with store.building("corpus", "c" * 64) as out:
        (out.path / "data").mkdir()
        table = pa.table({"text": pa.array(texts, pa.large_string()), "slice": ["docs"] * len(texts),
                          "id": [str(number) for number in range(len(texts))]})  # fmt: skip
        pq.write_table(table, out.path / "data" / "train-00000-of-00001.parquet")
        size = sum(len(text.encode()) for text in texts)
        held = {"num_docs": len(texts), "num_tokens": 1, "slices": {"docs": {"bytes": size}}, **summary}
        return out.finish({"version": "corpus@3", "inputs": {}, "params": {}, "summary": held})


@pytest.fixture
def checked(store: Store) -> Any:
    """Return a checker of texts."""

    def check(texts: list[str], **summary: Any) -> CorpusIntegrity:
        node = existing_node(corpus(store, texts, **summary))
        planner = Planner(store=store, workers=1, progress=SilentProgress())
        found = planner.materialise(integrity_node(node, load_recipe(base="baseline"), ["ladder-pico@1"]))
        return integrity_of(found)

    return check


def test_a_plain_corpus_has_nothing_to_say(checked: Any) -> None:
    found = checked([f"{PLAIN} {number}" for number in range(5)])
    assert (found.num_docs, found.empty_docs, found.nul_docs, found.exact_duplicate_docs) == (5, 0, 0, 0)
    assert (found.roundtrip_docs, found.roundtrip_exact) == (5, 5)
    assert (found.max_share_deviation, found.sha256_match, found.items_hit) == (0, True, 0)


@pytest.mark.parametrize("empty", ["", " ", "\n\t \r\n"])
def test_white_space_is_no_text(empty: str, checked: Any) -> None:
    assert checked([PLAIN, empty]).empty_docs == 1


@pytest.mark.parametrize("full", ["é", "文", "🙂", "."])
def test_one_sign_is_text_and_survives_the_round_trip(full: str, checked: Any) -> None:
    found = checked([full])
    assert (found.empty_docs, found.roundtrip_exact) == (0, 1)


def test_documents_with_a_nul_are_counted_once_each(checked: Any) -> None:
    assert checked([PLAIN, "a\0b\0", "\0"]).nul_docs == 2


def test_the_second_of_equal_documents_is_the_copy(checked: Any) -> None:
    found = checked([PLAIN, PLAIN, PLAIN, "another text that nobody else has here"])
    assert (found.exact_duplicate_docs, found.exact_duplicate_fraction) == (2, 0.5)
    assert found.near_duplicate_docs == 2


def test_documents_too_short_for_a_shingle_are_no_near_copies(checked: Any) -> None:
    assert checked(["one", "two", "three"]).near_duplicate_docs == 0


def test_shares_other_than_the_manifest_s_are_found(checked: Any) -> None:
    found = checked([PLAIN], slices={"docs": {"bytes": 3}, "code": {"bytes": 1}})
    assert found.max_share_deviation == pytest.approx(0.25)
