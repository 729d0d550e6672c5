"""`curate compare`: arms of a study recomputed from its runs, or two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import RunError
from leaderboard.compare_command import comparisons
from leaderboard.studies.results import RESULT_FILE, write_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


@pytest.fixture
def study_dir(make_result: Any, store: Any) -> Path:
    """A study with runs in the store."""
    write_result(store.root / "study-small-ffffffff" / RESULT_FILE, make_result(level, SLICES))
    return Path(store.root / "study-small-ffffffff")


def test_the_comparison_from_the_runs_equals_the_one_in_the_result(
    study_dir: Path, make_result: Any, store: Any
) -> None:
    found = comparisons(store, [str(study_dir)], arm="mine", against=None)
    assert found == [make_result(level, SLICES).assessments[0].total]


def test_a_study_is_found_by_its_name_in_the_store(study_dir: Path, store: Any) -> None:
    found = comparisons(store, [study_dir.name], arm=None, against="random-matched")
    assert [item.arm for item in found] == ["baseline", "mine", "random"]


def test_an_unknown_arm_offers_the_nearest(study_dir: Path, store: Any) -> None:
    with pytest.raises(RunError, match="did you mean `random-matched`"):
        comparisons(store, [str(study_dir)], arm="random-match", against=None)


def test_an_arm_among_several_is_compared_with_its_own_control(make_result: Any, store: Any) -> None:
    vary = {"mine": {"filter": "quality_v1"}, "other": {"filter": "fineweb"}}
    write_result(store.root / "study-two" / RESULT_FILE, make_result(level, SLICES, vary=vary))
    (found,) = comparisons(store, ["study-two"], arm="mine", against="random-matched")
    assert (found.arm, found.against) == ("mine", "mine.random-matched")


def test_two_runs_of_one_seed_are_compared_without_seed_noise(study_dir: Path, make_result: Any, store: Any) -> None:
    runs = {(run.arm, run.seed): run.fingerprint[:8] for run in make_result(level, SLICES).runs}
    (found,) = comparisons(store, [runs["mine", 1], runs["baseline", 1]], arm=None, against=None)
    assert found.headline is not None
    assert found.headline.share == pytest.approx(-0.02)
    assert found.headline.se_seeds is None


def test_slices_that_a_corpus_was_fitted_to_leave_the_headline_of_two_runs(make_result: Any, store: Any) -> None:
    result = make_result(level, SLICES, selected_for=("docs",))
    runs = {(run.arm, run.seed): run.fingerprint[:8] for run in result.runs}
    (found,) = comparisons(store, [runs["baseline", 1], runs["mine", 1]], arm=None, against=None)
    assert found.headline_slices == ("code",)


def test_two_runs_of_a_lost_corpus_are_not_compared_as_if_nothing_was_fitted(make_result: Any, store: Any) -> None:
    result = make_result(level, SLICES)
    runs = {(run.arm, run.seed): run.fingerprint[:8] for run in result.runs}
    lost = next(arm.corpus for arm in result.arms if arm.name == "mine")
    (store.path_of("corpus", lost) / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"its corpus .* is not in .*rule 2"):
        comparisons(store, [runs["mine", 1], runs["baseline", 1]], arm=None, against=None)


def test_runs_of_different_seeds_do_not_pair(study_dir: Path, make_result: Any, store: Any) -> None:
    runs = {(run.arm, run.seed): run.fingerprint[:8] for run in make_result(level, SLICES).runs}
    with pytest.raises(RunError, match="no seed in common"):
        comparisons(store, [runs["mine", 1], runs["baseline", 2]], arm=None, against=None)


def test_a_run_is_not_compared_with_itself(study_dir: Path, make_result: Any, store: Any) -> None:
    name = make_result(level, SLICES).runs[0].fingerprint[:8]
    with pytest.raises(RunError, match="are one run"):
        comparisons(store, [name, name], arm=None, against=None)


def test_an_unknown_run_is_refused_with_the_store(store: Any) -> None:
    with pytest.raises(RunError, match="no such run"):
        comparisons(store, ["zzzz", "yyyy"], arm=None, against=None)


def test_three_arguments_are_one_too_many(store: Any) -> None:
    with pytest.raises(RunError, match="3 arguments, expected one study directory or two runs"):
        comparisons(store, ["a", "b", "c"], arm=None, against=None)


def test_the_wrong_store_is_named(study_dir: Path, tmp_path: Path) -> None:
    from curation.store import Store

    with pytest.raises(RunError, match="expected the store that the study ran in"):
        comparisons(Store.open(tmp_path / "other"), [str(study_dir)], arm=None, against=None)
