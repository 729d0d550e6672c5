"""The quarantine of a run: which windows each skipped step would have trained on.

`quarantine.jsonl` has one line a skipped step: step, reason, loss and norm (null when not finite), the windows as
(slice, window, epoch), and how many interventions had changed the run before that step. It holds no clock's reading,
so a resumed run writes the same bytes. Lines of steps that a rewind took back stay: the windows were seen to fail.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.files import Json, write_text
from mixtures.draws import Draws
from train.steps import Judgement

QUARANTINE = "quarantine.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedStep:
    """A step that was not applied."""

    step: int
    reason: Judgement
    loss: float
    grad_norm: float
    drawn: Draws


@dataclass(slots=True)
class Quarantine:
    """The lines of one run by (interventions, step): a step taken again on the same course has the same line."""

    rows: dict[tuple[int, int], Mapping[str, Json]] = field(default_factory=dict)

    def add(self, skipped: SkippedStep, *, interventions: int) -> None:
        """Add the windows of a step; `interventions` is how many of the run's log had taken effect by then."""
        drawn = skipped.drawn
        columns = (drawn.slices.tolist(), drawn.windows.tolist(), drawn.epochs.tolist())
        windows: list[Json] = [
            [drawn.names[number], window, epoch] for number, window, epoch in zip(*columns, strict=True)
        ]
        self.rows[interventions, skipped.step] = {
            "step": skipped.step,
            "interventions": interventions,
            "reason": skipped.reason,
            "loss": _finite(skipped.loss),
            "grad_norm": _finite(skipped.grad_norm),
            "windows": windows,
        }

    def as_json(self) -> Json:
        """Return the state that a checkpoint keeps."""
        return [self.rows[key] for key in sorted(self.rows)]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Become the quarantine that `as_json` described."""
        self.rows = {(int(row["interventions"]), int(row["step"])): dict(row) for row in state}

    def text(self) -> str:
        """Return the file's content."""
        return "".join(json.dumps(self.rows[key], sort_keys=True, allow_nan=False) + "\n" for key in sorted(self.rows))

    def write(self, path: Path) -> None:
        """Write the file whole; an empty quarantine leaves none."""
        if self.rows:
            write_text(path, self.text())
        else:
            path.unlink(missing_ok=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
