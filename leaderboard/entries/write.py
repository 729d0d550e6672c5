"""Writing an entry: files first, then the manifest over them, then one rename to the name that its digest gives.

A reader sees an entry whole or not at all; a killed writer leaves a directory under a temporary name, which every
reader passes over. An entry that is there already is left alone, so submitting twice is submitting once.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from curation.batches import write_table
from curation.files import TEMPORARY_PREFIX, sha256_file
from leaderboard.entries.entry import ENTRIES
from leaderboard.entries.manifest import ENTRY_FILE, FileFacts, Manifest

STALE_SECONDS = 86_400
"""Unfinished entries older than this have no writer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry before it is written: its manifest without `files`, and these by path."""

    manifest: Manifest
    texts: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An entry that lies on a board."""

    folder: Path
    manifest: Manifest
    new: bool
    """False when the same entry was there already."""


def fill(folder: Path, draft: Draft) -> Manifest:
    """Write a draft's files and manifest into an empty folder, and return the manifest with all files listed."""
    for name, text in draft.texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name, table in draft.tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_table(folder / name, table)
    files = []
    for name in sorted({*draft.texts, *draft.tables}):
        path = folder / name
        rows = draft.tables[name].num_rows if name in draft.tables else None
        facts = FileFacts(path=name, bytes=path.stat().st_size, sha256=sha256_file(path), rows=rows)
        files.append(facts)
    manifest = draft.manifest.model_copy(update={"files": tuple(files)})
    (folder / ENTRY_FILE).write_text(manifest.text(), encoding="utf-8")
    return manifest


@contextlib.contextmanager
def filled(parent: Path, draft: Draft) -> Iterator[tuple[Path, Manifest]]:
    """Give a folder that holds the draft under the entry's own name, inside a temporary one of `parent`; it then goes.

    The manifest is given with it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    holder = parent / f"{TEMPORARY_PREFIX}{draft.manifest.study.name}-{uuid.uuid4().hex[:12]}"
    (holder / "draft").mkdir(parents=True)
    try:
        manifest = fill(holder / "draft", draft)
        folder = holder / manifest.entry_id
        (holder / "draft").rename(folder)
        yield folder, manifest
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_entry(board: Path, draft: Draft) -> Written:
    """Write a draft as an entry of the board in the folder `board`; nothing is checked here."""
    with filled(board / ENTRIES, draft) as (temporary, manifest):
        return Written(
            folder=board / ENTRIES / manifest.entry_id, manifest=manifest, new=appear(temporary, board, manifest)
        )


def appear(temporary: Path, board: Path, manifest: Manifest) -> bool:
    """Give a filled folder its final name and return whether the entry is new; an equal one there stays."""
    final = board / ENTRIES / manifest.entry_id
    for path in sorted(temporary.rglob("*")):
        if path.is_file():
            _sync(path)
    _sync(temporary)
    try:
        temporary.rename(final)
    except OSError:
        if not (final / ENTRY_FILE).is_file():  # a full directory of that name holds the same digest
            raise
        return False
    _sync(final.parent)
    return True


def remove_stale(board: Path) -> int:
    """Remove what killed writers left more than a day ago, and return how many folders these were."""
    old = time.time() - STALE_SECONDS
    place = board / ENTRIES
    found = [path for path in place.glob(f"{TEMPORARY_PREFIX}*") if path.stat().st_mtime < old]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


def _sync(path: Path) -> None:
    import os

    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
