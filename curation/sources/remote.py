"""Files behind a protocol, through fsspec: allowed by name, listed, read in ranges, known by size and etag.

A URL that is chained (`a::b`), names a protocol that the pool does not allow, or a link-local address is refused before
anything is opened. `hf://` needs a revision and is pinned to its commit. Options of a protocol (credentials, endpoints)
come from where its own library takes them: the environment and its files, never from a recipe.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from curation.errors import IncompleteError, ShardError
from curation.hub_access import hub_refusal
from curation.sources.inputs import Input

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
BLOCK_BYTES = 8 << 20
QUESTIONS_AT_ONCE = 16
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")
_HF = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)@(?P<revision>[^/]+)(?:/(?P<path>.*))?")
_ALIASES = {"gcs": "gs", "s3a": "s3", "abfs": "az"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub", "https": "aiohttp", "http": "aiohttp"}
_EXTRAS = {"s3": "'curate-ladder[s3]'", "gs": "'curate-ladder[gcs]'", "hf": "'curate-ladder[hub]'"}
_ETAGS = (
    "ETag",
    "etag",
    "blob_id",
    "md5Hash",
    "Content-MD5",
    "Last-Modified",
    "LastModified",
    "last_modified",
    "created",
)


def protocol_of(entry: str) -> str | None:
    """Return the protocol that an entry of `path` names; None for a local path."""
    found = _URL.match(entry)
    if found is None:
        return None
    name = found[1].lower()
    return _ALIASES.get(name, name)


def check_allowed(entry: str, protocols: Sequence[str]) -> str:
    """Return a URL that may be opened, with a revision of `hf://` pinned to its commit. Raises: ShardError."""
    protocol = protocol_of(entry)
    if "::" in entry:
        raise ShardError(f"{entry}: chained URLs are never opened; expected one protocol; mend `path`")
    if protocol not in protocols:
        raise ShardError(
            f"{entry}: the protocol `{protocol}` is not allowed; expected one of {', '.join(protocols)}, or a local "
            "path without any; `pool.protocols` names what is allowed"
        )
    if protocol in ("http", "https"):
        _refuse_internal(entry)
    return _pinned(entry) if protocol == "hf" else entry


def _refuse_internal(url: str) -> None:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        if not ipaddress.ip_address(host).is_link_local:
            return
        raise ShardError(f"{url}: link-local addresses are never opened; expected a public host; mend `path`")
    if host.endswith("metadata.google.internal"):
        raise ShardError(f"{url}: metadata services are never opened; expected a public host; mend `path`")


def _pinned(url: str) -> str:
    """Return an `hf://` URL with its commit as revision."""
    found = _HF.fullmatch(url)
    if found is None:
        raise ShardError(
            f"{url}: expected hf://datasets/ORG/NAME@REVISION/PATH; the revision (a commit, tag or branch) is required "
            "so that the corpus can be rebuilt"
        )
    commit = found["revision"]
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        with explained(url):
            from urllib.parse import unquote

            from huggingface_hub import HfApi

            commit = str(HfApi().dataset_info(found["repo"], revision=unquote(commit)).sha)
    rest = f"/{found['path']}" if found["path"] else ""
    return f"hf://datasets/{found['repo']}@{commit}{rest}"


def pinned_paths(paths: Sequence[str], protocols: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of `path` with every revision as its commit. Raises: ShardError, IncompleteError."""
    return tuple(check_allowed(entry, protocols) if protocol_of(entry) else entry for entry in paths)


def has_wildcard(url: str) -> bool:
    """Return whether a URL names many files by a pattern."""
    return re.search(r"[*?\[]", url) is not None


def list_remote(url: str) -> list[tuple[str, str]]:
    """Return (URL, path below `url`) of a file, of all in a folder or of a glob; `url` has been allowed.

    Raises: ShardError, IncompleteError.
    """
    with explained(url):
        fs, path = _filesystem(url)
        scheme = url.partition("://")[0]
        if scheme in ("http", "https"):
            return [(url, "")]
        fs.invalidate_cache()
        if has_wildcard(path):
            fixed = re.split(r"[*?\[]", path)[0].rpartition("/")[0]
            found = sorted(name for name, info in fs.glob(path, detail=True).items() if info["type"] == "file")
            below = [(name, name[len(fixed) :].lstrip("/")) for name in found]
        elif fs.isfile(path):
            below = [(path, "")]
        else:
            root = path.rstrip("/")
            below = [(name, name[len(root) :].lstrip("/")) for name in sorted(fs.find(root))]
        if not below:
            raise FileNotFoundError(url)
        return [(str(fs.unstrip_protocol(name)), relative) for name, relative in below]


def describe(item: Input, *, listed: bool = False) -> Input:
    """Return the file with size, stamp and a way to open it; what was `listed` just now is not asked for again.

    Raises: ShardError, IncompleteError.
    """
    from dataclasses import replace

    url = item.name
    with explained(url):
        fs, path = _filesystem(url)
        if not listed:
            fs.invalidate_cache()
        info = retried(lambda: fs.info(path))
    if info.get("type") == "directory":
        raise ShardError(f"{url}: is a folder, expected a file; mend `path`")
    size = info.get("size")
    if size is None:
        raise ShardError(f"{url}: its server does not say how large it is; download it and name the local file")
    tag = next((str(info[name]) for name in _ETAGS if info.get(name)), None)
    ranged = info.get("partial", True)

    def opener() -> Any:
        from curation.sources.remote_file import open_remote

        return open_remote(fs, path, url, int(size), ranged=bool(ranged))

    stamp = f"{size}/{tag}" if tag else ""
    return replace(item, size=int(size), stamp=stamp, opener=opener)


def describe_all(files: Sequence[Input]) -> list[Input]:
    """Return every file as `describe` does, in the given order; many servers are asked at once, local files are not."""
    if not any(item.url for item in files):
        return list(files)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=QUESTIONS_AT_ONCE) as pool:
        return list(pool.map(lambda item: describe(item, listed=True) if item.url else item, files))


def remote_input(url: str, kind: Any, relative: str = "") -> Input:
    """Return a remote file of a known kind, not yet asked about."""
    name = PurePosixPath(urlsplit(url).path).name or "index"
    return Input(path=Path(name), url=url, container=kind.container, compression=kind.compression, relative=relative)


def read_small(url: str, max_bytes: int) -> bytes | None:
    """Return a small remote file, None if there is none. Raises: ShardError, IncompleteError."""
    with explained(url):
        fs, path = _filesystem(url)
        if not fs.exists(path):
            return None
        data: bytes = retried(lambda: fs.cat_file(path, start=0, end=max_bytes))
        return data[:max_bytes]


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    fs, path = fsspec.core.url_to_fs(url)
    return fs, path


def retried(action: Any) -> Any:
    """Return what `action` returns, tried again after failures that may pass."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except Exception as error:
            if not is_transient(error) or attempt == ATTEMPTS - 1:
                raise
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later: connections, time-outs, answers 429 and 5xx."""
    error = _behind(error)
    if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, ImportError)):
        return False
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status == 429 or status >= 500
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "NoCredentialsError" in kinds or "PartialCredentialsError" in kinds:
        return False
    if type(error).__module__.startswith("aiohttp"):
        return True
    return bool(kinds & {"OSError", "TimeoutError", "FSTimeoutError", "HTTPClientError", "HTTPError"})


def _behind(error: BaseException) -> BaseException:
    """Return what aiohttp said where fsspec calls every failure of a web server a missing file."""
    cause = error.__cause__
    hidden = isinstance(error, FileNotFoundError) and cause is not None
    return cause if hidden and cause is not None and type(cause).__module__.startswith("aiohttp") else error


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what a protocol's library raises about `url` into one clear error."""
    try:
        yield
    except (ShardError, IncompleteError):
        raise
    except Exception as error:
        raise _explanation(url, error) from None


def _explanation(url: str, error: BaseException) -> ShardError | IncompleteError:
    protocol = protocol_of(url) or ""
    error = _behind(error)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, ImportError):
        package = _PACKAGES.get(protocol, protocol)
        return ShardError(
            f"{url}: `{package}` is not installed ({said}), expected the library of {protocol}://; "
            f"pip install {_EXTRAS.get(protocol, package)}"
        )
    if kinds & {"NoCredentialsError", "PartialCredentialsError"}:
        return ShardError(
            f"{url}: no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, or "
            "FSSPEC_S3_ANON=true for a public bucket"
        )
    if protocol == "hf" and (refused := hub_refusal(error, writing=False)):
        return ShardError(f"{url}: {refused}")
    if isinstance(error, PermissionError) or status in (401, 403):
        return ShardError(f"{url}: no permission to read it ({said}); expected credentials that may; check them")
    if isinstance(error, FileNotFoundError) or status == 404:
        expected = "an existing bucket and object"
        if protocol == "hf":
            expected = "a repository, revision and file (a history that is rewritten loses its commits)"
        return ShardError(f"{url}: not found ({said}); expected {expected}; mend `path`")
    if is_transient(error):
        return IncompleteError(
            f"{url}: could not be read after {ATTEMPTS} attempts ({type(error).__name__}: {said}); "
            "check the connection and run the same command again"
        )
    return ShardError(f"{url}: cannot be read ({type(error).__name__}: {said}); mend `path`")
