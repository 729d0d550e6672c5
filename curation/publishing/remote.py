"""Sending a publication elsewhere: data first, each file read back and compared, the manifest last.

While a corpus is sent, nothing there has a manifest, so no reader takes it for a corpus; a broken try goes on where it
stopped, since a file that is there with equal bytes is not sent again. Another corpus there is refused; with `replace`
its manifest goes first and its other files last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from curation.errors import CurateError, IncompleteError
from curation.files import Json
from curation.progress import Progress
from curation.publishing.described import Share
from curation.store import MANIFEST

OPEN_LICENSES = (
    "cc0", "cc-by-1", "cc-by-2", "cc-by-3", "cc-by-4", "cc-by-sa", "public domain", "public-domain", "pddl", "odc-by",
    "odbl", "mit", "apache", "bsd", "isc", "psf", "python-2", "mpl", "gpl", "lgpl", "agpl", "unlicense", "zlib",
    "0bsd", "wtfpl", "boost", "bsl-1", "artistic", "epl",
)  # fmt: skip
"""Beginnings, in lower case, of names of licences that let text be given on; -nc and -nd do not."""
ANY = "all"


class RemoteError(CurateError):
    """A place that cannot be written, or that holds something else."""


class Remote(Protocol):
    """A place that takes files."""

    @property
    def address(self) -> str:
        """What the user calls it."""

    def listing(self) -> Mapping[str, int]:
        """Return the bytes of every file below the place, by path; empty if nothing is there."""

    def read(self, path: str) -> bytes:
        """Return a small file."""

    def holds(self, path: str, local: Path) -> bool:
        """Return whether the bytes there are those of the local file, by its digest."""

    def put(self, files: Sequence[tuple[Path, str]], sent: Callable[[float], None]) -> None:
        """Send files, and say how many bytes as they go."""

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a publication did, or would do."""

    sent: Sequence[str]
    kept: Sequence[str]
    """There with equal bytes (of a dry run: with equal size)."""
    removed: Sequence[str]
    num_bytes: int
    """Of the files that were sent."""

    def as_json(self) -> dict[str, Json]:
        """Return it as plain values."""
        return {
            "sent": list(self.sent),
            "kept": list(self.kept),
            "removed": list(self.removed),
            "bytes": self.num_bytes,
        }


def closed_licenses(shares: Iterable[Share], accepted: Sequence[str]) -> dict[str, int]:
    """Return documents by licence that may not be given on, so far as its name says, and that nobody answered for."""
    found: dict[str, int] = {}
    for share in shares:
        name = share.license.lower()
        is_open = name.startswith(OPEN_LICENSES) and "-nc" not in name and "-nd" not in name
        if not is_open and ANY not in accepted and share.license not in accepted:
            found[share.license] = found.get(share.license, 0) + share.docs
    return found


def refuse_closed(shares: Iterable[Share], accepted: Sequence[str]) -> None:
    """Raise RemoteError if documents are under licences that may not let them be given on."""
    found = closed_licenses(shares, accepted)
    if found:
        listed = ", ".join(f"{name} ({docs:,} documents)" for name, docs in sorted(found.items()))
        option = " ".join(f"--licence-ok '{name}'" for name in sorted(found))
        raise RemoteError(
            f"licences: {listed} are not known to let text be given on, expected open ones; leave these documents out, "
            f"or answer for them: {option} (or --licence-ok {ANY})"
        )


def plan(remote: Remote, files: Mapping[str, Path], fingerprint: str, *, replace: bool) -> Sent:
    """Return what sending would do, by sizes alone.

    Raises: RemoteError if something else is there.
    """
    there = remote.listing()
    stale = _stale(remote, there, files, fingerprint, replace=replace)
    kept = [path for path, local in files.items() if there.get(path) == local.stat().st_size]
    sent = [path for path in files if path not in kept]
    return Sent(sent=sent, kept=kept, removed=stale, num_bytes=sum(files[path].stat().st_size for path in sent))


def send(remote: Remote, files: Mapping[str, Path], fingerprint: str, *, replace: bool, progress: Progress) -> Sent:
    """Send `files` (path there: path here, the manifest among them) and return what was done.

    Raises: RemoteError if something else is there or it cannot be written; IncompleteError if what arrived differs.
    """
    there = remote.listing()
    stale = _stale(remote, there, files, fingerprint, replace=replace)
    data = {path: local for path, local in files.items() if path != MANIFEST}
    total = sum(local.stat().st_size for local in data.values())
    with progress.task(f"compare with {remote.address}", total, unit="bytes") as task:
        kept = []
        for path, local in data.items():
            if there.get(path) == local.stat().st_size and remote.holds(path, local):
                kept.append(path)
            task.advance(local.stat().st_size)
    sent = [path for path in data if path not in kept]
    whole = not sent and not stale and MANIFEST in there and remote.holds(MANIFEST, files[MANIFEST])
    if whole:
        return Sent(sent=(), kept=[*kept, MANIFEST], removed=(), num_bytes=0)
    if MANIFEST in there:
        remote.remove([MANIFEST])
    size = sum(data[path].stat().st_size for path in sent)
    with progress.task(f"send to {remote.address}", size, unit="bytes") as task:
        remote.put([(data[path], path) for path in sent], task.advance)
    with progress.task("read back", size, unit="bytes") as task:
        for path in sent:
            _verify(remote, path, data[path])
            task.advance(data[path].stat().st_size)
    gone = [path for path in stale if path != MANIFEST]
    if gone:
        remote.remove(gone)
    remote.put([(files[MANIFEST], MANIFEST)], lambda _: None)
    _verify(remote, MANIFEST, files[MANIFEST])
    return Sent(sent=[*sent, MANIFEST], kept=kept, removed=gone, num_bytes=size + files[MANIFEST].stat().st_size)


def _verify(remote: Remote, path: str, local: Path) -> None:
    if not remote.holds(path, local):
        raise IncompleteError(
            f"{remote.address}/{path}: what was sent came back different, expected the bytes of {local}; no manifest "
            "was written; run the same command again"
        )


def _stale(
    remote: Remote, there: Mapping[str, int], files: Mapping[str, Path], fingerprint: str, *, replace: bool
) -> list[str]:
    """Return the files there that are not ours to be. Raises: RemoteError if they are another's."""
    strange = sorted(path for path in there if path not in files and path != ".gitattributes")
    found = _fingerprint(remote) if MANIFEST in there else None
    if replace or found == fingerprint or not there:
        return strange
    if found is not None:
        raise RemoteError(
            f"{remote.address}: holds another corpus ({found[:8]}), expected a free place or corpus "
            f"{fingerprint[:8]}; choose another place, or --replace"
        )
    if strange:
        raise RemoteError(
            f"{remote.address}: holds files of something else ({', '.join(strange[:3])}), expected a free place; "
            "choose another place, or --replace"
        )
    return strange


def _fingerprint(remote: Remote) -> str:
    try:
        return str(json.loads(remote.read(MANIFEST)).get("fingerprint", ""))
    except (ValueError, AttributeError):
        return "no manifest of curate"
