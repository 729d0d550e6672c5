"""Arms: what recipes a study makes, and what its fingerprint depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from curation.files import digest_json
from curation.recipe import as_json
from curation.tokenizers import tokenizer_path
from leaderboard.studies.arms import equal_corpora, resolve_arms
from leaderboard.studies.identity import study_fingerprint, study_identity
from leaderboard.studies.study import Study, parse_study
from leaderboard.studies.training_change import TrainingChange


def study(**changes: Any) -> Study:
    """Return a study on the shipped baseline."""
    value = {
        "name": "small",
        "hypothesis": "h",
        "kind": "filter",
        "base": "baseline",
        "vary": {"mine": {"filter": "quality_v1"}},
        "tiers": {"pico": 2},
        **changes,
    }
    return parse_study(value, "s.yaml")


def stage_names(recipe: Any) -> list[str]:
    """Return stages as `kind: name`."""
    return [f"{stage.kind}: {stage.name}" for stage in recipe.stages]


def test_one_arm_gets_two_controls_with_plain_names() -> None:
    assert [arm.name for arm in resolve_arms(study(), "s")] == ["baseline", "mine", "random", "random-matched"]


def test_two_arms_get_controls_of_their_own() -> None:
    arms = resolve_arms(study(vary={"a": {"filter": "quality_v1"}, "b": {"filter": "quality_v2"}}), "s")
    assert [arm.name for arm in arms] == [
        "baseline",
        "a",
        "a.random",
        "a.random-matched",
        "b",
        "b.random",
        "b.random-matched",
    ]


def test_arms_differ_from_the_base_in_the_filter_alone() -> None:
    base, mine, *_ = resolve_arms(study(), "s")
    assert stage_names(mine.recipe) == ["filter: quality_v1", *stage_names(base.recipe)]
    as_base = {key: getattr(base.recipe, key) for key in ("name", "description", "stages")}
    assert mine.recipe.model_copy(update=as_base) == base.recipe


def test_controls_stand_where_the_filter_stands_and_match_it() -> None:
    control = resolve_arms(study(), "s")[2].recipe.stages[0]
    assert (control.kind, control.name, control.params) == ("filter", "random", {"match": "quality_v1"})


def test_a_control_matches_the_filter_with_its_parameters() -> None:
    control = resolve_arms(study(vary={"mine": {"filter": "quality_v3", "keep": 0.3}}), "s")[3].recipe.stages[0]
    assert control.params == {"match": {"filter": "quality_v3", "keep": 0.3}}


def test_arms_and_controls_say_what_was_changed_and_with_which_settings() -> None:
    _, mine, control, _ = resolve_arms(study(vary={"mine": {"filter": "quality_v3", "keep": 0.3}}), "s")
    assert mine.recipe.description == "Recipe `baseline` with filter `quality_v3` (keep=0.3) added in front."
    assert "filter `random` (match=quality_v3, keep=0.3)" in control.recipe.description
    assert control.change == "filter random (match quality_v3, keep 0.3)"


def test_an_arm_of_a_base_with_several_filters_says_which_one_it_replaces() -> None:
    _, mine, *_ = resolve_arms(study(base="fineweb"), "s")
    assert mine.change == "filter quality_v1 in place of filter fineweb/datatrove; other filters stay"


def test_panel_settings_are_replaced_one_by_one() -> None:
    arm = resolve_arms(study(panel={"bytes_per_slice": 1000}), "s")[0]
    assert (arm.recipe.panel.bytes_per_slice, arm.recipe.panel.version) == (1000, 1)


def test_an_unknown_panel_setting_is_refused_with_its_place() -> None:
    with pytest.raises(StudyError, match=r"panel\.byte_per_slice: unknown key; did you mean `bytes_per_slice`"):
        resolve_arms(study(panel={"byte_per_slice": 1000}), "s")


def test_an_unknown_base_offers_the_nearest() -> None:
    with pytest.raises(StudyError, match="did you mean `baseline`"):
        resolve_arms(study(base="basline"), "s")


def names(**changes: Any) -> list[str]:
    """Return the names of a study's arms."""
    return [arm.name for arm in resolve_arms(study(**changes), "s.yaml")]


def test_a_dedup_arm_replaces_the_last_dedup_and_its_controls_start_from_the_bases_survivors() -> None:
    base, mine, random, matched = resolve_arms(study(kind="dedup", vary={"mine": {"dedup": "lines"}}), "s")
    assert stage_names(mine.recipe) == ["dedup: exact", "dedup: lines", "decontaminate: ngram-13"]
    drawn = ["dedup: exact", "dedup: minhash", "filter: random", "decontaminate: ngram-13"]
    assert stage_names(random.recipe) == drawn
    assert stage_names(base.recipe) == [name for name in drawn if "filter" not in name]
    assert matched.recipe.stages[2].params == {"match": {"dedup": "lines", "in_place_of_previous": True}}


def test_a_dedup_beside_those_of_the_base_is_matched_where_it_stands() -> None:
    change = {"dedup": "lines", "in_place_of": "nothing"}
    _, mine, random, _ = resolve_arms(study(kind="dedup", vary={"mine": change}), "s")
    assert stage_names(mine.recipe)[:3] == ["dedup: exact", "dedup: minhash", "dedup: lines"]
    assert random.recipe.stages[2].params == {"match": {"dedup": "lines"}}


def test_a_stage_of_the_base_can_be_named_to_be_replaced_and_an_unknown_one_offers_the_nearest() -> None:
    change = {"dedup": "lines", "in_place_of": "exact"}
    mine = resolve_arms(study(kind="dedup", vary={"mine": change}), "s")[1]
    assert stage_names(mine.recipe)[:2] == ["dedup: lines", "dedup: minhash"]
    with pytest.raises(StudyError, match=r"vary\.mine\.in_place_of: the base has no such stage.*did you mean `exact`"):
        resolve_arms(study(kind="dedup", vary={"mine": {**change, "in_place_of": "exakt"}}), "s")


def test_a_mixture_study_adds_the_weights_that_neither_base_nor_arm_has() -> None:
    weights = {"weights": {"code": 0.5, "docs": 0.5}}
    assert names(kind="mixture", vary={"mine": {"mix": weights}}) == ["baseline", "mine", "uniform"]
    assert names(kind="mixture", vary={"flat": {"mix": "uniform"}}) == ["baseline", "flat"]


def test_a_tokenizer_arm_has_the_bases_corpus_and_another_tokenizer() -> None:
    base, mine = resolve_arms(study(kind="tokenizer", vary={"mine": {"tokenizer": "ladder-nano@1"}}), "s")
    assert mine.recipe.stages == base.recipe.stages
    assert mine.training == TrainingChange(tokenizer="ladder-nano@1")


def test_an_optimizer_study_trains_both_sides_at_three_rates_and_two_batches() -> None:
    arms = resolve_arms(study(kind="optimizer", vary={"mine": {"optimizer": "muon", "beta1": 0.95}}), "s")
    for side in ("baseline", "mine"):
        own = [arm.training or TrainingChange() for arm in arms if arm.of == side]
        points = {(one.learning_rate_multiplier, one.batch_multiplier) for one in own}
        assert points == {(rate, batch) for rate in (0.5, 1, 2) for batch in (1, 2)}
    by_name = {arm.name: arm for arm in arms}
    assert by_name["baseline"].training is None
    assert by_name["mine.lr0.5-b2"].training == TrainingChange(
        optimizer="muon", learning_rate_multiplier=0.5, batch_multiplier=2.0, settings=(("beta1", 0.95),)
    )
    assert (by_name["mine.b2"].role, by_name["mine"].role) == ("point", "arm")


def test_the_base_is_trained_at_the_batches_of_another_optimizer() -> None:
    arms = names(kind="optimizer", vary={"mine": {"optimizer": "muon", "batch_multiplier": [2, 4]}})
    assert {"baseline.b4", "baseline.lr2-b4"} <= set(arms)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"optimizer": "muonn"}, r"vary\.mine\.optimizer: unknown `muonn`.*did you mean `muon`"),
        ({"optimizer": "muon", "batch_multiplier": [1]}, "batch_multiplier: 1 of them, expected at least 2"),
        ({"optimizer": "muon", "learning_rate_multiplier": [1, 2]}, "expected at least 3"),
        ({"optimizer": "muon", "learning_rate_multiplier": [0, 1, 2]}, "expected numbers above 0"),
        ({"optimizer": "muon", "beta3": 1}, r"beta3: unknown setting.*did you mean `beta[12]`"),
        ({"optimizer": "adamw"}, "gives the base itself|same recipe as `baseline`"),
    ],
)
def test_an_optimizer_arm_that_decides_nothing_is_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(StudyError, match=fault):
        resolve_arms(study(kind="optimizer", vary={"mine": change}), "s")


def test_the_tiers_own_tokenizer_is_the_base() -> None:
    with pytest.raises(StudyError, match=r"vary\.mine: gives the base itself"):
        resolve_arms(study(kind="tokenizer", vary={"mine": {"tokenizer": "ladder-pico@1"}}), "s")


def test_a_whole_recipe_that_differs_in_one_stage_is_an_arm(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\npool: x\nstages: [{dedup: exact}, {dedup: bff}, {decontaminate: ngram-13}]\n", encoding="utf-8"
    )
    arms = resolve_arms(study(kind="dedup", vary={"mine": {"recipe": str(path)}}), "s")
    assert [arm.name for arm in arms] == ["baseline", "mine", "random", "random-matched"]
    assert stage_names(arms[2].recipe)[1:3] == ["dedup: minhash", "filter: random"]


def test_a_whole_recipe_that_hides_a_second_change_is_refused_by_rule_17() -> None:
    with pytest.raises(
        StudyError, match=r"(?s)differs from the base in \d+ components.*\(rule 17\).*multi_factor=true"
    ):
        resolve_arms(study(vary={"mine": {"recipe": "fineweb"}}), "s.yaml")


def test_a_whole_recipe_that_takes_a_stage_away_has_no_control(tmp_path: Path) -> None:
    path = tmp_path / "less.yaml"
    path.write_text("name: less\npool: x\nstages: [{dedup: exact}, {decontaminate: ngram-13}]\n", encoding="utf-8")
    with pytest.raises(StudyError, match="takes a stage away .*make the recipe without it the base"):
        resolve_arms(study(kind="dedup", vary={"mine": {"recipe": str(path)}}), "s")


def test_arms_of_one_recipe_are_refused_and_so_is_an_arm_that_is_the_base() -> None:
    vary = {"a": {"mix": "uniform"}, "b": {"mix": {"weights": "uniform"}}, "c": {"mix": "natural"}}
    with pytest.raises(StudyError) as caught:
        resolve_arms(study(kind="mixture", vary=vary), "s")
    assert "vary.b: gives the same recipe as `a`" in str(caught.value)
    assert "vary.c: gives the base itself" in str(caught.value)


def test_a_default_that_is_written_out_is_still_the_same_arm() -> None:
    arms = resolve_arms(study(vary={"a": {"filter": "quality_v1"}, "b": {"filter": "quality_v2"}}), "s")
    corpora = {arm.name: "one" if arm.name in ("a", "b") else arm.name for arm in arms}
    assert equal_corpora(arms, corpora) == [
        "vary.b: gives the same recipe as `a`, expected different ones; drop one of them"
    ]


@pytest.mark.parametrize("kind", ["filter", "dedup", "mixture"])
def test_a_published_baseline_is_a_base_of_every_study_of_data(kind: str) -> None:
    change = {"filter": {"filter": "quality_v1"}, "dedup": {"dedup": "minhash"}, "mixture": {"mix": "uniform"}}[kind]
    for base in ("dclm-baseline@1", "fineweb@1", "dolma-1.7", "refinedweb", "c4"):
        arms = resolve_arms(study(kind=kind, base=base, vary={"mine": change}), "s")
        assert arms[0].recipe.name == base.partition("@")[0]


def test_a_tokenizers_content_not_its_path_is_part_of_the_study(tmp_path: Path) -> None:
    shipped = tokenizer_path("ladder-nano@1").read_bytes()
    (tmp_path / "a.json").write_bytes(shipped)
    (tmp_path / "b.json").write_bytes(shipped)

    def identity(name: str) -> dict[str, Any]:
        one = study(kind="tokenizer", vary={"mine": {"tokenizer": name}})
        arms = resolve_arms(one, "s")
        return dict(study_identity(one, {arm.name: "corpus" for arm in arms}, "pool", "panel", arms))

    assert identity(str(tmp_path / "a.json")) == identity(str(tmp_path / "b.json"))
    assert identity("gpt-neox-20b@1") != identity("ladder-nano@1")


def fingerprint(one: Study, pool: str = "pool") -> str:
    """Return the study's fingerprint on a pool."""
    corpora = {arm.name: digest_json([as_json(stage) for stage in arm.recipe.stages]) for arm in resolve_arms(one, "s")}
    return study_fingerprint(study_identity(one, corpora, pool, "panel"))


def test_the_fingerprint_depends_on_the_pools_content_not_its_path() -> None:
    assert fingerprint(study(pool="a")) == fingerprint(study(pool="b"))
    assert fingerprint(study(), "pool") != fingerprint(study(), "other")


@pytest.mark.parametrize("change", [{"protect": ["code"]}, {"tiers": {"pico": 3}}, {"hypothesis": "other"}])
def test_every_word_that_was_frozen_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(study()) != fingerprint(study(**change))


def test_a_base_in_a_file_is_found_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: own\npool: data\nstages: [{dedup: exact}]\n")
    (tmp_path / "s.yaml").write_text(
        "hypothesis: h\nkind: filter\nbase: own.yaml\nvary: {a: {filter: quality_v1}}\ntiers: {pico: 1}\n"
    )
    from leaderboard.studies.study import load_study

    assert resolve_arms(load_study(tmp_path / "s.yaml"), "s")[0].recipe.name == "own"
