"""Disks that fill up or fail under a checkpoint: every write, fsync and rename in turn."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from curation.errors import RunError
from curation.files import Json
from train import checkpoint_files
from train.checkpoint_files import size_bytes, space_note
from train.checkpoints import Checkpoint, load_newest, save_checkpoint

IDENTITY: dict[str, Json] = {"run": "abc"}
CALLS = 40
"""More than a save makes; a save that meets no fault ends the loop."""


def checkpoint(step: int, size: int = 50) -> Checkpoint:
    return Checkpoint(step=step, tensors={"w": torch.full((size,), float(step))}, state={"identity": IDENTITY})


class Faults:
    """Fails the n-th write, fsync or rename from now on, once or for ever, with one error code."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left, self.code, self.once = -1, errno.EIO, True
        for place, name in [(os, "fsync"), (os, "rename"), (os, "replace"), (Path, "write_bytes"), (Path, "mkdir"),
                            (Path, "rename"), (Path, "replace"), (safetensors.torch, "save_file")]:  # fmt: skip
            patch.setattr(place, name, self._guarded(getattr(place, name)))

    def arm(self, number: int, code: int, *, once: bool) -> None:
        self.left, self.code, self.once = number, code, once

    def _guarded(self, honest: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 or (self.left < 0 and not self.once and self.left > -CALLS):
                raise OSError(self.code, os.strerror(self.code))
            return honest(*arguments, **named)

        return call


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("step-*"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_whatever_call_fails_the_newest_checkpoint_is_intact(tmp_path: Path, faults: Faults, code: int) -> None:
    told: list[str] = []
    for number in range(1, CALLS):
        folder = tmp_path / str(number)
        for step in (10, 20):
            save_checkpoint(folder, checkpoint(step), print)
        faults.arm(number, code, once=False)
        try:
            save_checkpoint(folder, checkpoint(30), print)
        except RunError as error:
            told.append(str(error))
        finally:
            faults.arm(-CALLS, code, once=True)
        found = load_newest(folder, IDENTITY, print)
        assert found is not None
        assert found.step in (20, 30)
        assert torch.equal(found.tensors["w"], torch.full((50,), float(found.step)))
    assert len(told) >= 10
    expected = "disk full, needs >= " if code == errno.ENOSPC else "Input/output error"
    assert all(expected in text and "earlier checkpoints are intact" in text for text in told)


def test_a_full_disk_costs_the_oldest_checkpoint_and_is_tried_once_more(tmp_path: Path, faults: Faults) -> None:
    for step in (10, 20):
        save_checkpoint(tmp_path, checkpoint(step), print)
    notes: list[str] = []
    faults.arm(3, errno.ENOSPC, once=True)
    save_checkpoint(tmp_path, checkpoint(30), notes.append)
    assert steps(tmp_path) == ["step-00000020", "step-00000030"]
    assert len(notes) == 1
    assert "disk is full; removing the checkpoint of step 10" in notes[0]


def test_the_only_checkpoint_is_never_given_up(tmp_path: Path, faults: Faults) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    faults.arm(2, errno.ENOSPC, once=True)
    with pytest.raises(RunError, match=r"disk full, needs >= \d+ bytes, [\d,]+ are free"):
        save_checkpoint(tmp_path, checkpoint(20), print)
    assert steps(tmp_path) == ["step-00000010"]


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, faults: Faults) -> None:
    faults.arm(3, errno.EIO, once=True)
    with pytest.raises(RunError, match="cannot be written"):
        save_checkpoint(tmp_path, checkpoint(10), print)
    assert list(tmp_path.iterdir()) == []


def test_tensors_the_finished_directory_and_its_new_name_are_forced_to_the_disk_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []
    honest = checkpoint_files._fsync

    def fsync(path: Path) -> None:
        honest(path)
        held = sorted(one.name for one in path.iterdir()) if path.is_dir() else []
        seen.append((path.name.partition("-")[0], held))

    monkeypatch.setattr(checkpoint_files, "_fsync", fsync)
    save_checkpoint(tmp_path / "checkpoints", checkpoint(10), print)
    files = ["manifest.json", "state.json", "tensors.safetensors"]
    assert seen == [("tensors.safetensors", []), ("unfinished", files), ("checkpoints", ["step-00000010"])]


def test_a_fault_inside_the_tensor_library_is_known_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise safetensors.SafetensorError("Error while serializing: I/O error: No space left (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(RunError, match="disk full"):
        save_checkpoint(tmp_path, checkpoint(10), print)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 32 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a 32 MB tmpfs cannot be mounted here ({error}); the injected faults cover it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_real_disk_of_32_mb_the_previous_checkpoint_survives(small_disk: Path) -> None:
    folder = small_disk / "checkpoints"
    three_million = 3_000_000  # 12 MB a checkpoint: two fit, a third only when the oldest is gone
    notes: list[str] = []
    for step in (10, 20, 30):
        save_checkpoint(folder, checkpoint(step, three_million), notes.append)
    assert steps(folder) == ["step-00000020", "step-00000030"]
    assert len(notes) == 1
    (small_disk / "ballast").write_bytes(bytes(6_000_000))
    with pytest.raises(RunError, match=r"disk full, needs >= 16,0\d\d,\d\d\d bytes"):
        save_checkpoint(folder, checkpoint(40, 4_000_000), notes.append)
    found = load_newest(folder, IDENTITY, notes.append)
    assert found is not None
    assert found.step == 30


def test_a_disk_that_is_too_small_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    space_note(tmp_path, 1_000, 2, notes.append)
    assert notes == []
    usage = type("Usage", (), {"free": 2_999})
    monkeypatch.setattr(checkpoint_files.shutil, "disk_usage", lambda _: usage)
    space_note(tmp_path, 1_000, 2, notes.append)
    assert "2,999 bytes are free, the run's checkpoints need about 3,000 more" in notes[0]


def test_the_least_size_of_a_checkpoint_is_its_tensors_and_state() -> None:
    assert size_bytes({"w": torch.zeros(10), "n": torch.zeros(2, dtype=torch.int64)}, {}) == 40 + 16 + len("{}")
