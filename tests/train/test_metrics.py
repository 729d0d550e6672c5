"""Rows on disk: appended, cut back, followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from curation.errors import EXIT_USAGE, RunError
from train.metrics import RowFile, RowReader, read_rows, row_line


def rows(count: int) -> list[dict[str, int]]:
    return [{"step": number} for number in range(1, count + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[RowFile]:
    opened = RowFile(path)
    yield opened
    opened.close()


def test_rows_after_the_checkpoint_are_cut_off_and_written_again_as_the_same_bytes(path: Path, file: RowFile) -> None:
    for row in rows(5):
        file.append(row)
    whole = path.read_bytes()
    file.begin(rows(3))
    assert read_rows(path) == rows(3)
    for row in rows(5)[3:]:
        file.append(row)
    assert path.read_bytes() == whole


def test_a_file_with_other_rows_is_replaced(path: Path, file: RowFile) -> None:
    path.write_text(row_line({"step": 99}))
    file.begin(rows(2))
    assert read_rows(path) == rows(2)


def test_a_torn_line_is_no_row_and_disappears_on_resume(path: Path, file: RowFile) -> None:
    path.write_text(row_line({"step": 1}) + '{"step": 2, "lo')
    assert read_rows(path) == rows(1)
    file.begin(rows(1))
    assert path.read_text() == row_line({"step": 1})


def test_a_torn_line_that_was_appended_to_costs_that_line_only(path: Path) -> None:
    path.write_text('{"kind": "row", "st{"kind": "start"}\n{"kind": "row"}\n')
    assert read_rows(path) == [{"kind": "row"}]


def test_a_follower_sees_each_row_once_and_starts_again_when_the_file_is_cut(path: Path, file: RowFile) -> None:
    reader = RowReader(path)
    assert reader.new_rows() == []
    file.append({"step": 1})
    file.append({"step": 2})
    assert reader.new_rows() == rows(2)
    assert reader.new_rows() == []
    file.begin(rows(1))
    assert reader.new_rows() == rows(1)


class Disk(FileIO):
    """Takes a few bytes a call and then, if it has no more room, no byte."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "ab")
        self.room = room

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(bytes(data)[: min(7, self.room)])
        self.room -= taken
        return taken


def test_a_row_that_the_disk_takes_in_parts_is_whole(path: Path, file: RowFile) -> None:
    file._stream = Disk(path, 1_000)
    for row in rows(3):
        file.append(row)
    assert path.read_text() == "".join(map(row_line, rows(3)))


def test_a_disk_that_fills_up_inside_a_row_is_told_by_path_and_the_run_goes_on_without_half_a_line(
    path: Path, file: RowFile
) -> None:
    file._stream = Disk(path, len(row_line({"step": 1})) + 5)
    file.append({"step": 1})
    with pytest.raises(RunError, match=r"metrics\.jsonl: disk full, needs >= 12 bytes, [\d,]+ are free") as failed:
        file.append({"step": 2})
    assert str(path) in str(failed.value)
    assert failed.value.exit_code == EXIT_USAGE
    file.begin(rows(1))
    file.append({"step": 2})
    assert read_rows(path) == rows(2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system; the faulty stream covers it")
def test_the_system_s_own_error_is_told_too() -> None:
    full = RowFile(Path("/dev/full"))
    with pytest.raises(RunError, match="/dev/full: disk full"):
        full.append({"step": 1})
    full.close()


def test_a_row_holds_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        row_line({"loss": float("nan")})
