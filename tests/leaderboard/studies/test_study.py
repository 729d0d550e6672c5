"""Studies: what a file may say, and that every fault is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from leaderboard.studies.changes import change_text
from leaderboard.studies.study import load_study, parse_study, refuse_unknown_slices, with_known_tiers


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
    assert change_text(study.vary["both"]) == "filter quality_v1 and mix weights=uniform"


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


def test_an_unknown_kind_offers_the_nearest() -> None:
    with pytest.raises(StudyError, match="unknown kind `tokeniser`, expected one of dedup.*did you mean `tokenizer`"):
        parse_study(plain(kind="tokeniser"), "s.yaml")


def test_a_kind_may_be_written_with_its_version() -> None:
    assert parse_study(plain(kind="filter@1"), "s.yaml") == parse_study(plain(), "s.yaml")


def test_an_arm_of_another_kind_is_told_the_command_that_mends_it() -> None:
    with pytest.raises(StudyError, match="changes no filter.*`curate study plan s.yaml --set kind=dedup`"):
        parse_study(plain(vary={"mine": {"dedup": "exact"}}), "s.yaml")


def test_what_all_arms_share_cannot_be_an_arms() -> None:
    with pytest.raises(StudyError, match="an arm cannot change `decontaminate`"):
        parse_study(plain(vary={"mine": {"decontaminate": "ngram-13"}}), "s.yaml")


def test_two_components_are_refused_with_the_command_that_keeps_the_one_of_the_kind() -> None:
    vary = {"both": [{"filter": "quality_v3", "keep": 0.3}, {"mix": {"weights": "uniform"}}]}
    with pytest.raises(StudyError) as caught:
        parse_study(plain(vary=vary), "s.yaml")
    assert "`curate study plan s.yaml --set 'vary.both={filter: quality_v3, keep: 0.3}'`" in str(caught.value)
    assert "--set multi_factor=true" in str(caught.value)


@pytest.mark.parametrize("change", [{"tiers": {"pico": [3, 7]}}, {"seeds": [3, 7]}, {"seed": 7}])
def test_seeds_picked_by_hand_are_refused_by_rule_10(change: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=r"\(rule 10\)"):
        parse_study(plain(**change), "s.yaml")


@pytest.mark.parametrize("key", ["hypothesis", "kind", "base", "vary", "tiers"])
def test_what_is_missing_or_empty_is_named_with_what_to_write(key: str) -> None:
    without = {name: value for name, value in plain().items() if name != key}
    with pytest.raises(StudyError, match=f"s.yaml: {key}: missing; "):
        parse_study(without, "s.yaml")
    with pytest.raises(StudyError, match=f"s.yaml: {key}: is empty; "):
        parse_study(plain(**{key: type(plain()[key])()}), "s.yaml")


def test_two_arms_of_the_same_words_are_refused() -> None:
    vary = {"a": {"filter": "quality_v3", "keep": 0.3}, "b": {"keep": 0.3, "filter": "quality_v3"}}
    with pytest.raises(StudyError, match=r"vary\.b: is the same as `a`"):
        parse_study(plain(vary=vary), "s.yaml")


def test_form_kind_arms_seeds_and_slices_are_told_in_one_go() -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(
            plain(kind="filtr", hypothesys="x", vary={"a": {"filtre": "q"}}, tiers={"pico": [1]}, trade={"x": 2}),
            "s.yaml",
        )
    for said in ("unknown kind `filtr`", "unknown key", "did you mean `filter`", "(rule 10)", "trade.x"):
        assert said in str(caught.value)


def test_tiers_words_and_recipes_are_told_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "hypothesis: ' '\nkind: mixture\nbase: baseline\ntiers: {pica: 2}\n"
        "vary: {a: {mix: {weights: {code: 0.4, docs: 0.3}}}, b: {mix: natural}}\n"
    )
    with pytest.raises(StudyError) as caught:
        load_study(path)
    for said in ("hypothesis: is empty", "unknown tier `pica`", "weights sum to 0.7", "gives the base itself"):
        assert said in str(caught.value)


def test_an_arm_with_a_fault_of_words_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "hypothesis: h\nkind: filter\nbase: baseline\ntiers: {pico: 2}\nvary: {a: {mix: uniform}, b: {mix: natural}}\n"
    )
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert (str(caught.value).count("vary.a:"), str(caught.value).count("vary.b:")) == (1, 1)


def test_the_designs_own_example_loads_as_written(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(DESIGN)
    study = load_study(path)
    assert study.tiers == {"micro-0.5x": 5, "micro-1x": 5, "smoke-0.5x": 3, "smoke-1x": 3}
    assert study.pool == {"path": "data/**/*.parquet", "text": "content", "id": "uuid", "slice": "topic"}
    assert study.panel == {}


DESIGN = """
hypothesis: C4 line rules lower bits per byte on prose beyond what reweighting explains
kind: filter
base: dclm-baseline@1
pool: {path: data/**/*.parquet, text: content, id: uuid, slice: topic}
vary: {mine: {filter: "fasttext:./my.bin?label=__label__hq&keep=0.10"}}
panel: [held-out]
tiers: {micro: 5, smoke: 3}
budgets: [0.5, 1]
protect: [code, multilingual]
"""


def test_a_list_of_panels_adds_documents_of_ones_own() -> None:
    study = parse_study(plain(panel=["held-out", {"mails": "mails/*.jsonl"}]), "s.yaml")
    assert study.panel == {"targets": {"mails": "mails/*.jsonl"}}


@pytest.mark.parametrize(
    ("panel", "fault"),
    [(["heldout"], "unknown panel `heldout`.*did you mean `held-out`"), ([{"mails": "m"}], "no `held-out` among")],
)
def test_a_list_of_panels_holds_the_one_that_is_split_off_and_no_unknown(panel: list[Any], fault: str) -> None:
    with pytest.raises(StudyError, match=fault):
        parse_study(plain(panel=panel), "s.yaml")


def test_a_misspelt_component_offers_the_nearest() -> None:
    with pytest.raises(StudyError, match="did you mean `filter`"):
        parse_study(plain(vary={"mine": {"filtre": "quality_v1"}}), "s.yaml")


def test_weights_on_slices_that_the_pool_lacks_are_refused() -> None:
    vary = {"a": {"mix": {"weights": {"cod": 0.5, "docs": 0.5}}}}
    with pytest.raises(StudyError, match=r"vary\.a\.mix\.weights: the pool has no slice `cod`.*did you mean `code`"):
        refuse_unknown_slices(parse_study(plain(kind="mixture", vary=vary), "s.yaml"), ["code", "docs"], "s.yaml")


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


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("vary.lnger.min_words=50", r"vary\.lnger: sets min_words and names no component.*arm `longer`"),
        ("vary.longer={min_words: 50}", r"vary\.longer: sets min_words and names no component, expected one of filter"),
        ("vary.longer={fliter: quality_v1}", r"vary\.longer: .*did you mean `filter`\?"),
        ("vary.longer={}", r"vary\.longer: is empty and names no component"),
        ("vary.longer=quality_v1", r"vary\.longer: 'quality_v1' is no change.*`\{filter: quality_v1\}`"),
        ("vary.longer=null", r"vary\.longer: None is no change, expected a mapping"),
        ("vary.longer=[quality_v1]", r"vary\.longer: 'quality_v1' is no change"),
    ],
)
def test_an_arm_that_names_no_component_is_one_fault(tmp_path: Path, setting: str, told: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "hypothesis: h\nkind: filter\nbase: baseline\nvary: {longer: {filter: quality_v1}}\ntiers: {pico: 2}\n"
    )
    with pytest.raises(StudyError, match=told) as caught:
        load_study(path, (setting,))
    assert "faults" not in str(caught.value)


@pytest.mark.parametrize(
    ("mix", "key"),
    [
        ({"tokens": {"cod": "2B"}}, "tokens"),
        ({"max_epochs": {"cod": 4}}, "max_epochs"),
        ({"groups": {"cod": {}}}, "groups"),
        ({"shift": {"cod": 0.1, "docs": -0.1}}, "shift"),
        ({"phases": [{"until": 0.5}, {"weights": {"cod": 1.0}}]}, r"phases\[1\]\.weights"),
    ],
)
def test_an_arms_mixture_names_no_slice_that_the_pool_lacks_anywhere(mix: dict[str, Any], key: str) -> None:
    study = parse_study(plain(kind="mixture", vary={"a": {"mix": mix}}), "s.yaml")
    with pytest.raises(StudyError, match=rf"vary\.a\.mix\.{key}: the pool has no slice `cod`.*did you mean `code`"):
        refuse_unknown_slices(study, ["code", "docs"], "s.yaml")
