"""Where a corpus is sent: `s3://BUCKET/PREFIX` and `gs://…` by fsspec, `hf://datasets/ORG/NAME[@BRANCH]` by the Hub.

Credentials come from the environment alone (AWS_*, HF_TOKEN and what their libraries read). Other protocols, chained
ones too, are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.errors import IncompleteError
from curation.files import sha256_file
from curation.hub_access import hub_refusal
from curation.publishing.remote import Remote, RemoteError

OBJECT_STORES = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}
"""Protocol of fsspec, and the extra that brings it."""
HUB = re.compile(r"hf://datasets/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?/?")
BLOCK_BYTES = 8 << 20
FILES_A_COMMIT = 50
REFUSED = (400, 404, 410, 413, 422)
"""Answers that stay the same however often one asks."""


def is_remote(target: str | Path) -> bool:
    """Return whether a target is an address and no path."""
    return isinstance(target, str) and ("://" in target or "::" in target)


def open_place(target: str, hub: Any = None) -> Remote:
    """Return the place that an address means; `hub` stands in for `huggingface_hub.HfApi`.

    Raises: RemoteError for a protocol that is not allowed, or a library that is missing.
    """
    protocol = target.partition("://")[0]
    if "::" not in target and protocol in OBJECT_STORES:
        return _object_store(target.rstrip("/"), protocol)
    if match := HUB.fullmatch(target):
        return HubPlace(address=target, repository=match.group(1), revision=match.group(2) or "main", api=hub or _api())
    raise RemoteError(
        f"{target}: is no place to publish to, expected a directory, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
        "hf://datasets/ORG/NAME[@BRANCH]; mend the address"
    )


def _object_store(target: str, protocol: str) -> Remote:
    from fsspec.core import url_to_fs

    try:
        file_system, root = url_to_fs(target, use_listings_cache=False)
    except ImportError as error:
        raise RemoteError(
            f"{target}: {error}; expected the library of {protocol}://; "
            f"pip install 'curate-ladder[{OBJECT_STORES[protocol]}]'"
        ) from None
    if "/" not in root.strip("/"):
        raise RemoteError(f"{target}: names a bucket alone, expected a prefix below it; give {target}/NAME")
    return ObjectPlace(address=target, root=root, files=file_system)


def _api() -> Any:
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise RemoteError("huggingface_hub: is not installed; pip install 'curate-ladder[hub]'") from None
    disable_progress_bars()  # it draws one a file, also where we were told to be quiet
    return HfApi()


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what libraries raise into one block: what refuses is to be mended, what breaks is to be run again."""
    try:
        yield
    except PermissionError as error:
        raise RemoteError(
            f"{address}: permission denied ({_line(error)}), expected to list, read and write there; check the "
            "credentials in the environment and the rules of the place"
        ) from None
    except FileNotFoundError as error:
        raise RemoteError(f"{address}: no such bucket or repository ({_line(error)}); mend the address") from None
    except (RemoteError, IncompleteError):
        raise
    except Exception as error:  # of aiohttp, botocore, httpx and the Hub, which share no base
        name = type(error).__name__
        if refused := hub_refusal(error, writing=True):
            raise RemoteError(f"{address}: {refused}") from None
        if "Credential" in name or "Unauthorized" in name or "NoSuchBucket" in name:
            raise RemoteError(f"{address}: {name}: {_line(error)}; set the credentials in the environment") from None
        if getattr(getattr(error, "response", None), "status_code", None) in REFUSED:
            raise RemoteError(f"{address}: {name}: {_line(error)}; expected a request it takes; mend it") from None
        raise IncompleteError(
            f"{address}: the connection broke ({name}: {_line(error)}); nothing there has a manifest yet; run the same "
            "command again, it sends what is missing"
        ) from None


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """A prefix in a bucket."""

    address: str
    root: str
    files: Any

    def listing(self) -> Mapping[str, int]:
        """Return the size of every object below the prefix."""
        with _told(self.address):
            self.files.invalidate_cache()
            bucket = self.root.partition("/")[0]
            self.files.ls(bucket, detail=False)  # a bucket that is not there must not look empty
            found = self.files.find(self.root, detail=True)
            return {path[len(self.root) :].lstrip("/"): int(item["size"]) for path, item in found.items()}

    def read(self, path: str) -> bytes:
        """Return an object."""
        with _told(self.address):
            return bytes(self.files.cat_file(f"{self.root}/{path}"))

    def holds(self, path: str, local: Path) -> bool:
        """Read the object back and compare sha256."""
        with _told(self.address):
            self.files.invalidate_cache()
            digest = hashlib.sha256()
            with self.files.open(f"{self.root}/{path}", "rb", block_size=BLOCK_BYTES) as stream:
                while piece := stream.read(BLOCK_BYTES):
                    digest.update(piece)
        return digest.hexdigest() == sha256_file(local)

    def put(self, files: Sequence[tuple[Path, str]], sent: Callable[[float], None]) -> None:
        """Send objects; one appears when all of it arrived."""
        for local, path in files:
            place = f"{self.root}/{path}"
            with _told(self.address), local.open("rb") as stream, self.files.open(place, "wb") as there:
                while piece := stream.read(BLOCK_BYTES):
                    there.write(piece)
                    sent(len(piece))

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects."""
        with _told(self.address):
            self.files.rm([f"{self.root}/{path}" for path in paths])


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlace:
    """A branch of a data set on the Hub; a repository that is not there is made, private."""

    address: str
    repository: str
    revision: str
    api: Any
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The tree as it was listed since the last commit: one question, not one a file."""

    def listing(self) -> Mapping[str, int]:
        """Return the size of every file of the branch."""
        self.seen.clear()
        return {path: int(item.size) for path, item in self._tree().items()}

    def _tree(self) -> dict[str, Any]:
        if self.revision not in self.seen:
            with _told(self.address):
                self.seen[self.revision] = self._listed()
        return self.seen[self.revision]

    def _listed(self) -> dict[str, Any]:
        known = self.api.repo_exists(self.repository, repo_type="dataset")
        if not known or not self.api.revision_exists(self.repository, self.revision, repo_type="dataset"):
            return {}
        found = self.api.list_repo_tree(self.repository, recursive=True, revision=self.revision, repo_type="dataset")
        return {item.path: item for item in found if hasattr(item, "blob_id")}

    def read(self, path: str) -> bytes:
        """Return a file, by way of the client's cache."""
        with _told(self.address):
            place = self.api.hf_hub_download(self.repository, path, repo_type="dataset", revision=self.revision)
            return Path(place).read_bytes()

    def holds(self, path: str, local: Path) -> bool:
        """Compare with what the Hub says it stores: sha256 of large files, git's digest of small ones."""
        item = self._tree().get(path)
        if item is None or int(item.size) != local.stat().st_size:
            return False
        if getattr(item, "lfs", None):
            return str(item.lfs.sha256) == sha256_file(local)
        data = local.read_bytes()
        return str(item.blob_id) == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def put(self, files: Sequence[tuple[Path, str]], sent: Callable[[float], None]) -> None:
        """Send files in commits of at most `FILES_A_COMMIT`."""
        from huggingface_hub import CommitOperationAdd

        with _told(self.address):
            self.api.create_repo(self.repository, repo_type="dataset", private=True, exist_ok=True)
            if not self.api.revision_exists(self.repository, self.revision, repo_type="dataset"):
                self._make_branch()
            for first in range(0, len(files), FILES_A_COMMIT):
                some = files[first : first + FILES_A_COMMIT]
                adding = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(local)) for local, path in some]
                message = f"curate publish: {', '.join(path for _, path in some[:3])}"
                self._commit(adding, message)
                sent(sum(local.stat().st_size for local, _ in some))

    def _make_branch(self) -> None:
        """Make the branch empty: the Hub starts it with all files of `main`, another corpus' manifest among them."""
        self.api.create_branch(self.repository, branch=self.revision, repo_type="dataset", exist_ok=True)
        inherited = [path for path in self._listed() if path != ".gitattributes"]
        if inherited:
            self.remove(inherited)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files in one commit."""
        from huggingface_hub import CommitOperationDelete

        with _told(self.address):
            self._commit([CommitOperationDelete(path_in_repo=path) for path in paths], "curate publish: remove")

    def _commit(self, operations: list[Any], message: str) -> None:
        self.seen.clear()
        self.api.create_commit(
            self.repository, operations, commit_message=message, repo_type="dataset", revision=self.revision
        )
