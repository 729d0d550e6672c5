"""Submitting to a git repository: one commit on a branch `submit/<entry>`, made from objects alone.

A checkout is left as it is: files, index and current branch. Blobs, trees and the commit are written into its object
store with an index of their own, and a branch is created. A remote or bare repository is fetched into a temporary one
(the newest commit alone), and the branch is pushed back. Hooks never run; only the file, https and ssh protocols work.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from curation.errors import CurateError
from leaderboard.entries.entry import ENTRIES
from leaderboard.entries.local_board import Submitted, checked, known_entry, submitted
from leaderboard.entries.manifest import Manifest
from leaderboard.entries.places import Place
from leaderboard.entries.tracks import BOARD_FILE, BoardError, Track, read_board
from leaderboard.entries.write import Draft, filled

BRANCH = "submit/"
_WANTED = re.compile(
    r"board\.json|tracks/[a-z0-9][\w.-]*\.json|tombstones/[\w.-]+\.json|entries/[a-z0-9][\w.-]*/entry\.json", re.ASCII
)
ANY_FILE = re.compile(r"(?:[A-Za-z0-9_][\w.@+-]*/)*[A-Za-z0-9_][\w.@+-]*", re.ASCII)
"""Names that a board's files have; a tree that was made by hand may say `..`, which is passed over."""
FILES_AT_ONCE = 200
TIMEOUT_SECONDS = 600
SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "protocol.file.allow=always")
SAFE_REMOTE = ("-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always")
ANONYMOUS = "anonymous"


class GitError(CurateError):
    """Git did not do what was asked of it."""


def submit_to_git(place: Place, draft_for: Callable[[Mapping[str, Track]], Draft], *, dry_run: bool) -> Submitted:
    """Commit an entry on a branch of its own; of a remote repository, push that branch.

    Raises: BoardError if the repository's newest commit holds no board; EntryError as the checks; GitError from git.
    """
    if place.kind == "checkout":
        return _submit(place.folder, place.address, draft_for, dry_run=dry_run, push=False)
    with tempfile.TemporaryDirectory() as temporary:
        clone = _fetched(place, Path(temporary))
        return _submit(clone, place.address, draft_for, dry_run=dry_run, push=True)


@contextlib.contextmanager
def newest_board(place: Place) -> Iterator[Path]:
    """Lend a folder with the board of a repository's newest commit, as a submission would find it; plain files alone.

    Raises: BoardError if that commit holds no board; GitError from git.
    """
    with tempfile.TemporaryDirectory() as temporary:
        clone = _fetched(place, Path(temporary))
        _export(clone, _head(clone, place.address), Path(temporary) / "board", ANY_FILE, said=place.address)
        yield Path(temporary) / "board"


def _fetched(place: Place, folder: Path) -> Path:
    """Return a bare clone of a repository's newest commit, made in `folder`."""
    clone = folder / "board.git"
    _git(None, "clone", "--quiet", "--bare", "--depth=1", "--no-tags", "--", _address(place.address), str(clone))
    return clone


def _submit(
    repository: Path,
    address: str,
    draft_for: Callable[[Mapping[str, Track]], Draft],
    *,
    dry_run: bool,
    push: bool,
) -> Submitted:
    head = _head(repository, address)
    with tempfile.TemporaryDirectory() as temporary:
        board = Path(temporary) / "board"
        _export(repository, head, board)
        _, tracks = read_board(board)
        with filled(Path(temporary), draft_for(tracks)) as (folder, manifest):
            checks = checked(folder, manifest, board)
            there = known_entry(board, manifest)
            name = f"{BRANCH}{(there or manifest).entry_id}"
            known = there is not None or _branch_holds(repository, address, name, push=push)
            if not dry_run and not known:
                commit = _commit(repository, head, folder, manifest)
                _git(repository, "update-ref", f"refs/heads/{name}", commit, "0" * 40)
                if push:
                    known = not _pushed(repository, address, name)
            told = "(dry run: nothing written)" if dry_run else "on the board" if there else f"branch {name}"
            step = "" if dry_run or there else f"git -C {address} push origin {name}"
            if push and step:
                entry = (there or manifest).entry_id
                step = f"git clone -b {name} {address} BOARD && curate leaderboard confirm BOARD/{ENTRIES}/{entry}"
            return submitted(there or manifest, checks, place=f"{address} {told}", new=not known, next_step=step)


def _pushed(repository: Path, address: str, name: str) -> bool:
    """Push a branch and return whether it is new; not if somebody else pushed the same one in between.

    Raises: GitError if it is not there afterwards.
    """
    try:
        _git(repository, "push", "--quiet", "--", _address(address), f"refs/heads/{name}:refs/heads/{name}")
    except GitError:
        if _branch_holds(repository, address, name, push=True):
            return False
        raise
    return True


def _head(repository: Path, address: str) -> str:
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
    except GitError:
        raise BoardError(
            f"{address}: the repository has no commit, expected one with {BOARD_FILE}; `curate leaderboard init DIR` "
            "in a checkout of it, then `git add -A && git commit -m board`"
        ) from None


def _export(repository: Path, commit: str, folder: Path, wanted: re.Pattern[str] = _WANTED, *, said: str = "") -> None:
    """Write the plain files of a commit whose names are `wanted` into `folder`.

    By default what a submission needs: tracks, manifests and tombstones.

    Raises: BoardError if the commit holds no board.
    """
    found: dict[str, str] = {}
    for line in _git(repository, "ls-tree", "-r", "-z", commit).split("\0"):
        about, _, name = line.partition("\t")
        if wanted.fullmatch(name) and about.startswith("100644 blob "):
            found[name] = about.split()[2]
    if BOARD_FILE not in found:
        raise BoardError(
            f"{said or repository}: commit {commit[:12]} holds no {BOARD_FILE}, expected a board; `curate "
            "leaderboard init DIR` in a checkout, then `git add -A && git commit -m board`"
        )
    names = sorted(found)
    for start in range(0, len(names), FILES_AT_ONCE):
        part = names[start : start + FILES_AT_ONCE]
        asked = "".join(f"{found[name]}\n" for name in part)
        stream = io.BytesIO(_run(repository, "cat-file", "--batch", given=asked))
        for name in part:
            size = int(stream.readline().split()[2])
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stream.read(size))
            stream.read(1)


def _branch_holds(repository: Path, address: str, name: str, *, push: bool) -> bool:
    """Return whether the branch exists: its name ends with the digest of what it holds."""
    if not push:
        return bool(_git(repository, "for-each-ref", "--format=%(refname)", f"refs/heads/{name}").strip())
    return bool(_git(repository, "ls-remote", "--heads", "--", _address(address), f"refs/heads/{name}").strip())


def _commit(repository: Path, head: str, folder: Path, manifest: Manifest) -> str:
    """Return a commit on `head` that adds the entry, made with an index of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        _git(repository, "read-tree", head, environ=index)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                blob = _git(repository, "hash-object", "-w", "--no-filters", "--", str(path.resolve())).strip()
                name = f"{ENTRIES}/{manifest.entry_id}/{path.relative_to(folder).as_posix()}"
                _git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", environ=index)
        tree = _git(repository, "write-tree", environ=index).strip()
    who = manifest.submitter or ANONYMOUS
    person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _person(who).items()}
    message = f"entries: add {manifest.entry_id}\n\nTrack {manifest.track}, division {manifest.division}.\n"
    return _git(repository, "commit-tree", tree, "-p", head, "-m", message, environ=person).strip()


def _person(name: str) -> dict[str, str]:
    return {"NAME": name, "EMAIL": "submitter@board.invalid"}


def _address(address: str) -> str:
    return f"file://{address}" if address.startswith("/") else address


def _git(repository: Path | None, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    return _run(repository, *arguments, environ=environ).decode("utf-8", "replace")


def _run(repository: Path | None, *arguments: str, environ: Mapping[str, str] | None = None, given: str = "") -> bytes:
    """Return what git prints when `given` is its input.

    Raises: GitError with its message if it fails, or if there is no git.
    """
    place: Sequence[str] = () if repository is None else ("-C", str(repository))
    command = ["git", *SAFE, *SAFE_REMOTE, *place, *arguments]
    held = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    held |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(environ or {})}
    try:
        done = subprocess.run(
            command, input=given.encode(), capture_output=True, env=held, timeout=TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError:
        raise GitError("git: is not installed, expected it for a board in a repository; install git") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]}: no answer in {TIMEOUT_SECONDS} s; try again") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        shown = said[-1][:300] if said else f"exit code {done.returncode}"
        raise GitError(
            f"git {arguments[0]}: {shown}; see that the repository can be reached (and written, to submit), then run "
            "it again"
        )
    return done.stdout
