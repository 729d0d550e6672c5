from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import RecipeError
from curation.recipe import Recipe, load_recipe, validate
from curation.recipe_changes import one_filter, replacement_note, with_filter


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return path


def test_a_shipped_recipe_takes_a_filter_a_pool_and_overrides() -> None:
    recipe = load_recipe(filter_name="quality_v3", pool="data/*.jsonl", overrides=("stages.filter.keep=0.2",))
    assert (recipe.stages[0].kind, recipe.stages[0].name, recipe.stages[0].params) == (
        "filter",
        "quality_v3",
        {"keep": 0.2},
    )
    assert recipe.pool.path == ("data/*.jsonl",)
    assert recipe.name == "baseline-quality-v3-keep-0.2"


def test_a_filter_of_ones_own_can_be_named_on_the_command_line() -> None:
    recipe = load_recipe(filter_name="my_pkg.rules:NoShouting")
    assert recipe.stages[0].name == "my_pkg.rules:NoShouting"
    assert recipe.name == "baseline-my-pkg.rules-noshouting"


def test_a_new_filter_replaces_the_old_one_in_its_place() -> None:
    stages = [{"dedup": "exact"}, {"filter": "a", "x": 1}, {"decontaminate": "ngram-13"}]
    assert with_filter(stages, {"filter": "b"})[1] == {"filter": "b"}


def test_every_fault_is_listed_with_place_and_nearest_key(tmp_path: Path) -> None:
    path = write(tmp_path, "name: Bad Name\npool: {path: x, txt: body}\nstages: [{filtr: q}]\nmix: {weights: {a: 0.5}}")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    said = str(caught.value)
    for part in ("4 faults", "name:", "pool.txt: unknown key; did you mean `text`?", "filtr", "sum to 0.5"):
        assert part in said


@pytest.mark.parametrize("text", ["- a list", "just text", "name: x"])
def test_what_is_not_a_recipe_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError, match="r.yaml"):
        load_recipe(write(tmp_path, text))


def test_a_pool_of_files_needs_a_path() -> None:
    with pytest.raises(RecipeError, match="no `path`"):
        validate(Recipe, {"name": "x", "pool": {"text": "t"}}, "here")


def test_two_recipes_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="choose one"):
        load_recipe(write(tmp_path, "name: x"), base="baseline")


def test_a_filter_setting_at_the_top_names_the_place_where_it_belongs() -> None:
    with pytest.raises(RecipeError, match=r"settings are set as `stages\.filter\.SETTING`"):
        load_recipe(filter_name="random", overrides=("filter.keep=0.5",))


def test_of_several_filters_the_last_one_is_replaced() -> None:
    stages = [{"filter": "language"}, {"dedup": "exact"}, {"kind": "filter", "name": "a", "params": {}}]
    assert with_filter(stages, {"filter": "b"}) == [{"filter": "language"}, {"dedup": "exact"}, {"filter": "b"}]


def test_a_base_can_be_named_with_its_version() -> None:
    assert load_recipe(base="baseline@1").name == "baseline"


def test_a_base_in_another_version_is_refused() -> None:
    with pytest.raises(RecipeError, match="this installation has version 1"):
        load_recipe(base="baseline@2")


@pytest.mark.parametrize("name", ["dclm-baseline", "refinedweb", "fineweb", "c4", "dolma-1.7"])
def test_published_baselines_ship_with_their_order(name: str) -> None:
    recipe = load_recipe(base=f"{name}@1")
    kinds = [spec.kind for spec in recipe.stages]
    assert {"filter", "dedup"} <= set(kinds)
    assert all(spec.published.source for spec in recipe.stages if spec.published)


@pytest.mark.parametrize("stages", ["[quality_v2]", "quality_v2", "5"])
def test_stages_that_are_none_are_a_fault_with_a_filter_too(tmp_path: Path, stages: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"name: r\npool: a\nstages: {stages}\n")
    with pytest.raises(RecipeError, match="stages"):
        load_recipe(path, filter_name="quality_v3")


def test_stages_set_at_once_do_not_lose_the_filter_of_the_command_line() -> None:
    overrides = ("stages.filter.keep=0.2", "stages=[{dedup: exact}, {filter: fineweb}]")
    recipe = load_recipe(filter_name="quality_v3", overrides=overrides)
    assert [(stage.name, stage.params) for stage in recipe.stages] == [("exact", {}), ("quality_v3", {"keep": 0.2})]


def test_no_stages_and_a_filter_make_one_stage(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: r\npool: a\nstages:\n")
    assert [stage.name for stage in load_recipe(path, filter_name="quality_v3").stages] == ["quality_v3"]


def test_a_changed_recipe_is_described_by_what_was_changed() -> None:
    recipe = load_recipe(filter_name="quality_v3", overrides=("stages.filter.keep=0.1", "mix.weights=uniform"))
    said = "Recipe `baseline` with filter `quality_v3` (keep=0.1) added in front; mix.weights=uniform."
    assert recipe.description == said


def test_a_model_file_is_described_without_its_folder() -> None:
    recipe = load_recipe(filter_name="fasttext:some/place/my.bin?label=__label__hq&keep=0.10")
    assert "filter `fasttext:my.bin` (label=__label__hq, keep=0.10) added in front" in recipe.description


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.language.min_score=0.8", "Recipe `fineweb` with filter `language` at keep=en, min_score=0.8."),
        ("stages.dedup.scope=all", "scope=all"),
        ("stages=[{filter: url-list}]", "without filter `language` (keep=en, min_score=0.65); without"),
    ],
)
def test_a_stage_that_was_set_or_left_out_is_described(override: str, said: str) -> None:
    assert said in load_recipe(base="fineweb", overrides=(override,)).description


def test_an_unchanged_recipe_and_one_with_words_of_its_own_keep_them() -> None:
    shipped = load_recipe()
    assert shipped.description.endswith("no quality filter.")
    assert load_recipe(pool="data").description == shipped.description
    own = load_recipe(filter_name="quality_v3", overrides=("description=mine", "name=my-own"))
    assert (own.name, own.description) == ("my-own", "mine")


def test_recipes_that_differ_in_a_number_or_a_match_have_different_names() -> None:
    model = "fasttext:models/a-model-with-quite-a-long-name-of-its-own-and-more.bin?label=__label__hq"
    bounds = [load_recipe(filter_name=f"{model}&{bound}").name for bound in ("keep=0.1", "keep=0.2", "min=0.1")]
    matches = [
        load_recipe(filter_name="random", overrides=(f"stages.filter.match={match}",)).name
        for match in ("quality_v1", "quality_v3", "{filter: quality_v3, keep: 0.3}")
    ]
    assert len({*bounds, *matches}) == 6
    assert matches[1] == "baseline-random-match-quality-v3"
    assert all(len(name) <= 64 for name in bounds)


def test_the_note_names_the_replaced_filter_and_those_that_stay() -> None:
    stages = [{"filter": "language"}, {"dedup": "exact"}, {"filter": "fineweb/datatrove"}]
    said = "filter fineweb/datatrove (stages[2]) replaced by word-count; other filters stay: language"
    assert replacement_note(stages, "word-count") == said
    assert replacement_note(stages[:2], "word-count") is None


def test_one_filter_is_taken_and_two_are_refused() -> None:
    assert (one_filter([]), one_filter(["a"])) == (None, "a")
    with pytest.raises(RecipeError, match=r"given 2 times \(a, b\).*`stages: \[.*\{filter: a\}, \{filter: b\}\]`"):
        one_filter(["a", "b"])
