"""Checkpoints that a kill cannot damage: a directory appears whole, by one rename, after every file is on disk.

`step-00000100/` holds `tensors.safetensors`, `state.json` and `manifest.json` with the sha256 of both. The newest is
found by looking, never by a pointer. One that is not what its manifest says is passed over with a note and the one
before it is used; the newest `KEPT` stay.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.errors import RunError
from curation.files import Json, read_json, sha256_file, write_json

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2
MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
STATE = "state.json"
_UNFINISHED = "unfinished-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The whole state of a run after `step` steps."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Json]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint durably, then remove those older than the newest two."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
    temporary.mkdir()
    save_file(dict(checkpoint.tensors), temporary / TENSORS)
    _fsync(temporary / TENSORS)
    write_json(temporary / STATE, checkpoint.state)
    digests: dict[str, Json] = {name: sha256_file(temporary / name) for name in (TENSORS, STATE)}
    write_json(temporary / MANIFEST, {"step": checkpoint.step, "sha256": digests})
    final = folder / f"step-{checkpoint.step:08d}"
    if final.exists():  # damaged, or it would have been resumed from
        shutil.rmtree(final)
    temporary.rename(final)
    _fsync(folder)
    for old in sorted(folder.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old)


def load_newest(folder: Path, identity: Mapping[str, Json], note: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest sound checkpoint of the run that `identity` describes, or None.

    Damaged ones are told to `note`. Raises: RunError if a sound one belongs to other settings.
    """
    from safetensors.torch import load_file

    for stray in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(stray)
    for path in sorted(folder.glob("step-*"), reverse=True):
        fault = _fault(path)
        if fault is not None:
            note(f"{path}: {fault}; falling back to the checkpoint before it")
            continue
        state = cast("Mapping[str, Json]", read_json(path / STATE))
        if state["identity"] != identity:
            raise RunError(
                f"{path}: was written under other settings ({state['identity']}), expected {dict(identity)}; "
                f"remove {folder} to start again"
            )
        return Checkpoint(step=int(path.name.removeprefix("step-")), tensors=load_file(path / TENSORS), state=state)
    return None


def _fault(path: Path) -> str | None:
    """Return what is wrong with a checkpoint directory, or None."""
    try:
        manifest = cast("Mapping[str, Mapping[str, str]]", read_json(path / MANIFEST))
        digests = manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no readable {MANIFEST} ({error})"
    for name in (TENSORS, STATE):
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if sha256_file(file) != digests.get(name):
            return f"{name} does not have the sha256 of the manifest"
    return None


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
