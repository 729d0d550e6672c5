"""How a checkpoint reaches the disk: temporary directory, every file fsynced, manifest last, one rename.

A failed write, fsync or rename leaves what was there before; the temporary directory is removed, or at the next
start if that fails too. After a failed fsync nothing is fsynced again: a second try writes new files, since the first
may have dropped pages and a second fsync of it may still say that all is well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import RunError
from curation.files import Json, canonical_json, sha256_file, write_json

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
STATE = "state.json"
UNFINISHED = "unfinished-"
FULL = (errno.ENOSPC, errno.EDQUOT)
_CODE = re.compile(r"(?:os error |code: )(\d+)")


def write_directory(
    final: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Json],
    manifest: Callable[[Mapping[str, Json]], Mapping[str, Json]],
    spare: Callable[[], bool],
) -> None:
    """Make `final` appear with both files and the manifest that `manifest` makes of their digests.

    On a full disk `spare` is asked once to make room. Raises: RunError that says what was needed or what failed.
    """
    try:
        try:
            _write(final, tensors, state, manifest)
        except OSError as error:
            if error.errno not in FULL or not spare():
                raise
            _write(final, tensors, state, manifest)
    except OSError as error:
        raise RunError(_why(final, tensors, state, error)) from None


def size_bytes(tensors: Mapping[str, Tensor], state: Mapping[str, Json]) -> int:
    """Return the least that a checkpoint takes on disk."""
    return sum(value.nbytes for value in tensors.values()) + len(canonical_json(state).encode("utf-8"))


def space_note(folder: Path, checkpoint_bytes: int, num_kept: int, note: Callable[[str], None]) -> None:
    """Tell before a run that its checkpoints will not fit; while one is written it is one more."""
    folder.mkdir(parents=True, exist_ok=True)
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed = (num_kept + 1) * checkpoint_bytes - held
    free = shutil.disk_usage(folder).free
    if free < needed:
        note(
            f"{folder}: {free:,} bytes are free, the run's checkpoints need about {needed:,} more; "
            "it will stop with its last checkpoint intact if the disk fills up"
        )


def remove(path: Path) -> None:
    """Remove a directory so that no reader ever sees half of it."""
    doomed = path
    if not path.name.startswith(UNFINISHED):
        doomed = path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
        path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _write(
    final: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Json],
    manifest: Callable[[Mapping[str, Json]], Mapping[str, Json]],
) -> None:
    """Write and rename.

    Raises: OSError.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        temporary.mkdir()
        _write_tensors(temporary / TENSORS, tensors)
        write_json(temporary / STATE, state)
        digests: dict[str, Json] = {name: sha256_file(temporary / name) for name in (TENSORS, STATE)}
        write_json(temporary / MANIFEST, manifest({"sha256": digests}))
        _fsync(temporary)
        if final.exists():  # damaged, or it would have been resumed from
            remove(final)
        temporary.rename(final)
        _fsync(final.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the tensors and fsync them; the library's own errors become those of the system."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        found = _CODE.search(str(error))
        if found is None:
            raise
        code = int(found[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    _fsync(path)


def _why(final: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Json], error: OSError) -> str:
    remedy = "earlier checkpoints are intact; the same command continues from the newest"
    if error.errno not in FULL:
        return f"{final}: cannot be written ({error.strerror or error}), expected a disk that takes writes; {remedy}"
    needed, free = size_bytes(tensors, state), shutil.disk_usage(final.parent).free
    return f"{final}: disk full, needs >= {needed:,} bytes, {free:,} are free; make room there; {remedy}"


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
