"""The plan of a corpus: every stage's faults at once, and labels that tell controls apart."""

from __future__ import annotations

from typing import Any

import pytest

from curation.errors import PluginError, RecipeError
from curation.pipeline import CorpusPlan, plan_corpus
from curation.recipe import Recipe, validate
from curation.store import Artifact, Store


@pytest.fixture
def pool(tmp_path: Any) -> Artifact:
    """Return a pool of which planning needs the identity alone."""
    with Store.open(tmp_path).building("pool", "ab" * 32) as out:
        return out.finish({"version": "1", "params": {}, "inputs": {}, "summary": {}})


def plan(pool: Artifact, *stages: dict[str, Any]) -> CorpusPlan:
    recipe: Recipe = validate(Recipe, {"name": "r", "pool": "environment", "stages": list(stages)}, "test")
    return plan_corpus(recipe, pool)


def label(pool: Artifact, **settings: Any) -> str:
    return str(plan(pool, {"filter": "random", **settings}).corpus.params["steps"][0])


def test_the_faults_of_all_stages_are_listed_at_once(pool: Artifact) -> None:
    stages = [
        {"filter": "qualty_v3"},
        {"dedup": "exact"},
        {"filter": "quality_v2", "min_wrds": 1, "max_wrds": 2},
        {"dedup": "minhas"},
        {"kind": "filtr", "name": "x"},
    ]
    with pytest.raises(RecipeError) as caught:
        plan(pool, *stages)
    head, *faults = str(caught.value).splitlines()
    assert head == "recipe `r`: 5 faults"
    places = [fault.partition(":")[0].strip(" -") for fault in faults]
    assert places == ["stages[0]", "stages[2]", "stages[2]", "stages[3]", "stages[4]"]
    assert "did you mean `quality_v3`" in faults[0]
    assert "min_wrds: unknown key" in faults[1]


def test_a_single_fault_is_raised_as_its_stage_raised_it(pool: Artifact) -> None:
    with pytest.raises(PluginError, match=r"^recipe `r`: stages\[1\]: filter `no_such_module:X` does not load"):
        plan(pool, {"dedup": "exact"}, {"filter": "no_such_module:X"})


def test_a_plugin_that_does_not_load_is_listed_with_the_others(pool: Artifact) -> None:
    with pytest.raises(RecipeError, match=r"(?s)2 faults.*no_such_module:X.*stages\[1\]: .*nonsense"):
        plan(pool, {"filter": "no_such_module:X"}, {"dedup": "nonsense"})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"keep": 0.5}, "filter: random"),
        ({"match": "quality_v1"}, "filter: random (match quality_v1)"),
        ({"match": {"filter": "quality_v1", "min_words": 30}}, "filter: random (match quality_v1, min_words=30)"),
    ],
)
def test_a_control_is_labelled_with_what_it_matches(pool: Artifact, settings: dict[str, Any], expected: str) -> None:
    assert label(pool, **settings) == expected


def test_the_plan_names_a_controls_match_too(pool: Artifact) -> None:
    (verdict,) = plan(pool, {"filter": "random-matched", "match": "quality_v1"}).verdicts
    assert verdict.name == "filter random-matched (match quality_v1)"


def test_name_and_description_are_not_part_of_a_corpus_identity(pool: Artifact) -> None:
    one = plan(pool, {"filter": "quality_v1"})
    other = one.recipe.model_copy(update={"name": "x", "description": "y"})
    assert plan_corpus(other, pool).corpus.fingerprint == one.corpus.fingerprint


def test_a_slice_in_mix_that_the_pool_lacks_is_refused_before_any_stage(tmp_path: Any) -> None:
    with Store.open(tmp_path).building("pool", "cd" * 32) as out:
        known = out.finish({"version": "1", "params": {}, "inputs": {}, "summary": {"slices": {"wed": {}}}})
    value = {"name": "r", "pool": "p.jsonl", "mix": {"weights": {"web": 1.0}}}
    with pytest.raises(RecipeError, match=r"^recipe `r`: mix: weights: the pool has no slice `web`.*mean `wed`"):
        plan_corpus(validate(Recipe, value, "r"), known)
