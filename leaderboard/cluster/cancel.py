"""Cancelling a submitted study: its jobs get SIGTERM, write their checkpoints and end; the store stays as it is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from curation.errors import StudyError
from curation.files import write_text
from leaderboard.cluster import queue
from leaderboard.cluster.folder import DAG_FILE, Submission, read_submission, submitting
from leaderboard.cluster.script import CANCELLED
from leaderboard.cluster.submit import job_names

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What was cancelled, and what had not ended when the wait was over."""

    jobs: tuple[str, ...]
    left: tuple[str, ...]


def cancel_study(given: Submission, *, seconds: float) -> Cancelled:
    """Cancel every job of a study and wait at most `seconds` for their end.

    Raises: StudyError if it was never submitted, SchedulerError, StoreBusyError.
    """
    if not (given.folder / DAG_FILE).is_file():
        raise StudyError(
            f"{given.where}: not submitted from {given.cwd} with these words ({given.folder.name} is not there), "
            "expected a submitted study; nothing to cancel"
        )
    queue.refuse_without_slurm()
    with submitting(given.folder):
        names = list(job_names(read_submission(given.folder)).values())
        write_text(given.folder / CANCELLED, "")  # before the signal: no job requeues itself now
        live = queue.queued(names)
        queue.cancel([one.job for one in live])
        end = time.monotonic() + seconds
        while (left := queue.queued(names)) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return Cancelled(jobs=tuple(one.job for one in live), left=tuple(one.job for one in left))
