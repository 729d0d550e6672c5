"""The controls keep as many tokens as the filter they match, and know nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import RecipeError
from curation.recipe import StageSpec
from curation.sidecars import ROLE_PANEL, ROLE_TRAIN
from filters.control_draws import decide_quota, length_order, order_values
from filters.stage import filter_node


def doc(id_: str, num_words: int, slice_: str = "prose", role: int = ROLE_TRAIN) -> dict[str, Any]:
    return {"id": id_, "text": "word " * num_words, "slice": slice_, "role": role, "tokens": num_words}


def corpus(num_docs: int = 60) -> list[dict[str, Any]]:
    """Half of `one` passes word-count (min 30), a sixth of `two`; code is not judged."""
    rows = []
    for i in range(num_docs):
        rows.append(doc(f"one-{i}", 40 if i % 2 else 20, "one"))
        rows.append(doc(f"two-{i}", 50 if i % 6 == 0 else 10, "two"))
        rows.append(doc(f"code-{i}", 15, "code"))
    return rows


MATCH = {"filter": "word-count", "min_words": 30}


def kept_tokens(rows: list[dict[str, Any]], verdicts: dict[str, str | None], slice_: str | None = None) -> int:
    chosen = (row for row in rows if row["role"] == ROLE_TRAIN and slice_ in (None, row["slice"]))
    return sum(row["tokens"] for row in chosen if verdicts[row["id"]] is None)


def test_random_keeps_as_many_tokens_as_the_filter_within_one_document(make_world: Callable[..., Any]) -> None:
    rows = corpus()
    world = make_world(rows)
    target = kept_tokens(rows, world.judge("word-count", min_words=30))
    artifact = world.build("random", match=MATCH)
    assert abs(kept_tokens(rows, world.verdicts(artifact)) - target) <= 50
    assert artifact.summary["target_tokens"] == target
    assert artifact.summary["kept_tokens"] == kept_tokens(rows, world.verdicts(artifact))


def test_random_draws_from_slices_that_the_filter_leaves_alone(make_world: Callable[..., Any]) -> None:
    rows = corpus()
    verdicts = make_world(rows).judge("random", match=MATCH)
    assert {reason for id_, reason in verdicts.items() if id_.startswith("code")} == {None, "not-drawn"}


@pytest.mark.parametrize("slice_", ["one", "two", "code"])
def test_random_matched_keeps_the_tokens_of_each_slice(make_world: Callable[..., Any], slice_: str) -> None:
    rows = corpus()
    world = make_world(rows)
    target = kept_tokens(rows, world.judge("word-count", min_words=30), slice_)
    artifact = world.build("random-matched", match=MATCH)
    assert abs(kept_tokens(rows, world.verdicts(artifact), slice_) - target) <= 50
    said = artifact.summary["slices"][slice_]
    assert (said["reference_tokens"], said["kept_tokens"]) == (
        target,
        kept_tokens(rows, world.verdicts(artifact), slice_),
    )


def test_keep_is_a_share_of_tokens_without_a_filter(make_world: Callable[..., Any]) -> None:
    rows = corpus()
    artifact = make_world(rows).build("random", keep=0.25)
    assert abs(artifact.summary["kept_tokens"] - 0.25 * sum(row["tokens"] for row in rows)) <= 50


def test_only_living_training_documents_count(make_world: Callable[..., Any]) -> None:
    rows = [doc(f"a{i}", 10) for i in range(20)] + [doc(f"p{i}", 1000, role=ROLE_PANEL) for i in range(5)]
    world = make_world(rows, dropped=frozenset(f"a{i}" for i in range(10)))
    summary = world.build("random", keep=0.5).summary
    assert (summary["alive_tokens"], summary["kept_tokens"]) == (100, 50)
    assert summary["notes"] == ["kept 50 of 100 tokens, a share of 0.5"]


def test_a_seed_gives_one_draw_whatever_the_workers_and_another_seed_another(make_world: Callable[..., Any]) -> None:
    rows = corpus()
    one = make_world(rows, workers=1, store="a").build("random", keep=0.5)
    two = make_world(rows, workers=2, store="b").build("random", keep=0.5)
    other = make_world(rows).build("random", keep=0.5, seed=1)
    assert one.manifest["files"] == two.manifest["files"] != other.manifest["files"]


def test_the_draw_of_a_document_does_not_depend_on_the_others(make_world: Callable[..., Any]) -> None:
    assert order_values(["b", "a"], 3).tolist() == order_values(["a", "b"], 3).tolist()[::-1]


def test_an_empty_pool_is_no_error(make_world: Callable[..., Any]) -> None:
    assert make_world([]).build("random-matched", keep=0.5).summary["kept_tokens"] == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "either `match"),
        ({"keep": 0.5, "match": "quality_v1"}, "either `match"),
        ({"keep": 1.5}, "keep"),
        ({"match": {"name": "quality_v1"}}, r"expected `\{filter"),
        ({"match": "qualty_v1"}, "match: unknown filter `qualty_v1`; did you mean `quality_v1`"),
        ({"match": {"filter": "quality_v1", "min_word": 1}}, "did you mean `min_words`"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(
    make_world: Callable[..., Any], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        filter_node(StageSpec(kind="filter", name="random", params=params), make_world([]).inputs, "stages[0]")


def test_length_keeps_the_longest_documents_of_each_slice(make_world: Callable[..., Any]) -> None:
    sizes = {"a": 5, "b": 3, "c": 2, "d": 4}
    rows = [doc(f"{slice_}-{id_}", size, slice_) for id_, size in sizes.items() for slice_ in ("one", "two")]
    verdicts = make_world(rows).judge("length", keep=9 / 14)
    assert {id_ for id_, reason in verdicts.items() if reason is None} == {"one-a", "one-d", "two-a", "two-d"}


def test_equal_lengths_are_drawn_in_the_random_order() -> None:
    random = np.array([3 << 60, 1 << 60, 2 << 60], np.uint64)
    assert np.argsort(length_order(random, np.array([7, 7, 8]))).tolist() == [2, 1, 0]


@pytest.mark.parametrize("name", ["random", "random-matched", "length"])
def test_controls_survive_awkward_text(make_world: Callable[..., Any], name: str, awkward_text: str) -> None:
    row = {"id": "a", "text": awkward_text, "slice": "prose", "role": ROLE_TRAIN}
    assert make_world([row]).judge(name, keep=1.0) == {"a": None}


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 60), max_size=40), st.data())
def test_kept_tokens_are_within_one_document_of_any_target(sizes: list[int], data: st.DataObject) -> None:
    tokens = np.array(sizes, np.int64)
    target = data.draw(st.integers(0, int(tokens.sum())))
    order = order_values([str(i) for i in range(len(sizes))], data.draw(st.integers(0, 9)))
    quota = decide_quota(order, tokens, target)
    kept = int(tokens[order <= np.uint64(quota.limit)].sum()) if quota.limit is not None else 0
    assert kept == quota.kept_tokens
    assert abs(kept - target) <= max(sizes, default=0)
