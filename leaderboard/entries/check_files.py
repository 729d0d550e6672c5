"""L1, first part: the folder holds exactly the files that its manifest lists, each with its bytes, and nothing private.

Sizes are added up before anything is read, so an entry over the board's limit is refused unread. Links, devices and
names outside the folder are refused; nothing is executed or unpickled, whatever a file is called.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from curation.files import sha256_file
from leaderboard.entries.checks import Check, verdict
from leaderboard.entries.entry import EntryError
from leaderboard.entries.manifest import ENTRY_FILE, Manifest
from leaderboard.entries.private import Scrubber
from leaderboard.entries.tracks import DEFAULT_MAX_BYTES

MAX_FILES = 20_000
SUFFIXES = (".json", ".parquet", ".safetensors")
AGAIN = "restore the file from the board's history, or `curate submit STUDY_DIR --to BOARD` again"


def refuse_large(folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> int:
    """Return how many bytes an entry's folder holds; sizes alone are looked at.

    Raises: EntryError for more than `max_bytes` or `MAX_FILES`, or for anything that is no plain file or folder.
    """
    total = count = 0
    for path, status in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no plain file"
            raise EntryError(f"{folder.name}: {name} is {kind}; expected files and folders only; submit again without")
        total, count = total + status.st_size, count + 1
        if total > max_bytes or count > MAX_FILES:
            raise EntryError(
                f"{folder.name}: more than {max_bytes:,} bytes or {MAX_FILES:,} files, not read; expected a smaller "
                "entry; submit fewer runs: one study an entry, `curate submit STUDY_DIR --to BOARD`"
            )
    return total


def check_files(folder: Path, manifest: Manifest) -> Check:
    """Check names, sizes and hashes of all files against the manifest."""
    return verdict("files", _file_faults(folder, manifest), f"{len(manifest.files)} files as listed", remedy=AGAIN)


def _file_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    listed = {facts.path: facts for facts in manifest.files}
    if len(listed) != len(manifest.files):
        yield "a file is listed twice, expected each once"
    there = {path.relative_to(folder).as_posix() for path, status in _walk(folder) if stat.S_ISREG(status.st_mode)}
    for name in sorted(there - {ENTRY_FILE} - listed.keys()):
        yield f"{name} is not in the manifest"
    for name, facts in sorted(listed.items()):
        if not name.endswith(SUFFIXES):
            yield f"{name}: expected one of {', '.join(SUFFIXES)}"
        if name not in there:
            yield f"{name} is missing"
            continue
        size, found = (folder / name).stat().st_size, sha256_file(folder / name)
        if (size, found) != (facts.bytes, facts.sha256):
            sizes = "" if size == facts.bytes else f" ({size:,} bytes, expected {facts.bytes:,})"
            yield f"{name}: sha256 {found}, expected {facts.sha256}{sizes}"


def check_private(folder: Path, manifest: Manifest, scrubber: Scrubber) -> Check:
    """Check that no text of an entry holds paths, names of this machine or secrets."""
    faults = []
    for facts in manifest.files:
        if facts.path.endswith(".json"):
            text = (folder / facts.path).read_text(encoding="utf-8", errors="replace")
            faults += [f"{facts.path}: {fault}" for fault in scrubber.faults(text)]
    faults += [f"{ENTRY_FILE}: {fault}" for fault in scrubber.faults((folder / ENTRY_FILE).read_text(encoding="utf-8"))]
    remedy = "take it out of the study's words, then `curate study run` and `curate submit` again"
    return verdict("private", faults, "no paths, names of machines or secrets", remedy=remedy)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything below a folder with its own status; links are not followed."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda one: one.name)
    for entry in entries:
        status = entry.stat(follow_symlinks=False)
        yield Path(entry.path), status
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(Path(entry.path))
