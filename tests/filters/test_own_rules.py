"""The filter `rules`: names resolve before any work, bounds are inclusive, only new signals are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from curation.errors import RecipeError
from curation.recipe import StageSpec
from curation.store import Artifact
from filters.own_rules import default_reason, find_signal
from filters.stage import filter_node


def doc(id_: str, text: str, slice_: str = "prose") -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": 0}


def test_bounds_are_inclusive_on_both_sides_and_the_first_failing_rule_is_named(make_world: Callable[..., Any]) -> None:
    world = make_world([doc(str(n), "word " * n) for n in (1, 2, 4, 5)])
    rules = [
        {"signal": "text.num_words", "min": 2, "max": 4},
        {"signal": "text.num_chars", "max": 25, "reason": "too-long"},
    ]
    found = world.judge("rules", rules=rules)
    assert found == {"1": "num-words-below-2", "2": None, "4": None, "5": "num-words-above-4"}


def test_rules_over_several_sets_are_judged_together(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("good", clean_text), doc("same", "spam " * 500), doc("mail", clean_text + " a@b.co")])
    rules = [{"signal": "information.compression_ratio", "min": 0.1}, {"signal": "num_emails", "max": 0}]
    assert world.judge("rules", rules=rules) == {
        "good": None,
        "same": "compression-ratio-below-0-1",
        "mail": "num-emails-above-0",
    }


def test_a_reason_for_two_bounds_says_which_one_failed(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "x"), doc("b", "x x x x")])
    rules = [{"signal": "text.num_words", "min": 2, "max": 3, "reason": "length"}]
    assert world.judge("rules", rules=rules) == {"a": "length-below", "b": "length-above"}


def test_code_passes_unjudged_unless_the_rules_apply_to_it(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "x", "code")])
    rules = [{"signal": "text.num_words", "min": 2}]
    assert world.judge("rules", rules=rules)["a"] is None
    assert world.judge("rules", rules=rules, applies_to=["code"])["a"] == "num-words-below-2"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"signal": "text.num_word", "min": 1}, r"rules\[0\].*no signal `num_word` in the set `text`.*`num_words`"),
        ({"signal": "texts.num_words", "min": 1}, "unknown signal set `texts`.*did you mean `text`"),
        ({"signal": "compresion_ratio", "min": 1}, "unknown signal `compresion_ratio`.*`compression_ratio`"),
        ({"signal": "toxic.num_listed", "max": 1}, "bounds are those of the filter `toxic-words`"),
        ({"signal": "text.num_words"}, "no bound"),
        ({"signal": "text.num_words", "min": 2, "max": 1}, "min 2 above max 1"),
        ({"signal": "text.num_words", "min": 2, "reason": "Too Short"}, "kebab-case"),
        ({"signal": "text.num_words", "mim": 2}, "did you mean `min`"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_any_work(
    make_world: Callable[..., Any], rule: dict[str, Any], message: str
) -> None:
    world = make_world([])
    with pytest.raises(RecipeError, match=message):
        filter_node(StageSpec(kind="filter", name="rules", params={"rules": [rule]}), world.inputs, "stages[0]")
    assert world.planner.store.artifacts() == []


def test_two_rules_with_one_reason_are_refused(make_world: Callable[..., Any]) -> None:
    rules = [{"signal": "text.num_words", "min": 1}, {"signal": "text.num_words", "min": 1.0}]
    with pytest.raises(RecipeError, match="`num-words-below-1` is given by two rules"):
        make_world([]).build("rules", rules=rules)


def test_a_signal_that_two_sets_have_must_be_qualified(monkeypatch: pytest.MonkeyPatch) -> None:
    from filters.signal_sets.information import INFORMATION
    from filters.signals import SIGNAL_SETS

    assert find_signal("word_entropy", "here") == ("information", "word_entropy")
    monkeypatch.setitem(SIGNAL_SETS.added, "information2", INFORMATION)
    with pytest.raises(RecipeError, match=r"`information.word_entropy` or `information2.word_entropy`"):
        find_signal("word_entropy", "here")
    assert find_signal("information2.word_entropy", "here") == ("information2", "word_entropy")


@pytest.mark.parametrize(
    ("value", "reason"), [(0.3, "s-below-0-3"), (-1.5, "s-below-minus-1-5"), (1e-7, "s-below-1e-07")]
)
def test_a_reason_is_derived_from_signal_and_bound(value: float, reason: str) -> None:
    assert default_reason("s", "min", value) == reason


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any], clean_text: str) -> None:
    rows = [doc(f"d{i}", clean_text[i:] * (i % 3) + " a@b.co" * (i % 2)) for i in range(40)]
    rules = [{"signal": "word_entropy", "min": 3}, {"signal": "num_emails", "max": 0}]
    built = [
        make_world(rows, num_parts=5, workers=workers, store=f"s{workers}").build("rules", rules=rules)
        for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]
    assert built[0].fingerprint == built[1].fingerprint


def sidecars(world: Any) -> dict[str, Artifact]:
    artifacts: list[Artifact] = [item for item in world.planner.store.artifacts() if item.kind == "signals"]
    return {str(item.manifest["params"]["set"]): item for item in artifacts}


def test_adding_a_signal_computes_that_sidecar_only(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("a", clean_text), doc("b", "spam " * 90)])
    world.build("quality_v2")
    before = sidecars(world)
    stamps = {path: path.stat().st_mtime_ns for item in before.values() for path in item.path.iterdir()}
    rules = [{"signal": "information.compression_ratio", "min": 0.3}, {"signal": "text.num_words", "min": 5}]
    node = filter_node(StageSpec(kind="filter", name="rules", params={"rules": rules}), world.inputs, "stages[0]")
    planned = {step.node.name: step.action for step in world.planner.plan(node)}
    world.planner.materialise(node)
    assert planned["signals text"] == "reuse"
    assert planned["signals information"] == "build"
    assert set(sidecars(world)) - set(before) == {"information"}
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
