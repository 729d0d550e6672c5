"""Which scores of several meet, what is said of models that lack some, and results that are sums alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from curation.errors import RunError
from curation.store import Store
from leaderboard.compare_command import Compared, compared
from leaderboard.comparison.forest import axis, bars
from leaderboard.comparison.row import DIFFERENCE, Row
from leaderboard.comparison.show import draw_compared
from train.evals.results import Aggregate, Scored

ACCURACY = {"easy": 0.8, "hard": 0.4}
BETTER = {"easy": 0.88, "hard": 0.3}
BITS = {"easy": 1.0, "hard": 2.0}
PANEL = {"web": 1.0, "code": 0.8}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def drawn(found: list[Compared]) -> str:
    out = io.StringIO()
    draw_compared(Console(file=out, width=200), found)
    return out.getvalue()


def bare(scored: Scored, **changes: Any) -> Scored:
    """Return results as an import of sums has them: no items, no documents."""
    tasks = {name: one.model_copy(update={"rows": False}) for name, one in scored.results.tasks.items()}
    slices = {name: one.model_copy(update={"rows": False}) for name, one in scored.results.slices.items()}
    return Scored(results=scored.results.model_copy(update={"tasks": tasks, "slices": slices, **changes}))


def test_scores_at_another_context_of_one_side_are_left_out_with_a_note(
    store: Store, publish: Callable[..., Path], scored: Any
) -> None:
    for seed in (1, 2):
        publish(scored("base", seed, ACCURACY, BITS))
        folder = publish(scored("mine", seed, BETTER, BITS)).parent
    publish(scored("mine", 1, BETTER, BITS, context=64), "mine-short")
    (outcome,) = compared(store, [f"{folder}/mine*", f"{folder}/base*"])[0].outcomes
    assert {row.num_seeds for row in outcome.rows} == {2}
    told = "small: scores at context 64 of mine-micro-1x-s1 are left out, compared is context 512"
    assert told in outcome.notes


def test_the_version_on_which_most_seeds_meet_is_compared(store: Store, publish: Any, scored: Any) -> None:
    for seed in (1, 2):
        publish(scored("base", seed, ACCURACY, BITS))
        folder = publish(scored("mine", seed, BETTER, BITS)).parent
    for arm in ("base", "mine"):
        publish(scored(arm, 2, ACCURACY, BITS, context=64), f"{arm}-short")
    (outcome,) = compared(store, [f"{folder}/mine*", f"{folder}/base*"])[0].outcomes
    assert {row.num_seeds for row in outcome.rows} == {2}


@pytest.fixture
def missing(publish: Callable[..., Path], scored: Any, panel: Any) -> list[str]:
    """Return two arms of two seeds on a panel; one run of B has no scores of the suite."""
    for seed in (1, 2):
        publish(panel("base", seed, PANEL))
        publish(panel("mine", seed, {"web": 0.98, "code": 0.82}))
        folder = publish(scored("mine", seed, BETTER, BITS)).parent
    publish(scored("base", 1, ACCURACY, BITS))
    return [f"{folder}/mine*", f"{folder}/base*"]


def test_a_run_without_scores_of_a_suite_is_named(store: Store, missing: list[str]) -> None:
    (outcome,) = compared(store, missing)[0].outcomes
    assert "no scores on small: base-micro-1x-s2; its rows pair seed 1 only" in outcome.notes
    assert {row.num_seeds for row in outcome.rows if row.level == "task"} == {1}
    assert {row.num_seeds for row in outcome.rows if row.level == "slice"} == {2}


def test_rows_of_fewer_seeds_say_so_and_never_stand_first(store: Store, missing: list[str]) -> None:
    found = compared(store, missing)
    worse = found[0].outcomes[0].regressions
    seeds = [row.num_seeds for row in worse]
    assert seeds == sorted(seeds, reverse=True)
    assert len(set(seeds)) == 2
    told = drawn(found)
    assert "1 of 2 seeds" in told
    assert "One seed each" not in told


def test_a_suite_without_a_common_seed_does_not_hide_the_panel(
    store: Store, publish: Any, scored: Any, panel: Any
) -> None:
    for seed in (1, 2):
        publish(panel("base", seed, PANEL))
        folder = publish(panel("mine", seed, PANEL)).parent
    publish(scored("mine", 1, BETTER, BITS))
    publish(scored("base", 2, ACCURACY, BITS))
    (outcome,) = compared(store, [f"{folder}/mine*", f"{folder}/base*"])[0].outcomes
    assert {row.level for row in outcome.rows} == {"headline", "slice"}
    assert "no seed has scores on both sides, so not compared: small" in outcome.notes


def test_a_model_at_a_tier_of_its_own_is_named(store: Store, publish: Any, scored: Any) -> None:
    publish(scored("base", 1, ACCURACY, BITS))
    publish(scored("mine", 2, BETTER, BITS, tier="micro-2x"))
    folder = publish(scored("mine", 1, BETTER, BITS)).parent
    (outcome,) = compared(store, [f"{folder}/mine*", f"{folder}/base*"])[0].outcomes
    assert any("mine-micro-2x-s2 at micro-2x meets nothing" in note for note in outcome.notes)


def test_sums_are_compared_without_interval_and_decide_nothing(store: Store, publish: Any, scored: Any) -> None:
    total = {"aggregates": {"core_v2": Aggregate(value=0.3, metric="centred")}}
    left = publish(bare(scored("mine", None, BETTER, BITS, tier=None), **total))
    right = publish(bare(scored("base", None, ACCURACY, BITS, tier=None), **total))
    found = compared(store, [str(left), str(right)])
    (outcome,) = found[0].outcomes
    rows = {row.name: row for row in outcome.rows}
    assert set(rows) == {"core_v2", "easy", "hard"}
    assert rows["easy"].delta == pytest.approx(0.08, abs=0.03)
    assert {(row.low, row.judged, row.side) for row in rows.values()} == {(None, False, "unknown")}
    assert (outcome.verdict, outcome.reasons[0].text[:25]) == ("insufficient", "results are sums alone, a")
    assert "sums only" in drawn(found)


def test_slices_of_sums_are_shown_beside_tasks_with_items(store: Store, publish: Any, scored: Any, panel: Any) -> None:
    publish(bare(panel("mine", 1, {"web": 0.98, "code": 0.82})))
    publish(bare(panel("base", 1, PANEL)))
    publish(scored("base", 1, ACCURACY, BITS))
    folder = publish(scored("mine", 1, BETTER, BITS)).parent
    (outcome,) = compared(store, [f"{folder}/mine*", f"{folder}/base*"])[0].outcomes
    slices = {row.name: row for row in outcome.rows if row.level == "slice"}
    assert slices["web"].delta == pytest.approx(np.log(0.98))
    assert any("panel: tasks or slices that are sums alone" in note for note in outcome.notes)


def test_one_side_alone_is_told_from_a_study(store: Store, publish: Any, scored: Any) -> None:
    left = publish(scored("mine", 1, BETTER, BITS))
    right = publish(scored("base", 1, ACCURACY, BITS))
    with pytest.raises(RunError, match=r"one side given, .*\(2 models\), two needed"):
        compared(store, [f"{left},{right}"])


def test_a_model_directory_is_told_how_to_be_scored(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    with pytest.raises(RunError, match=r"this is a model; `curate eval --model .*hf --suite small --out"):
        compared(store, [str(folder), "x"])


def test_the_terminal_says_how_means_are_made_and_that_the_whole_got_worse(
    store: Store, publish: Any, scored: Any
) -> None:
    for seed in (1, 2, 3):
        publish(scored("base", seed, ACCURACY, BITS))
        folder = publish(scored("mine", seed, ACCURACY, {"easy": 1.1, "hard": 2.2})).parent
    told = drawn(compared(store, [f"{folder}/mine*", f"{folder}/base*"]))
    assert "worse on the whole: all tasks (bits_per_byte_corr): +10" in told
    assert "a mean of rows below, so it has no mark" in told
    assert "geometric means over tasks" in told


def test_why_slices_are_not_judged_is_said_once_below_the_table(store: Store, publish: Any, panel: Any) -> None:
    for arm in ("base", "mine"):
        folder = publish(panel(arm, 1, PANEL, families=20)).parent
    told = drawn(compared(store, [f"{folder}/mine*", f"{folder}/base*"]))
    assert "not judged, families under 50 (rule 5): code 20, web 20" in told


def test_the_axis_names_both_ends_and_zero() -> None:
    rows = [row_of(-0.02), row_of(0.04)]
    assert axis(rows, 31).split() == [f"{-2.0:+.2g}", "0", f"{4.0:+.2g}"]
    assert axis(rows, 31).index("0") == bars(rows, 31)[0].index("│")


def row_of(delta: float) -> Row:
    values: dict[str, Any] = dict.fromkeys(item.name for item in fields(Row))
    return Row(**{**values, "delta": delta, "unit": DIFFERENCE, "level": "task", "name": "x", "metric": "acc_raw"})
