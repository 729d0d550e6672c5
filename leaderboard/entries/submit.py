"""`curate submit`: a finished study becomes an entry of a board, if everything that can be checked here holds.

Before anything is written: smoke (G0) has passed, every training has finished, no corpus holds near copies of the panel
(searched again on the text). Then level 1 of `leaderboard.entries.consistency`, the same that the board runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError, raise_faults
from curation.store import Artifact
from leaderboard.entries.check_smoke import smoke_check
from leaderboard.entries.collect import collected
from leaderboard.entries.local_board import Submitted, add, checked, known_entry, submitted
from leaderboard.entries.names import name_fault
from leaderboard.entries.near_copies import search_corpora
from leaderboard.entries.places import Place
from leaderboard.entries.private import Scrubber
from leaderboard.entries.study_source import StudySource
from leaderboard.entries.tracks import Track, read_board
from leaderboard.entries.write import Draft, filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be submitted, and how."""

    submitter: str = ""
    with_text: bool = False
    dry_run: bool = False
    say: Callable[[str], None] = lambda _: None


def submit(source: StudySource, place: Place, request: Request) -> Submitted:
    """Submit a finished study to a board and return what became of it.

    Raises: StudyError for a study that may not enter a table, with the command that mends it; EntryError for one that
    is inconsistent or there already; BoardError for a board that cannot be used.
    """
    if request.submitter and (fault := name_fault(request.submitter)):
        raise StudyError(f"--name {request.submitter!r}: {fault}, expected a plain name; choose another --name")
    refuse_unfinished(source)
    refuse_smoke(source)
    if place.kind == "folder":
        board = place.folder
        draft = draft_of(source, read_board(board)[1], request)
        return dry(board, draft) if request.dry_run else add(board, draft)
    if place.kind == "hub":
        from leaderboard.entries.hub_board import submit_to_hub

        return submit_to_hub(place.address, lambda tracks: draft_of(source, tracks, request), dry_run=request.dry_run)
    from leaderboard.entries.git_board import submit_to_git

    return submit_to_git(place, lambda tracks: draft_of(source, tracks, request), dry_run=request.dry_run)


def draft_of(source: StudySource, tracks: Mapping[str, Track], request: Request) -> Draft:
    """Return the draft of a study with the search for near copies in it.

    Raises: StudyError if the store lacks what is needed.
    """
    scrubber = Scrubber.here()
    draft = collected(source, tracks, scrubber, submitter=request.submitter, with_text=request.with_text)
    corpora = {
        run.corpus: source.artifact("corpus", run.corpus, "to be searched for near copies of the panel (rule 1)")
        for run in draft.manifest.runs
        if run.corpus
    }
    found = search_corpora(_panel(source), list(corpora.values()), request.say)
    manifest = draft.manifest.model_copy(update={"near_copies": found})
    return Draft(manifest=manifest, texts=draft.texts, tables=draft.tables)


def dry(board: Path, draft: Draft) -> Submitted:
    """Return what submitting would do, checks included; nothing stays behind."""
    with tempfile.TemporaryDirectory() as temporary, filled(Path(temporary), draft) as (folder, manifest):
        checks = checked(folder, manifest, board)
        known = known_entry(board, manifest)
        return submitted(known or manifest, checks, place=f"{board} (dry run: nothing written)", new=known is None)


def refuse_unfinished(source: StudySource) -> None:
    """Raise StudyError if trainings failed: an entry has every seed or none."""
    failed = [
        f"{one.arm} {one.tier} seed {one.seed}: {one.message.splitlines()[0][:200]}" for one in source.result.failures
    ]
    again = [f"the same command trains just these again: `curate study run STUDY.yaml` ({len(failed)} trainings)"]
    raise_faults(StudyError, f"{source.folder}: unfinished", [*failed[:10], *again] if failed else [])


def refuse_smoke(source: StudySource) -> None:
    """Raise StudyError if smoke failed (G0): such a study cannot enter a table."""
    check = smoke_check(source.result)
    if check.bad:
        raise StudyError(f"{source.folder}: {check.text}; {check.remedy}")


def _panel(source: StudySource) -> Artifact:
    identity = cast("Mapping[str, Any]", source.frozen["identity"])
    return source.artifact("panel", str(identity["panel"]), "with its documents")
