"""Entries as readers see them: the manifest, its tables on demand, and what the board's records say of it.

Records (badges, challenges, confirmations, tombstones) lie beside the entries and are never part of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import pyarrow as pa
from pydantic import ValidationError

from curation.errors import CurateError
from curation.files import TEMPORARY_PREFIX, sha256_file
from leaderboard.entries.manifest import DIGEST_DIGITS, ENTRY_FILE, Manifest, RunRecord, SuiteScores, parse_manifest
from leaderboard.entries.safe_tables import DOCUMENT_COLUMNS, read_safe_table
from leaderboard.scores import ScoredRun
from train.evals.results import ITEMS, RESULTS, Results, Scored
from train.evals.score_tables import ITEMS_SCHEMA

ENTRIES = "entries"
MAX_MANIFEST_BYTES = 64_000_000


class EntryError(CurateError):
    """An entry, or a record about it, is damaged or breaks a rule of the board."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a board."""

    folder: Path
    manifest: Manifest
    digest: str
    level: int = 0
    """Highest level among its badges; 0 is self-reported."""
    flags: tuple[str, ...] = ()
    """Why an audit is asked for; empty when it is not."""
    challenges: int = 0
    confirmed: bool = False
    """Whether a run with the seed that the board assigned was added (rule 10)."""
    retracted: str = ""
    """Why it was withdrawn; empty when it was not."""

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def ranked(self) -> bool:
        """Whether it may take part in ranks: it was not retracted."""
        return not self.retracted

    @cached_property
    def runs(self) -> tuple[RunRecord, ...]:
        """All its runs."""
        return self.manifest.runs

    def file(self, name: str) -> Path:
        """Return a file of the entry whose bytes are those that the manifest, and so its badges, speak of.

        Raises: EntryError for another file, or one that was changed since.
        """
        facts = next((one for one in self.manifest.files if one.path == name), None)
        path = self.folder / name
        if facts is None or path.is_symlink() or not path.is_file():
            raise EntryError(f"{path}: is no file of the entry; see `curate leaderboard verify {self.folder}`")
        if path.stat().st_size != facts.bytes or sha256_file(path) != facts.sha256:
            raise EntryError(
                f"{path}: is not the file that was submitted (sha256 differs from the manifest's); restore it, or see "
                f"`curate leaderboard verify {self.folder} --level 1`"
            )
        return path

    def documents(self, run: RunRecord) -> pa.Table | None:
        """Return the scores of a run's panel documents (id, slice, family, nats, num_bytes) by id; None without any.

        Raises: EntryError as `file`.
        """
        if run.documents is None:
            return None
        return read_safe_table(self.file(run.documents), DOCUMENT_COLUMNS).sort_by("id")

    def scored_run(self, run: RunRecord) -> ScoredRun | None:
        """Return a run as comparisons take it; None without document scores or seed."""
        documents = self.documents(run)
        if documents is None or run.seed is None or run.context is None:
            return None
        return ScoredRun(
            arm=run.arm,
            tier=run.tier,
            seed=run.seed,
            panel=run.panel,
            tokenizer=run.tokenizer,
            context=run.context,
            documents=documents,
            tier_digest=run.tier_digest,
            fingerprint=run.fingerprint,
        )

    def scored(self, suite: SuiteScores) -> Scored:
        """Return a run's results on a suite, with its items where they are known."""
        results = Results.model_validate_json(self.file(f"{suite.folder}/{RESULTS}").read_bytes())
        items = read_safe_table(self.file(f"{suite.folder}/{ITEMS}"), ITEMS_SCHEMA) if suite.items else None
        return Scored(results=results, items=items, folder=self.folder / suite.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A manifest as it lies on disk."""

    manifest: Manifest
    digest: str
    faults: tuple[str, ...] = field(default=())


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest of an entry's folder and its digest.

    Raises: EntryError if it is missing, too large, not canonical or breaks the schema, or if the folder's name does
    not end with its digest.
    """
    import hashlib

    path = folder / ENTRY_FILE
    if path.is_symlink() or not path.is_file():
        raise EntryError(f"{folder}: no {ENTRY_FILE}; expected an entry's folder; make one with `curate submit`")
    if (size := path.stat().st_size) > MAX_MANIFEST_BYTES:
        raise EntryError(f"{path}: {size:,} bytes, expected at most {MAX_MANIFEST_BYTES:,}; submit fewer runs an entry")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        manifest = parse_manifest(data)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:20]]
        raise EntryError(
            f"{path}: {'; '.join(faults)}; expected {ENTRY_FILE} of schema curate-entry@1; submit the study again"
        ) from None
    except RecursionError:
        raise EntryError(f"{path}: nested too deeply; expected an entry's manifest; submit the study again") from None
    if manifest.text().encode("utf-8") != data:
        raise EntryError(
            f"{path}: is not the canonical spelling of what it says (a key twice, other spacing or order); expected "
            "the file as `curate submit` writes it; submit the study again"
        )
    if not folder.name.endswith(f"-{digest[:DIGEST_DIGITS]}"):
        raise EntryError(
            f"{path}: sha256 {digest[:DIGEST_DIGITS]}, expected {folder.name.rpartition('-')[2]}, which ends the "
            "folder's name: the manifest was changed; restore it, or submit the study again"
        )
    return manifest, digest


def entry_folders(board: Path) -> list[Path]:
    """Return the folders of all entries of a board, by name; unfinished ones are passed over."""
    place = board / ENTRIES
    if not place.is_dir():
        return []
    return sorted(
        path
        for path in place.iterdir()
        if not path.name.startswith(TEMPORARY_PREFIX) and path.is_dir() and not path.is_symlink()
    )


def read_entry(folder: Path) -> Entry:
    """Return one entry with what the records of its board say. Raises: EntryError as `read_manifest`."""
    from leaderboard.entries.records import status_of

    manifest, digest = read_manifest(folder)
    status = status_of(folder.parent.parent, folder.name, digest)
    return Entry(
        folder=folder,
        manifest=manifest,
        digest=digest,
        level=status.level,
        flags=status.flags,
        challenges=status.challenges,
        confirmed=status.confirmed,
        retracted=status.retracted,
    )


def readable_entries(board: Path) -> tuple[list[Entry], dict[str, str]]:
    """Return the entries of a board that can be read, by id, and of each damaged one what is wrong with it.

    One damaged entry among many must not hide the others; callers show the second part.
    """
    found: list[Entry] = []
    damaged: dict[str, str] = {}
    for folder in entry_folders(board):
        try:
            found.append(read_entry(folder))
        except CurateError as error:
            damaged[folder.name] = str(error)
    return found, damaged


def read_entries(board: Path) -> Sequence[Entry]:
    """Return every entry of a board's folder, by id, retracted ones too.

    Raises: EntryError for the first damaged one: an entry is never skipped silently.
    """
    return cast("Sequence[Entry]", [read_entry(folder) for folder in entry_folders(board)])
