"""What a pool is made from, as one key: the digests of its input files and the settings that read them.

Names and order of files are not part of it. Digests are remembered in the store by path, size, time and inode, so that
asking about a large pool again costs one `stat` a file; a file changed in the last seconds is never remembered.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curation.errors import ShardError
from curation.files import Json, digest_json, read_json, sha256_file, write_json
from curation.recipe import PoolSpec
from curation.sources.locate import Input
from curation.sources.taggers import tagger_identity
from curation.store import Store

INGEST_VERSION = "2"
DIGEST_CACHE = "ingest-digests.json"
SETTLED_SECONDS = 3.0
_UNRELATED = frozenset({"path", "include", "exclude"})  # they choose files, and the files speak for themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An input file as it was when its digest was taken."""

    item: Input
    stamp: str
    sha256: str


def ingest_key(spec: PoolSpec, contents: Sequence[str]) -> str:
    """Return the key of a pool made from `contents` (digests or versions, in any order) with these settings."""
    settings = {name: value for name, value in spec.model_dump(mode="json").items() if name not in _UNRELATED}
    tagger = settings.pop("tagger")
    if tagger is not None:  # pools without one keep the key that they had before there were any
        settings["tagger"] = tagger_identity(str(tagger))
    return digest_json({"version": INGEST_VERSION, "settings": settings, "contents": sorted(contents)})


def digest_inputs(store: Store, files: Sequence[Input], workers: int) -> list[Seen]:
    """Return the files with their sha256, read only where the store does not know them unchanged.

    Raises: ShardError for a file that cannot be read.
    """
    known = _read_cache(store)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        seen = list(pool.map(lambda item: _see(item, known), files))
    fresh = {str(entry.item.path.resolve()): f"{entry.stamp}:{entry.sha256}" for entry in seen if _settled(entry)}
    if any(known.get(path) != value for path, value in fresh.items()):
        write_json(store.root / DIGEST_CACHE, {**known, **fresh})
    return seen


def check_unchanged(seen: Sequence[Seen]) -> None:
    """Raise ShardError if a file is no longer the one whose digest was taken."""
    for entry in seen:
        if _stamp(entry.item.path) != entry.stamp:
            raise ShardError(f"{entry.item.path}: changed while it was read; expected files at rest; rerun")


def _see(item: Input, known: dict[str, str]) -> Seen:
    stamp = _stamp(item.path)
    remembered, _, digest = known.get(str(item.path.resolve()), "").rpartition(":")
    if remembered != stamp:
        try:
            digest = sha256_file(item.path)
        except OSError as error:
            raise ShardError(f"{item.path}: cannot be read ({error.strerror}); mend `path` or the file") from None
    return Seen(item=item, stamp=stamp, sha256=digest)


def _settled(entry: Seen) -> bool:
    return time.time_ns() - int(entry.stamp.split("/")[1]) > SETTLED_SECONDS * 1e9


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); mend `path` or the file") from None
    return f"{status.st_size}/{status.st_mtime_ns}/{status.st_ino}"


def _read_cache(store: Store) -> dict[str, str]:
    value: Json = None
    with contextlib.suppress(OSError, ValueError):  # it only saves time
        value = read_json(store.root / DIGEST_CACHE)
    return {path: str(entry) for path, entry in value.items()} if isinstance(value, dict) else {}
