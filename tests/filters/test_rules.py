"""Every rule: the clean document passes all, and one document fails it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from curation.errors import PluginError, RecipeError
from curation.sidecars import VerdictPart
from filters.rule_sets import curate
from filters.rules import Rule, RuleSet, check_signals, compute_columns, find_rule_set, judge_rows, with_bounds

LINE = "The {} of that town have come to be with us and the sea.\n"
PLACES = ("harbour", "market", "bridge", "castle", "garden", "library", "station", "theatre", "museum", "river")
PROSE = "".join(LINE.format(place) for place in PLACES)


def gram_repeated(n: int, times: int, filler: int) -> str:
    """`times` copies of one n-gram with fresh words between, then `filler` fresh words."""
    gram = " ".join(f"gramword{i}" for i in range(n))
    between = " ".join(f"{gram} fresh{i}" for i in range(times))
    return between + " " + " ".join(f"other{i}" for i in range(filler))


DROPS = {
    "too-few-words": "Only the few of us.",
    "too-many-words": "the cat " * 50_001,
    "words-too-short": "a to " * 60,
    "words-too-long": "the of internationalization " * 60 + "extraordinarily-long-winded " * 200,
    "too-many-hashes": PROSE + "#tag " * 60,
    "too-many-ellipses": PROSE.replace(" ", "... ", 60),
    "too-many-bullet-lines": "".join(f"- {line}\n" for line in PROSE.splitlines()),
    "too-many-ellipsis-lines": PROSE.replace(".\n", "...\n"),
    "too-few-alphabetic-words": PROSE + "1234 " * 200,
    "too-few-stop-words": " ".join(f"noun{i}" for i in range(80)),
    "too-many-duplicate-lines": "x\n" * 60 + "\n".join(f"{i} words on a line" for i in range(80)),
    "too-many-duplicate-paragraphs": "x\n\n" * 60 + "\n\n".join(f"{i} some words on a line" for i in range(80)),
    "too-much-text-in-duplicate-lines": PROSE + LINE.format("harbour") * 6,
    "too-much-text-in-duplicate-paragraphs": "\n\n".join([PROSE, PROSE, *(f"other {i}" for i in range(5))]),
    **{f"top-{n}-gram-too-frequent": gram_repeated(n, 20, 20) for n in (2, 3, 4)},
    **{f"too-many-duplicate-{n}-grams": gram_repeated(n, 20, 20) for n in range(5, 11)},
    "lorem-ipsum": PROSE + "Lorem Ipsum dolor sit amet.",
    "curly-bracket": PROSE + "function f() {",
    "too-few-sentences": "One sentence. Another sentence! and then no more",
    "too-few-terminal-lines": PROSE.replace(".", ""),
    "too-many-short-lines": "A short line.\n" * 3 + "Other\nlines\nhere.",
    "text-in-repeated-lines": PROSE + LINE.format("harbour"),
    "too-many-newlines": "one\ntwo\nthree\n",
}
RULE_SETS: dict[str, RuleSet] = {
    rules.name: rules
    for rules in (curate.GOPHER_QUALITY, curate.GOPHER_REPETITION, curate.C4_PAGE, curate.FINEWEB_QUALITY)
}
RULES = {rule.reason: rule for rules in RULE_SETS.values() for rule in rules.rules}


def judge(text: str, rules: tuple[Rule, ...]) -> VerdictPart:
    columns = compute_columns(rules, pa.table({"text": text_array([text])}))
    return judge_rows(rules, columns, np.ones(1, np.bool_))


def test_every_rule_has_a_document_here_that_fails_it() -> None:
    assert set(DROPS) == set(RULES)


@pytest.mark.parametrize("reason", sorted(DROPS))
def test_the_rule_drops_its_document_and_keeps_clean_prose(reason: str, clean_text: str) -> None:
    assert not judge(DROPS[reason], (RULES[reason],)).kept[0]
    assert judge(clean_text, (RULES[reason],)).kept[0]


@pytest.mark.parametrize("name", sorted(RULE_SETS))
def test_no_rule_set_has_anything_against_clean_prose(name: str, clean_text: str) -> None:
    assert judge(clean_text, RULE_SETS[name].rules).failed.tolist() == [0]


@pytest.mark.parametrize("name", sorted(RULE_SETS))
def test_rule_sets_survive_awkward_text(name: str, awkward_text: str) -> None:
    verdict = judge(awkward_text, RULE_SETS[name].rules)
    assert verdict.kept[0] == (verdict.failed[0] == 0)


def test_the_published_bounds_are_in_the_tables() -> None:
    bounds = {reason: rule.value for reason, rule in RULES.items()}
    assert [bounds[f"too-many-duplicate-{n}-grams"] for n in range(5, 11)] == [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    assert [bounds[f"top-{n}-gram-too-frequent"] for n in (2, 3, 4)] == [0.20, 0.18, 0.16]
    assert (bounds["too-few-words"], bounds["too-many-words"], bounds["too-few-stop-words"]) == (50, 100_000, 2)
    assert (bounds["too-few-terminal-lines"], bounds["too-many-short-lines"]) == (0.12, 0.67)


def test_bounds_are_inclusive() -> None:
    rule = RULES["too-few-words"]
    assert judge("word " * 50, (rule,)).kept[0]
    assert not judge("word " * 49, (rule,)).kept[0]


def test_the_first_failing_rule_is_named_with_its_value_and_all_failures_are_in_the_mask() -> None:
    rules = (RULES["too-few-sentences"], RULES["curly-bracket"], RULES["too-few-words"])
    verdict = judge("two words.", rules)
    assert (verdict.reason[0], verdict.value[0], verdict.failed[0]) == (0, 1.0, 0b101)


def test_a_row_that_is_not_judged_passes_with_nothing_recorded() -> None:
    columns = compute_columns((RULES["too-few-words"],), pa.table({"text": text_array(["", ""])}))
    verdict = judge_rows((RULES["too-few-words"],), columns, np.array([True, False]))
    assert verdict.kept.tolist() == [False, True]
    assert verdict.failed.tolist() == [1, 0]


def test_a_missing_signal_is_an_error() -> None:
    with pytest.raises(PluginError, match="no signal `text.num_words`"):
        judge_rows((RULES["too-few-words"],), {"text.num_chars": np.zeros(1)}, np.ones(1, np.bool_))


def test_a_signal_that_is_nan_is_an_error() -> None:
    with pytest.raises(PluginError, match="is NaN"):
        judge_rows((RULES["too-few-words"],), {"text.num_words": np.array([np.nan])}, np.ones(1, np.bool_))


def test_a_setting_moves_the_bound_it_is_named_after() -> None:
    rules = with_bounds(RULE_SETS["gopher-quality"].rules, {"min_words": 20})
    assert [rule.value for rule in rules if rule.reason == "too-few-words"] == [20]


def test_no_two_rules_share_a_reason_or_a_setting() -> None:
    rules = [rule for rules in RULE_SETS.values() for rule in rules.rules]
    assert len({rule.reason for rule in rules}) == len({rule.setting for rule in rules}) == len(rules)


def test_a_rule_set_is_found_by_name_dialect_and_version() -> None:
    assert find_rule_set("gopher-quality/curate@1", "here") is curate.GOPHER_QUALITY


@pytest.mark.parametrize(
    ("name", "message"),
    [("gopher-quality/curat", "did you mean `gopher-quality/curate`"), ("gopher-quality/curate@9", "has version 1")],
)
def test_an_unknown_rule_set_or_version_is_an_error(name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        find_rule_set(name, "here")


def test_a_rule_that_names_a_missing_signal_is_refused_before_any_work() -> None:
    with pytest.raises(PluginError, match=r"no signal `num_word` in the set `text`; did you mean `num_words`"):
        check_signals((Rule(reason="x", signal="num_word", bound="min", value=1),), "here")
