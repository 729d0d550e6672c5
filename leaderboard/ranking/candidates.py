"""Rows before they are ranked: recipes of studies and of entries, and what they must share to meet.

A table holds only rows of equal track and division, tier (all its numbers), training recipe, suite, panel, context and
tokenizer. A recipe that several studies trained with the very same runs is one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from curation.files import Json
from leaderboard.scores import ScoredRun

LOCAL = "local"
"""Division of studies that lie in a store and were never submitted."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableKey:
    """What all rows of a table have in common; empty where it does not apply."""

    division: str
    track: str
    tier: str
    recipe: str
    """Version of the tier's training recipe, or a published run's settings in words."""
    tier_digest: str
    suite: str
    """Digest of the suite of tasks whose scores are ranked; empty where a panel is."""
    panel: str
    context: int
    tokenizer: str

    @property
    def title(self) -> str:
        """The table's title: every part that tells it from others, digests cut to eight digits."""
        parts = [
            self.tier,
            self.division if self.division in (LOCAL, "published") else f"{self.division} division",
            f"track {self.track}" if self.track else "",
            f"training recipe {self.recipe}" if self.recipe else "",
            f"suite {self.suite[:8]}" if self.suite else "",
            f"panel {self.panel[:8]}" if self.panel else "",
            f"context {self.context}" if self.context else "",
            f"tokenizer {self.tokenizer}" if self.tokenizer else "",
        ]
        return " · ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Json]:
        """Return the parts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One metric of a recipe against its study's own baseline."""

    log_ratio: float
    low: float | None
    high: float | None
    slices: tuple[str, ...]
    """Slices that it is the mean over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One recipe at one tier."""

    key: TableKey
    name: str
    role: str
    studies: tuple[str, ...]
    """Studies that trained it, as name and first digits of the fingerprint."""
    fingerprint: str = ""
    """Of the study."""
    entry: str = ""
    """Id of the board's entry; empty for a study of a store."""
    seeds: tuple[int, ...] = ()
    num_runs: int = 1
    runs: tuple[ScoredRun, ...] = ()
    """Runs with document scores; empty where only sums are known."""
    sums: Mapping[str, float] = field(default_factory=dict)
    """Scores that are known as sums alone, by metric; higher is better."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Why a metric is not available."""
    run_ids: tuple[str, ...] = ()
    selected_for: frozenset[str] = frozenset()
    against: Mapping[str, Against] = field(default_factory=dict)
    """By metric, as its study found them; empty for the baseline itself and for controls."""
    unique_tokens: int | None = None
    epochs: float | None = None
    verdict: str = ""
    unranked: str = ""
    """Why it may not rank whatever its scores are; empty when it may."""
    marks: tuple[str, ...] = ()
    """`retracted`, `challenged`, `intervened`, `audit`, `n=1` and the like, with their reason."""
    level: int | None = None
    """Verified level of the entry; None for a study of a store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A recipe that stands in no table, and why."""

    study: str
    arm: str
    tier: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All rows of the sources that were read."""

    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def merged(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Return the rows with each recipe once: rows of a table that stand on the very same runs are one."""
    found: dict[tuple[TableKey, tuple[str, ...] | str], Candidate] = {}
    for one in candidates:
        place = (one.key, one.run_ids or f"{one.entry} {one.studies} {one.name}")
        first = found.get(place)
        if first is None:
            found[place] = one
        else:
            found[place] = replace(
                first,
                studies=tuple(dict.fromkeys((*first.studies, *one.studies))),
                unranked=first.unranked and one.unranked,
                against=first.against or one.against,
                verdict=first.verdict if not first.unranked else one.verdict,
                marks=tuple(dict.fromkeys((*first.marks, *one.marks))),
            )
    return tuple(found.values())
