"""Checkpoints: whole or absent, damaged ones passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch

from curation.errors import RunError
from curation.files import Json, read_json, write_json
from train.checkpoints import MOST_KEPT, Checkpoint, drop_after, kept_steps, load_newest, save_checkpoint

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
        flip("manifest.json"),
        lambda path: (path / "manifest.json").unlink(),
        lambda path: (path / "tensors.safetensors").unlink(),
        lambda path: (path / "state.json").write_bytes(b""),
        lambda path: (path / "manifest.json").write_bytes(b""),
        lambda path: (path / "tensors.safetensors").write_bytes((path / "tensors.safetensors").read_bytes()[:5]),
        lambda path: (path / "state.json").unlink(),
        lambda path: (path / "tensors.safetensors").write_bytes(b""),
        lambda path: (path / "manifest.json").write_bytes(b"{"),
    ],
    ids=[
        "tensor bit",
        "state bit",
        "manifest bit",
        "no manifest",
        "no tensors",
        "empty state",
        "empty manifest",
        "cut header",
        "no state",
        "empty tensors",
        "cut manifest",
    ],
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


def test_directories_that_traded_names_are_both_passed_over(tmp_path: Path) -> None:
    for step in (10, 20):
        save_checkpoint(tmp_path, checkpoint(step), print)
    for old, new in [("10", "x"), ("20", "10"), ("x", "20")]:
        (tmp_path / f"step-000000{old}").rename(tmp_path / f"step-000000{new}")
    step, notes = newest(tmp_path)
    assert step is None
    assert "holds step 10, expected step 20" in notes[0]


FIELDS: dict[str, Json] = {
    "corpus": "a" * 64,
    "tokenizer": "b" * 64,
    "tier": "pico-1x",
    "seed": 1,
    "recipe_version": 2,
}


@pytest.mark.parametrize(
    ("field", "now", "told"),
    [
        ("corpus", "c" * 64, "corpus was aaaaaaaaaaaaaaaa and is cccccccccccccccc"),
        ("tokenizer", "d" * 64, "tokenizer was bbbbbbbbbbbbbbbb and is dddddddddddddddd"),
        ("tier", "pico-2x", "tier was pico-1x and is pico-2x"),
        ("seed", 2, "seed was 1 and is 2"),
        ("recipe_version", 3, "recipe_version was 2 and is 3"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_the_field_that_differs(
    tmp_path: Path, field: str, now: Json, told: str
) -> None:
    save_checkpoint(tmp_path, Checkpoint(step=1, tensors=checkpoint(1).tensors, state={"identity": FIELDS}), print)
    with pytest.raises(RunError) as refused:
        load_newest(tmp_path, {**FIELDS, field: now}, print)
    assert f"under other settings: {told}; expected the same run" in str(refused.value)


def test_a_checkpoint_of_an_older_format_is_refused_by_its_version(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    manifest = tmp_path / "step-00000010" / "manifest.json"
    held = cast("dict[str, Json]", read_json(manifest))
    write_json(manifest, {"step": 10, "sha256": held["sha256"]})  # as version 1 wrote it
    with pytest.raises(RunError, match="checkpoint format 1, expected 2; another version of curate wrote it"):
        newest(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_with_a_tensor_that_is_not_finite_is_never_written(tmp_path: Path, value: float) -> None:
    save_checkpoint(tmp_path, checkpoint(10), print)
    bad = Checkpoint(step=20, tensors={"w": torch.tensor([1.0, value])}, state={"identity": IDENTITY})
    with pytest.raises(RunError, match="after step 20 w hold .*the checkpoint of step 10 stays"):
        save_checkpoint(tmp_path, bad, print)
    assert newest(tmp_path) == (10, [])


def test_a_run_that_may_rewind_keeps_one_checkpoint_that_far_back() -> None:
    kept: set[int] = set()
    for step in range(10, 3_010, 10):
        kept = kept_steps(kept | {step}, 250)
        assert len(kept) <= MOST_KEPT
        assert step < 500 or any(step - one >= 250 for one in kept)
    assert kept_steps({10, 20, 30}, 0) == {20, 30}


def test_checkpoints_of_an_abandoned_course_are_dropped(tmp_path: Path) -> None:
    for step in (10, 20):
        save_checkpoint(tmp_path, checkpoint(step), print)
    drop_after(tmp_path, 10)
    assert newest(tmp_path) == (10, [])
