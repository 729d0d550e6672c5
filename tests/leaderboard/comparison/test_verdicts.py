"""Verdicts on rows made by hand: what decides, on which side, and the reasons against deciding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.store import Store
from leaderboard.compare_command import Compared, compared
from leaderboard.comparison.row import CENTRED, Row
from leaderboard.comparison.sides import Place
from leaderboard.comparison.verdicts import Outcome, judged
from train.evals.results import Scored


def all_tasks(*, lower: bool = False, quality: tuple[float, float] | None = None, **changes: Any) -> Row:
    """Return the mean over tasks as a gain of 0.1 beyond its interval, with the part beyond the control if any."""
    sign = -1 if lower else 1
    settings: dict[str, Any] = {
        "level": "all-tasks", "name": "all tasks", "family": "", "metric": CENTRED, "role": "", "unit": "difference",
        "lower_is_better": lower, "a": 0.6, "b": 0.5, "delta": 0.1 * sign, "low": 0.1 * sign - 0.02,
        "high": 0.1 * sign + 0.02, "se_seeds": 0.01, "se_units": 0.01, "degrees": 9.0, "covers": "seeds and items",
        "num_seeds": 3, "num_units": 100, "num_items": 100, "side": "better", "judged": True, "note": "2 tasks",
    }  # fmt: skip
    if quality:
        settings |= {"quality": sum(quality) / 2, "quality_low": quality[0], "quality_high": quality[1], "rest": 0.0}
    return Row(**{**settings, **changes})


def verdict(*rows: Row, tier: str = "micro-1x") -> Outcome:
    outcome = Outcome(
        place=Place(tier=tier, checkpoint=None), a="mine", b="base", seeds=(1, 2, 3), panels=(), suites=("small",),
        rows=rows, verdict="", reasons=(), notes=(), invalid="",
    )  # fmt: skip
    return judged(outcome, known=(), num_budgets=2, needs_control=False)


@pytest.mark.parametrize(
    ("lower", "quality", "expected"),
    [
        (False, (-0.005, 0.026), "reweighting"),
        (False, (0.005, 0.026), "better"),
        (False, (-0.026, -0.005), "reweighting"),
        (True, (-0.026, 0.005), "reweighting"),
        (True, (-0.026, -0.005), "better"),
        (True, (0.005, 0.026), "reweighting"),
        (False, None, "better"),
    ],
)
def test_a_gain_is_better_only_on_the_good_side_of_the_control(lower: bool, quality: Any, expected: str) -> None:
    assert verdict(all_tasks(lower=lower, quality=quality)).verdict == expected


def test_a_mean_that_the_tier_only_shows_decides_nothing() -> None:
    outcome = verdict(all_tasks(judged=False, note="2 tasks, 1 of them not judged at this tier"))
    assert outcome.verdict == "insufficient"
    assert [(reason.rule, "not judged at this tier" in reason.text) for reason in outcome.reasons] == [(18, True)]


def test_without_any_mean_nothing_is_decided() -> None:
    outcome = verdict(all_tasks(level="task"))
    assert (outcome.verdict, outcome.reasons[0].rule) == ("insufficient", 2)


def test_a_task_that_the_tier_only_shows_is_no_regression() -> None:
    lost = all_tasks(level="task", name="boolq", side="worse", delta=-0.2, judged=False)
    assert verdict(all_tasks(), lost).verdict == "better"


@pytest.fixture
def pair(publish: Callable[..., Path], scored: Any, panel: Any, tmp_path: Path) -> Callable[..., Compared]:
    """Return a comparison of two sides, two seeds each, of what `made` turns results and panels into."""

    def make(made: Callable[[Scored], Scored], *, panels: bool = False) -> Compared:
        for seed in (1, 2):
            for arm, easy in (("mine", 0.9), ("base", 0.8)):
                one = panel(arm, seed, {"web": easy}) if panels else scored(arm, seed, {"easy": easy}, {"easy": 1.0})
                folder = publish(made(one)).parent
        (found,) = compared(Store.open(tmp_path / "store"), [f"{folder}/mine*", f"{folder}/base*"])
        return found

    return make


def with_tasks(scored: Scored, rename: str = "easy", **changes: Any) -> Scored:
    """Return results whose one task has another name or other facts."""
    assert scored.items is not None
    task = scored.results.tasks["easy"].model_copy(update=changes)
    names = pa.array([rename] * scored.items.num_rows)
    items = scored.items.set_column(0, scored.items.schema.field("task"), names)
    return Scored(results=scored.results.model_copy(update={"tasks": {rename: task}}), items=items)


def test_accuracy_of_boolq_is_shown_and_not_judged_at_micro(pair: Any) -> None:
    rows = pair(lambda one: with_tasks(one, "boolq")).outcomes[0].rows
    found = {(row.level, row.metric): row for row in rows}
    accuracy = found["task", "acc_per_char"]
    assert (accuracy.judged, accuracy.trust, accuracy.holm) == (False, "shown", None)
    assert "judged from 1b" in accuracy.note
    assert not found["all-tasks", CENTRED].judged
    assert "1 of them not judged at this tier (boolq: " in found["all-tasks", CENTRED].note
    assert found["task", "bits_per_byte_corr"].judged


def test_accuracy_of_mmlu_says_nothing_at_micro(pair: Any) -> None:
    rows = pair(lambda one: with_tasks(one, "mmlu_rc")).outcomes[0].rows
    assert {row.trust for row in rows if row.metric == "acc_per_char"} == {"hidden"}


def test_models_of_no_tier_of_ours_are_judged_by_chance_and_noise_alone(pair: Any) -> None:
    def other(one: Scored) -> Scored:
        facts = one.results.model.model_copy(update={"tier": "theirs-7"})
        return with_tasks(Scored(results=one.results.model_copy(update={"model": facts}), items=one.items), "boolq")

    rows = pair(other).outcomes[0].rows
    assert {(row.trust, row.judged) for row in rows} == {("judged", True)}


@pytest.mark.parametrize("primary", ["acc_per_char", "bits_per_byte_corr"])
def test_the_mean_of_bits_decides_whichever_metric_is_primary(pair: Any, primary: str) -> None:
    headline = pair(lambda one: with_tasks(one, primary=primary)).outcomes[0].headline
    assert (headline.level, headline.metric) == ("all-tasks", "bits_per_byte_corr")


def test_chance_is_that_of_the_newest_baselines_and_says_so(pair: Any) -> None:
    rows = pair(lambda one: with_tasks(one, baseline_v1=0.2, baseline_v2=0.4)).outcomes[0].rows
    found = {(row.level, row.metric): row for row in rows}
    task, mean = found["task", "acc_per_char"], found["all-tasks", CENTRED]
    assert (task.chance, task.baselines, mean.baselines) == (0.4, "v2", "v2")
    assert mean.delta == pytest.approx(task.delta / (1 - 0.4))
    assert "chance by baselines v2" in mean.note


def marked(scored: Scored, *marks: str) -> Scored:
    slices = {name: one.model_copy(update={"marks": marks}) for name, one in scored.results.slices.items()}
    return Scored(results=scored.results.model_copy(update={"slices": slices}), documents=scored.documents)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("external", "which nothing was kept apart from (external)"),
        ("not-split-off", "may have been trained on it (not-split-off)"),
    ],
)
def test_a_panel_that_was_not_kept_apart_decides_nothing(pair: Any, mark: str, said: str) -> None:
    (outcome,) = pair(lambda one: marked(one, mark), panels=True).outcomes
    assert outcome.verdict == "insufficient"
    assert [said in reason.text for reason in outcome.reasons if reason.rule == 1] == [True]


def test_a_panel_that_was_split_off_has_no_such_reason(pair: Any) -> None:
    (outcome,) = pair(lambda one: one, panels=True).outcomes
    assert 1 not in {reason.rule for reason in outcome.reasons}


def test_an_external_panel_beside_ones_own_leaves_the_headline_to_it(
    publish: Callable[..., Path], panel: Any, tmp_path: Path
) -> None:
    for seed in (1, 2):
        for arm in ("mine", "base"):
            own = panel(arm, seed, {"web": 1.0})
            suite = own.results.suite.model_copy(update={"name": "a-paloma", "digest": "8" * 64})
            other = marked(panel(arm, seed, {"c4": 1.0}), "external")
            publish(own)
            folder = publish(
                Scored(results=other.results.model_copy(update={"suite": suite}), documents=other.documents)
            ).parent
    (found,) = compared(Store.open(tmp_path / "store"), [f"{folder}/mine*", f"{folder}/base*"])
    (outcome,) = found.outcomes
    assert [row.name for row in outcome.rows if row.level == "slice"] == ["web", "a-paloma: c4"]
    assert 1 not in {reason.rule for reason in outcome.reasons}
    assert any("a-paloma" in note and "rule 1" in note for note in outcome.notes)
