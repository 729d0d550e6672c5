"""The index of a board: one SQLite file (WAL) that can be thrown away, built from the files, which are the truth.

`synchronise` brings it up to date: manifests never change, so only entries that it lacks are read; what records say is
read again for all. `rebuild` starts from nothing. Any number of processes may read and write at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from curation.files import Json
from leaderboard.entries.entry import Entry, EntryError, entry_folders, read_entry
from leaderboard.entries.lock import writing
from leaderboard.entries.records import Status, status_of

INDEX_FILE = "index.sqlite"
SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, study TEXT NOT NULL, fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL, submitter TEXT NOT NULL, track TEXT NOT NULL, division TEXT NOT NULL, panel TEXT NOT NULL,
    level INTEGER NOT NULL, audit INTEGER NOT NULL, challenges INTEGER NOT NULL, confirmed INTEGER NOT NULL,
    retracted TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    entry TEXT NOT NULL REFERENCES entries(id), place INTEGER NOT NULL, arm TEXT NOT NULL, role TEXT NOT NULL,
    tier TEXT NOT NULL, seed INTEGER, fingerprint TEXT NOT NULL, flops REAL, bpb TEXT NOT NULL,
    PRIMARY KEY (entry, place)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_track ON entries (track, division);
CREATE INDEX IF NOT EXISTS by_tier ON runs (tier, arm);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What the index holds."""

    entries: int
    runs: int
    added: int
    removed: int
    """Entries in the index that no file backed any more."""
    damaged: tuple[str, ...] = ()
    """What is wrong with the entries that could not be read; they are in no row."""


@contextmanager
def opened(board: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a board's index, its tables made; committed at the end, rolled back on an error."""
    connection = sqlite3.connect(board / INDEX_FILE, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, SCHEMA_VERSION):
            raise EntryError(
                f"{board / INDEX_FILE}: was made by another version; rebuild it: "
                f"`curate leaderboard index {board} --rebuild`"
            )
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        with connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise EntryError(
            f"{board / INDEX_FILE}: {error}; the files are the truth: `curate leaderboard index {board} --rebuild`"
        ) from None
    finally:
        connection.close()


def synchronise(board: Path) -> Indexed:
    """Bring the index up to date with the files; damaged entries are named and left out.

    Raises: EntryError for a damaged index.
    """
    with writing(board):
        return _synchronised(board)


def _synchronised(board: Path) -> Indexed:
    folders = {folder.name: folder for folder in entry_folders(board)}
    with opened(board) as connection:
        connection.execute("BEGIN IMMEDIATE")
        known = {row[0] for row in connection.execute("SELECT id FROM entries")}
        gone = sorted(known - folders.keys())
        connection.executemany("DELETE FROM runs WHERE entry = ?", [(name,) for name in gone])
        connection.executemany("DELETE FROM entries WHERE id = ?", [(name,) for name in gone])
        damaged = []
        for name in sorted(folders.keys() - known):
            try:
                _insert(connection, read_entry(folders[name]))
            except EntryError as error:
                damaged.append(str(error))
        for name, digest in connection.execute("SELECT id, digest FROM entries").fetchall():
            _update(connection, name, status_of(board, name, digest))
        counts = [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("entries", "runs")]
    return Indexed(
        entries=counts[0],
        runs=counts[1],
        added=len(folders.keys() - known) - len(damaged),
        removed=len(gone),
        damaged=tuple(damaged),
    )


def rebuild(board: Path) -> Indexed:
    """Build the index from nothing; damaged entries are named and left out."""
    with writing(board):
        for suffix in ("", "-wal", "-shm"):
            (board / f"{INDEX_FILE}{suffix}").unlink(missing_ok=True)
        return _synchronised(board)


def rows(board: Path, *, track: str | None = None) -> Sequence[Mapping[str, Json]]:
    """Return the entries of the index, of one track or all, by id."""
    with opened(board) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(
            "SELECT * FROM entries WHERE ?1 IS NULL OR track = ?1 ORDER BY id", (track,)
        ).fetchall()
    return [dict(row) for row in found]


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    from curation.files import canonical_json

    manifest = entry.manifest
    fixed = (
        entry.id,
        entry.digest,
        manifest.study.name,
        manifest.study.fingerprint,
        manifest.study.kind,
        manifest.submitter,
        manifest.track,
        manifest.division,
        manifest.panel,
    )
    connection.execute(f"INSERT INTO entries VALUES ({','.join('?' * 14)})", (*fixed, *_state(entry)))
    runs = [
        (
            entry.id,
            place,
            run.arm,
            run.role,
            run.tier,
            run.seed,
            run.fingerprint,
            run.flops,
            canonical_json(dict(run.bpb)),
        )
        for place, run in enumerate(manifest.runs)
    ]
    connection.executemany("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?)", runs)


def _update(connection: sqlite3.Connection, name: str, status: Status) -> None:
    connection.execute(
        "UPDATE entries SET level = ?, audit = ?, challenges = ?, confirmed = ?, retracted = ? WHERE id = ?",
        (*_state(status), name),
    )


def _state(of: Entry | Status) -> tuple[int, int, int, int, str]:
    return of.level, int(bool(of.flags)), of.challenges, int(of.confirmed), of.retracted
