"""Results: what the file holds, that it comes back whole, and that aggregates must follow from the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import RunError
from leaderboard.studies.assemble import scored_run
from leaderboard.studies.results import RESULT_FILE, as_json, read_result, write_result
from leaderboard.studies.run_results import run_result
from leaderboard.studies.trained import TrainedRun

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; the second seed is 1 % worse for all."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1.01 if seed == 2 else 1.0)


def test_a_result_comes_back_from_its_file_unchanged(make_result: Any, tmp_path: Path) -> None:
    result = make_result(level, SLICES)
    write_result(tmp_path / RESULT_FILE, result)
    assert as_json(read_result(tmp_path)) == as_json(result)


def test_the_file_is_plain_json_with_its_schema(make_result: Any, tmp_path: Path) -> None:
    write_result(tmp_path / RESULT_FILE, make_result(level, SLICES))
    assert json.loads((tmp_path / RESULT_FILE).read_text())["schema"] == "study-result/2"


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULT_FILE).write_text('{"schema": "study-result/9"}')
    with pytest.raises(RunError, match="schema is 'study-result/9', expected 'study-result/2'"):
        read_result(tmp_path)


def test_an_edited_result_names_the_place(make_result: Any, tmp_path: Path) -> None:
    value = as_json(make_result(level, SLICES))
    value["hypothesis"] = 3
    (tmp_path / RESULT_FILE).write_text(json.dumps(value))
    with pytest.raises(RunError, match="hypothesis"):
        read_result(tmp_path)


def test_a_missing_result_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="give a study directory"):
        read_result(tmp_path)


def test_an_unstable_run_is_named_among_the_reasons(make_result: Any) -> None:
    result = make_result(level, SLICES, unstable=(("mine", 2),))
    assert [(run.arm, run.seed) for run in result.runs if not run.stable] == [("mine", 2)]
    assert "mine seed 2" in " ".join(reason.text for reason in result.assessments[0].reasons)


def test_a_second_budget_without_runs_does_not_count(make_result: Any) -> None:
    result = make_result(level, SLICES, tier="micro-1x", tiers={"micro-1x": 2, "micro-2x": 2})
    assert 16 in {reason.rule for reason in result.assessments[0].reasons}


def test_bits_per_byte_in_the_result_are_recomputed_from_documents(make_result: Any, store: Any) -> None:
    result = make_result(level, SLICES)
    run = next(item for item in result.runs if item.arm == "mine" and item.seed == 2)
    documents = scored_run(store.find("run", run.fingerprint), "mine").documents.to_pylist()
    nats = sum(row["nats"] for row in documents if row["slice"] == "docs")
    num_bytes = sum(row["num_bytes"] for row in documents if row["slice"] == "docs")
    assert run.bpb["docs"] == pytest.approx(nats / num_bytes / 0.6931471805599453)


def test_an_aggregate_that_does_not_follow_from_the_scores_is_refused(
    make_run: Any, store: Any, write_run: Any
) -> None:
    run = make_run("mine", 1, level, SLICES, tier="pico")
    artifact = write_run(store, run, unique_tokens=1_000_000, bpb_factor=0.99)
    with pytest.raises(RunError, match="by the document scores"):
        run_result(TrainedRun(arm="mine", tier="pico", seed=1, artifact=artifact), scored_run(artifact, "mine"))


def test_a_tier_whose_baseline_failed_has_runs_but_no_assessment(make_result: Any) -> None:
    result = make_result(level, SLICES, failed=("baseline",))
    assert (len(result.runs), result.assessments) == (6, ())


def test_an_arm_whose_control_failed_is_assessed_without_the_split(make_result: Any) -> None:
    item = make_result(level, SLICES, failed=("random-matched",)).assessments[0]
    assert item.quality is None
    assert 3 in {reason.rule for reason in item.reasons}


def test_supply_is_flagged_against_the_baseline(make_result: Any) -> None:
    flags = {item.arm: bool(item.flag) for item in make_result(level, SLICES).supply}
    assert flags == {"baseline": False, "mine": True, "random": True, "random-matched": True}


def test_the_unigram_gap_is_that_of_the_worst_seed(make_result: Any) -> None:
    result = make_result(level, SLICES)
    worst = max(run.bpb["docs"] for run in result.runs if run.arm == "mine")
    check = next(item for item in result.unigram if item.arm == "mine")
    assert check.gap["docs"] == pytest.approx(4.0 - worst)


def test_the_curve_ends_at_the_last_point(make_result: Any) -> None:
    curve = make_result(level, SLICES).runs[0].curve
    assert (curve[-1].tokens, curve[-1].loss) == (100_000, pytest.approx(4.0))
