"""Taggers: slices from the documents themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from curation.errors import RecipeError
from curation.ingest import ensure_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec, validate
from curation.sources.identity import ingest_key
from curation.sources.records import RecordReader, Row
from curation.sources.taggers import language, script, url_host
from curation.store import Store

ENGLISH = "The old harbour was built by people who came from the north to trade with their neighbours."
RUSSIAN = "Старая гавань была построена людьми, которые пришли с севера торговать с соседями."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ENGLISH, "latin"),
        (RUSSIAN, "cyrillic"),
        ("港口是由来自北方的人们建造的他们来此与邻居进行贸易往来", "cjk"),
        ("12 + 3", None),
    ],
)
def test_the_script_of_most_letters_is_the_slice(text: str, found: str | None) -> None:
    assert script(text, None) == found


@pytest.mark.parametrize(("text", "found"), [(ENGLISH, "en"), (RUSSIAN, "ru"), ("", None)])
def test_the_language_is_the_slice(text: str, found: str | None) -> None:
    assert language(text, None) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [("https://www.Example.org:8080/a?b", "example.org"), ("docs.example.org/x", "docs.example.org"), (None, None),
     ("http://[oops", None), ("", None)],
)  # fmt: skip
def test_the_host_of_the_url_is_the_slice(url: str | None, found: str | None) -> None:
    assert url_host("text", url) == found


def test_a_document_of_which_the_tagger_says_nothing_is_of_the_default_slice() -> None:
    reader = RecordReader(spec=PoolSpec(path=("x",), tagger="script", default_slice="rest"))
    row = reader.row({"text": "1 2 3", "slice": "kept"})
    assert isinstance(row, Row)
    assert (row.slice, row.meta) == ("rest", '{"slice":"kept"}')


def test_a_pool_without_slice_column_is_sliced_by_language(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in (ENGLISH, RUSSIAN)))
    spec = PoolSpec(path=(str(path),), tagger="language")
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    assert sorted(cast("dict[str, object]", pool.summary["slices"])) == ["en", "ru"]


def test_an_unknown_tagger_offers_the_nearest_and_a_column_beside_one_is_refused() -> None:
    with pytest.raises(RecipeError, match="unknown tagger `langage`.*did you mean `language`"):
        validate(PoolSpec, {"path": "x", "tagger": "langage"}, "pool")
    with pytest.raises(RecipeError, match="`tagger: script` and `topic` both name the slice"):
        validate(PoolSpec, {"path": "x", "tagger": "script", "slice": "topic"}, "pool")


def test_pools_without_a_tagger_keep_their_key_and_a_tagger_makes_another() -> None:
    plain = PoolSpec(path=("x",))
    assert ingest_key(plain, ["a"]) != ingest_key(plain.model_copy(update={"tagger": "script"}), ["a"])
