"""Sides and their rows: published results of models by seed, what they share, and what must not share a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.errors import CurateError, ResultsError, RunError
from curation.store import Store
from leaderboard.compare_command import Compared, compared, compared_json
from leaderboard.comparison.row import Row
from train.evals.results import ModelFacts, Scored, SuiteFacts

ACCURACY = {"easy": 0.8, "hard": 0.4, "code": 0.25}
BETTER = {"easy": 0.88, "hard": 0.4, "code": 0.25}
BITS = {"easy": 1.0, "hard": 2.0, "code": 3.0}
FEWER = {"easy": 0.95, "hard": 2.0, "code": 3.1}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def both(publish: Callable[..., Path], scored: Any, panel: Any) -> str:
    """Two arms, three seeds each, on a suite and a panel; returns their folder."""
    for seed in (1, 2, 3):
        publish(scored("base", seed, ACCURACY, BITS))
        publish(scored("mine", seed, BETTER, FEWER))
        publish(panel("base", seed, {"web": 1.0, "code": 0.8}))
        last = publish(panel("mine", seed, {"web": 0.98, "code": 0.82}))
    return str(last.parent)


def only(found: list[Compared], level: str, name: str, metric: str) -> Row:
    rows = [row for row in found[0].outcomes[0].rows if (row.level, row.name) == (level, name)]
    return next(row for row in rows if row.metric == metric)


def test_seeds_of_two_arms_pair_and_show_slices_tasks_and_families(both: str, store: Store) -> None:
    found = compared(store, [f"{both}/mine*", f"{both}/base*"])
    (outcome,) = found[0].outcomes
    assert (outcome.a, outcome.b, outcome.seeds) == ("mine", "base", (1, 2, 3))
    assert only(found, "slice", "web", "bits_per_byte").delta == pytest.approx(np.log(0.98), abs=0.003)
    assert only(found, "task", "easy", "acc_per_char").delta == pytest.approx(0.08, abs=0.03)
    assert only(found, "task", "easy", "bits_per_byte_corr").delta == pytest.approx(np.log(0.95), abs=0.02)
    assert {row.name for row in outcome.rows if row.level == "family"} == {"knowledge", "reasoning", "code"}


def test_a_tasks_difference_is_that_of_the_published_means(both: str, store: Store, scored: Any) -> None:
    found = only(compared(store, [f"{both}/mine*", f"{both}/base*"]), "task", "hard", "acc_per_char")
    means = {
        arm: np.mean(
            [scored(arm, s, share, BITS).results.tasks["hard"].metrics["acc_per_char"].value for s in (1, 2, 3)]
        )
        for arm, share in (("mine", BETTER), ("base", ACCURACY))
    }
    assert found.delta == pytest.approx(means["mine"] - means["base"])


def test_the_mean_of_all_tasks_is_the_mean_of_log_ratios(both: str, store: Store) -> None:
    found = compared(store, [f"{both}/mine*", f"{both}/base*"])
    tasks = [only(found, "task", name, "bits_per_byte_corr").delta for name in ACCURACY]
    assert only(found, "all-tasks", "all tasks", "bits_per_byte_corr").delta == pytest.approx(np.mean(tasks))


def test_accuracy_at_chance_on_both_sides_is_marked_and_not_judged(both: str, store: Store) -> None:
    found = compared(store, [f"{both}/mine*", f"{both}/base*"])
    assert only(found, "task", "code", "acc_per_char").above_chance is False
    assert not only(found, "task", "code", "acc_per_char").judged
    assert only(found, "task", "easy", "acc_per_char").above_chance is True


def test_regressions_come_first_and_by_size(both: str, store: Store) -> None:
    worse = compared(store, [f"{both}/mine*", f"{both}/base*"])[0].outcomes[0].regressions
    assert {worse[0].name, worse[1].name} <= {"code"}
    assert all(row.gain < 0 for row in worse)
    assert [row.side == "worse" for row in worse] == sorted((row.side == "worse" for row in worse), reverse=True)


def test_a_list_with_commas_is_a_side(both: str, store: Store) -> None:
    left = ",".join(f"{both}/mine-micro-1x-s{seed}-small" for seed in (1, 2))
    right = ",".join(f"{both}/base-micro-1x-s{seed}-small" for seed in (1, 2, 3))
    (pair,) = compared(store, [left, right])
    assert pair.outcomes[0].seeds == (1, 2)
    assert "base: seeds 3 have no pair" in " ".join(pair.outcomes[0].notes)


def test_one_seed_covers_items_only_and_is_insufficient(both: str, store: Store) -> None:
    found = compared(store, [f"{both}/mine-micro-1x-s1-small", f"{both}/base-micro-1x-s1-small"])
    row = only(found, "task", "easy", "acc_per_char")
    assert (row.covers, row.se_seeds) == ("items only", None)
    assert found[0].outcomes[0].verdict == "insufficient"
    assert {reason.rule for reason in found[0].outcomes[0].reasons} >= {8, 9}


def test_a_single_pair_of_binary_scores_has_mcnemars_test(both: str, store: Store) -> None:
    names = [f"{both}/mine-micro-1x-s1-small", f"{both}/base-micro-1x-s1-small"]
    row = only(compared(store, names), "task", "easy", "acc_per_char")
    assert row.mcnemar_a_only is not None
    assert row.mcnemar_b_only is not None
    assert (row.mcnemar_a_only - row.mcnemar_b_only) / row.num_items == pytest.approx(row.delta)


def test_no_p_value_is_given_before_run_noise_was_measured(both: str, store: Store) -> None:
    rows = compared(store, [f"{both}/mine*", f"{both}/base*"])[0].outcomes[0].rows
    assert {row.p for row in rows} == {None}


def test_no_mark_is_given_before_run_noise_was_measured(both: str, store: Store) -> None:
    for names in (
        [f"{both}/mine*", f"{both}/base*"],
        [f"{both}/mine-micro-1x-s1-small", f"{both}/base-micro-1x-s1-small"],
    ):
        rows = compared(store, names)[0].outcomes[0].rows
        assert {mark for row in rows for mark in (row.holm, row.bh, row.max_t, row.mcnemar_p)} == {None}


def test_the_control_splits_a_gain_into_quality_and_the_rest(both: str, store: Store, publish: Any, panel: Any) -> None:
    for seed in (1, 2, 3):
        publish(panel("matched", seed, {"web": 0.985, "code": 0.82}))
    found = compared(store, [f"{both}/mine*panel", f"{both}/base*panel"], control=f"{both}/matched*")
    row = only(found, "slice", "web", "bits_per_byte")
    assert row.quality == pytest.approx(np.log(0.98 / 0.985), abs=0.003)
    assert row.quality is not None
    assert row.rest is not None
    assert row.quality + row.rest == pytest.approx(row.delta)


def test_other_trainers_results_without_seed_and_tier_are_compared_with_a_note(
    both: str, store: Store, publish: Any, scored: Any
) -> None:
    other = publish(renamed(scored("theirs", None, BETTER, BITS, tier=None), trainer="lm-eval"))
    (pair,) = compared(store, [str(other), f"{both}/base-micro-1x-s1-small"])
    notes = " ".join(pair.outcomes[0].notes)
    assert "scored by lm-eval" in notes
    assert "numbered in the order given" in notes


def renamed(scored: Scored, **changes: Any) -> Scored:
    facts: ModelFacts = scored.results.model.model_copy(update=changes)
    return Scored(results=scored.results.model_copy(update={"model": facts}), items=scored.items)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suite": SuiteFacts(name="small", version="2", digest="6" * 64)}, "expected 6666"),
        ({"suite": SuiteFacts(name="core", version="1", digest="5" * 64)}, "no panel and no suite that both"),
        ({"context": 1024}, "context 1024, expected 512|context 512, expected 1024"),
        ({"metric_versions": {"acc_per_char": "2", "bits_per_byte_corr": "1"}}, "metric version of acc_per_char"),
    ],
)
def test_scores_that_answer_other_questions_never_share_a_table(
    store: Store, publish: Any, scored: Any, changes: dict[str, Any], message: str
) -> None:
    left = publish(scored("mine", 1, ACCURACY, BITS, **changes))
    right = publish(scored("base", 1, ACCURACY, BITS))
    with pytest.raises(CurateError, match=message):
        compared(store, [str(left), str(right)])


def test_other_tiers_do_not_meet(store: Store, publish: Any, scored: Any) -> None:
    left = publish(scored("mine", 1, ACCURACY, BITS, tier="micro-2x"))
    right = publish(scored("base", 1, ACCURACY, BITS))
    with pytest.raises(RunError, match=r"tiers differ, micro-2x and micro-1x.*rule 6"):
        compared(store, [str(left), str(right)])


def test_sides_without_a_common_seed_are_refused(store: Store, publish: Any, scored: Any) -> None:
    left = publish(scored("mine", 2, ACCURACY, BITS))
    right = publish(scored("base", 1, ACCURACY, BITS))
    with pytest.raises(RunError, match="no seed in common"):
        compared(store, [str(left), str(right)])


def test_items_that_one_side_left_out_do_not_count(store: Store, publish: Any, scored: Any) -> None:
    left = without_items(scored("mine", 1, {"easy": 0.8}, BITS), 100)
    names = [str(publish(left)), str(publish(scored("base", 1, {"easy": 0.8}, BITS)))]
    row = only(compared(store, names), "task", "easy", "acc_per_char")
    assert (row.num_items, "100 items not scored on both sides" in row.note) == (300, True)


def test_no_shared_item_is_an_error_with_the_task(store: Store, publish: Any, scored: Any) -> None:
    left = without_items(scored("mine", 1, {"easy": 0.8}, BITS), 400)
    with pytest.raises(ResultsError, match="task `easy`|no task of suite small"):
        compared(store, [str(publish(left)), str(publish(scored("base", 1, {"easy": 0.8}, BITS)))])


def without_items(scored: Scored, count: int) -> Scored:
    """Return results where the first `count` items are left out as too long."""
    assert scored.items is not None
    rows = scored.items.to_pylist()
    kept = {"task", "item", "group", "gold", "own_id"}
    for row in rows[:count]:
        row.update({name: None for name in row if name not in kept} | {"excluded": "too-long"})
    task = scored.results.tasks["easy"].model_copy(update={"n": len(rows) - count, "excluded": {"too-long": count}})
    results = scored.results.model_copy(update={"tasks": {"easy": task}})
    return Scored(results=results, items=pa.Table.from_pylist(rows, schema=scored.items.schema))


def test_a_score_that_is_not_a_number_is_named_with_its_item(store: Store, publish: Any, scored: Any) -> None:
    left = scored("mine", 1, {"easy": 0.8}, BITS)
    rows = left.items.to_pylist()
    rows[7]["bits_per_byte_corr"] = float("nan")
    broken = Scored(results=left.results, items=pa.Table.from_pylist(rows, schema=left.items.schema))
    with pytest.raises(ResultsError, match="task `easy` item 7"):
        compared(store, [str(publish(broken)), str(publish(scored("base", 1, {"easy": 0.8}, BITS)))])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["nothing*", "other"], "matches nothing here"),
        (["run-zzzz", "run-yyyy"], "no such run"),
    ],
)
def test_a_missing_side_is_named(store: Store, names: list[str], message: str) -> None:
    with pytest.raises(RunError, match=message):
        compared(store, names)


def test_the_same_results_on_both_sides_are_refused(both: str, store: Store) -> None:
    with pytest.raises(RunError, match="are one run"):
        compared(store, [f"{both}/mine*", f"{both}/mine-micro-1x-s1-small"])


def test_an_empty_directory_says_what_was_expected(tmp_path: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"holds no results.json and no manifest.json"):
        compared(store, [str(tmp_path / "empty"), "x"])


def test_json_holds_rows_checks_and_the_comparison_of_the_panel(both: str, store: Store) -> None:
    (value,) = compared_json(compared(store, [f"{both}/mine*", f"{both}/base*"]))  # type: ignore[misc, arg-type]
    assert {"headline", "slices", "rows", "checks", "verdict", "reasons", "got_worse"} <= value.keys()  # type: ignore[union-attr]
