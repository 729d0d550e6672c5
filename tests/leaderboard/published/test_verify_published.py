"""Level 1 of published runs: what is asked of sums, what does not apply, and why they stay at level 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.files import canonical_json, sha256_file
from curation.suites.dclm import dclm_tasks
from leaderboard.entries.entry import entry_folders
from leaderboard.entries.manifest import ENTRY_FILE
from leaderboard.entries.verify import Asked, Verified, verify
from leaderboard.published.run import PublishedRun, run_key
from leaderboard.published.write import write_runs


def published(board: Path, lacks: str = "") -> Path:
    """Write one run to a board and return its entry; without the score of the task `lacks`."""
    run = PublishedRun(
        key=run_key("c4", "e"), name="c4", uuid="c4", dataset="c4", model="open_lm_1b", params=1_439_795_200,
        tokens=28_795_904_000, tier="dclm-1b-1x", recipe="lr=0.003", seed=124, dataset_uuid="",
        scores={task: 0.5 for task in dclm_tasks() if task != lacks}, sources=("database",),
    )  # fmt: skip
    write_runs(board, [run])
    (folder,) = entry_folders(board)
    return folder


def states(found: Verified) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


@pytest.mark.parametrize("lacks", ["", "copa"])
def test_only_the_missing_items_keep_a_published_run_from_level_one(tmp_path: Path, lacks: str) -> None:
    found = verify(published(tmp_path, lacks), Asked())
    assert [check.name for check in found.checks if check.bad] == ["items"]
    assert "no task's score can be recomputed: it stays at level 0" in found.checks[5].text
    assert found.level == 0
    assert not list((tmp_path / "badges").glob("*/*")) if (tmp_path / "badges").is_dir() else True


@pytest.mark.parametrize("name", ["study", "seeds", "track", "smoke", "documents", "curves", "near-copies"])
def test_what_published_runs_do_not_have_is_not_applicable(tmp_path: Path, name: str) -> None:
    assert states(verify(published(tmp_path), Asked()))[name] == "not-applicable"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda held: held["aggregates"]["Core_v2"].update(value=0.9), "Core_v2: .* by its tasks, 0.900000 said"),
        (lambda held: held["tasks"].pop("copa"), "task copa: has no score and is not listed missing"),
        (lambda held: held["tasks"]["copa"]["metrics"]["acc_per_token"].update(value=1.5), "task copa: 1.5"),
    ],
)
def test_a_published_number_that_does_not_follow_is_found(tmp_path: Path, edit: Any, said: str) -> None:
    import re

    folder = published(tmp_path)
    manifest = json.loads((folder / ENTRY_FILE).read_text())
    (facts,) = manifest["files"]
    path = folder / facts["path"]
    held = json.loads(path.read_text())
    edit(held)
    path.write_text(json.dumps(held))
    facts.update(bytes=path.stat().st_size, sha256=sha256_file(path))
    (folder / ENTRY_FILE).write_text(canonical_json(manifest) + "\n")
    forged = folder.rename(folder.parent / f"{manifest['study']['name']}-{sha256_file(folder / ENTRY_FILE)[:16]}")
    (check,) = [one for one in verify(forged, Asked()).checks if one.name == "aggregates"]
    assert check.state == "fail"
    assert re.search(said, check.text)


def test_a_study_that_calls_itself_published_is_checked_as_a_study(tmp_path: Path) -> None:
    folder = published(tmp_path)
    (folder / "study.json").write_text("{}")
    manifest = json.loads((folder / ENTRY_FILE).read_text())
    manifest["runs"][0]["role"] = "arm"
    manifest["files"] = [*manifest["files"], {"path": "study.json", "bytes": 2, "rows": None}]
    manifest["files"][-1]["sha256"] = sha256_file(folder / "study.json")
    (folder / ENTRY_FILE).write_text(canonical_json(manifest) + "\n")
    forged = folder.rename(folder.parent / f"{manifest['study']['name']}-{sha256_file(folder / ENTRY_FILE)[:16]}")
    found = states(verify(forged, Asked()))
    assert found["near-copies"] == "absent"
    assert found["track"] == "fail"
