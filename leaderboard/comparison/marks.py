"""Marks of a comparison's slices: what the sides were trained on, what was fitted to, and what had to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from curation.files import Json
from curation.mix_spec import slice_of
from curation.store import Artifact
from leaderboard.comparison.row import Row
from leaderboard.comparison.sides import Model
from leaderboard.studies.results import Assessment
from train.evals.panel_marks import SELECTED_FOR, TRAINED_ON

TRAINED_ON_B = f"{TRAINED_ON}-b"
PROTECT, TRADE = "protect", "trade"


def trained_shares(run: Artifact) -> dict[str, float]:
    """Return the share of a run's tokens by slice of its corpus, quality buckets added up; empty if it is not told."""
    drawn = cast("Mapping[str, Json]", run.summary.get("tokens_by_slice") or {})
    counts: dict[str, float] = {}
    for entry, number in drawn.items():
        counts[slice_of(entry)] = counts.get(slice_of(entry), 0.0) + float(cast("float", number))
    total = sum(counts.values())
    return {name: number / total for name, number in counts.items() if number} if total else {}


def with_marks(
    rows: Sequence[Row], ours: Iterable[Model], theirs: Iterable[Model], selected_for: frozenset[str]
) -> list[Row]:
    """Return rows of slices marked with the share of either side's tokens, and whether something was fitted to them."""
    left, right = _shares(ours), _shares(theirs)
    found = []
    for row in rows:
        if row.level != "slice":
            found.append(row)
            continue
        names = (row.name, row.name.partition("/")[0])  # a language's slice is part of one
        marks = [f"{TRAINED_ON}:{share:.4f}" for share in _share(left, names)]
        marks += [f"{TRAINED_ON_B}:{share:.4f}" for share in _share(right, names)]
        marks += [SELECTED_FOR] if {*names} & selected_for else []
        found.append(replace(row, marks=tuple(marks)))
    return found


def with_kept(rows: Sequence[Row], assessment: Assessment, trade: Iterable[str]) -> tuple[Row, ...]:
    """Return rows of slices with what became of those that the study protects or trades."""
    verdicts = {item.slice: item.state for item in assessment.protect}
    traded = set(trade)
    return tuple(
        replace(row, kept=verdicts[row.name], marks=(*row.marks, TRADE if row.name in traded else PROTECT))
        if row.level == "slice" and row.name in verdicts
        else row
        for row in rows
    )


def mark_words(row: Row) -> list[str]:
    """Return a slice's marks in words: `trained-on 20.1% (B 10.0%)`, `selected-for`, `protect: held`."""
    told = dict(mark.partition(":")[::2] for mark in row.marks)
    words = []
    if TRAINED_ON in told or TRAINED_ON_B in told:
        own, other = (float(told.get(key, 0.0)) for key in (TRAINED_ON, TRAINED_ON_B))
        words.append(f"{TRAINED_ON} {own:.1%} (B {other:.1%})")
    words += [SELECTED_FOR] if SELECTED_FOR in told else []
    return words + [f"{key}: {row.kept}" for key in (PROTECT, TRADE) if key in told]


def _shares(models: Iterable[Model]) -> dict[str, float]:
    """Return what the first model that tells it was trained on; seeds of one side read the same shares."""
    for model in models:
        if model.trained_on:
            return dict(model.trained_on)
        for panel in model.panels:
            told = {
                name: float(mark.partition(":")[2])
                for name, marks in panel.marks.items()
                for mark in marks
                if mark.startswith(f"{TRAINED_ON}:")
            }
            if told:
                return told
    return {}


def _share(shares: Mapping[str, float], names: Sequence[str]) -> list[float]:
    return next(([shares[name]] for name in names if name in shares), [])
