"""The index follows from the files; writers at once, killed ones too, lose and duplicate nothing."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pyarrow as pa
import pytest

from curation.files import TEMPORARY_PREFIX, digest_json
from leaderboard.entries.entry import Entry, entry_folders, read_entries, read_manifest
from leaderboard.entries.index import INDEX_FILE, opened, rebuild, rows, synchronise
from leaderboard.entries.local_board import known_entry
from leaderboard.entries.lock import writing
from leaderboard.entries.manifest import SCHEMA, Manifest, RunRecord, StudyFacts
from leaderboard.entries.safe_tables import DOCUMENT_COLUMNS
from leaderboard.entries.statements import challenge_entry, retract_entry
from leaderboard.entries.write import Draft, appear, filled


def _draft(number: int) -> Draft:
    fingerprint = digest_json(["study", number])
    run = RunRecord(
        arm="mine", role="arm", tier="pico-1x", seed=1, fingerprint=fingerprint, documents="scores/d.parquet"
    )
    manifest = Manifest(
        schema=SCHEMA,
        track="t",
        division="open",
        study=StudyFacts(name=f"study-{number}", kind="filter", base="baseline", fingerprint=fingerprint),
        runs=(run,),
    )
    row = {"id": ["a"], "slice": ["s"], "family": ["f"], "nats": [float(number)], "num_bytes": [1]}
    return Draft(manifest=manifest, tables={"scores/d.parquet": pa.table(row, schema=DOCUMENT_COLUMNS)})


def _submitter(board: Path, first: int, count: int) -> None:
    """Submit entries as `local_board.add` does, without the checks: the race is in the writing."""
    for number in range(first, first + count):
        with filled(board / "entries", _draft(number)) as (temporary, manifest), writing(board):
            if known_entry(board, manifest) is None:
                appear(temporary, board, manifest)


def _run(board: Path, *, submitters: int, entries: int, kills: int) -> int:
    """Run submitters at once, kill some with SIGKILL and start these again; return how many were killed."""
    chance = random.Random(5)
    context = multiprocessing.get_context("fork")

    def started(number: int) -> multiprocessing.process.BaseProcess:
        # neighbours overlap by half: every entry but the first and last half is submitted by two processes
        worker = context.Process(target=_submitter, args=(board, number * entries // 2, entries))
        worker.start()
        return worker

    workers = {number: started(number) for number in range(submitters)}
    killed = 0
    for number in chance.sample(range(submitters), submitters):
        worker = workers[number]
        if killed == kills:
            break
        time.sleep(0.02)
        if worker.is_alive() and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
            killed += 1
            workers[number] = started(number)
    for worker in workers.values():
        worker.join()
        assert worker.exitcode == 0
    return killed


def _held(board: Path) -> tuple[list[int], int, int]:
    """Return the numbers of the studies that lie on the board, and the entries and runs of an index made anew."""
    names = [read_manifest(folder)[0].study.name for folder in entry_folders(board)]
    found = rebuild(board)
    return sorted(int(name.removeprefix("study-")) for name in names), found.entries, found.runs


def test_eight_submitters_and_kills_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    (tmp_path / "entries").mkdir()
    _run(tmp_path, submitters=8, entries=10, kills=4)
    expected = (8 - 1) * 5 + 10
    assert _held(tmp_path) == (list(range(expected)), expected, expected)


@pytest.mark.slow
def test_fifty_submitters_of_many_entries_with_kills_lose_and_duplicate_nothing(tmp_path: Path, full: bool) -> None:
    """Of 50 entries each; of 200 in `make test-full`."""
    entries = 200 if full else 50
    (tmp_path / "entries").mkdir()
    killed = _run(tmp_path, submitters=50, entries=entries, kills=20)
    print(f"{killed} of 50 submitters were killed and started again")
    assert killed == 20
    assert list((tmp_path / "entries").glob(f"{TEMPORARY_PREFIX}*"))  # what the killed ones left is passed over
    expected = (50 - 1) * entries // 2 + entries
    assert _held(tmp_path) == (list(range(expected)), expected, expected)


def test_the_index_says_what_the_files_say(entry: Entry, board: Path) -> None:
    synchronise(board)
    (row,) = rows(board)
    assert (row["id"], row["digest"], row["level"], row["retracted"]) == (entry.id, entry.digest, 0, "")
    challenge_entry(entry.folder, reason="odd", by="B Lab", evidence=None)
    retract_entry(entry.folder, reason="wrong pool", by="A Lab")
    synchronise(board)
    (row,) = rows(board)
    assert (row["challenges"], row["retracted"]) == (1, "wrong pool")


def test_a_lost_or_damaged_index_is_rebuilt_from_the_files(entry: Entry, board: Path) -> None:
    synchronise(board)
    before = rows(board)
    (board / INDEX_FILE).write_bytes(b"junk" * 1000)
    assert rebuild(board).added == 1
    assert rows(board) == before


def test_an_entry_whose_files_went_leaves_the_index(entry: Entry, board: Path) -> None:
    synchronise(board)
    entry.folder.rename(board.parent / "elsewhere")
    assert synchronise(board).removed == 1
    assert rows(board) == []


def test_the_index_is_in_wal_mode(entry: Entry, board: Path) -> None:
    synchronise(board)
    with opened(board) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_half_written_entry_is_no_entry(entry: Entry, board: Path) -> None:
    (board / "entries" / f"{TEMPORARY_PREFIX}made-1" / "draft").mkdir(parents=True)
    assert [one.id for one in read_entries(board)] == [entry.id]
    assert synchronise(board).entries == 1


def test_a_damaged_entry_is_named_and_hides_no_other(entry: Entry, board: Path) -> None:
    broken = board / "entries" / "broken-0123456789abcdef"
    broken.mkdir()
    (broken / "entry.json").write_text("{}")
    found = synchronise(board)
    assert (found.entries, found.added, len(found.damaged)) == (1, 1, 1)
    assert "broken-0123456789abcdef" in found.damaged[0]
