"""A finished study becomes an entry without text, paths or secrets, once."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.errors import CurateError, StudyError
from curation.store import Store
from leaderboard.entries.entry import EntryError, entry_folders, read_entries
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.statements import retract_entry
from leaderboard.entries.study_source import StudySource, find_study
from leaderboard.entries.study_track import track_of_study
from leaderboard.entries.tracks import Track, make_board, read_board
from leaderboard.studies.results import RESULT_FILE

Submit = Callable[..., Submitted]


def test_a_finished_study_becomes_an_entry_whose_checks_all_pass(submit_made: Submit, board: Path) -> None:
    done = submit_made()
    assert done.new
    assert {check.state for check in done.checks} == {"pass"}
    (entry,) = read_entries(board)
    assert entry.id == done.entry
    assert entry.digest.startswith(entry.id.rpartition("-")[2])
    assert not entry.confirmed


def test_the_same_study_submitted_twice_is_one_entry(submit_made: Submit, board: Path) -> None:
    first, second = submit_made(submitter="A Lab"), submit_made(submitter="A Lab")
    assert (first.new, second.new) == (True, False)
    assert len(entry_folders(board)) == 1


def test_the_same_study_by_another_submitter_is_refused(submit_made: Submit) -> None:
    submit_made(submitter="A Lab")
    with pytest.raises(EntryError, match="rule 10.*leaderboard retract"):
        submit_made(submitter="B Lab")


def test_the_same_runs_under_another_name_of_the_study_are_refused(submit_made: Submit, board: Path) -> None:
    first = submit_made()
    with pytest.raises(EntryError, match=f"all its runs are those of {first.entry}.*leaderboard retract"):
        submit_made(name="other")
    retract_entry(Path(first.place), reason="renamed", by="")
    assert submit_made(name="other").new


def test_a_dry_run_checks_everything_and_writes_nothing(submit_made: Submit, board: Path) -> None:
    before = sorted(board.rglob("*"))
    assert submit_made(dry_run=True).new
    assert sorted(board.rglob("*")) == before


def test_no_document_id_text_or_address_is_in_any_file(submit_made: Submit) -> None:
    folder = Path(submit_made().place)
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert b"site-" not in data
        assert b"secret page" not in data


def test_samples_are_published_only_with_text(submit_made: Submit) -> None:
    folder = Path(submit_made(with_text=True).place)
    assert "a secret page" in (folder / RESULT_FILE).read_text()


def test_no_name_of_this_machine_nor_secret_is_in_any_file(
    submit_made: Submit, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "k3y-that-nobody-may-see")
    private = [str(Path.home()), socket.gethostname(), str(store.root), "k3y-that-nobody-may-see", "/data/somebody"]
    private += [name for name in [getpass.getuser()] if len(name) > 3 and name != "root"]
    folder = Path(submit_made().place)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes().decode("utf-8", "replace")
        assert [word for word in private if len(word) > 5 and word in data] == []


def test_a_private_path_in_the_hypothesis_is_refused(submit_made: Submit) -> None:
    with pytest.raises(StudyError, match="absolute path.*curate study run"):
        submit_made(words={"hypothesis": "as in /data/somebody/notes/plan.txt"})


def test_a_corpus_with_a_panel_document_is_refused(submit_made: Submit) -> None:
    with pytest.raises(EntryError, match=r"near copies of panel documents \(rule 1\).*curate study run"):
        submit_made(leak=True)


def test_an_unfinished_study_is_refused(submit_made: Submit) -> None:
    with pytest.raises(StudyError, match=r"(?s)unfinished.*mine pico-1x seed 2.*out of memory.*curate study run"):
        submit_made(failed=(("mine", 2),))


def test_a_study_whose_arm_did_not_learn_failed_smoke(submit_made: Submit) -> None:
    with pytest.raises(StudyError, match=r"failed smoke \(G0\).*curate study gate"):
        submit_made(loss=lambda arm, step: 6.0 if arm == "mine" else 6.0 - 0.04 * step)


def test_a_study_never_run_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="curate study run"):
        find_study(tmp_path, None)


def test_a_missing_corpus_is_named(
    make_study: Callable[..., Path], store: Store, board: Path, submit_made: Submit
) -> None:
    import shutil

    folder = make_study()
    corpus = json.loads((folder / RESULT_FILE).read_text())["arms"][0]["corpus"]
    shutil.rmtree(store.path_of("corpus", corpus))
    from leaderboard.entries.places import place_of
    from leaderboard.entries.submit import Request, submit

    with pytest.raises(StudyError, match=f"corpus {corpus[:8]} is not in.*curate study run"):
        submit(find_study(folder, None), place_of(str(board)), Request())


@pytest.mark.parametrize("name", ["<b>Lab</b>", "La\u202eb", "=1+1", "a\x1b[31m", "Lаb", " Lab", "x" * 65])
def test_names_with_markup_or_control_characters_are_refused(submit_made: Submit, name: str) -> None:
    with pytest.raises(CurateError, match="choose another --name"):
        submit_made(submitter=name)


def test_a_study_on_a_tracks_pool_enters_that_track(
    submit_made: Submit, make_source: Callable[..., StudySource], board: Path
) -> None:
    make_board(board, "board", [track_of_study(make_source(), "first")])
    done = submit_made()
    assert (done.track, done.division) == ("first", "open")


def test_a_pool_without_track_is_private(submit_made: Submit) -> None:
    done = submit_made()
    assert done.division == "private"
    assert done.track.startswith("private-aaaaaaaa-")


def test_another_panel_than_the_tracks_is_refused_with_both_digests(
    submit_made: Submit, make_source: Callable[..., StudySource], board: Path
) -> None:
    track = track_of_study(make_source(), "first")
    make_board(board, "board", [track.model_copy(update={"panel": "e" * 64})])
    with pytest.raises(EntryError, match=f"panel digest is {track.panel[:16]}.*expected eeee.*curate study run"):
        submit_made()


def test_a_track_cannot_be_changed(make_source: Callable[..., StudySource], board: Path) -> None:
    track = track_of_study(make_source(), "first")
    make_board(board, "board", [track])
    with pytest.raises(CurateError, match="another name"):
        make_board(board, "board", [track.model_copy(update={"panel": "e" * 64})])
    assert read_board(board)[1] == {"first": track}
    assert isinstance(track, Track)


def test_an_address_in_the_hypothesis_is_no_credential() -> None:
    from leaderboard.entries.private import Scrubber

    scrubber = Scrubber(words=(), secrets=())
    assert scrubber.faults('{"hypothesis":"see http://a.b","kind":"filter@1"}') == []
    assert scrubber.faults('{"hypothesis":"see http://me:pass@a.b"}') == ["credentials in an address"]
