"""The funnel: documents, bytes and tokens in and out of each step, by slice, source and reason, with dropped samples.

Counts come from the sidecars alone and add up: in = out + dropped at every step and in every slice. A step that
rewrites text has `changed` too; there documents go in with the old text, are dropped with the old text and leave with
the new one, and in = out + dropped + `changed` holds for bytes and tokens (a negative number: the texts grew).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from curation.files import Json

MAX_SAMPLES_PER_REASON = 5
MAX_SOURCES = 100
"""Sources that are counted by name, those with most documents; the others are counted together."""
OTHER_SOURCES = "(other sources)"
SAMPLE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The countable side of one part's rows."""

    slices: npt.NDArray[np.int64]  # index into the corpus-wide list of slices
    sources: npt.NDArray[np.int64]  # index into the corpus-wide list of sources
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
"""One row a slice (or a source); columns documents, bytes, tokens."""


@dataclass(slots=True, kw_only=True)
class Edits:
    """What rewriting did to the documents that a step let through."""

    changed: npt.NDArray[np.int64]
    """Documents with another text than before, one entry a slice."""
    counters: dict[str, int]
    """What the modifier counted, by name."""

    def merge(self, other: Edits) -> None:
        """Add the counts of another part."""
        self.changed += other.changed
        for name, number in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + number


@dataclass(slots=True, kw_only=True)
class Step:
    """What one step let through and why it dropped the rest."""

    name: str
    entered: Counts
    left: Counts
    entered_by_source: Counts
    left_by_source: Counts
    reasons: dict[str, Counts] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    edits: Edits | None = None
    """Only of steps that rewrite text."""

    def merge(self, other: Step) -> None:
        """Add the counts of another part; samples stay in canonical order, at most a few a reason."""
        self.entered += other.entered
        self.left += other.left
        self.entered_by_source += other.entered_by_source
        self.left_by_source += other.left_by_source
        if self.edits is not None and other.edits is not None:
            self.edits.merge(other.edits)
        for reason, counts in other.reasons.items():
            self.reasons[reason] = self.reasons[reason] + counts if reason in self.reasons else counts
        for sample in other.samples:
            if sum(known.reason == sample.reason for known in self.samples) < MAX_SAMPLES_PER_REASON:
                self.samples.append(sample)

    def as_json(self, slices: Sequence[str], sources: Sequence[str]) -> dict[str, Json]:
        """Return the step as `funnel.json` holds it."""
        by_slice: dict[str, Json] = {
            name: {**_in_out(self.entered[i], self.left[i]), **self._changed(slice(i, i + 1))}
            for i, name in enumerate(slices)
            if self.entered[i, 0]
        }
        by_source: dict[str, Json] = {
            name: _in_out(self.entered_by_source[i], self.left_by_source[i])
            for i, name in enumerate(sources)
            if self.entered_by_source[i, 0]
        }
        reasons: dict[str, Json] = {
            reason: {
                **_amounts(counts.sum(axis=0)),
                "by_slice": {name: _amounts(counts[i]) for i, name in enumerate(slices) if counts[i, 0]},
            }
            for reason, counts in sorted(self.reasons.items())
        }
        samples: list[Json] = [
            {"id": s.id, "slice": s.slice, "reason": s.reason, "value": s.value, "text": s.text} for s in self.samples
        ]
        totals = _in_out(self.entered.sum(axis=0), self.left.sum(axis=0))
        changed = self._changed(slice(None), with_counters=True)
        return {
            "step": self.name,
            **totals,
            **changed,
            "by_slice": by_slice,
            "by_source": by_source,
            "reasons": reasons,
            "samples": samples,
        }

    def _changed(self, chosen: slice, *, with_counters: bool = False) -> dict[str, Json]:
        """Return what editing removed from the chosen slices; nothing for a step that rewrites no text."""
        if self.edits is None:
            return {}
        dropped = sum(self.reasons.values(), np.zeros_like(self.entered))
        removed = (self.entered - self.left - dropped)[chosen].sum(axis=0)
        changed: dict[str, Json] = {
            "docs": int(self.edits.changed[chosen].sum()),
            "removed_bytes": int(removed[1]),
            "removed_tokens": int(removed[2]),
        }
        return {"changed": {**changed, "counters": dict(self.edits.counters)} if with_counters else changed}


def count(rows: Rows, mask: npt.NDArray[np.bool_], num_slices: int) -> Counts:
    """Return documents, bytes and tokens of the masked rows, one row a slice."""
    return _count(rows, rows.slices, mask, num_slices)


def count_sources(rows: Rows, mask: npt.NDArray[np.bool_], num_sources: int) -> Counts:
    """Return documents, bytes and tokens of the masked rows, one row a source."""
    return _count(rows, rows.sources, mask, num_sources)


def _count(rows: Rows, groups: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_], num_groups: int) -> Counts:
    chosen = groups[mask]
    columns = (
        np.bincount(chosen, minlength=num_groups),
        np.bincount(chosen, weights=rows.num_bytes[mask].astype(np.float64), minlength=num_groups),
        np.bincount(chosen, weights=rows.num_tokens[mask].astype(np.float64), minlength=num_groups),
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


def changed_text(step: Mapping[str, Json], max_counters: int = 4) -> str:
    """Return in one line what a step of `funnel.json` changed, largest counters first; empty if it edits nothing."""
    changed = cast("Mapping[str, Json] | None", step.get("changed"))
    if changed is None:
        return ""
    counters = cast("Mapping[str, int]", changed["counters"])
    found = sorted(((name, n) for name, n in counters.items() if n), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {n:,}" for name, n in found[:max_counters]]
    if len(found) > max_counters:
        shown.append(f"{len(found) - max_counters} more")
    removed = cast("int", changed["removed_bytes"])
    told = (
        f"changed {changed['docs']:,} documents, {abs(removed) / 1e6:,.3f} MB {'added' if removed < 0 else 'removed'}"
    )
    return f"{told} ({', '.join(shown)})" if shown else told


def published_text(step: Mapping[str, Json]) -> str:
    """Return what others kept up to this step beside what was kept here; empty if nothing is published."""
    published = step.get("published")
    if not isinstance(published, Mapping):
        return ""
    measured = published["measured"]
    here = f", here {measured:.1%}" if isinstance(measured, float) else ""
    judged = "judged " if published.get("without_slices") else ""
    kept = cast("float", published["kept"])
    return f"left of {published['of']}: published {kept:.1%}{here} of {judged}{published['unit']}"
