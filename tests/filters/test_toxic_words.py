"""The filter `toxic-words`: whole words and phrases of a list against a slow twin, bounds on count and share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.batches import text_array
from curation.errors import RecipeError
from filters.signal_sets.toxic import toxic_set
from filters.signals import compute_signals
from filters.word_lists import word_list

ENTRIES = ["ass", "as", "bad word", "bad word day", "a-b", "don't", "🖕", "crème", "x_1", "日本"]
PIECES = [*ENTRIES, "bad", "word", "day", "Ass", "CRÈME", "class", " ", "  ", "-", ".", "\n", "_", "1", "é"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def doc(id_: str, text: str) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": "prose", "role": 0}


def slowly(text: str) -> tuple[int, int, float]:
    """Each entry sought by an expression of its own, at every position."""
    lowered = text.lower()
    counts = {
        entry: len(re.findall(re.escape(entry) if entry == "🖕" else rf"(?=(?<!\w){re.escape(entry)}(?!\w))", lowered))
        for entry in ENTRIES
    }
    total, words = sum(counts.values()), len(re.findall(r"\w+", lowered))
    return total, sum(count > 0 for count in counts.values()), total / words if words else 0.0


def measured(texts: list[str], entries: list[str] = ENTRIES) -> list[tuple[int, int, float]]:
    columns = compute_signals(toxic_set(word_list(entries)), pa.table({"text": text_array(texts)}))
    names = ("num_listed", "num_distinct_listed", "listed_word_fraction")
    return [tuple(columns[name][row].item() for name in names) for row in range(len(texts))]  # type: ignore[misc]


@given(st.lists(TEXTS, max_size=4))
@example(["bad word day", "bad word", "bad  word", "day bad word bad word day ass", "🖕🖕 x"])
@settings(max_examples=400, deadline=None)
def test_counts_are_those_of_the_slow_twin(texts: list[str]) -> None:
    for text, found in zip(texts, measured(texts), strict=True):
        assert found == pytest.approx(slowly(text))


def test_awkward_text_is_counted_like_any_other(awkward_text: str) -> None:
    assert measured([awkward_text, "\0" + awkward_text])[0][:2] == slowly(awkward_text)[:2]


def test_ten_million_characters_without_a_space_are_survived() -> None:
    assert measured(["x" * 10_000_000])[0][:2] == (0, 0)


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("# three entries\nrude\nbad word\n🖕\n", encoding="utf-8")
    return str(path)


def test_any_listed_word_drops_as_in_c4_but_not_inside_another(make_world: Callable[..., Any], listed: str) -> None:
    world = make_world(
        [doc("a", "A RUDE page."), doc("b", "crude ruder"), doc("c", "this bad word"), doc("d", "bad words")]
    )
    reason = "too-many-toxic-words"
    assert world.judge("toxic-words", words=listed) == {"a": reason, "b": None, "c": reason, "d": None}


def test_bounds_are_inclusive_and_the_share_can_be_bounded_alone(make_world: Callable[..., Any], listed: str) -> None:
    world = make_world([doc("a", "rude " * 2), doc("b", "rude rude rude"), doc("c", "rude " + "fine " * 9)])
    assert world.judge("toxic-words", words=listed, max_listed=2)["a"] is None
    assert world.judge("toxic-words", words=listed, max_listed=2)["b"] == "too-many-toxic-words"
    share = world.judge("toxic-words", words=listed, max_listed=None, max_listed_word_fraction=0.1)
    assert share == {"a": "too-large-share-of-toxic-words", "b": "too-large-share-of-toxic-words", "c": None}


def test_different_words_can_be_bounded(make_world: Callable[..., Any], listed: str) -> None:
    world = make_world([doc("a", "rude rude"), doc("b", "rude bad word")])
    found = world.judge("toxic-words", words=listed, max_listed=None, max_distinct_listed=1)
    assert found == {"a": None, "b": "too-many-different-toxic-words"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "words: missing"),
        ({"words": []}, "no list is given"),
        ({"words": "absent.txt"}, "absent.txt cannot be read"),
    ],
)
def test_without_a_list_there_is_no_filter(
    make_world: Callable[..., Any], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        make_world([]).build("toxic-words", **params)


def test_without_a_bound_there_is_no_filter(make_world: Callable[..., Any], listed: str) -> None:
    with pytest.raises(RecipeError, match="no bound is given"):
        make_world([]).build("toxic-words", words=listed, max_listed=None)


def test_bounds_share_one_sidecar_and_another_list_makes_another(
    make_world: Callable[..., Any], listed: str, tmp_path: Path
) -> None:
    world = make_world([doc("a", "rude")])
    (tmp_path / "other.txt").write_text("polite\n", encoding="utf-8")
    for params in ({"words": listed}, {"words": listed, "max_listed": 3}, {"words": str(tmp_path / "other.txt")}):
        world.build("toxic-words", **params)
    assert [artifact.kind for artifact in world.planner.store.artifacts()].count("signals") == 2


def test_pages_with_a_listed_word_are_those_of_datatroves_expression() -> None:
    """C4BadWordsFilter drops where `(?:\\W|^)(entry)(?:\\W|$)` is found in the text in lower case."""
    texts = ["ASS!", "class", "a bad word day", "bad\nword", "don't", "x_1_2", "crème brûlée", "日本 日本語", "as-is"]
    pattern = re.compile(rf"(?:\W|^)({'|'.join(map(re.escape, sorted(ENTRIES)))})(?:\W|$)")
    assert [found[0] > 0 for found in measured(texts)] == [bool(pattern.search(text.lower())) for text in texts]
