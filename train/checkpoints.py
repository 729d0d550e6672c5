"""Checkpoints that a kill cannot damage: a directory appears whole, by one rename, after every file is on disk.

`step-00000100/` holds `tensors.safetensors`, `state.json` and `manifest.json` (format, step, sha256 of both, and a seal
over these). The newest is found by looking, never by a pointer. One that is not what its manifest says is passed over
with a note and the one before it is used. One of another run or another format is refused. How files reach the disk,
and what happens when it is full, is `train.checkpoint_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.errors import RunError
from curation.files import Json, digest_json, read_json, sha256_file
from train.checkpoint_files import MANIFEST, STATE, TENSORS, UNFINISHED, remove, write_directory
from train.parallel import Ranks
from train.sharding import SharedTensors

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 2
"""1 had neither format nor seal and another state; it is refused by name."""
KEPT = 2
CELLS_KEPT = 3
MOST_KEPT = KEPT + CELLS_KEPT

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The whole state of a run after `step` steps."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Json]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, note: Note, *, reach_steps: int = 0) -> None:
    """Write a checkpoint durably, then remove those that are no longer kept (`kept_steps`).

    On a full disk the oldest other one goes, if the newest stays, and the write is tried once more.
    Raises: RunError if it cannot be written or a tensor is not finite; the checkpoints before it are untouched.
    """
    refuse_not_finite(folder, checkpoint.step, not_finite(checkpoint.tensors))
    manifest = {"format": FORMAT, "step": checkpoint.step}
    final = _path(folder, checkpoint.step)

    def spare() -> bool:
        """Remove the oldest checkpoint unless it is the only one."""
        known = sorted(_steps(folder))
        if len(known) < 2:
            return False
        note(f"{folder}: the disk is full; removing the checkpoint of step {known[0]} and trying again")
        remove(_path(folder, known[0]))
        return True

    write_directory(
        final, checkpoint.tensors, checkpoint.state, lambda digests: _sealed({**manifest, **digests}), spare
    )
    steps = _steps(folder)
    for old in sorted(steps - kept_steps(steps, reach_steps)):
        try:
            remove(_path(folder, old))
        except OSError as error:  # the new one is on disk: what is left over costs space only
            note(f"{_path(folder, old)}: cannot be removed ({error.strerror}); the next checkpoint tries again")


def kept_steps(steps: set[int], reach_steps: int) -> set[int]:
    """Return which checkpoints stay: the newest two; and, for a run that may rewind by `reach_steps`, more.

    These are the first of each of the newest three stretches of `reach_steps` steps, so that one at least that far
    back is always there once the run is that long. At most five stay.
    """
    ordered = sorted(steps)
    kept = set(ordered[-KEPT:])
    if reach_steps:
        first: dict[int, int] = {}
        for step in ordered:
            first.setdefault(step // reach_steps, step)
        kept |= {first[cell] for cell in sorted(first)[-CELLS_KEPT:]}
    return kept


def load_newest(
    folder: Path, identity: Mapping[str, Json], note: Note, *, at_most: int | None = None
) -> Checkpoint | None:
    """Return the newest sound checkpoint (of step `at_most` or before) of the run that `identity` describes, or None.

    Damaged ones are told to `note`. Raises: RunError if a sound one belongs to other settings or another format.
    """
    from safetensors.torch import load_file

    for stray in folder.glob(f"{UNFINISHED}*"):
        remove(stray)
    for step in sorted(_steps(folder), reverse=True):
        path = _path(folder, step)
        if at_most is not None and step > at_most:
            continue
        fault = fault_of(path, step)
        if fault is not None:
            note(f"{path}: {fault}; falling back to the checkpoint before it")
            continue
        state = cast("Mapping[str, Any]", read_json(path / STATE))
        differences = _differences(state["identity"], identity)
        if differences:
            raise RunError(
                f"{path}: was written under other settings: {'; '.join(differences)}; expected the same run; "
                f"go back to those settings, or remove {folder} to start again"
            )
        return Checkpoint(step=step, tensors=load_file(path / TENSORS), state=state)
    return None


def shared_checkpoint(search: Callable[[], Checkpoint | None], ranks: Ranks) -> Checkpoint | None:
    """Return on every rank the checkpoint that rank 0 finds by `search`; every rank must ask."""
    found = search() if ranks.main else None
    if ranks.world == 1:
        return found
    told = ranks.told(None if found is None else {"step": found.step, "state": dict(found.state)})
    if told is None:
        return None
    held = cast("Mapping[str, Any]", told)
    tensors = SharedTensors(ranks, None if found is None else found.tensors)
    return Checkpoint(step=held["step"], tensors=tensors, state=held["state"])


def drop_after(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps, newest first: the run is on another course from `step` on."""
    for later in sorted((known for known in _steps(folder) if known > step), reverse=True):
        remove(_path(folder, later))


def refuse_not_finite(folder: Path, step: int, names: Sequence[str]) -> None:
    """Raise if there are `names`: tensors that are not finite after `step` steps.

    Raises: RunError that names them and the checkpoint that stays.
    """
    if names:
        before = sorted(_steps(folder))
        kept = f"the checkpoint of step {before[-1]} stays" if before else "there is no checkpoint before it"
        raise RunError(
            f"{folder}: after step {step} {_listed(names)} hold values that are not finite, expected "
            f"finite ones; no checkpoint was written and {kept}; rerun, and if it comes again look at the data"
        )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the floating-point tensors with a NaN or an infinity."""
    import torch

    return [name for name, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def _steps(folder: Path) -> set[int]:
    names = (path.name.removeprefix("step-") for path in folder.glob("step-*"))
    return {int(name) for name in names if name.isdigit()}


def _sealed(manifest: Mapping[str, Json]) -> dict[str, Json]:
    return {**manifest, "seal": digest_json(manifest)}


def fault_of(path: Path, step: int) -> str | None:
    """Return what is wrong with a checkpoint directory, or None.

    Raises: RunError if it is sound and of another format.
    """
    try:
        manifest = cast("Mapping[str, Any]", read_json(path / MANIFEST))
        digests, held = manifest["sha256"], manifest["step"]
        seal = digest_json({key: value for key, value in manifest.items() if key != "seal"})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"no readable {MANIFEST} ({error})"
    if "format" in manifest and manifest.get("seal") != seal:
        return f"{MANIFEST} does not have the digest in its seal"
    if held != step:
        return f"holds step {held}, expected step {step}"
    for name in (TENSORS, STATE):
        try:
            actual = sha256_file(path / name)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if actual != digests.get(name):
            return f"{name} does not have the sha256 of the manifest"
    if manifest.get("format", 1) != FORMAT:
        raise RunError(
            f"{path}: checkpoint format {manifest.get('format', 1)}, expected {FORMAT}; another version of curate "
            f"wrote it: finish the run with that version, or remove {path.parent} to start again"
        )
    return None


def _differences(written: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    """Return every field that differs, with both values."""
    names = [*written, *(name for name in now if name not in written)]
    return [
        f"{name} was {_shown(written.get(name))} and is {_shown(now.get(name))}"
        for name in names
        if written.get(name) != now.get(name)
    ]


def _shown(value: Json) -> str:
    text = "not recorded" if value is None else str(value)
    return text[:16] if len(text) == 64 else text  # a digest


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more tensors" if len(names) > 3 else shown
