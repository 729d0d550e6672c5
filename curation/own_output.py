"""What lies where a command of raw files is to write: its own finished artifact, work begun, or a reason to refuse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curation.errors import CurateError
from curation.sources.locate import Input
from curation.store import MANIFEST, Artifact, load_artifact

WORK = ".work"
"""Directory of unfinished work inside the output; with it a directory is ours."""


def finished_output(out: Path, fingerprint: str, files: Sequence[Input]) -> Artifact | None:
    """Return the artifact of `fingerprint` that `out` holds; None if it is yet to be made there.

    Raises: CurateError if `out` holds input files, is a file, or holds something else.
    """
    if any(item.path.resolve().is_relative_to(out.resolve()) for item in files):
        raise CurateError(f"{out}: holds input files; the input is only read: choose another directory with -o")
    if out.exists() and not out.is_dir():
        raise CurateError(f"{out}: is a file, expected a directory to write; choose another place with -o")
    if (out / MANIFEST).is_file():
        known = load_artifact(out)
        if known.fingerprint == fingerprint:
            return known
        raise CurateError(
            f"{out}: holds a {known.kind} artifact of other input or settings ({known.fingerprint[:8]}, expected "
            f"{fingerprint[:8]}); choose another directory with -o, or remove this one"
        )
    if out.is_dir() and not (out / WORK).is_dir() and any(out.iterdir()):
        raise CurateError(f"{out}: is not empty and not ours; choose another directory with -o")
    return None
