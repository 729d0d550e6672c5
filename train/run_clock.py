"""What clocks say of a run: `timing/run-<fingerprint>.json` in the store, seconds of training and scoring.

Training is summed over the starts of the run from its telemetry, which is only ever appended to: a start that was
killed counts up to its last row, so that a run that was resumed is neither cheaper nor faster than it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.files import write_json
from train.metrics import read_rows
from train.telemetry import telemetry_path


def timing_path(root: Path, fingerprint: str) -> Path:
    """Return where the seconds of a run are kept, below the store's root."""
    return root / "timing" / f"run-{fingerprint[:8]}.json"


def keep_clock(
    root: Path, fingerprint: str, *, history: Sequence[str] | None, score_seconds: float | None = None
) -> None:
    """Write down what a run took; what this process did not do itself stays as an earlier one wrote it.

    `history` is what happened between the starts of the training, in words; None if this process trained nothing.
    """
    path = timing_path(root, fingerprint)
    known = read_clock(path) if history is None else {}
    seconds = {**known.get("seconds", {}), "train": spent_seconds(read_rows(telemetry_path(root, fingerprint)))}
    if score_seconds is not None:
        seconds["score"] = score_seconds
    write_json(path, {"seconds": seconds, "history": list(known.get("history", ()) if history is None else history)})


def read_clock(path: Path) -> dict[str, Any]:
    """Return what the file holds; nothing if it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and isinstance(value.get("seconds"), dict) else {}


def spent_seconds(rows: Iterable[Mapping[str, Any]]) -> float:
    """Return the wall seconds of a training from its telemetry, over all starts of the last time it was trained.

    A start at step 0 after a training that finished begins another time: somebody removed the run.
    """
    total = last = 0.0
    finished = False
    for row in rows:
        seconds = float(row["seconds"])
        if row["kind"] == "start" and finished and not row["resumed_at_step"]:
            total, last, finished = 0.0, 0.0, False
        elif row["kind"] == "start" or seconds < last:  # a process that took no step has an end but no start
            total, last = total + last, 0.0
        last = seconds
        finished = finished or (row["kind"] == "end" and row["how"] == "finished")
    return total + last
