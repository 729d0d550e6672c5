"""Arms: what recipes a study makes, and what its fingerprint depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from curation.files import digest_json
from curation.recipe import as_json
from leaderboard.arms import resolve_arms, study_fingerprint, study_identity
from leaderboard.study import Study, parse_study


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
    from leaderboard.study import load_study

    assert resolve_arms(load_study(tmp_path / "s.yaml"), "s")[0].recipe.name == "own"
