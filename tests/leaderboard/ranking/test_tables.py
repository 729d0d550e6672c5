"""Tables of the board: one row a recipe and tier, no rank that was not earned, and only like beside like."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curation.errors import RunError
from leaderboard.ranking.candidates import Gathered
from leaderboard.ranking.from_studies import load_results, store_source, study_rows
from leaderboard.ranking.row import Row, Table, tables_csv
from leaderboard.ranking.tables import ranked_tables
from leaderboard.ranking.view import draw_tables
from leaderboard.studies.facts import Facts, Promotion
from leaderboard.studies.results import RESULT_FILE, StudyResult, write_result
from leaderboard.tables import draw_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


def rows_of(store: Any, *results: StudyResult) -> Gathered:
    found = [study_rows(store_source(result, store)) for result in results]
    return Gathered(
        candidates=tuple(row for one in found for row in one.candidates),
        left_out=tuple(left for one in found for left in one.left_out),
    )


def tables_of(store: Any, *results: StudyResult, packs: Sequence[Any] = (), metric: str | None = None) -> list[Table]:
    return ranked_tables(rows_of(store, *results).candidates, packs, metric)


def by_arm(table: Table) -> dict[str, Row]:
    return {row.arm: row for row in table.rows}


def shown(tables: Sequence[Table], width: int = 160, **more: Any) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    draw_tables(console, tables, **more)
    return console.export_text()


def test_there_is_one_row_a_recipe_and_tier_with_its_seeds(store: Any, make_result: Any) -> None:
    (table,) = tables_of(store, make_result(level, SLICES))
    assert [(row.arm, row.num_seeds) for row in table.rows] == [
        ("baseline", 2),
        ("mine", 2),
        ("random", 2),
        ("random-matched", 2),
    ]


def test_laptop_tiers_have_no_rank_even_if_somebody_calls_them_better(store: Any, make_result: Any) -> None:
    result = make_result(level, SLICES)
    forged = replace(result, assessments=tuple(replace(item, verdict="better") for item in result.assessments))
    (table,) = tables_of(store, forged)
    assert {row.rank for row in table.rows} == {None}
    assert by_arm(table)["mine"].unranked == "laptop tier (rule 9)"


def test_a_decided_arm_of_a_measured_tier_is_ranked_above_its_baseline(store: Any, decided: Any, packs: Any) -> None:
    (table,) = tables_of(store, decided(), packs=packs)
    rows = by_arm(table)
    assert {name: row.rank for name, row in rows.items()} == {
        "mine": 1,
        "baseline": 2,
        "random": None,
        "random-matched": None,
    }
    best = rows["mine"]
    assert (best.rank_low, best.rank_high, best.tie_group, best.num_seeds) == (1, 1, 1, 2)
    assert best.p_first is not None
    assert best.p_first > 0.95
    assert "run noise from micro.json" in table.noise


def test_without_measured_noise_nothing_is_ranked_and_rule_9_says_why(store: Any, decided: Any) -> None:
    (table,) = tables_of(store, decided())
    assert table.num_ranked == 0
    assert "never measured" in by_arm(table)["mine"].unranked
    assert "rule 9" in by_arm(table)["baseline"].unranked


def test_rows_without_document_scores_have_no_rank(store: Any, decided: Any, packs: Any) -> None:
    result = decided()
    gone = next(run for run in result.runs if run.arm == "mine")
    cut = replace(result, runs=tuple(replace(run, fingerprint="0" * 64) if run is gone else run for run in result.runs))
    (table,) = tables_of(store, cut, packs=packs)
    assert by_arm(table)["mine"].unranked.startswith("its document scores are not here")
    assert by_arm(table)["baseline"].unranked == "alone in its table: nothing to rank it against"


def test_an_insufficient_arm_says_by_which_rules(store: Any, make_result: Any) -> None:
    (table,) = tables_of(store, make_result(level, SLICES, tier="micro-1x"))
    assert by_arm(table)["mine"].unranked == "insufficient: rule 9, rule 16"


def test_equal_arms_are_one_tie_group_and_may_take_every_rank(store: Any, decided: Any, packs: Any) -> None:
    (table,) = tables_of(store, decided(lambda arm, seed, name: 2.0 + 0.004 * (seed == 1)), packs=packs)
    ranked = [row for row in table.rows if row.rank]
    assert [(row.rank, row.rank_low, row.rank_high, row.tie_group) for row in ranked] == [(1, 1, 2, 1)] * 2
    assert math.isclose(sum(row.p_first or 0 for row in ranked), 1.0)


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"panel": "q" * 64}, "panel"), ({"context": 1_024}, "context"), ({"tokenizer": "other@1"}, "tokenizer")],
)
def test_other_panels_contexts_and_tokenizers_are_other_tables(
    store: Any, decided: Any, packs: Any, changes: dict[str, Any], part: str
) -> None:
    result = decided()
    other = replace(result, name="other", runs=tuple(replace(run, **changes) for run in result.runs))
    tables = tables_of(store, result, other, packs=packs)
    assert len(tables) == 2
    assert len({getattr(table.key, part) for table in tables}) == 2
    assert len({table.title for table in tables}) == 2


def test_a_recipe_that_two_studies_trained_with_the_same_runs_is_one_row(store: Any, decided: Any, packs: Any) -> None:
    result = decided()
    (table,) = tables_of(store, result, replace(result, name="again", fingerprint="e" * 64), packs=packs)
    assert len(table.rows) == 4
    assert by_arm(table)["mine"].study == "small ffffffff, again eeeeeeee"


def test_recipes_that_failed_smoke_stand_in_no_table(store: Any, decided: Any, packs: Any) -> None:
    result = decided()
    failed = Promotion(tier="micro-1x", arm="mine", promoted=False, gate="G0", reason="loss is no number")
    cut = replace(result, facts=Facts(promotion=(failed,)))
    assert [row.name for row in rows_of(store, cut).candidates] == ["baseline"]
    assert {(left.arm, left.reason.partition(":")[0]) for left in rows_of(store, cut).left_out} == {
        ("mine", "smoke"),
        ("random", "smoke"),
        ("random-matched", "smoke"),
    }


def test_a_slice_can_be_ranked_and_an_unknown_metric_is_refused(store: Any, decided: Any, packs: Any) -> None:
    result = decided()
    (table,) = tables_of(store, result, packs=packs, metric="docs")
    assert (table.metric, by_arm(table)["mine"].rank) == ("docs", 1)
    with pytest.raises(RunError, match="did you mean `docs`"):
        tables_of(store, result, packs=packs, metric="dogs")


def test_results_are_found_in_the_store_and_in_directories(make_result: Any, store: Any, tmp_path: Path) -> None:
    result = make_result(level, SLICES)
    write_result(store.root / "study-small-ffffffff" / RESULT_FILE, result)
    write_result(tmp_path / "own" / RESULT_FILE, result)
    assert len(load_results(store, [])) == 1
    assert len(load_results(store, [tmp_path / "own"])) == 1


def test_an_empty_store_says_how_to_make_a_result(store: Any) -> None:
    assert "curate study run" in shown(ranked_tables((), ()))


def test_a_directory_without_a_result_is_refused(store: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="give a study directory"):
        load_results(store, [tmp_path])


def test_the_terminal_says_that_laptop_tiers_do_not_rank(store: Any, make_result: Any) -> None:
    result = make_result(level, SLICES)
    console = Console(width=160, record=True, file=io.StringIO())
    draw_tables(console, tables_of(store, result))
    draw_result(console, result)
    text = console.export_text()
    assert "without rank (rule 9)" in text
    assert "verdict: insufficient" in text
    assert "got worse: no slice" in text


@pytest.mark.parametrize("width", [80, 160])
def test_names_are_never_markup_and_stay_whole_at_any_width(store: Any, decided: Any, packs: Any, width: int) -> None:
    result = decided()
    named = replace(result, name="[red]x[/red]\x1b[31m")
    text = shown(tables_of(store, named, packs=packs), width)
    assert "[red]x[/red]" in text.replace("\n", "").replace(" ", "") or "[red]x" in text
    assert "\x1b" not in text


def test_the_csv_has_a_line_a_row_and_no_formula(store: Any, decided: Any, packs: Any) -> None:
    result = decided()
    text = tables_csv(tables_of(store, replace(result, name="=1+1"), packs=packs))
    assert len(text.splitlines()) == 5
    assert ",=1+1" not in text
    assert "'=1+1" in text


def by_slice(arm: str, seed: int, name: str) -> float:
    """The arm takes 10 % off `docs` and adds 5 % to `code`: opposite signs, and a headline of its own."""
    return 2.0 * (0.9 if name == "docs" else 1.05) if arm == "mine" else 2.0


@pytest.mark.parametrize(
    ("metric", "factor"), [("docs", 0.9), ("code", 1.05), (None, math.sqrt(0.9 * 1.05)), ("headline", 0.945**0.5)]
)
def test_the_difference_of_a_row_is_that_of_the_metric_shown(
    store: Any, make_result: Any, metric: str | None, factor: float
) -> None:
    (table,) = tables_of(store, make_result(by_slice, SLICES), metric=metric)
    rows = by_arm(table)
    mine, base = rows["mine"], rows["baseline"]
    assert mine.value is not None
    assert base.value is not None
    assert mine.value / base.value == pytest.approx(factor)
    assert mine.log_ratio == pytest.approx(math.log(factor))
    assert mine.low is not None
    assert mine.high is not None
    assert mine.low <= mine.log_ratio <= mine.high
    assert base.log_ratio is None
    said = f"{100 * abs(factor - 1):.2f}%"
    assert said in shown([table])
    (line,) = [one for one in csv.DictReader(io.StringIO(tables_csv([table]))) if one["arm"] == "mine"]
    assert float(line["log_ratio"]) == pytest.approx(math.log(factor))
    assert float(line["low"]) == pytest.approx(mine.low)


def test_a_metric_that_its_study_did_not_compare_has_no_difference(store: Any, make_result: Any) -> None:
    result = make_result(by_slice, SLICES)
    cut = [
        replace(item, total=replace(item.total, slices=tuple(one for one in item.total.slices if one.slice == "code")))
        for item in result.assessments
    ]
    (table,) = tables_of(store, replace(result, assessments=tuple(cut)), metric="docs")
    mine = by_arm(table)["mine"]
    assert mine.value is not None
    assert (mine.log_ratio, mine.low, mine.high) == (None, None, None)


def test_a_headline_over_other_slices_than_the_value_is_left_out(store: Any, make_result: Any) -> None:
    """The study's headline was over `docs` alone; the table's is over both."""
    result = make_result(by_slice, SLICES)
    cut = [replace(item, total=replace(item.total, headline_slices=("docs",))) for item in result.assessments]
    (table,) = tables_of(store, replace(result, assessments=tuple(cut)))
    assert by_arm(table)["mine"].log_ratio is None


def test_places_of_a_slice_are_of_that_slice(store: Any, decided: Any, packs: Any) -> None:
    """`mine` is better on docs and worse on code, by far more than noise: first in one table, second in the other."""
    (docs,) = tables_of(store, decided(by_slice), packs=packs, metric="docs")
    (code,) = tables_of(store, decided(by_slice), packs=packs, metric="code")
    assert [by_arm(one)["mine"].rank for one in (docs, code)] == [1, 2]
    assert [by_arm(one)["mine"].p_first for one in (docs, code)] == [pytest.approx(1.0), pytest.approx(0.0)]
