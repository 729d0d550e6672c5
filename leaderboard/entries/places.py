"""What a board is, by how it is written: a folder, a git repository, or a data set on the Hugging Face Hub.

    ./board                       a folder
    ./checkout                    a folder with `.git`: a branch is made there, the checkout is left alone
    ./board.git                   a bare repository: a branch is pushed to it
    https://… ssh://… git@host:…  a remote repository: a branch is pushed to it
    hf:owner/name                 a data set: a pull request is opened

Other protocols are refused: some of git's run commands.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaderboard.entries.tracks import BOARD_FILE, BoardError

Kind = Literal["folder", "checkout", "remote", "hub"]
PROTOCOLS = ("https", "ssh", "file")
_SCP = re.compile(r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._/~-]+$")
_HUB = re.compile(
    r"^(?:hf:|hf://datasets/|https://huggingface\.co/datasets/)([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a board is."""

    kind: Kind
    address: str

    @property
    def folder(self) -> Path:
        """The folder of a local board."""
        return Path(self.address)


def place_of(text: str) -> Place:
    """Return what a board's address means.

    Raises: BoardError for protocols that are not allowed, and for paths that hold no board.
    """
    place = repository_of(text)
    if place is not None:
        return place
    if not (Path(text).expanduser() / BOARD_FILE).is_file():
        raise BoardError(
            f"{text}: no {BOARD_FILE}; expected a board's folder, git repository or hf:owner/name; make one with "
            f"`curate leaderboard init {text}`"
        )
    return Place(kind="folder", address=str(Path(text).expanduser()))


def repository_of(text: str) -> Place | None:
    """Return the place of a repository, here or elsewhere; None for a plain path, whatever lies there.

    Raises: BoardError for protocols that are not allowed.
    """
    if match := _HUB.match(text):
        return Place(kind="hub", address=match.group(1))
    if text.startswith("-") or "::" in text:
        raise _refused(text)
    if "://" in text:
        if text.partition("://")[0] not in PROTOCOLS:
            raise _refused(text)
        return Place(kind="remote", address=text)
    path = Path(text).expanduser()
    if not path.exists() and _SCP.match(text):
        return Place(kind="remote", address=text)
    if (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir():
        return Place(kind="remote", address=str(path.resolve()))
    if (path / ".git").exists():
        return Place(kind="checkout", address=str(path))
    return None


def folder_to_make(text: str) -> tuple[Path, tuple[str, ...]]:
    """Return the folder in which a board may be made, and the commands that must follow before anybody can submit.

    Raises: BoardError for a bare or remote repository, which has no files of its own, with the commands that make a
    board in a clone of it.
    """
    place = repository_of(text)
    if place is None:
        return Path(text).expanduser(), ()
    if place.kind == "checkout":
        return place.folder, (_commit_in(text),)
    clone = f"git clone {clone_address(place, text)} BOARD"
    raise BoardError(
        f"{text}: a repository without files of its own (bare, or elsewhere), expected a folder; make the board in a "
        f"clone: `{clone} && curate leaderboard init BOARD && {_commit_in('BOARD')} && git -C BOARD push origin HEAD`"
    )


def clone_address(place: Place, text: str) -> str:
    """Return what `git clone` takes for a place that was written as `text`."""
    return shlex.quote(f"https://huggingface.co/datasets/{place.address}" if place.kind == "hub" else text)


def _commit_in(folder: str) -> str:
    at = f"git -C {shlex.quote(folder)}"
    return f"{at} add {BOARD_FILE} tracks && {at} commit -m board"


def local_folder(text: str | Path) -> Path:
    """Return the folder of a board whose files lie here: a folder or a checkout.

    Raises: BoardError for boards elsewhere.
    """
    place = place_of(str(text))
    if place.kind not in ("folder", "checkout"):
        raise BoardError(
            f"{text}: lies elsewhere, expected a folder with {BOARD_FILE}; get a copy first: "
            f"`git clone {clone_address(place, str(text))}`"
        )
    return place.folder


def _refused(text: str) -> BoardError:
    allowed = ", ".join(f"{name}://" for name in PROTOCOLS)
    return BoardError(f"{text}: protocol refused, expected {allowed}, user@host:path, hf:owner/name or a folder")
