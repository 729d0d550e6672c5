"""The stage `filter`: names, settings, which slices are judged, and the same verdict for any number of workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import PluginError, RecipeError
from curation.recipe import StageSpec
from curation.sidecars import ROLE_PANEL, ROLE_TRAIN
from filters.base import FILTERS, find_filter
from filters.signal_sets.text import TEXT
from filters.signals import read_signals, signal_set, signals_node
from filters.stage import filter_node


def doc(id_: str, text: str, slice_: str = "prose", role: int = ROLE_TRAIN) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": role}


def test_quality_v1_keeps_prose_and_drops_a_short_document(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("good", clean_text), doc("short", "too short")])
    assert world.judge("quality_v1") == {"good": None, "short": "too-few-words"}


def test_quality_v2_also_drops_what_the_later_rule_sets_drop(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("good", clean_text), doc("curly", clean_text + "{"), doc("twice", clean_text * 2)])
    found = world.judge("quality_v2")
    assert (found["good"], found["curly"]) == (None, "curly-bracket")
    assert found["twice"] == "too-many-duplicate-lines"


def test_code_passes_prose_rules_unjudged(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("good", clean_text), doc("main", "int main() {}", "code-cpp")])
    artifact = world.build("quality_v2")
    assert world.verdicts(artifact) == {"good": None, "main": None}
    assert artifact.summary["judged_slices"] == ["prose"]
    assert artifact.summary["unjudged_slices"] == ["code-cpp"]


def test_applies_to_and_slice_kinds_say_what_is_judged(make_world: Callable[..., Any]) -> None:
    rows = [doc("a", "x", "instruction"), doc("b", "x", "prose"), doc("c", "x", "verse")]
    world = make_world(rows, slice_kinds={"verse": "math"})
    found = world.judge("quality_v1", applies_to=["instruction"])
    assert found == {"a": "too-few-words", "b": None, "c": None}
    assert world.judge("quality_v1") == {"a": None, "b": "too-few-words", "c": None}


def test_a_bound_can_be_set_in_the_recipe(make_world: Callable[..., Any]) -> None:
    text = "The men of the town " * 5
    world = make_world([doc("a", text)])
    assert world.judge("quality_v1")["a"] == "too-few-words"
    artifact = world.build("quality_v1", min_words=20)
    assert world.verdicts(artifact)["a"] is None
    assert artifact.summary["bounds"]["min_words"] == 20


def test_rows_of_every_role_are_annotated_and_judged(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "x"), doc("b", "y", role=ROLE_PANEL)])
    assert set(world.judge("quality_v1").values()) == {"too-few-words"}


def test_documents_in_are_documents_kept_and_dropped(make_world: Callable[..., Any], clean_text: str) -> None:
    rows = [doc(f"d{i}", clean_text if i % 3 else "short", "code" if i % 5 == 0 else "prose") for i in range(30)]
    summary = make_world(rows).build("quality_v2").summary
    assert summary["docs_in"] == 30 == summary["docs_kept"] + sum(summary["dropped"].values())
    assert summary["docs_judged"] == 24


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any], clean_text: str) -> None:
    rows = [doc(f"d{i}", clean_text[i:] * (i % 3)) for i in range(40)]
    built = [
        make_world(rows, num_parts=5, workers=workers, store=f"s{workers}").build("quality_v2") for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]
    assert built[0].fingerprint == built[1].fingerprint


def test_filters_with_other_bounds_share_one_signal_sidecar(make_world: Callable[..., Any], clean_text: str) -> None:
    world = make_world([doc("a", clean_text)])
    world.build("quality_v1")
    world.build("quality_v2", min_words=5)
    kinds = [artifact.kind for artifact in world.planner.store.artifacts()]
    assert kinds.count("signals") == 1


def test_counts_are_integers_and_shares_are_floats_in_the_sidecar(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "one two")], num_parts=1)
    artifact = world.planner.materialise(signals_node(world.inputs.pool, TEXT))
    columns = read_signals(artifact, 0, ["num_words", "mean_word_chars"])
    assert (columns["num_words"].dtype, columns["mean_word_chars"].dtype) == (np.int64, np.float64)


def test_a_signal_that_the_sidecar_lacks_is_an_error_with_the_nearest(make_world: Callable[..., Any]) -> None:
    world = make_world([doc("a", "one two")], num_parts=1)
    artifact = world.planner.materialise(signals_node(world.inputs.pool, TEXT))
    with pytest.raises(PluginError, match=r"no signal `num_word`.*did you mean `num_words`"):
        read_signals(artifact, 0, ["num_word"])


def test_an_unknown_signal_set_is_an_error() -> None:
    with pytest.raises(PluginError, match="did you mean `text`"):
        signal_set("texts")


def plan(make_world: Callable[..., Any], name: str, **params: Any) -> None:
    inputs = make_world([]).inputs
    filter_node(StageSpec(kind="filter", name=name, params=params), inputs, "recipe `r`: stages[2]")


def test_an_unknown_filter_offers_the_nearest_and_says_where(make_world: Callable[..., Any]) -> None:
    with pytest.raises(
        RecipeError, match=r"recipe `r`: stages\[2\]: unknown filter `quality_v9`; did you mean `quality_v"
    ):
        plan(make_world, "quality_v9")


def test_an_unknown_setting_offers_the_nearest_and_says_where(make_world: Callable[..., Any]) -> None:
    with pytest.raises(RecipeError, match=r"stages\[2\].*min_word: unknown key; did you mean `min_words`"):
        plan(make_world, "quality_v1", min_word=3)


@pytest.mark.parametrize(
    "params", [{"min_words": "many"}, {"min_words": -1}, {"applies_to": ["poetry"]}, {"applies_to": []}]
)
def test_a_setting_of_the_wrong_kind_is_refused(make_world: Callable[..., Any], params: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=next(iter(params))):
        plan(make_world, "quality_v2", **params)


def test_every_registered_filter_says_what_it_does() -> None:
    found = {name: find_filter(name, "test") for name in FILTERS.names()}
    assert all(item.summary and item.version and item.name == name for name, item in found.items())


def test_the_verdict_survives_awkward_text(make_world: Callable[..., Any], awkward_text: str) -> None:
    world = make_world([doc("a", awkward_text)])
    assert world.judge("quality_v2")["a"] is not None


PLUGIN = '''
from dataclasses import dataclass
from filters import Document, Verdict

@dataclass(frozen=True)
class NoShouting:
    """Drop documents with too many capitals."""
    max_fraction: float = 0.5
    def judge(self, doc: Document) -> Verdict:
        share = sum(c.isupper() for c in doc.text) / max(1, len(doc.text))
        return Verdict.drop("shouting", share) if share > self.max_fraction else Verdict.keep()

class NotADataclass:
    def judge(self, doc): return None

@dataclass(frozen=True)
class Broken:
    def judge(self, doc: Document) -> Verdict:
        raise KeyError("oops")

@dataclass(frozen=True)
class WrongType:
    def judge(self, doc: Document) -> bool:
        return True
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"plugin_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


def test_a_class_of_the_working_directory_is_a_filter_with_its_fields_as_settings(
    make_world: Callable[..., Any], plugin: str
) -> None:
    world = make_world([doc("a", "LOUD"), doc("b", "Quiet"), doc("c", "LOUD", "code")])
    artifact = world.build(f"{plugin}:NoShouting")
    assert world.verdicts(artifact) == {"a": "shouting", "b": None, "c": None}
    assert world.judge(f"{plugin}:NoShouting", max_fraction=1.0)["a"] is None
    with pytest.raises(RecipeError, match="did you mean `max_fraction`"):
        plan(make_world, f"{plugin}:NoShouting", max_fractio=1)


def test_an_edited_plugin_is_judged_anew(make_world: Callable[..., Any], plugin: str, tmp_path: Path) -> None:
    before = find_filter(f"{plugin}:NoShouting", "test").version
    (tmp_path / f"{plugin}.py").write_text(PLUGIN + "# edited\n", encoding="utf-8")
    assert find_filter(f"{plugin}:NoShouting", "test").version != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NotADataclass", "not a dataclass"),
        ("Absent", "does not load"),
        ("Broken", "raised KeyError.* on document a"),
        ("WrongType", "expected a Verdict"),
    ],
)
def test_a_broken_plugin_is_named(make_world: Callable[..., Any], plugin: str, name: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        make_world([doc("a", "x")]).build(f"{plugin}:{name}")


def test_word_count_drops_on_both_sides_of_its_inclusive_bounds(make_world: Callable[..., Any]) -> None:
    world = make_world([doc(str(n), "w " * n) for n in (1, 2, 4, 5)])
    assert world.judge("word-count", min_words=2, max_words=4) == {
        "1": "too-few-words",
        "2": None,
        "4": None,
        "5": "too-many-words",
    }


def test_word_count_survives_awkward_text(make_world: Callable[..., Any], awkward_text: str) -> None:
    assert make_world([doc("a", awkward_text)]).judge("word-count", min_words=0)["a"] is None


def test_a_registered_name_is_taken_once_and_reasons_are_kebab_case() -> None:
    from filters import Verdict, register_filter
    from filters.word_count import WordCount

    with pytest.raises(PluginError, match="already registered"):
        register_filter("word-count", version=1)(dataclasses.make_dataclass("Other", []))
    with pytest.raises(ValueError, match="kebab-case"):
        Verdict.drop("Too Few")
    assert WordCount().judge.__doc__


def test_a_rule_set_can_be_left_out(make_world: Callable[..., Any], clean_text: str) -> None:
    text = clean_text + "function f() { return 1; }\n"
    world = make_world([doc("a", text)])
    assert world.judge("quality_v2")["a"] == "curly-bracket"
    assert world.judge("quality_v2", without="c4-page")["a"] is None


def test_an_unknown_rule_set_to_leave_out_is_an_error_with_the_nearest(make_world: Callable[..., Any]) -> None:
    with pytest.raises(RecipeError, match="no rule set `c4-pages` to leave out; did you mean `c4-page`"):
        make_world([doc("a", "text")]).build("quality_v2", without="c4-pages")
