"""The filter `c4-badwords` against datatrove's own regular expression, and what it says when its list is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from curation.errors import RecipeError
from filters.signal_sets.bad_words import bad_words_set
from filters.signals import compute_signals
from filters.word_lists import word_list

ENTRIES = ["ass", "bad word", "a-b", "don't", "c++", "🖕", "crème", "x_1", "日本", "sm", "kk"]
PIECES = [*ENTRIES, "Ass", "BAD", "word", "CRÈME", "\u212a\u212a", "class", "shİ", " ", "\n", "-", ".", "_", "1", "é"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=10)


def doc(id_: str, text: str) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": "prose", "role": 0}


def found(text: str, language: str = "en", entries: list[str] = ENTRIES) -> int:
    table = pa.table({"text": text_array([text])})
    return int(compute_signals(bad_words_set(word_list(entries), language), table)["num_bad_words"][0])


@pytest.fixture(scope="module")
def datatrove_keeps(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Whether the installed filter keeps a text under `ENTRIES`, its download replaced by our file."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import c4_filters

    path = tmp_path_factory.mktemp("list") / "words"
    path.write_text("\n".join(ENTRIES) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c4_filters, "cached_asset_path_or_download", lambda *_, **__: path)
        chosen = c4_filters.C4BadWordsFilter()
        for language in ("en", "ja"):
            chosen._get_badwords(language)
    return lambda text, language: chosen.filter(Document(text=text, id="0", metadata={"language": language})) is True


@pytest.mark.parametrize("language", ["en", "ja"])
@settings(max_examples=500, deadline=None)
@given(TEXTS)
@example("ass")
@example("shİass\u0307")
@example("bad word\n")
def test_a_text_is_kept_exactly_if_datatrove_keeps_it(datatrove_keeps: Any, language: str, text: str) -> None:
    assert (found(text, language) == 0) == datatrove_keeps(text, language)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ass.", 1), ("class", 0), ("ass_", 0), ("ass1", 0), ("ass ass", 2), ("a bad\nword", 0), ("c++", 1), ("sm", 0)],
)
def test_whole_words_count_in_any_case_and_allowed_ones_never(text: str, expected: int) -> None:
    assert found(text) == expected


def test_without_word_boundaries_an_entry_counts_inside_words() -> None:
    assert (found("今日本当に", "ja"), found("今日本当に", "en")) == (1, 0)


def test_awkward_text_is_measured(awkward_text: str) -> None:
    assert found(awkward_text) == 0


def test_documents_with_a_listed_word_are_dropped(make_world: Any, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("badword\n", encoding="utf-8")
    world = make_world([doc("a", "A clean page."), doc("b", "A BadWord here."), doc("c", "badwords")])
    assert world.judge("c4-badwords", words=str(path)) == {"a": None, "b": "bad-word", "c": None}


def test_another_list_is_another_verdict_and_the_same_list_elsewhere_the_same(make_world: Any, tmp_path: Path) -> None:
    world = make_world([doc("a", "one two")])
    made = []
    for name, text in (("x", "one\n"), ("y", "one\n"), ("z", "two\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        made.append(world.build("c4-badwords", words=str(tmp_path / name)).fingerprint)
    assert made[0] == made[1] != made[2]


def test_a_missing_list_is_an_error_that_names_it(make_world: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.txt cannot be read"):
        make_world([doc("a", "one")]).build("c4-badwords", words=str(tmp_path / "nowhere.txt"))


def test_no_list_at_all_is_an_error(make_world: Any) -> None:
    with pytest.raises(RecipeError, match="words"):
        make_world([doc("a", "one")]).build("c4-badwords")
