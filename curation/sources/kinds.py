"""Which kind of file something is: by the suffixes of its name, else by its first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from curation.sources.inputs import Compression, Container

HEAD_BYTES = 512
_COMPRESSIONS: Mapping[str, Compression] = {
    ".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".lz4": "lz4",
}  # fmt: skip
_CONTAINERS: Mapping[Container, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "arrow": (".arrow",),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "warc": (".warc", ".wet", ".wat", ".arc"),
    "html": (".html", ".htm", ".xhtml"),
    "text": (".txt", ".text"),
    "markdown": (".md", ".markdown"),
    "zip": (".zip",),
    "tar": (".tar",),
    "paths": (".paths",),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _CONTAINERS.items() for suffix in suffixes}
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x5d\x2a\x4d\x18", "zstd"), (b"\x04\x22\x4d\x18", "lz4"),
)  # fmt: skip
RANKS: Mapping[Container, int] = {
    "jsonl": 0, "parquet": 0, "arrow": 0, "warc": 0, "csv": 1, "tsv": 1, "zip": 1, "tar": 1,
    "html": 2, "text": 2, "markdown": 2,
}  # fmt: skip
"""A directory is read as the lowest of these that it holds: the README beside a dataset is no document of it."""


class Kind(NamedTuple):
    """What a file holds and how it is packed."""

    container: Container
    compression: Compression


def kind_of_name(name: str) -> Kind | None:
    """Return the kind that a file's name says, None for an unknown one."""
    lower = name.lower()
    if lower.endswith(".tgz"):
        return Kind("tar", "gzip")
    stem, compression = split_compression(lower)
    dot = stem.rfind(".")
    container = _BY_SUFFIX.get(stem[dot:]) if dot >= 0 else None
    if container is None or (compression != "none" and container in ("parquet", "arrow", "zip")):
        return None
    return Kind(container, compression)


def split_compression(name: str) -> tuple[str, Compression]:
    """Return a name without its last suffix if that names a compression, and the compression."""
    for suffix, compression in _COMPRESSIONS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), compression
    return name, "none"


def compression_of(head: bytes) -> Compression:
    """Return the compression that the first bytes of a file show."""
    return next((compression for magic, compression in _MAGIC if head.startswith(magic)), "none")


def container_of(head: bytes) -> Container | None:
    """Return what the first (decompressed) bytes of a file show, None where they fit nothing or too much."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(b"PAR1"):
        return "parquet"
    if start.startswith((b"WARC/", b"filedesc://")):
        return "warc"
    if start.startswith(b'{"'):
        return "jsonl"
    if start[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return None
