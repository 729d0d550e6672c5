"""What a pool is made from, as one key: the digests of its input files and the settings that read them.

Names and order of files are not part of it. Digests are remembered in the store by path, size, time and inode, so that
asking about a large pool again costs one `stat` a file; a file changed in the last seconds is never remembered,
and a store that is only read remembers nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from curation.errors import ShardError
from curation.files import Json, digest_json, read_json, sha256_file, write_json
from curation.recipe import PoolSpec
from curation.sources.inputs import Input, kind_of_node
from curation.sources.taggers import tagger_identity
from curation.store import Store

INGEST_VERSION = "2"
DIGEST_CACHE = "ingest-digests.json"
SETTLED_SECONDS = 3.0
_UNRELATED = frozenset(  # they choose files, and the files speak for themselves; or only refuse some
    {
        "path",
        "include",
        "exclude",
        "base",
        "sample",
        "config",
        "split",
        "protocols",
        "max_expansion",
        "max_expanded_bytes",
    }
)
_LATER = ("format", "documents", "extract", "charset", "places", "reader")
"""Settings that came later: at their defaults they are left out, so that pools without them keep their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An input file as it was when its digest was taken."""

    item: Input
    stamp: str
    sha256: str


def ingest_key(spec: PoolSpec, contents: Sequence[str]) -> str:
    """Return the key of a pool made from `contents` (digests or versions, in any order) with these settings.

    Raises: RecipeError for a reader of datatrove that there is not.
    """
    settings = {name: value for name, value in spec.model_dump(mode="json").items() if name not in _UNRELATED}
    tagger = settings.pop("tagger")
    if tagger is not None:  # pools without one keep the key that they had before there were any
        settings["tagger"] = tagger_identity(str(tagger))
    for name in _LATER:
        if settings[name] == spec.__class__.model_fields[name].default:
            settings.pop(name)
    if spec.reader is not None:
        from curation.sources.datatrove_reader import reader_version

        settings["reader_version"] = reader_version(spec.reader)
    return digest_json({"version": INGEST_VERSION, "settings": settings, "contents": sorted(contents)})


def digest_inputs(store: Store, files: Sequence[Input], workers: int) -> list[Seen]:
    """Return the files with their sha256, read only where the store does not know them unchanged.

    Raises: ShardError for a file that cannot be read.
    """
    known = _read_cache(store)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        seen = list(pool.map(lambda item: _see(item, known), files))
    fresh = {entry.item.key: f"{entry.stamp}:{entry.sha256}" for entry in seen if _settled(entry)}
    if not store.reads_only and any(known.get(path) != value for path, value in fresh.items()):
        write_json(store.root / DIGEST_CACHE, {**known, **fresh})
    return seen


def check_unchanged(seen: Sequence[Seen]) -> None:
    """Raise ShardError if a file is no longer the one whose digest was taken; a server is asked again."""
    for entry in seen:
        if _stamp(entry.item, again=True) != entry.stamp:
            raise ShardError(f"{entry.item.name}: changed while it was read; expected files at rest; rerun")


def _see(item: Input, known: dict[str, str]) -> Seen:
    stamp = _stamp(item)
    if item.url is not None and stamp:  # size and etag stand for the content: reading it all twice would be the cost
        digest = digest_json(["remote", stamp])
        return Seen(item=replace(item, digest=digest), stamp=stamp, sha256=digest)
    remembered, _, digest = known.get(item.key, "").rpartition(":")
    if remembered != stamp or not digest:
        try:
            digest = sha256_file(item.path) if item.url is None else _sha256_stream(item)
        except OSError as error:
            raise ShardError(f"{item.name}: cannot be read ({error.strerror}); mend `path` or the file") from None
    return Seen(item=replace(item, digest=digest), stamp=stamp, sha256=digest)


def _sha256_stream(item: Input) -> str:
    digest = hashlib.sha256()
    with item.open() as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _settled(entry: Seen) -> bool:
    if entry.item.url is not None:
        return False
    return time.time_ns() - int(entry.stamp.split("/")[1]) > SETTLED_SECONDS * 1e9


def _stamp(item: Input, *, again: bool = False) -> str:
    if item.url is not None:
        from curation.sources.remote import describe

        return describe(item).stamp if again else item.stamp
    try:
        status = item.path.stat()
    except OSError as error:
        raise ShardError(f"{item.path}: cannot be read ({error.strerror}); mend `path` or the file") from None
    if not stat.S_ISREG(status.st_mode):
        raise ShardError(f"{item.path}: is {kind_of_node(item.path)}, expected a regular file; leave it out or mend it")
    return f"{status.st_size}/{status.st_mtime_ns}/{status.st_ino}"


def _read_cache(store: Store) -> dict[str, str]:
    value: Json = None
    with contextlib.suppress(OSError, ValueError):  # it only saves time
        value = read_json(store.root / DIGEST_CACHE)
    return {path: str(entry) for path, entry in value.items()} if isinstance(value, dict) else {}
