"""The funnel: documents, bytes and tokens in and out of each step, by slice and reason, with samples of the dropped.

Counts come from the sidecars alone and add up: in = out + dropped at every step and in every slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from curation.files import Json

MAX_SAMPLES_PER_REASON = 5
SAMPLE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The countable side of one part's rows."""

    slices: npt.NDArray[np.int64]  # index into the corpus-wide list of slices
    num_bytes: npt.NDArray[np.int64]
    num_tokens: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One dropped document, for people to look at."""

    id: str
    slice: str
    reason: str
    value: float | None
    text: str


Counts = npt.NDArray[np.int64]
"""One row a slice; columns documents, bytes, tokens."""


@dataclass(slots=True, kw_only=True)
class Step:
    """What one step let through and why it dropped the rest."""

    name: str
    entered: Counts
    left: Counts
    reasons: dict[str, Counts] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def merge(self, other: Step) -> None:
        """Add the counts of another part; samples stay in canonical order, at most a few a reason."""
        self.entered += other.entered
        self.left += other.left
        for reason, counts in other.reasons.items():
            self.reasons[reason] = self.reasons[reason] + counts if reason in self.reasons else counts
        for sample in other.samples:
            if sum(known.reason == sample.reason for known in self.samples) < MAX_SAMPLES_PER_REASON:
                self.samples.append(sample)

    def as_json(self, slices: Sequence[str]) -> dict[str, Json]:
        """Return the step as `funnel.json` holds it."""
        by_slice: dict[str, Json] = {
            name: _in_out(self.entered[i], self.left[i]) for i, name in enumerate(slices) if self.entered[i, 0]
        }
        reasons: dict[str, Json] = {
            reason: _amounts(counts.sum(axis=0)) for reason, counts in sorted(self.reasons.items())
        }
        samples: list[Json] = [
            {"id": s.id, "slice": s.slice, "reason": s.reason, "value": s.value, "text": s.text} for s in self.samples
        ]
        totals = _in_out(self.entered.sum(axis=0), self.left.sum(axis=0))
        return {"step": self.name, **totals, "by_slice": by_slice, "reasons": reasons, "samples": samples}


def count(rows: Rows, mask: npt.NDArray[np.bool_], num_slices: int) -> Counts:
    """Return documents, bytes and tokens of the masked rows, one row a slice."""
    chosen = rows.slices[mask]
    columns = (
        np.bincount(chosen, minlength=num_slices),
        np.bincount(chosen, weights=rows.num_bytes[mask].astype(np.float64), minlength=num_slices),
        np.bincount(chosen, weights=rows.num_tokens[mask].astype(np.float64), minlength=num_slices),
    )
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def _amounts(counts: Counts) -> dict[str, Json]:
    return {"docs": int(counts[0]), "bytes": int(counts[1]), "tokens": int(counts[2])}


def _in_out(entered: Counts, left: Counts) -> dict[str, Json]:
    names = ("docs", "bytes", "tokens")
    values: dict[str, Json] = {}
    for i, name in enumerate(names):
        values[f"{name}_in"] = int(entered[i])
        values[f"{name}_out"] = int(left[i])
    return values
