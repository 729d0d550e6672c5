"""What of a store nothing refers to, and freeing it.

Roots are kept with everything they refer to: artifacts of `ROOTS` and of kinds unknown here, also unfinished ones; and
what is no artifact (studies, boards, noise packs), whose JSON files count as references. A reference is a fingerprint,
or the name of an artifact, anywhere in a manifest or such a file. Freed are complete artifacts of `DERIVED` kinds that
no root reaches, builds that were never finished, and temporary files, each only when nothing in it changed for the age
limit.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.files import TEMPORARY_PREFIX, read_json
from curation.ingest import was_ingested
from curation.store import LOCK, MANIFEST, Store
from curation.store_locks import held

DERIVED = frozenset(
    """
    dedup embeddings findings importance-model ingest integrity ngram-model panel-leak plumbing pool prototypes
    reference roles scored-text signals signatures split suite-items tags text token-counts token-use
    tokenizer-text tokens unigram verdict
    """.split()
)
"""Kinds that a rerun makes again from what is outside the store or from other artifacts; all others are roots."""
ROOTS = frozenset("average classifier corpus dedup-index mixture panel plateau run scores swarm".split())
"""Kinds that are somebody's result, or cost training. Of `scores` only those of models: see `_is_derived`."""
HOUR_SECONDS = 3_600.0
DEFAULT_AGE_HOURS = 24.0
MAX_REFERENCE_FILE_BYTES = 64_000_000

_NAME = re.compile(r"(?P<kind>[a-z0-9][a-z0-9-]*)-(?P<short>[0-9a-f]{8})")
_MENTION = re.compile(rb"(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])|([a-z][a-z0-9-]*-[0-9a-f]{8})(?![0-9a-f])")
_GOING = f"{TEMPORARY_PREFIX}gc-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """One thing that nothing refers to."""

    path: Path
    why: str
    """`unreferenced`, `unfinished`, `temporary` or `half-freed`."""
    num_bytes: int
    age_hours: float
    """Since anything in it changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a store holds: what may go, and counts of what stays."""

    garbage: list[Garbage]
    too_young: list[Garbage]
    """Unreferenced too, but changed within the age limit."""
    num_kept: int
    kept_bytes: int


def survey(store: Store, *, min_age_hours: float = DEFAULT_AGE_HOURS) -> Survey:
    """Return what nothing refers to, by name; nothing is changed."""
    found = sorted(store.root.iterdir()) if store.root.is_dir() else []  # who only looks makes no store
    entries = [entry for entry in found if not entry.is_symlink()]
    folders = {entry.name: entry for entry in entries if entry.is_dir() and _is_artifact(entry)}
    kept = _reached(folders, [entry for entry in entries if entry.name not in folders])
    candidates = [*_loose(entries, folders, kept), *_unreached(folders, kept)]
    garbage = [item for item in candidates if item.why == "half-freed" or item.age_hours >= min_age_hours]
    return Survey(
        garbage=garbage,
        too_young=[item for item in candidates if item not in garbage],
        num_kept=len(kept),
        kept_bytes=sum(_size(folders[name]) for name in kept),
    )


def free(store: Store, *, min_age_hours: float = DEFAULT_AGE_HOURS) -> list[Garbage]:
    """Remove what `survey` finds and return it; a kill half way leaves whole artifacts or nothing of them.

    Raises: StoreBusyError while any other process uses the store.
    """
    with store.alone():
        freed = survey(store, min_age_hours=min_age_hours).garbage
        for item in freed:
            _remove(store, item.path)
    return freed


def _remove(store: Store, path: Path) -> None:
    if path.parent.resolve() != store.root.resolve() and path.parent.parent.resolve() != store.root.resolve():
        raise AssertionError(f"{path} is not in {store.root}")
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    going = path
    if not path.name.startswith(_GOING):
        going = store.root / f"{_GOING}{path.name}-{uuid.uuid4().hex[:8]}"
        path.rename(going)  # from here on no reader sees a part of it
    shutil.rmtree(going)


def _is_artifact(folder: Path) -> bool:
    """Whether a folder is what `Store.building` makes; studies and the like are none."""
    return _NAME.fullmatch(folder.name) is not None and ((folder / LOCK).exists() or (folder / MANIFEST).is_file())


def _is_derived(folder: Path) -> bool:
    """Whether a rerun makes it again; `scores` are a model's on tasks, or of documents: made of a pool."""
    kind = _kind(folder.name)
    if kind != "scores":
        return kind in DERIVED
    with contextlib.suppress(OSError, ValueError):
        manifest = read_json(folder / MANIFEST)
        inputs = manifest.get("inputs") if isinstance(manifest, dict) else None
        return isinstance(inputs, dict) and "pool" in inputs
    return False


def _reached(folders: dict[str, Path], others: Iterable[Path]) -> set[str]:
    """Return names of the artifacts that roots reach; a build that goes on is a root as well."""
    short = {name.rpartition("-")[2]: name for name in folders}
    waiting = [name for name in folders if not _is_derived(folders[name]) or _is_held(folders[name])]
    for other in others:
        if not other.name.startswith(TEMPORARY_PREFIX):
            waiting += _mentioned(_texts(other), folders, short)
    for folder in folders.values():  # an ingest lives as long as its pool, and does not keep it
        if not _is_derived(folder):
            waiting += _mentioned(_texts(folder), folders, short)
    kept: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            manifest = folders[name] / MANIFEST
            waiting += _mentioned([manifest] if manifest.is_file() else [], folders, short)
    aliases = [name for name in folders if _kind(name) == "ingest" and was_ingested(folders[name])]
    return kept | {
        name for name in aliases if kept.intersection(_mentioned([folders[name] / "pool.json"], folders, short))
    }


def _mentioned(files: Iterable[Path], folders: dict[str, Path], short: dict[str, str]) -> list[str]:
    found: list[str] = []
    for file in files:
        with contextlib.suppress(OSError):
            if file.stat().st_size > MAX_REFERENCE_FILE_BYTES:
                continue
            for digest, name in _MENTION.findall(file.read_bytes()):
                if digest and digest[:8].decode() in short:
                    found.append(short[digest[:8].decode()])
                elif name and name.decode() in folders:
                    found.append(name.decode())
    return found


def _texts(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield from [place] if place.suffix == ".json" else []
        return
    for folder, _, names in os.walk(place, followlinks=False):
        yield from (Path(folder) / name for name in names if name.endswith((".json", ".jsonl", ".yaml")))


def _unreached(folders: dict[str, Path], kept: set[str]) -> Iterator[Garbage]:
    for name, folder in folders.items():
        if name not in kept:
            complete = (folder / MANIFEST).is_file() or was_ingested(folder)
            yield _garbage(folder, "unreferenced" if complete else "unfinished")


def _loose(entries: Iterable[Path], folders: dict[str, Path], kept: set[str]) -> Iterator[Garbage]:
    """Yield temporary files and folders, of the store itself and of artifacts that stay and nobody builds."""
    for entry in entries:
        if entry.name.startswith(TEMPORARY_PREFIX):
            yield _garbage(entry, "half-freed" if entry.name.startswith(_GOING) else "temporary")
        elif entry.name in kept and not _is_held(folders[entry.name]):
            for inner in sorted(entry.iterdir()):
                if inner.name.startswith(TEMPORARY_PREFIX) and not inner.is_symlink():
                    yield _garbage(inner, "temporary")


def _garbage(path: Path, why: str) -> Garbage:
    changed = max((status.st_mtime for status in _statuses(path)), default=0.0)
    return Garbage(path=path, why=why, num_bytes=_size(path), age_hours=max(0.0, time.time() - changed) / HOUR_SECONDS)


def _size(path: Path) -> int:
    return sum(status.st_size for status in _statuses(path) if stat.S_ISREG(status.st_mode))


def _statuses(path: Path) -> Iterator[os.stat_result]:
    with contextlib.suppress(OSError):
        yield path.lstat()
    if path.is_dir() and not path.is_symlink():
        for folder, folders, names in os.walk(path, followlinks=False):
            for name in (*folders, *names):
                with contextlib.suppress(OSError):
                    yield (Path(folder) / name).lstat()


def _kind(name: str) -> str:
    match = _NAME.fullmatch(name)
    return match["kind"] if match else ""


def _is_held(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return held(folder / LOCK)
    return False
