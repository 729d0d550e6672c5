"""Studies: what a file may say, and that every fault is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from leaderboard.study import change_text, load_study, parse_study, refuse_unknown_slices, with_known_tiers


def plain(**changes: Any) -> dict[str, Any]:
    """Return a small valid study with changes."""
    return {
        "name": "small",
        "hypothesis": "the filter helps",
        "kind": "filter",
        "base": "baseline",
        "vary": {"mine": {"filter": "quality_v1"}},
        "tiers": {"pico": 2},
        **changes,
    }


def test_the_name_defaults_to_the_files(tmp_path: Path) -> None:
    path = tmp_path / "line-rules.yaml"
    path.write_text("hypothesis: h\nkind: filter\nbase: baseline\nvary: {a: {filter: quality_v1}}\ntiers: {pico: 2}\n")
    assert load_study(path).name == "line-rules"


def test_a_bare_tier_means_its_full_name_and_an_unknown_one_offers_the_nearest() -> None:
    assert with_known_tiers(parse_study(plain(), "s"), "s").tiers == {"pico-1x": 2}
    with pytest.raises(StudyError, match="pico"):
        with_known_tiers(parse_study(plain(tiers={"pica": 2}), "s"), "s")


def test_budgets_are_tiers_of_their_own_with_the_same_seeds() -> None:
    study = with_known_tiers(parse_study(plain(tiers={"pico": 2, "nano": 1}, budgets=[0.5, 1]), "s"), "s")
    assert study.tiers == {"pico-0.5x": 2, "pico-1x": 2, "nano-0.5x": 1, "nano-1x": 1}
    assert study.budgets == ()


@pytest.mark.parametrize(
    ("tier", "fault"),
    [
        ("pico-2x", "budgets: `pico-2x` names its budget already; write `pico`"),
        ("dclm-1b", "budgets: tier dclm-1b-1x has a cosine schedule"),
        ("nope", "unknown tier `nope`"),
    ],
)
def test_budgets_of_a_tier_that_cannot_have_them_are_refused(tier: str, fault: str) -> None:
    with pytest.raises(StudyError, match=fault):
        with_known_tiers(parse_study(plain(tiers={tier: 2}, budgets=[0.5, 1]), "s"), "s")


def test_one_tier_under_two_names_is_refused() -> None:
    with pytest.raises(StudyError, match="`pico-1x` is `pico-1x`, which is there already"):
        with_known_tiers(parse_study(plain(tiers={"pico": 2, "pico-1x": 2}), "s"), "s")


def test_set_replaces_the_path_of_a_pool_and_keeps_its_globs(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "hypothesis: h\nkind: filter\nbase: baseline\nvary: {a: {filter: quality_v1}}\ntiers: {pico: 2}\n"
        "pool: {path: here, exclude: ['x/**']}\n"
    )
    assert load_study(path, ("pool=there",)).pool == {"path": "there", "exclude": ["x/**"]}


def test_two_components_in_one_arm_are_refused_by_rule_17() -> None:
    vary = {"both": [{"filter": "quality_v1"}, {"mix": {"weights": "uniform"}}]}
    with pytest.raises(StudyError, match=r"changes 2 components \(filter, mix\), expected one \(rule 17\)"):
        parse_study(plain(vary=vary), "s.yaml")


def test_two_components_pass_when_the_study_gives_up_naming_a_cause() -> None:
    vary = {"both": [{"filter": "quality_v1"}, {"mix": {"weights": "uniform"}}]}
    study = parse_study(plain(vary=vary, multi_factor=True), "s.yaml")
    assert change_text(study.vary["both"]) == "filter quality_v1 and mix {'weights': 'uniform'}"


def test_parameters_of_the_changed_filter_are_not_a_second_component() -> None:
    study = parse_study(plain(vary={"mine": {"filter": "quality_v3", "keep": 0.3}}), "s.yaml")
    assert change_text(study.vary["mine"]) == "filter quality_v3 (keep 0.3)"


def test_a_probe_of_the_rate_is_no_tier_of_a_study_except_as_a_control_of_its_own() -> None:
    with pytest.raises(StudyError, match="`pico@lr2` is a probe of the learning rate, expected a tier"):
        with_known_tiers(parse_study(plain(tiers={"pico@lr2": 2}), "s"), "s")
    with pytest.raises(StudyError, match="may only follow `nano-1x`"):
        with_known_tiers(parse_study(plain(tiers={"pico": 2, "nano@lr2": 2}), "s"), "s")
    control = with_known_tiers(parse_study(plain(tiers={"pico": 2, "pico@lr2": 2}), "s"), "s")
    assert control.tiers == {"pico-1x": 2, "pico-1x@lr2": 2}


def test_tiers_of_one_study_are_scored_at_one_context() -> None:
    mixed = with_known_tiers(parse_study(plain(tiers={"nano": 2, "micro": 3}), "s"), "s")
    assert mixed.tiers == {"nano-1x": 2, "micro-1x@eval512": 3}
    ladder = with_known_tiers(parse_study(plain(tiers={"micro": 2, "smoke": 3}), "s"), "s")
    assert ladder.tiers == {"micro-1x": 2, "smoke-1x": 3}
    assert with_known_tiers(mixed, "s") == mixed


@pytest.mark.parametrize("name", ["baseline", "random", "random-matched", "mine.random"])
def test_names_of_the_base_and_the_controls_cannot_be_taken(name: str) -> None:
    with pytest.raises(StudyError, match="added for you"):
        parse_study(plain(vary={name: {"filter": "quality_v1"}}), "s.yaml")


def test_an_unknown_kind_names_what_exists() -> None:
    with pytest.raises(StudyError, match="`tokenizer` is not available; this version runs studies of kind filter"):
        parse_study(plain(kind="tokenizer"), "s.yaml")


def test_an_arm_that_changes_dedup_is_told_what_it_can_change() -> None:
    with pytest.raises(StudyError, match="cannot change `dedup`, only filter, mix"):
        parse_study(plain(vary={"mine": {"dedup": "exact"}}), "s.yaml")


def test_a_misspelt_component_offers_the_nearest() -> None:
    with pytest.raises(StudyError, match="did you mean `filter`"):
        parse_study(plain(vary={"mine": {"filtre": "quality_v1"}}), "s.yaml")


def test_all_faults_of_form_come_at_once() -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(plain(tiers={"pico": 0}, hypothesys="x"), "s.yaml")
    assert "tiers.pico" in str(caught.value)
    assert "did you mean `hypothesis`" in str(caught.value)


def test_slices_that_the_pool_lacks_are_refused_with_the_nearest() -> None:
    study = parse_study(plain(protect=["cod"], trade={"web": 0.01}, selected_for=["docs"]), "s.yaml")
    with pytest.raises(StudyError, match=r"(?s)2 faults.*no slice `cod`.*did you mean `code`.*no slice `web`"):
        refuse_unknown_slices(study, ["code", "docs"], "s.yaml")


def test_all_broken_rules_come_at_once() -> None:
    with pytest.raises(StudyError, match="2 faults"):
        parse_study(plain(kind="dedup", protect=["code"], trade={"code": 0.01}), "s.yaml")
