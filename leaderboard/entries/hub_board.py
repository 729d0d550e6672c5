"""Submitting to a data set on the Hugging Face Hub: its files are the board's, and an entry arrives as a pull request.

The client is `huggingface_hub`; it is asked for three things (`HubClient`), which tests answer from a folder of the
same layout. Tokens are the client's own business: it finds them where `hf auth login` put them; none enters an entry.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from curation.errors import CurateError
from leaderboard.entries.entry import ENTRIES
from leaderboard.entries.local_board import Submitted, checked, known_entry, submitted
from leaderboard.entries.private import Scrubber
from leaderboard.entries.tracks import BOARD_FILE, TRACKS, Track, read_board
from leaderboard.entries.write import Draft, filled

REPO_TYPE = "dataset"
WANTED = (BOARD_FILE, f"{TRACKS}/*.json", f"{ENTRIES}/*/entry.json", "tombstones/*.json")
"""What a submission needs of a board: not the scores of others."""


class HubError(CurateError):
    """The Hub could not be reached, or did not do what was asked of it."""


class HubClient(Protocol):
    """What is asked of the Hub: the calls of `huggingface_hub.HfApi` with these names."""

    def snapshot_download(self, **options: Any) -> str:
        """Return the folder that holds the wanted files of a repository."""

    def get_repo_discussions(self, **options: Any) -> Any:
        """Return discussions and pull requests."""

    def upload_folder(self, **options: Any) -> Any:
        """Upload a folder as a commit or a pull request."""


def submit_to_hub(
    repository: str,
    draft_for: Callable[[Mapping[str, Track]], Draft],
    *,
    dry_run: bool,
    client: HubClient | None = None,
) -> Submitted:
    """Open a pull request that adds an entry; one that is open or merged already is left alone.

    Raises: HubError if the Hub cannot be reached; EntryError as the checks; BoardError if the data set is no board.
    """
    hub = client or _client()
    with tempfile.TemporaryDirectory() as temporary:
        board = download_board(repository, Path(temporary) / "board", client=hub)
        _, tracks = read_board(board)
        with filled(Path(temporary), draft_for(tracks)) as (folder, manifest):
            checks = checked(folder, manifest, board)
            there = known_entry(board, manifest)
            title = f"Add entry {manifest.entry_id}"
            known = "" if there else _open_request(hub, repository, title)
            if dry_run:
                told = "(dry run: nothing written)"
            elif there or known:
                told = known or "on the board"
            else:
                told = _ask(
                    lambda: hub.upload_folder(
                        repo_id=repository,
                        repo_type=REPO_TYPE,
                        folder_path=str(folder),
                        path_in_repo=f"{ENTRIES}/{manifest.entry_id}",
                        commit_message=title,
                        commit_description=f"Track {manifest.track}, division {manifest.division}.",
                        create_pr=True,
                    ),
                    repository,
                )
                told = str(getattr(told, "pr_url", None) or told)
            step = "" if dry_run or there else "once it is merged, `curate leaderboard confirm` on a copy of the board"
            place = f"hf:{repository} {told}"
            return submitted(there or manifest, checks, place=place, new=not (there or known), next_step=step)


def download_board(repository: str, folder: Path, *, client: HubClient | None = None, whole: bool = False) -> Path:
    """Return a board of the Hub as a folder: manifests and records alone, or with the scores if `whole`.

    Raises: HubError if it cannot be reached.
    """
    hub = client or _client()
    patterns = None if whole else list(WANTED)
    found = _ask(
        lambda: hub.snapshot_download(
            repo_id=repository, repo_type=REPO_TYPE, local_dir=str(folder), allow_patterns=patterns
        ),
        repository,
    )
    return Path(str(found))


def _open_request(hub: HubClient, repository: str, title: str) -> str:
    """Return the address of an open pull request of this title; empty if there is none."""
    found = _ask(lambda: list(hub.get_repo_discussions(repo_id=repository, repo_type=REPO_TYPE)), repository)
    for one in found:
        if one.is_pull_request and one.status in ("open", "draft") and one.title == title:
            return str(getattr(one, "url", f"pull request {one.num}"))
    return ""


def _ask(call: Callable[[], Any], repository: str) -> Any:
    """Return what the Hub answers. Raises: HubError with its message, without addresses that may hold tokens."""
    try:
        return call()
    except Exception as error:  # the client raises errors of several libraries; all mean the same here
        said = Scrubber.here().clean((str(error).splitlines() or [""])[0])[:200]
        raise HubError(
            f"hf:{repository}: the Hub said no ({type(error).__name__}: {said}); expected a data set that can be read "
            "and takes pull requests; see `hf auth whoami` and the data set's page, then submit again"
        ) from None


def _client() -> HubClient:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise HubError(
            "huggingface_hub: is not installed, expected it for boards on the Hub; pip install 'curate-ladder[hub]'"
        ) from None
    client: Any = HfApi()
    return cast("HubClient", client)
