"""What was wrong with published files and rows, counted by reason: nothing is skipped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from curation.files import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One file or row that was not imported."""

    reason: str
    """Kebab-case: `not-json`, `no-scores`, `score-not-a-share`, …"""
    place: str
    text: str


def faults_json(faults: Sequence[Fault]) -> dict[str, Json]:
    """Return faults as JSON: counts by reason, then each with its place."""
    counts = Counter(one.reason for one in faults)
    return {
        "count": len(faults),
        "by_reason": dict(sorted(counts.items())),
        "list": [{"reason": one.reason, "place": one.place, "text": one.text} for one in faults],
    }
