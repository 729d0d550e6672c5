"""Attacks beyond the eight traps, each on a world whose honest twin is better at every tier (the first test)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.errors import CurateError, RunError, StudyError
from leaderboard.scores import ScoredRun
from leaderboard.studies.results import StudyResult

GAIN = -0.01
SMALL = {"tiers": {"micro": 3}}
Wrong = Callable[[ScoredRun], ScoredRun]


@pytest.fixture(scope="session")
def honest(world: Any, effect_of: Any) -> Any:
    """The twin of them all: one per cent of real document quality in every slice, at two budgets."""
    return world(effect=effect_of("mine", GAIN), study=SMALL)


def verdicts(result: StudyResult) -> dict[str, str]:
    """Return the verdict by tier."""
    return {item.tier: item.verdict for item in result.assessments}


def rules(result: StudyResult) -> set[int]:
    """Return the rules that any refusal of the arm names."""
    return {reason.rule for item in result.assessments for reason in item.reasons}


def texts(result: StudyResult) -> str:
    """Return all reasons as one text."""
    return "\n".join(reason.text for item in result.assessments for reason in item.reasons)


def of_mine(change: Callable[[pa.Table], pa.Table], **other: Any) -> Wrong:
    """Return what does `change` to the documents of the candidate, and sets other fields of its runs."""

    def wrong(run: ScoredRun) -> ScoredRun:
        return run if run.arm != "mine" else replace(run, documents=change(run.documents), **other)

    return wrong


def with_nats(table: pa.Table, nats: Any) -> pa.Table:
    """Return the table with other scores."""
    return table.set_column(table.schema.get_field_index("nats"), "nats", pa.array(nats, pa.float64()))


def one_score(value: float) -> Callable[[pa.Table], pa.Table]:
    """Return what replaces the first document's score."""
    return lambda table: with_nats(table, [value, *table["nats"].to_pylist()[1:]])


def test_the_honest_twin_is_better_at_every_tier_for_no_reason_against_it(made: Any, judged: Any, honest: Any) -> None:
    world = made(honest)
    result = world.result
    assert verdicts(result) == {"micro-0.5x": "better", "micro-1x": "better"}
    assert rules(result) == set()
    assert judged(world, "G1").decision == "scale-up"


@pytest.mark.parametrize(
    ("change", "words", "rule"),
    [
        ({"context": 512}, "evaluation contexts differ, 1024 and 512", "rule 6"),
        ({"tokenizer": "mine@1"}, "tokenizers differ, ladder@1 and mine@1", "rule 7"),
        ({"panel": "e" * 64}, "panel digests differ", "rule 1"),
        ({"tier": "micro-2x"}, "trained micro-2x with seed 1, but stands for mine at micro-0.5x", "rule 6"),
        ({"tier": "micro-0.5x@lr2"}, "trained micro-0.5x@lr2 with seed 1, but stands for mine", "rule 6"),
        ({"seed": 9}, "trained micro-0.5x with seed 9, but stands for mine at micro-0.5x, seed 1", "rule 10"),
    ],
)
def test_arms_scored_differently_are_not_compared(
    made: Any, honest: Any, change: dict[str, Any], words: str, rule: str
) -> None:
    with pytest.raises(RunError, match=words) as refused:
        made(replace(honest, wrong=of_mine(lambda table: table, **change)))
    assert rule in str(refused.value)


def hardest_left_out(table: pa.Table) -> pa.Table:
    """Return the scores without the worst tenth of the documents."""
    nats = np.asarray(table["nats"])
    return table.filter(pa.array(nats < np.quantile(nats, 0.9)))


def test_a_candidate_that_skips_the_hard_documents_is_refused(made: Any, honest: Any) -> None:
    with pytest.raises(RunError, match="scored different documents of one panel \\(240 and 216\\)"):
        made(replace(honest, wrong=of_mine(hardest_left_out)))


def fewer_bytes(table: pa.Table) -> pa.Table:
    """Return the scores of documents cut in half, as if they were whole."""
    half = pa.array(np.asarray(table["num_bytes"]) // 2)
    return with_nats(table, np.asarray(table["nats"]) / 2).set_column(4, "num_bytes", half)


def test_a_candidate_that_scores_half_of_each_document_is_refused(made: Any, honest: Any) -> None:
    with pytest.raises(RunError, match="scored different documents"):
        made(replace(honest, wrong=of_mine(fewer_bytes)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0])
def test_a_score_that_is_no_number_is_refused_with_its_document(made: Any, honest: Any, value: float) -> None:
    with pytest.raises(RunError, match="1 of 240 panel documents have no score, document code-python-000 has"):
        made(replace(honest, wrong=of_mine(one_score(value))))


def test_all_ties_decide_nothing(made: Any, world: Any) -> None:
    result = made(world(study=SMALL, sigma=0.0, family_sigma=0.0, packs=0)).result
    assert set(verdicts(result).values()) == {"insufficient"}
    assert rules(result) == {9, 10}


def test_an_arm_equal_to_the_baseline_in_every_run_is_no_win(made: Any, world: Any) -> None:
    def tied(run: ScoredRun) -> ScoredRun:
        return run if run.arm == "baseline" else replace(run, documents=twin[run.tier, run.seed])

    twin: dict[tuple[str, int], pa.Table] = {}

    def keep(run: ScoredRun) -> ScoredRun:
        if run.arm == "baseline":
            twin[run.tier, run.seed] = run.documents
        return tied(run)

    result = made(world(study=SMALL, wrong=keep)).result
    assert set(verdicts(result).values()) == {"no-difference"}
    assert [item.total.headline.log_ratio for item in result.assessments] == [0.0, 0.0]  # type: ignore[union-attr]


UNKNOWN: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "one-seed": ({"study": {"tiers": {"micro": 1}}}, 8, "one seed", "seeds"),
    "no-noise": ({"packs": 0}, 9, "never measured", "noise-measured"),
    "seven-seeds": ({"packs": 7}, 9, "7 stable baseline seeds, rule 9 asks for 8", "noise-measured"),
    "one-budget": ({"study": {**SMALL, "budgets": [1]}}, 16, "one token budget", "budgets"),
    "unstable": ({"unstable": (("mine", 2),)}, 9, "mine seed 2", "valid-comparison"),
    "unstable-baseline": ({"unstable": (("baseline", 1),)}, 9, "baseline seed 1", "valid-comparison"),
    "one-run-thrice": ({"same_run": {2: 1, 3: 1}}, 10, "equal scores of every document in mine", "valid-comparison"),
    "lost-seed": (
        {"absent": (("mine", "micro-1x", 3), ("mine", "micro-0.5x", 3))}, 10, "2 of 3 seeds finished", "seeds",
    ),
    "less-text": ({"epochs": {"random-matched": 0.7}}, 3, "no control", "valid-comparison"),
    "no-slice": (
        {"study": {**SMALL, "protect": ["web-assets"]}}, 13, "slice web-assets, which must hold, is not in the panel",
        "valid-comparison",
    ),
    "small-panel": ({"slices": {"docs": 49, "code-python": 49, "math": 49}}, 5, "50 families", "headline"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_win_that_cannot_be_known_is_insufficient_by_its_rule_and_goes_nowhere(
    made: Any, judged: Any, honest: Any, name: str
) -> None:
    changes, rule, words, condition = UNKNOWN[name]
    world = made(replace(honest, **changes))
    assert set(verdicts(world.result).values()) == {"insufficient"}
    assert rules(world.result) == {rule}
    assert words in texts(world.result)
    report = judged(world, "G1")
    assert condition in report.states("insufficient")
    assert report.decision == "one-more-proxy"
    if condition == "valid-comparison":
        found = next(item for item in report.conditions if item.name == condition)
        assert words in found.text
        assert f"(rule {rule})" in found.text


def test_a_slice_under_fifty_families_cannot_carry_a_win(made: Any, world: Any, effect_of: Any) -> None:
    slices = {"docs": 60, "code-python": 60, "tiny": 49}
    result = made(world(effect=effect_of("mine", -0.2, "tiny"), slices=slices, study=SMALL)).result
    assert set(verdicts(result).values()) == {"no-difference"}
    tiny = next(item for item in result.assessments[0].total.slices if item.slice == "tiny")
    assert (tiny.delta.share < -0.15, tiny.not_judged) == (True, "49 families, under 50 (rule 5)")


def test_a_slice_that_something_was_fitted_to_cannot_carry_a_win(made: Any, world: Any, effect_of: Any) -> None:
    fitted = world(effect=effect_of("mine", -0.05, "docs"), study={**SMALL, "selected_for": ["docs"]})
    assert set(verdicts(made(fitted).result).values()) == {"no-difference"}
    plain = made(replace(fitted, study=SMALL)).result
    assert set(verdicts(plain).values()) == {"better"}


def test_a_loss_in_a_protected_slice_is_a_regression_and_a_traded_one_is_not(
    made: Any, world: Any, effect_of: Any
) -> None:
    def effect(arm: str, tier: str, name: str) -> float:
        return {"docs": -0.05, "math": 0.02}.get(name, 0.0) if arm == "mine" else 0.0

    paid = made(world(effect=effect, study=SMALL)).result
    assert set(verdicts(paid).values()) == {"regression"}
    traded = made(world(effect=effect, study={**SMALL, "trade": {"math": 0.04}})).result
    assert set(verdicts(traded).values()) == {"better"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"vary": {"mine": [{"filter": "quality_v1"}, {"mix": {"weights": "uniform"}}]}}, "rule 17"),
        ({"tiers": {"micro": [7, 3, 9]}}, "tiers.micro"),
        ({"tiers": {"micro": 0}}, "tiers.micro"),
        ({"seeds": [7, 3, 9]}, "seeds"),
        ({"vary": {"random-matched": {"filter": "quality_v1"}}}, "belongs to the base or a control"),
        ({"protect": ["docs"], "trade": {"docs": 0.5}}, "under `protect` too"),
    ],
    ids=["two-changes", "picked-seeds", "no-seed", "seeds-key", "own-control", "protect-and-trade"],
)
def test_a_study_that_asks_for_a_false_win_is_refused_before_anything_runs(
    made: Any, honest: Any, words: dict[str, Any], said: str
) -> None:
    with pytest.raises((StudyError, CurateError), match=said.replace(".", "\\.")):
        made(replace(honest, study={**SMALL, **words}))


def test_one_outlier_run_cannot_carry_a_gain(made: Any, judged: Any, world: Any) -> None:
    def outlier(run: ScoredRun) -> ScoredRun:
        if (run.arm, run.seed) != ("mine", 1):
            return run
        return replace(run, documents=with_nats(run.documents, np.asarray(run.documents["nats"]) * 0.99))

    carried = made(world(study=SMALL, wrong=outlier))
    report = judged(carried, "G1")
    assert report.decision == "one-more-proxy"
    assert "scatter" in texts(carried.result)
    assert report.states("insufficient") == ("average-gain", "quality-gain", "screening")
    assert judged(made(world(study=SMALL)), "G1").decision == "reject"


def test_a_gain_at_the_shortest_budget_alone_is_rejected(made: Any, judged: Any, world: Any) -> None:
    def early(arm: str, tier: str, name: str) -> float:
        return (-0.01 if "0.5x" in tier else 0.003) if arm == "mine" else 0.0

    report = judged(made(world(effect=early, study={"tiers": {"micro": 5}})), "G1")
    assert report.decision == "reject"
    assert "average-gain" in report.states("fail")
    assert next(item.state for item in report.diagnoses if item.name == "3-token-budget") == "found"


def test_a_gain_that_appears_only_at_the_end_is_rejected(made: Any, judged: Any, honest: Any) -> None:
    report = judged(made(replace(honest, course=lambda done: 1.0 if done > 0.9 else -1.0)), "G1")
    assert (report.decision, report.states("fail")) == ("reject", ("before-final",))


@pytest.mark.parametrize(
    ("families", "decision", "open_or_failed"),
    [
        ({"qa": 5.0}, "one-more-proxy", "insufficient"),
        ({}, "one-more-proxy", "insufficient"),
        ({"qa": -3.0, "reading": -2.5, "science": -2.0}, "reject", "fail"),
    ],
    ids=["one-task-family-left", "no-tasks", "all-lost"],
)
def test_tasks_that_are_missing_or_lost_do_not_pass(
    made: Any, judged: Any, honest: Any, families: dict[str, float], decision: str, open_or_failed: Any
) -> None:
    report = judged(made(replace(honest, families=families)), "G1")
    assert (report.decision, report.states(open_or_failed)) == (decision, ("downstream-one-family",))


def test_a_laptop_tier_decides_nothing_by_rule_18(made: Any, judged: Any, honest: Any) -> None:
    report = judged(made(replace(honest, study={"tiers": {"pico": 3}, "budgets": []})), "G1")
    assert report.decision == "one-more-proxy"
    assert set(report.states("pass")) == {"benchmark-overlap", "panel-leakage", "eval-leakage", "gate-g0"}
    assert all("rule 18" in item.text for item in report.conditions if item.state == "insufficient")
