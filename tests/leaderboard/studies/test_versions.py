"""Versions: an edited study is another one, and says how many runs were seen before its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from curation.errors import StudyError
from curation.files import write_json
from curation.ingest import ensure_pool
from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.store import Store
from leaderboard.gates.commands import study_gate
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.frozen import freeze, study_dir
from leaderboard.studies.kinds_command import study_diff, study_kinds
from leaderboard.studies.prepared import Prepared, prepare
from leaderboard.studies.results import RESULT_FILE, write_result
from leaderboard.studies.run import run_study
from leaderboard.studies.status import study_status
from leaderboard.studies.study import load_study
from leaderboard.studies.versions import changed_words, read_words_of, versions_seen


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    """A study of forty documents over a recipe without stages."""
    rows = [{"text": f"words of {i} " * 20, "slice": "notes", "site": f"s{i}", "id": str(i)} for i in range(40)]
    (tmp_path / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "base.yaml").write_text(
        f"name: base\npool: {{path: {tmp_path / 'pool.jsonl'}, family: site}}\npanel: {{bytes_per_slice: 2000}}\n"
        "stages: []\n"
    )
    path = tmp_path / "lines.yaml"
    path.write_text(
        "hypothesis: short documents hurt\nkind: filter\nbase: base.yaml\ntiers: {pico-0.02x: 1}\n"
        "vary: {mine: {filter: word-count, min_words: 70}}\n"
    )
    return path


def ready(path: Path, store: Store, *overrides: str) -> Prepared:
    study = load_study(path, overrides)
    arms = resolve_arms(study, str(path))
    pool = ensure_pool(store, arms[0].recipe.pool, workers=1, progress=SilentProgress())
    return prepare(study, arms, pool)


def frozen(path: Path, store: Store, *overrides: str) -> Path:
    """Freeze the study as its first run would, and return its directory."""
    one = ready(path, store, *overrides)
    folder = study_dir(store, one.study, one.fingerprint)
    freeze(folder, one.fingerprint, one.identity, recipes=one.recipes, runs_before=0)
    return folder


def test_the_same_words_have_no_earlier_version(study_path: Path, store: Store) -> None:
    frozen(study_path, store)
    one = ready(study_path, store)
    assert versions_seen(store, one.identity, one.fingerprint) == ()


def test_an_edited_word_is_another_study_that_names_the_word_and_the_runs_seen(study_path: Path, store: Store) -> None:
    folder = frozen(study_path, store)
    write_json(folder / "results.json", {"runs": [{}, {}, {}]})
    one = ready(study_path, store, "protect=[notes]")
    (seen,) = versions_seen(store, one.identity, one.fingerprint)
    assert (seen.folder, seen.changed, seen.num_runs) == (folder.name, ("protect",), 3)
    assert "3 runs of an earlier version" in seen.told
    assert "changed: protect" in seen.told


def test_another_name_with_the_same_hypothesis_is_a_version_too(study_path: Path, store: Store) -> None:
    frozen(study_path, store, "name=before")
    one = ready(study_path, store)
    (seen,) = versions_seen(store, one.identity, one.fingerprint)
    assert seen.changed == ("name",)
    other = ready(study_path, store, "hypothesis=something else")
    assert versions_seen(store, other.identity, other.fingerprint) == ()


def test_a_changed_arm_is_named(study_path: Path, store: Store) -> None:
    frozen(study_path, store)
    one = ready(study_path, store, "vary.mine.min_words=71")
    (seen,) = versions_seen(store, one.identity, one.fingerprint)
    assert seen.changed == ("arm mine", "arm random", "arm random-matched")


def test_the_plan_says_which_version_came_before(
    study_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from leaderboard.studies.commands import study_plan

    folder = frozen(study_path, store)
    study_plan(study_path, overrides=["protect=[notes]"], store=store.root, json_output=True)
    (seen,) = json.loads(capsys.readouterr().out)["versions_seen"]
    assert (seen["folder"], seen["changed"], seen["num_runs"]) == (folder.name, ["protect"], 0)


def test_diff_tells_old_and_new_words_and_settings_of_arms(
    study_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = frozen(study_path, store)
    edits = ["protect=[notes]", "vary.mine.min_words=71"]
    study_diff(folder, study_path, overrides=edits, store=store.root, json_output=True)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    places = {one["place"]: one for one in told["changes"]}
    assert not told["same"]
    assert (places["protect"]["before"], places["protect"]["after"]) == ([], ["notes"])
    assert "min_words=71" in places["arm mine"]["after"]


def test_diff_of_the_same_words_says_so(study_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    study_diff(frozen(study_path, store), study_path, store=store.root)
    assert "The same study" in capsys.readouterr().out


def test_a_directory_without_a_frozen_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="expected the directory of a study that ran"):
        read_words_of(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(StudyError, match="is no frozen study"):
        read_words_of(tmp_path)


def test_pool_and_panel_are_among_what_changed() -> None:
    assert changed_words({"pool": "a", "panel": "b"}, {"pool": "x", "panel": "b"}) == ["pool"]


def test_the_kinds_can_be_read_as_one_object_and_as_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    study_kinds(json_output=True)
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["kinds"]] == ["dedup", "filter", "mixture", "optimizer", "tokenizer"]
    assert told["ladder"][0]["candidates"] == "many"
    study_kinds("optimizer")
    shown = capsys.readouterr().out
    assert "rates x0.5, 1, 2" in shown
    assert "quality-per-cost" in shown


def test_diff_prints_the_old_setting_of_an_arm_before_the_new(
    study_path: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    study_diff(frozen(study_path, store), study_path, overrides=["vary.mine.min_words=71"], store=store.root)
    told = capsys.readouterr().out
    assert 0 < told.index("70") < told.index(" -> ") < told.index("71")


def test_an_edited_study_was_not_started_and_names_the_version_before_it(study_path: Path, store: Store) -> None:
    folder = frozen(study_path, store)
    planner = Planner(store=store, workers=1, progress=SilentProgress())
    planner.materialise(ready(study_path, store).corpora["baseline"].corpus)
    status = study_status(study_path, store, ("protect=[notes]",))
    assert status.state == "not-started"
    assert folder.name in status.earlier[0]


def test_an_arm_that_makes_the_baselines_corpus_is_refused_before_training(study_path: Path, store: Store) -> None:
    study = load_study(study_path, ("vary.mine.min_words=1",))
    with pytest.raises(StudyError, match=r"vary\.mine: made the same corpus as the baseline .*nothing was trained"):
        run_study(study, str(study_path), store=store, workers=1, progress=SilentProgress())
    assert not list(store.root.glob("run-*"))
    assert not list(store.root.glob("study-*/study.json"))


def test_the_gate_takes_the_yaml_of_a_study_that_ran_and_refuses_one_that_did_not(
    study_path: Path, store: Store, make_result: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = frozen(study_path, store)
    write_result(folder / RESULT_FILE, make_result(lambda arm, seed, name: 2.0 + 0.001 * seed, {"docs": 60}))
    with pytest.raises(typer.Exit) as caught:
        study_gate(study_path, store=store.root, json_output=True)
    assert caught.value.exit_code == 4
    assert json.loads(capsys.readouterr().out)["decision"]
    study_path.write_text(study_path.read_text().replace("70", "71"))
    with pytest.raises(StudyError, match=r"run it first: `curate study run"):
        study_gate(study_path, store=store.root)
