"""A board's rows: published runs are never ranked, withdrawn ones are marked, divisions keep apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curation.errors import RunError
from curation.files import canonical_json
from curation.store import Store
from curation.suites.dclm import dclm_tasks
from leaderboard.entries.entry import Entry, read_entries
from leaderboard.entries.hashed_scores import hashed_documents
from leaderboard.entries.manifest import RESULT_FILE, Manifest, RunRecord, StudyFacts
from leaderboard.entries.write import Draft, write_entry
from leaderboard.published.run import PublishedRun, run_key
from leaderboard.published.write import write_runs
from leaderboard.ranking.from_entries import board_rows, entry_rows, marks_of
from leaderboard.ranking.from_studies import store_source, study_rows
from leaderboard.ranking.row import table_json
from leaderboard.ranking.tables import ranked_tables
from leaderboard.ranking.view import draw_tables
from leaderboard.scores import load_documents
from leaderboard.studies.results import StudyResult, as_json


def run(name: str, level: float, *, recipe: str = "open_lm_1b lr=0.003", lacks: tuple[str, ...] = ()) -> PublishedRun:
    return PublishedRun(
        key=run_key(name, recipe),
        name=name,
        uuid=name,
        dataset=name,
        model="open_lm_1b",
        params=1_439_795_200,
        tokens=28_795_904_000,
        tier="dclm-1b-1x",
        recipe=recipe,
        seed=124,
        dataset_uuid="",
        scores={task: level for task in dclm_tasks() if task not in lacks},
        sources=("database",),
    )


def entries(board: Path, *runs: PublishedRun) -> list[Entry]:
    write_runs(board, runs)
    return list(read_entries(board))


def test_published_runs_are_sorted_by_value_and_say_why_they_have_no_rank(tmp_path: Path) -> None:
    entries(tmp_path, run("c4", 0.5), run("rw", 0.6))
    (table,) = ranked_tables(board_rows(tmp_path).candidates, ())
    assert [(row.arm, row.rank, row.p_first, row.num_seeds, row.level) for row in table.rows] == [
        ("rw", None, None, 1, "L0"),
        ("c4", None, None, 1, "L0"),
    ]
    assert {row.unranked for row in table.rows} == {
        "one run, and run noise of its tier was never measured (rules 8 and 9)"
    }


def test_another_training_recipe_is_another_table(tmp_path: Path) -> None:
    entries(tmp_path, run("c4", 0.5), run("rw", 0.6, recipe="open_lm_1b lr=0.01"))
    tables = ranked_tables(board_rows(tmp_path).candidates, ())
    assert {table.key.recipe for table in tables} == {"open_lm_1b lr=0.003", "open_lm_1b lr=0.01"}
    assert all(table.key.recipe in table.title for table in tables)


def test_a_missing_task_is_n_a_at_the_end_and_names_the_task(tmp_path: Path) -> None:
    entries(tmp_path, run("c4", 0.9, lacks=("copa",)), run("rw", 0.6))
    (table,) = ranked_tables(board_rows(tmp_path).candidates, ())
    assert [(row.arm, row.value is None) for row in table.rows] == [("rw", False), ("c4", True)]
    console = Console(width=120, record=True, file=io.StringIO())
    draw_tables(console, [table])
    assert "N/A" in console.export_text()


def test_a_task_can_be_shown_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    entries(tmp_path, run("c4", 0.5))
    rows = board_rows(tmp_path).candidates
    (table,) = ranked_tables(rows, (), "copa")
    assert table.rows[0].value == 0.5
    with pytest.raises(RunError, match="did you mean `copa`"):
        ranked_tables(rows, (), "coppa")


def test_withdrawn_and_challenged_entries_are_marked_and_never_ranked(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, run("c4", 0.5))
    gone = Entry(folder=entry.folder, manifest=entry.manifest, digest=entry.digest, retracted="a bug", challenges=2)
    assert marks_of(gone) == ("retracted: a bug", "challenged (2)")
    (row,) = entry_rows(gone).candidates
    (table,) = ranked_tables((row,), ())
    assert table_json(table)["rows"][0]["unranked"] == "retracted: a bug"  # type: ignore[index,call-overload]
    console = Console(width=120, record=True, file=io.StringIO())
    draw_tables(console, [table, *ranked_tables(entry_rows(entry).candidates, ())])
    assert "[retracted]" in console.export_text()


def test_a_folder_without_entries_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="curate submit STUDY --to"):
        board_rows(tmp_path)


def study_entry(board: Path, result: StudyResult, store: Store) -> Entry:
    """Write a study's result and its document scores as an entry, as `curate submit` does."""
    tables, records = {}, []
    for one in result.runs:
        artifact = store.find("run", one.fingerprint)
        assert artifact is not None
        name = f"scores/run-{one.fingerprint[:16]}/documents.parquet"
        tables[name] = hashed_documents(load_documents(artifact.path), one.panel)
        role = next(arm.role for arm in result.arms if arm.name == one.arm)
        records.append(
            RunRecord.model_validate(
                {"arm": one.arm, "role": role, "tier": one.tier, "seed": one.seed, "fingerprint": one.fingerprint}
                | {"panel": one.panel, "tokenizer": one.tokenizer, "context": one.context, "documents": name}
            )
        )
    facts = StudyFacts(name=result.name, kind=result.kind, base=result.base, fingerprint=result.fingerprint)
    manifest = Manifest.model_validate(
        {"schema": "curate-entry@1", "track": "english", "division": "open", "study": facts, "runs": tuple(records)}
    )
    texts = {RESULT_FILE: canonical_json(as_json(result)) + "\n"}
    write_entry(board, Draft(manifest=manifest, texts=texts, tables=tables))
    return next(one for one in read_entries(board) if one.manifest.division == "open")


def test_an_entry_ranks_as_its_study_does_in_the_store(tmp_path: Path, store: Store, decided: Any, packs: Any) -> None:
    """Document ids are digests in an entry: sums over families are taken in another order, nothing else changes."""
    result = decided()
    own = ranked_tables(study_rows(store_source(result, store)).candidates, packs)[0]
    there = ranked_tables(entry_rows(study_entry(tmp_path, result, store)).candidates, packs)[0]
    assert [(row.arm, row.rank, row.rank_low, row.rank_high, row.tie_group) for row in there.rows] == [
        (row.arm, row.rank, row.rank_low, row.rank_high, row.tie_group) for row in own.rows
    ]
    assert [row.value for row in there.rows] == pytest.approx([row.value for row in own.rows])
    assert (there.key.track, there.key.division, there.rows[0].level) == ("english", "open", "L0")


def test_a_withdrawn_study_loses_its_rank_and_the_others_keep_theirs(
    tmp_path: Path, store: Store, decided: Any, packs: Any
) -> None:
    entry = study_entry(tmp_path, decided(), store)
    gone = Entry(folder=entry.folder, manifest=entry.manifest, digest=entry.digest, retracted="a bug")
    (table,) = ranked_tables(entry_rows(gone).candidates, packs)
    assert {row.rank for row in table.rows} == {None}
    assert {row.unranked for row in table.rows} == {"retracted: a bug"}


def test_studies_and_published_runs_of_one_board_never_meet(
    tmp_path: Path, store: Store, decided: Any, packs: Any
) -> None:
    study_entry(tmp_path, decided(), store)
    write_runs(tmp_path, [run("c4", 0.5)])
    tables = ranked_tables(board_rows(tmp_path).candidates, packs)
    assert [(table.key.division, len(table.rows)) for table in tables] == [("open", 4), ("published", 1)]


def test_scores_changed_after_a_badge_stand_in_no_table(tmp_path: Path) -> None:
    changed, _ = entries(tmp_path, run("c4", 0.5), run("rw", 0.6))
    path = next(changed.folder.rglob("results.json"))
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.9", 1))
    found = board_rows(tmp_path)
    assert {row.entry for row in found.candidates} == {_other(tmp_path, changed).id}
    (left,) = found.left_out
    assert left.study == changed.id
    assert "curate leaderboard verify" in left.reason


def test_a_damaged_manifest_hides_no_other_entry(tmp_path: Path) -> None:
    changed, _ = entries(tmp_path, run("c4", 0.5), run("rw", 0.6))
    other = _other(tmp_path, changed)
    (changed.folder / "entry.json").write_text("{}")
    found = board_rows(tmp_path)
    assert {row.entry for row in found.candidates} == {other.id}
    assert [left.study for left in found.left_out] == [changed.id]


def _other(board: Path, entry: Entry) -> Entry:
    return next(one for one in read_entries(board) if one.id != entry.id)
