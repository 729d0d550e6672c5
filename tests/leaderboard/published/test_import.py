"""`curate leaderboard import dclm`: entries appear once, say what they do not know, and come back as they went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from leaderboard.entries.entry import read_entries
from leaderboard.published.draft import draft_of
from leaderboard.published.reconcile import read_dclm
from leaderboard.published.write import read_runs, write_runs


def run_json(capsys: Any, *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def filled(directory: Any) -> Any:
    directory.file(directory.name("c4"), directory.scores(0.5), "u1")
    directory.row("rw", directory.scores(0.6, copa=None), "u2", dataset_uuid="0123456789abcdef")
    return directory


def test_importing_twice_adds_nothing(directory: Any, tmp_path: Path, capsys: Any) -> None:
    arguments = ("leaderboard", "import", "dclm", str(filled(directory).folder), "--to", str(tmp_path / "b"))
    assert [run_json(capsys, *arguments)["new"] for _ in range(2)] == [2, 0]
    assert len(list((tmp_path / "b" / "entries").iterdir())) == 2


def test_a_dry_run_writes_nothing(directory: Any, tmp_path: Path, capsys: Any) -> None:
    board = tmp_path / "b"
    told = run_json(
        capsys, "leaderboard", "import", "dclm", str(filled(directory).folder), "--to", str(board), "--dry-run"
    )
    assert (told["entries"], told["new"], board.exists()) == (2, 0, False)


def test_an_entry_is_published_self_reported_and_without_corpus_or_curve(directory: Any, tmp_path: Path) -> None:
    write_runs(tmp_path, read_dclm(filled(directory).folder).runs)
    entry = next(one for one in read_entries(tmp_path) if one.manifest.runs[0].arm == "c4")
    record = entry.manifest.runs[0]
    assert (entry.level, entry.manifest.division, record.tier) == (0, "published", "dclm-1b-1x")
    assert (record.corpus, record.documents, record.curve, record.panel) == (None, None, (), "")
    assert record.flops == 6 * 1_439_795_200 * 28_795_904_000


def test_runs_come_back_from_a_board_as_they_went(directory: Any, tmp_path: Path) -> None:
    runs = read_dclm(filled(directory).folder).runs
    write_runs(tmp_path, runs)
    assert [(run.key, run.scores, run.recipe) for run in read_runs(tmp_path)] == [
        (run.key, run.scores, run.recipe) for run in runs
    ]


def test_a_missing_task_makes_core_not_available_and_is_named(directory: Any, tmp_path: Path, capsys: Any) -> None:
    told = run_json(capsys, "leaderboard", "import", "dclm", str(filled(directory).folder), "--to", str(tmp_path / "b"))
    lacking = told["aggregates"]["not_available"]
    assert {name.partition("-")[0]: why["Core_v2"] for name, why in lacking.items()} == {"rw": "no score of copa"}


def test_names_with_markup_stay_names(directory: Any, tmp_path: Path) -> None:
    directory.row("<script>alert(1)</script>[red]", directory.scores(0.5), "u1")
    draft = draft_of(read_dclm(directory.folder).runs[0])
    assert "<" not in draft.manifest.study.name
    assert write_runs(tmp_path, read_dclm(directory.folder).runs) == 1


@pytest.mark.slow
def test_the_published_results_make_a_board_of_more_than_a_hundred_runs(published_dclm: Path, tmp_path: Path) -> None:
    assert write_runs(tmp_path, read_dclm(published_dclm).runs) == 456
    tiers = [run.tier for run in read_runs(tmp_path)]
    assert {name: tiers.count(name) for name in ("dclm-400m-1x", "dclm-1b-1x", "dclm-7b-1x")} == {
        "dclm-400m-1x": 12,
        "dclm-1b-1x": 299,
        "dclm-7b-1x": 69,
    }
