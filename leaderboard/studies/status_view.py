"""A study's state for a person and for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from curation.console import printable
from curation.files import Json
from leaderboard.studies.promotion import kill_text
from leaderboard.studies.status import STATES, RunStatus, StudyStatus

if TYPE_CHECKING:
    from rich.console import Console


def status_json(status: StudyStatus) -> dict[str, Json]:
    """Return the state as one object."""
    value = cast("dict[str, Json]", asdict(status))
    return {**value, "counts": {state: status.count(state) for state in STATES}}


def draw_status(console: Console, status: StudyStatus) -> None:
    """Print what is built, trained and running, who was stopped where, and the next command."""
    told = status.fingerprint[:8] if status.fingerprint else "the pool was not read yet"
    waiting = f": waits at {status.waiting_at}" if status.waiting_at else ""
    state = status.state.replace("-", " ")
    console.print(f"{printable(status.study)} ({told}): {state}{waiting}", markup=False, style="bold")
    missing = [one.arm for one in status.corpora if not (one.corpus and one.tokens)]
    built = len(status.corpora) - len(missing)
    if status.corpora:
        open_ = f"; to build: {printable(', '.join(missing))}" if missing else ""
        console.print(f"corpora: {built} of {len(status.corpora)} built and tokenized{open_}", markup=False)
    for tier in dict.fromkeys(run.tier for run in status.runs):
        counts = [f"{number} {state}" for state in STATES if (number := status.count(state, tier))]
        console.print(f"{tier}: {', '.join(counts)}", markup=False)
    for run in status.runs:
        if run.state in ("running", "scoring", "silent", "stopped", "failed"):
            console.print(f"  {_line(run)}", markup=False, soft_wrap=True)
    for item in status.promotion:
        if not item.promoted:
            reason = printable(item.reason)
            console.print(f"{item.arm} stopped at {item.tier} ({item.gate}): {reason}", markup=False, soft_wrap=True)
    for line in kill_text(status.promotion):
        console.print(line, markup=False)
    for line in status.earlier:
        console.print(f"- {printable(line)}", markup=False, soft_wrap=True)
    for line in status.overrides:
        console.print(f"override: {printable(line)}", markup=False, soft_wrap=True, style="magenta")
    console.print(f"next: {status.next}", markup=False, soft_wrap=True)


def _line(run: RunStatus) -> str:
    parts = [f"{run.arm} {run.tier} seed {run.seed}: {run.state}, {run.progress:.0%}"]
    parts += [f"loss {run.loss:.4f}"] if run.loss is not None else []
    parts += [f"{run.tokens_per_second:,.0f} tokens/s"] if run.tokens_per_second is not None else []
    return printable(", ".join(parts) + (f": {run.message}" if run.message else ""))
