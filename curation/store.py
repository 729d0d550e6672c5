"""The store: artifacts on disk, each complete exactly when its manifest exists.

An artifact is `<kind>-<first 8 hex digits of its fingerprint>/` with files and a `manifest.json` that is written
last. A killed build leaves a directory without manifest; finished parts inside it are taken over by the next try
because every file appears by rename only. The root is `CURATE_STORE`, default `./.curate`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from curation.errors import ShardError, StoreBusyError
from curation.files import TEMPORARY_PREFIX, Json, read_json, sha256_file, write_json
from curation.store_locks import Hold, acquire

MANIFEST = "manifest.json"
LOCK = "build.lock"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A complete artifact: a directory and its manifest."""

    path: Path
    manifest: Mapping[str, Json]

    @property
    def kind(self) -> str:
        """What it is: `pool`, `panel`, `signals`, `verdict`, `corpus`, `tokens`, `run` ..."""
        return str(self.manifest["kind"])

    @property
    def fingerprint(self) -> str:
        """Identity of the settings, component versions and inputs it was made from; 64 hex digits."""
        return str(self.manifest["fingerprint"])

    @property
    def summary(self) -> Mapping[str, Json]:
        """What the builder counted and decided."""
        return cast("Mapping[str, Json]", self.manifest["summary"])

    @property
    def num_parts(self) -> int:
        """Number of row-aligned part files; 0 for artifacts without parts."""
        return len(self.part_paths())

    def part_paths(self) -> list[Path]:
        """Paths of `part-00000.parquet` ... in canonical order, as the manifest lists them."""
        files = cast("list[Mapping[str, Json]]", self.manifest["files"])
        names = sorted(str(entry["path"]) for entry in files)
        return [self.path / name for name in names if name.startswith("part-") and name.endswith(".parquet")]


@dataclass(slots=True, kw_only=True)
class ArtifactWriter:
    """An artifact being built; `finish` makes it exist."""

    path: Path
    kind: str
    fingerprint: str

    def part_path(self, part: int) -> Path:
        """Path of part number `part`; write it through `files.replacing`."""
        return self.path / f"part-{part:05d}.parquet"

    def has(self, name: str) -> bool:
        """Whether an earlier, interrupted try already finished the file `name`."""
        return (self.path / name).is_file()

    def finish(self, fields: Mapping[str, Json], *, workers: int = 1) -> Artifact:
        """Write the manifest over all files present, read by so many threads, and return the artifact."""
        for stray in self.path.rglob(f"{TEMPORARY_PREFIX}*"):
            stray.unlink()
        files = [
            file
            for file in sorted(self.path.rglob("*"))
            # a helper process that outlived a killed try may still be writing under a temporary name
            if file.is_file() and file.name not in (LOCK, MANIFEST) and not file.name.startswith(TEMPORARY_PREFIX)
        ]
        with ThreadPoolExecutor(max_workers=workers) as pool:
            digests = list(pool.map(sha256_file, files))
        listed: list[Json] = [
            {"path": str(file.relative_to(self.path)), "bytes": file.stat().st_size, "sha256": digest}
            for file, digest in zip(files, digests, strict=True)
        ]
        manifest: dict[str, Json] = {
            "format": FORMAT_VERSION,
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            **fields,
            "files": listed,
        }
        write_json(self.path / MANIFEST, manifest)
        return Artifact(path=self.path, manifest=manifest)


@dataclass(frozen=True, slots=True)
class Store:
    """All artifacts under one root directory."""

    root: Path
    hold: Hold | None = field(default=None, compare=False, repr=False)
    """Keeps others from freeing artifacts while this object lives; None where no lock can be made."""
    reads_only: bool = field(default=False, compare=False)
    """Opened by `reading`: not even what would save time is kept in it."""

    @classmethod
    def open(cls, root: Path | None = None) -> Store:
        """Open the store at `root`, at `CURATE_STORE`, or at `./.curate`.

        Raises: ShardError if that is no directory and none can be made there.
        """
        chosen = _chosen(root)
        try:
            chosen.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise  # of the machine: the command line names those
            found = "is a file" if error.errno == errno.EEXIST else f"cannot be made ({error.strerror})"
            raise _no_directory(chosen, found) from None
        with contextlib.suppress(OSError):  # a store that is only read
            return cls(chosen, Hold(chosen, reads_only=False))
        return cls(chosen)

    @classmethod
    def reading(cls, root: Path | None = None) -> Store:
        """Open the store as `open` does, for commands that only look: nothing is made or written, no directory either.

        Where no store is, it is an empty one. A store in which nothing was ever built has no lock to hold.

        Raises: ShardError if there can be no directory of that name.
        """
        chosen = _chosen(root)
        try:
            if not stat.S_ISDIR(chosen.stat().st_mode):
                raise _no_directory(chosen, "is a file")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _no_directory(chosen, f"cannot be read ({error.strerror})") from None
        with contextlib.suppress(OSError):
            return cls(chosen, Hold(chosen, reads_only=True), reads_only=True)
        return cls(chosen, reads_only=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only user of this store until the block ends; whoever opens it meanwhile waits.

        Raises: StoreBusyError if another process, or another object of this one, uses it.
        """
        import fcntl

        if self.hold is None:
            raise ShardError(f"{self.root}: no lock can be made in this store, expected one that can be written to")
        try:
            fcntl.flock(self.hold.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self.hold.descriptor, fcntl.LOCK_SH)
            raise StoreBusyError(
                f"{self.root}: another process uses this store and may read any artifact; wait for it, or stop it"
            ) from None
        try:
            yield
        finally:
            fcntl.flock(self.hold.descriptor, fcntl.LOCK_SH)

    def path_of(self, kind: str, fingerprint: str) -> Path:
        """Directory of the artifact, existing or not."""
        return self.root / f"{kind}-{fingerprint[:8]}"

    def find(self, kind: str, fingerprint: str) -> Artifact | None:
        """Return the complete artifact, or None.

        Raises: ShardError if its files do not have the sizes that the manifest lists.
        """
        path = self.path_of(kind, fingerprint)
        if not (path / MANIFEST).is_file():
            return None
        artifact = load_artifact(path)
        if artifact.fingerprint != fingerprint:
            raise ShardError(
                f"{path}: holds fingerprint {artifact.fingerprint[:16]}, expected {fingerprint[:16]}; "
                "two artifacts share a short name: remove this directory and rerun"
            )
        return artifact

    def artifacts(self) -> list[Artifact]:
        """Every complete artifact, by directory name."""
        return [load_artifact(path.parent) for path in sorted(self.root.glob(f"*/{MANIFEST}"))]

    @contextlib.contextmanager
    def building(self, kind: str, fingerprint: str) -> Iterator[ArtifactWriter]:
        """Hold the artifact's directory for writing.

        Raises: StoreBusyError if a live process holds it. A dead process's lock is taken over.
        """
        path = self.path_of(kind, fingerprint)
        path.mkdir(parents=True, exist_ok=True)
        lock = acquire(path / LOCK, path)
        try:
            for stray in path.rglob(f"{TEMPORARY_PREFIX}*"):
                stray.unlink()
            yield ArtifactWriter(path=path, kind=kind, fingerprint=fingerprint)
        finally:
            os.close(lock)


def _chosen(root: Path | None) -> Path:
    return root or Path(os.environ.get("CURATE_STORE", ".curate"))


def _no_directory(root: Path, found: str) -> ShardError:
    return ShardError(f"{root}: the store {found}, expected a directory; choose another --store (CURATE_STORE)")


def load_artifact(path: Path) -> Artifact:
    """Load the artifact in directory `path`.

    Raises: ShardError if it has no manifest of ours, or a listed file is missing or has another size.
    """
    if not (path / MANIFEST).is_file():
        raise ShardError(f"{path}: no {MANIFEST}; expected a complete artifact; rerun the command that builds it")
    manifest = _read_manifest(path / MANIFEST)
    for entry in cast("list[Mapping[str, Json]]", manifest["files"]):
        file = path / str(entry["path"])
        actual = file.stat().st_size if file.is_file() else None
        if actual != entry["bytes"]:
            found = "is missing" if actual is None else f"has {actual} bytes"
            raise ShardError(
                f"{file}: {found}, the manifest says {entry['bytes']}; remove {path} and rerun to rebuild it"
            )
    return Artifact(path=path, manifest=manifest)


def _read_manifest(path: Path) -> Mapping[str, Json]:
    try:
        manifest = read_json(path)
    except ValueError as error:
        raise ShardError(f"{path}: is not JSON ({error}); remove {path.parent} and rerun to rebuild it") from None
    missing = {"kind", "fingerprint", "files"} - (manifest.keys() if isinstance(manifest, dict) else set())
    if missing:
        raise ShardError(f"{path}: has no {', '.join(sorted(missing))}; expected a manifest of curate; choose another")
    return cast("Mapping[str, Json]", manifest)


def copy_files(artifact: Artifact, folder: Path) -> None:
    """Copy the artifact into the empty directory `folder`, all but the lock of its building."""
    shutil.copytree(artifact.path, folder, ignore=shutil.ignore_patterns(LOCK), dirs_exist_ok=True)
