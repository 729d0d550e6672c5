"""Levels of trust: what each check finds in entries that were changed, forged or made up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import EXIT_VERIFICATION
from leaderboard.entries.check_plausible import better_than
from leaderboard.entries.entry import Entry, read_entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.verify import Asked, VerificationError, Verified, verify, verify_given

Forge = Callable[[Entry, Callable[[dict[str, Any]], None]], Path]


def _failed(found: Verified) -> dict[str, str]:
    return {check.name: check.text for check in found.checks if check.bad}


def _documents(entry: Entry, place: int = 0) -> Path:
    return entry.folder / str(entry.manifest.runs[place].documents)


def _rewrite(path: Path, edit: Callable[[dict[str, list[Any]]], None]) -> None:
    table = pq.read_table(path)
    columns = table.to_pydict()
    edit(columns)
    pq.write_table(pa.table(columns, schema=table.schema), path)


def test_a_valid_entry_gets_a_badge_of_level_one(entry: Entry) -> None:
    found = verify(entry.folder, Asked())
    assert found.passed
    assert _failed(found) == {}
    assert read_entry(entry.folder).level == 1


def test_a_changed_byte_is_named_with_both_hashes(entry: Entry) -> None:
    path = _documents(entry)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    facts = next(one for one in entry.manifest.files if one.path == entry.manifest.runs[0].documents)
    found = verify(entry.folder, Asked())
    assert not found.passed
    text = _failed(found)["files"]
    assert facts.path in text
    assert f"expected {facts.sha256}" in text


def test_a_changed_byte_of_the_manifest_is_found_by_the_folders_name(entry: Entry) -> None:
    path = entry.folder / "entry.json"
    path.write_text(path.read_text().replace('"A Lab"', '"B Lab"'))
    assert "ends the folder's name" in _failed(verify(entry.folder, Asked()))["schema"]


def test_a_file_more_and_a_file_less_are_named(entry: Entry) -> None:
    (entry.folder / "notes.json").write_text("{}")
    _documents(entry).unlink()
    text = _failed(verify(entry.folder, Asked()))["files"]
    assert "notes.json is not in the manifest" in text
    assert f"{entry.manifest.runs[0].documents} is missing" in text


def test_a_link_is_refused(entry: Entry) -> None:
    (entry.folder / "scores" / "link.parquet").symlink_to("/etc/hostname")
    with pytest.raises(VerificationError, match=r"scores/link.parquet is a symbolic link"):
        verify_given(entry.folder, Asked())
    assert VerificationError.exit_code == EXIT_VERIFICATION == 5


def test_an_entry_over_the_limit_is_refused_unread(entry: Entry) -> None:
    huge = entry.folder / "scores" / "huge.parquet"
    with huge.open("wb") as stream:
        stream.truncate(1_100_000_000)  # a hole: reading it would take seconds, its size none
    huge.chmod(0)
    with pytest.raises(VerificationError, match="1,000,000,000 bytes.*not read.*curate submit"):
        verify_given(entry.folder, Asked())


def test_forged_bits_per_byte_are_found_from_the_documents(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["runs"][0]["bpb"]["docs"] *= 0.99

    assert "slice docs" in _failed(verify(forge(entry, edit), Asked()))["bits-per-byte"]


def test_a_forged_headline_is_found_from_the_slices(entry: Entry, forge: Forge) -> None:
    path = entry.folder / "results.json"
    value = json.loads(path.read_text())
    value["assessments"][0]["total"]["headline"]["log_ratio"] -= 0.01
    path.write_text(json.dumps(value))
    assert "headline" in _failed(verify(forge(entry, lambda _: None), Asked()))["comparisons"]


def test_a_document_that_stands_there_twice_is_refused(entry: Entry, forge: Forge) -> None:
    _rewrite(_documents(entry), lambda columns: columns["id"].__setitem__(1, columns["id"][0]))
    assert "stands there twice" in _failed(verify(forge(entry, lambda _: None), Asked()))["documents"]


def test_a_run_copied_as_another_seed_is_refused_though_its_aggregates_are_its_own(entry: Entry, forge: Forge) -> None:
    first, second = (
        next(place for place, run in enumerate(entry.manifest.runs) if (run.arm, run.seed) == ("mine", seed))
        for seed in (1, 2)
    )
    copied = pq.read_table(_documents(entry, first))
    _rewrite(_documents(entry, second), lambda columns: columns.update(nats=copied["nats"].to_pylist()))

    def edit(value: dict[str, Any]) -> None:
        value["runs"][second]["bpb"] = value["runs"][first]["bpb"]

    said = _failed(verify(forge(entry, edit), Asked()))["documents"]
    assert "seed 2 has the scores of" in said
    assert "not two seeds (rule 10)" in said


def test_a_score_that_is_no_number_is_refused(entry: Entry, forge: Forge) -> None:
    _rewrite(_documents(entry), lambda columns: columns["nats"].__setitem__(0, float("nan")))
    assert "nan nats" in _failed(verify(forge(entry, lambda _: None), Asked()))["documents"]


def test_nan_in_the_manifest_is_refused(entry: Entry) -> None:
    path = entry.folder / "entry.json"
    path.write_text(path.read_text().replace('"final_train_loss":', '"final_train_loss":NaN,"x":', 1))
    assert "schema" in _failed(verify(entry.folder, Asked()))


def test_a_picked_seed_is_refused(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["runs"] = [{**run, "seed": 7 if run["seed"] == 2 else 1} for run in value["runs"]]

    assert "seeds 1, 7, expected 1, 2" in _failed(verify(forge(entry, edit), Asked()))["seeds"]


def test_a_missing_seed_is_refused(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        gone = value["runs"].pop()
        value["files"] = [one for one in value["files"] if one["path"] != gone["documents"]]

    _documents(entry, -1).unlink()
    assert "seeds 1, expected 1, 2" in _failed(verify(forge(entry, edit), Asked()))["seeds"]


def test_another_panel_of_one_run_is_refused(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["runs"][1]["panel"] = "e" * 64

    assert "2 panel digests" in _failed(verify(forge(entry, edit), Asked()))["panel"]


@pytest.mark.parametrize(
    ("key", "factor", "said"), [("tokens_seen", 2, "epochs"), ("flops", 0.1, "FLOPs"), ("steps", 2, "steps")]
)
def test_arithmetic_that_does_not_hold_is_refused(
    entry: Entry, forge: Forge, key: str, factor: float, said: str
) -> None:
    def edit(value: dict[str, Any]) -> None:
        run = value["runs"][0]
        run[key] = type(run[key])(run[key] * factor)

    assert said in _failed(verify(forge(entry, edit), Asked()))["arithmetic"]


def test_a_curve_that_goes_back_is_refused(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["runs"][0]["curve"].reverse()

    assert "goes back" in _failed(verify(forge(entry, edit), Asked()))["curves"]


def test_words_changed_after_freezing_are_found(entry: Entry, forge: Forge) -> None:
    path = entry.folder / "study.json"
    value = json.loads(path.read_text())
    value["identity"]["study"]["protect"] = ["docs"]
    path.write_text(json.dumps(value))
    assert "they were changed" in _failed(verify(forge(entry, lambda _: None), Asked()))["study"]


@pytest.mark.parametrize(
    ("key", "value"), [("hypothesis", "other"), ("kind", "dedup"), ("base", "other"), ("name", "b"), ("tiers", {})]
)
def test_words_of_the_manifest_are_those_that_were_frozen(entry: Entry, forge: Forge, key: str, value: Any) -> None:
    folder = forge(entry, lambda held: held["study"].update({key: value}))
    assert f"{key} is " in _failed(verify(folder, Asked()))["study"]


@pytest.mark.parametrize(("key", "value"), [("hypothesis", "other"), ("protect", ["docs"]), ("kind", "dedup")])
def test_words_of_the_result_are_those_that_were_frozen(entry: Entry, forge: Forge, key: str, value: Any) -> None:
    path = entry.folder / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert f"{key} is " in _failed(verify(forge(entry, lambda _: None), Asked()))["study"]


@pytest.mark.parametrize("name", ["a\u202eb", "a\x1b[31m", "a\u200bb", "a\nb", "a\x00b"])
@pytest.mark.parametrize("where", ["arm", "tier", "device", "slice"])
def test_control_and_direction_changing_characters_are_refused_wherever_they_stand(
    entry: Entry, forge: Forge, name: str, where: str
) -> None:
    def edit(value: dict[str, Any]) -> None:
        run = value["runs"][0]
        if where == "device":
            value["environment"]["devices"] = [name.replace("\n", "\x85")]
        elif where == "slice":
            run["bpb"] = {name: 1.0}
        else:
            run[where] = name

    assert "character" in _failed(verify(forge(entry, edit), Asked()))["names"].replace("line break", "character")


def test_scores_of_one_seed_cannot_stand_for_another(entry: Entry, forge: Forge) -> None:
    _documents(entry, 1).write_bytes(_documents(entry, 0).read_bytes())
    assert "has the very scores of" in _failed(verify(forge(entry, lambda _: None), Asked()))["repeated"]


def test_two_changed_components_are_refused(entry: Entry, forge: Forge) -> None:
    path = entry.folder / "study.json"
    value = json.loads(path.read_text())
    value["recipes"]["mine"]["tokenizer"] = "another@1"
    path.write_text(json.dumps(value))
    assert "2 components" in _failed(verify(forge(entry, lambda _: None), Asked()))["one-change"]


def test_near_copies_that_were_found_fail_the_entry(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["near_copies"]["found"] = dict.fromkeys(value["near_copies"]["found"], 3)

    assert "near copies" in _failed(verify(forge(entry, edit), Asked()))["near-copies"]


def test_an_unknown_track_is_refused_with_the_known_ones(entry: Entry, forge: Forge) -> None:
    def edit(value: dict[str, Any]) -> None:
        value.update(track="nosuch", division="open")

    assert "unknown track `nosuch`" in _failed(verify(forge(entry, edit), Asked()))["track"]


def test_an_entry_of_a_private_pool_outside_any_board_has_no_track_to_check(entry: Entry, tmp_path: Path) -> None:
    alone = entry.folder.rename(tmp_path / entry.id)
    found = verify(alone, Asked())
    assert (found.passed, found.badge) == (True, "")
    assert next(one.state for one in found.checks if one.name == "track") == "not-applicable"


def test_an_entry_that_names_a_track_needs_its_board(entry: Entry, forge: Forge, tmp_path: Path) -> None:
    folder = forge(entry, lambda value: value.update(track="en", division="open"))
    found = verify(folder.rename(tmp_path / folder.name), Asked())
    assert "track `en` is unknown" in _failed(found)["track"]
    assert "--board BOARD" in next(one.remedy for one in found.checks if one.name == "track")


def test_a_secret_path_in_an_entry_of_others_is_refused(entry: Entry, forge: Forge) -> None:
    path = entry.folder / "study.json"
    value = json.loads(path.read_text())
    value["recipes"]["mine"]["description"] = "see /data/other/secret/plan.txt"
    path.write_text(json.dumps(value))
    assert "absolute path" in _failed(verify(forge(entry, lambda _: None), Asked()))["private"]


def test_a_gain_beyond_every_known_one_asks_for_an_audit(submit_made: Callable[..., Submitted]) -> None:
    done = submit_made(gain=0.3)
    found = verify(Path(done.place), Asked())
    assert found.passed
    assert "too good: mine at pico-1x takes 26% off" in found.flags[0]
    assert read_entry(Path(done.place)).flags == found.flags


def test_better_than_reference_runs_is_the_two_sample_t_test() -> None:
    # scipy.stats.ttest_ind([1,2,3],[3,4,5]) has t = -2.449; one-sided 5 % at 4 degrees is 2.132
    tested = better_than([1.0, 2.0, 3.0], [3.0, 4.0, 5.0])
    assert tested is not None
    assert np.allclose(tested, (2.449490, 2.131847), atol=1e-5)


def test_no_test_is_made_of_one_run_against_one() -> None:
    assert better_than([1.0], [2.0]) is None


@pytest.mark.parametrize("junk", [b"", b"PAR1", b"\x80\x04\x95pickle", b"[" * 100_000])
@pytest.mark.parametrize("name", ["entry.json", "study.json", "results.json", "documents"])
def test_junk_in_any_file_fails_and_never_crashes(entry: Entry, forge: Forge, name: str, junk: bytes) -> None:
    folder = entry.folder
    path = _documents(entry) if name == "documents" else folder / name
    path.write_bytes(junk)
    if name != "entry.json":
        folder = forge(entry, lambda _: None)
    found = verify(folder, Asked())
    assert not found.passed
    assert all(check.remedy for check in found.checks if check.bad)


@pytest.mark.parametrize("level", [2, 3])
def test_higher_levels_without_what_they_need_say_so(entry: Entry, level: int) -> None:
    found = verify(entry.folder, Asked(level=2))
    assert not found.passed
    assert found.level == 1
    assert "--store" in _failed(found)["rescored"]
    assert level


def test_an_independent_party_needs_a_name_and_a_report(entry: Entry, tmp_path: Path) -> None:
    from leaderboard.entries.consistency import board_of, subject_of
    from leaderboard.entries.verify import _level4

    subject = subject_of(entry.folder, entry.manifest, entry.digest, board_of(entry.folder))
    report = tmp_path / "report.txt"
    report.write_text("we trained it again")
    assert _level4(subject, Asked(level=4, by="A Lab", evidence=report))[0].bad  # the submitter itself
    assert _level4(subject, Asked(level=4, by="C Lab"))[0].bad
    assert not _level4(subject, Asked(level=4, by="C Lab", evidence=report))[0].bad


def test_a_study_that_a_merge_brought_twice_fails_level_1_and_ranks_nowhere(
    entry: Entry, board: Path, forge: Forge
) -> None:
    from leaderboard.entries.statements import retract_entry
    from leaderboard.ranking.from_entries import board_rows

    twin = entry.folder.parent / "copy"
    shutil.copytree(entry.folder, twin)
    other = forge(replace(entry, folder=twin), lambda value: value.update(submitter="B Lab"))
    assert "rule 10" in _failed(verify(entry.folder, Asked(board=board)))["once"]
    assert board_rows(board).candidates == ()
    retract_entry(other, reason="came second", by="B Lab")
    assert "once" not in _failed(verify(entry.folder, Asked(board=board)))
    assert {row.entry for row in board_rows(board).candidates} >= {read_entry(entry.folder).id}
