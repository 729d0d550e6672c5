"""Checkpoints: whole or absent, damaged ones passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from curation.errors import RunError
from curation.files import Json
from train.checkpoints import Checkpoint, load_newest, save_checkpoint

IDENTITY: dict[str, Json] = {"run": "abc", "seed": 1}
Damage = Callable[[Path], None]


def checkpoint(step: int) -> Checkpoint:
    tensors = {"weight": torch.full((3, 2), float(step)), "count": torch.tensor(step)}
    return Checkpoint(step=step, tensors=tensors, state={"identity": IDENTITY, "loss": step / 3})


def newest(folder: Path) -> tuple[int | None, list[str]]:
    notes: list[str] = []
    found = load_newest(folder, IDENTITY, notes.append)
    return (found.step if found else None), notes


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(7), print)
    found = load_newest(tmp_path, IDENTITY, print)
    assert found is not None
    assert (found.step, found.state["loss"]) == (7, 7 / 3)
    assert torch.equal(found.tensors["weight"], torch.full((3, 2), 7.0))
    assert found.tensors["count"].item() == 7


def test_the_newest_two_stay(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        save_checkpoint(tmp_path, checkpoint(step), print)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000030"]
    assert newest(tmp_path) == (30, [])


def flip(name: str) -> Damage:
    def damage(path: Path) -> None:
        data = bytearray((path / name).read_bytes())
        data[len(data) // 2] ^= 1
        (path / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        flip("tensors.safetensors"),
        flip("state.json"),
        lambda path: (path / "manifest.json").unlink(),
        lambda path: (path / "state.json").unlink(),
        lambda path: (path / "tensors.safetensors").write_bytes(b""),
        lambda path: (path / "manifest.json").write_bytes(b"{"),
    ],
    ids=["tensor bit", "state bit", "no manifest", "no state", "empty tensors", "cut manifest"],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_note(tmp_path: Path, damage: Damage) -> None:
    for step in (10, 20):
        save_checkpoint(tmp_path, checkpoint(step), print)
    damage(tmp_path / "step-00000020")
    step, notes = newest(tmp_path)
    assert step == 10
    assert len(notes) == 1
    assert "step-00000020" in notes[0]
    assert "falling back" in notes[0]


def test_with_every_checkpoint_damaged_the_run_starts_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    flip("tensors.safetensors")(tmp_path / "step-00000010")
    assert newest(tmp_path)[0] is None


def test_a_damaged_checkpoint_can_be_written_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    flip("tensors.safetensors")(tmp_path / "step-00000010")
    save_checkpoint(tmp_path, checkpoint(10), print)
    assert newest(tmp_path) == (10, [])


def test_what_a_kill_left_half_written_is_never_read(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    (tmp_path / "step-00000010").rename(tmp_path / "unfinished-1")
    assert newest(tmp_path) == (None, [])
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    with pytest.raises(RunError, match=r"written under other settings: seed was 1 and is 2; expected the same run"):
        load_newest(tmp_path, {**IDENTITY, "seed": 2}, print)
