"""Path lists as Common Crawl publishes them (`wet.paths.gz`): one file a line, relative to a base or a whole URL.

A sample is the names with the smallest hashes, so that it depends on neither their order nor how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import xxhash

from curation.errors import ShardError
from curation.pool_spec import PoolSpec
from curation.sources import kinds, remote
from curation.sources.decompress import byte_chunks
from curation.sources.inputs import Input
from curation.sources.lines import byte_lines

COMMON_CRAWL = "https://data.commoncrawl.org/"
MAX_LINE_BYTES = 4096


def entries(item: Input, spec: PoolSpec) -> list[Input]:
    """Return the files that a list names, or the pool's sample of them.

    Raises: ShardError for an empty list, an entry that leaves the base or is of unknown kind, a base that is missing.
    """
    opened = remote.describe(item) if item.url else item
    names: set[str] = set()
    for number, line in byte_lines(byte_chunks(opened), MAX_LINE_BYTES):
        text = "" if line is None else line.decode("utf-8", "replace").strip()
        if line is None or any(part == ".." for part in PurePosixPath(text).parts) or text.startswith("/"):
            raise ShardError(f"{item.name}:{number}: {text[:80]!r} is no path below the base; mend the list")
        if text:
            names.add(text)
    if not names:
        raise ShardError(f"{item.name}: an empty list; expected a path a line; mend `path`")
    chosen = sampled(names, spec)
    relative = [name for name in chosen if remote.protocol_of(name) is None]
    base = spec.base or (COMMON_CRAWL if all(name.startswith("crawl-data/") for name in relative) else None)
    if base is None:
        raise ShardError(f"{item.name}: its entries are relative, but to what? set `pool.base` to a directory or URL")
    return [_entry(name, base, item, spec) for name in chosen]


def sampled(names: Iterable[str], spec: PoolSpec) -> list[str]:
    """Return the pool's sample of the names of files, sorted; all where it wants none or more than there are."""
    if spec.sample is None:
        return sorted(names)
    return sorted(sorted(names, key=lambda name: (xxhash.xxh64_intdigest(name), name))[: spec.sample])


def _entry(name: str, base: str, item: Input, spec: PoolSpec) -> Input:
    kind = kinds.kind_of_name(name)
    if kind is None or kind.container == "paths":
        raise ShardError(f"{item.name}: {name}: unknown kind of file; expected names such as `x.warc.wet.gz`")
    whole = name if remote.protocol_of(name) else f"{base.rstrip('/')}/{name}"
    if remote.protocol_of(whole):
        url = remote.check_allowed(whole, spec.protocols)
        return remote.remote_input(url, kind, name)
    path = Path(base).expanduser() / name
    if not path.is_file():
        raise ShardError(f"{item.name}: {path} is not there; expected the listed files below `pool.base`")
    return Input(path=path, container=kind.container, compression=kind.compression, relative=name)
