"""Studies: a run's score is its headline log ratio to the baseline, and studies of several panels share no table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.cli import main
from curation.errors import ResultsError
from leaderboard.stability.from_studies import check_together, studies_of, study_stability
from leaderboard.studies.results import RESULT_FILE, write_result

SLICES = {"docs": 60, "code": 55}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better; seeds differ a little."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * (1 + 0.001 * seed)


def two_tiers(result: Any) -> Any:
    """The same runs again at a larger tier, where the arm is worse by as much."""
    factor = {"mine": 1.04}
    more = tuple(
        replace(
            run,
            tier="small-1x",
            flops=run.flops * 100,
            bpb={name: value * factor.get(run.arm, 1.0) * 0.9 for name, value in run.bpb.items()},
        )
        for run in result.runs
    )
    return replace(result, runs=(*result.runs, *more), tiers={**result.tiers, "small-1x": 2})


@pytest.fixture
def study(make_result: Any, tmp_path: Path) -> Path:
    write_result(tmp_path / "study" / RESULT_FILE, two_tiers(make_result(level, SLICES, tier="micro-1x")))
    return tmp_path / "study"


def test_scores_are_log_ratios_of_the_headline(study: Path) -> None:
    found = study_stability([study], None, by_slice=False)[0]
    row = found.scores.recipes.index("mine")
    assert found.scores.tiers == ("micro-1x", "small-1x")
    assert found.scores.means[row] == pytest.approx([np.log(0.98), np.log(0.98 * 1.04)])
    assert found.pairs[0].winners_from == ("mine",)
    assert found.pairs[0].agreement.winner_kept == 0.0


def test_slices_stand_alone_in_json(study: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["leaderboard", "stability", str(study), "--by-slice", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [one["group"] for one in found["groups"]] == ["code", "docs"]
    assert found["pairs"][0]["flops"]["share"] == pytest.approx(0.01)


def test_options_of_a_table_are_refused_for_a_study(study: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", "stability", str(study), "--score", "bpb"])
    assert (caught.value.code, "belongs to a table" in capsys.readouterr().err) == (2, True)


def test_studies_of_two_panels_share_no_table(make_result: Any) -> None:
    result = make_result(level, SLICES)
    other = replace(result, runs=tuple(replace(run, panel="q" * 64) for run in result.runs))
    with pytest.raises(ResultsError, match="2 panels .*rule 1"):
        check_together([result, other], "studies")


def test_a_store_stands_for_its_studies(study: Path, tmp_path: Path) -> None:
    study.rename(tmp_path / "study-small-ffffffff")
    assert studies_of(tmp_path) == [tmp_path / "study-small-ffffffff"]
    assert studies_of(tmp_path / "study-small-ffffffff") == [tmp_path / "study-small-ffffffff"]
