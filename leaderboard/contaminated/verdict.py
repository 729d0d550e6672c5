"""What clean and suspicious items say about a win, in words that can be false."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.significance import holm, two_sided
from leaderboard.part_means import MIN_CLUSTERS, Estimate

KINDS = {
    "win-only-on-suspicious": True,
    "win-inflated": True,
    "win-not-on-clean": True,
    "gap-without-win": True,
    "win-on-clean": False,
    "no-win": False,
    "not-judged": False,
}
"""Every verdict and whether it is a flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict and its sentence."""

    kind: str
    words: str

    @property
    def flagged(self) -> bool:
        """Whether the scores are not to be believed as they stand."""
        return KINDS[self.kind]

    @property
    def judged(self) -> bool:
        """Whether both parts had items enough."""
        return self.kind != "not-judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """What stands of one task when all `count` judged tasks of a table are looked at together."""

    won: bool
    wider: bool
    """Whether the gap is above 0."""
    count: int


def above_among(several: Sequence[Estimate | None]) -> list[bool]:
    """Return which estimates are above 0 after Holm over all that have an interval."""
    known = [place for place, one in enumerate(several) if one is not None and one.total is not None]
    marks = [False] * len(several)
    p_values = [two_sided(one.value, one.total) for one in several if one is not None and one.total is not None]
    for place, fell in zip(known, holm(p_values), strict=True):
        one = several[place]
        marks[place] = fell and one is not None and one.value > 0
    return marks


def verdict_of(
    gains: Mapping[str, Estimate | None],
    gap: Estimate | None,
    clusters: Mapping[str, int],
    *,
    among: Among | None = None,
) -> Verdict:
    """Return the verdict from the gains on `all`, `clean` and `suspicious` items and the gap.

    A win is an interval above 0, and in a table of many tasks what Holm leaves of it: `among`. The gap decides where it
    is; a win on all items that clean items alone do not show is flagged as well, for nothing but suspicious items tells
    it from chance. The win on clean items takes a flag away, so it needs no correction.
    """
    for part in ("suspicious", "clean"):
        if clusters[part] < MIN_CLUSTERS:
            return Verdict(
                kind="not-judged",
                words=f"not judged: {clusters[part]} {part} items that are independent, expected {MIN_CLUSTERS}",
            )
    every, clean = gains["all"], gains["clean"]
    assert every is not None
    assert clean is not None
    assert gap is not None
    won, won_clean, wider = above(every), above(clean), above(gap)
    alone = ""
    if among is not None:
        lost = [name for name, was, now in (("win", won, among.won), ("gap", wider, among.wider)) if was and not now]
        alone = f" (the {' and the '.join(lost)} would count alone, not among {among.count} tasks)" if lost else ""
        won, wider = among.won, among.wider
    kind = _KINDS_BY_FACTS[won, won_clean, wider] if won else "gap-without-win" if wider else "no-win"
    words = _WORDS[kind].format(every=shown(every), clean=shown(clean), gap=shown(gap))
    return Verdict(kind=kind, words=words + alone)


_KINDS_BY_FACTS = {
    (True, False, True): "win-only-on-suspicious",
    (True, True, True): "win-inflated",
    (True, False, False): "win-not-on-clean",
    (True, True, False): "win-on-clean",
}
"""By: a win on all items, a win on clean items, a gap above 0."""
_WORDS = {
    "win-only-on-suspicious": "the win lives in the suspicious items: {every} on all, {clean} on clean ones, gap {gap}",
    "win-inflated": (
        "part of the win lives in the suspicious items: {every} on all, {clean} on clean ones, gap {gap}; quote the "
        "clean one"
    ),
    "win-not-on-clean": "clean items alone do not show the win: {every} on all, {clean} on clean ones; gap {gap}",
    "gap-without-win": "no win on all items ({every}), yet suspicious ones gain more than clean ones: gap {gap}",
    "win-on-clean": "the win stands on clean items: {clean}; gap {gap}",
    "no-win": "no win on all items: {every}; gap {gap}",
}


def above(one: Estimate) -> bool:
    """Return whether the interval lies above 0."""
    return one.low is not None and one.low > 0


def shown(one: Estimate | None) -> str:
    """Return a number with its interval."""
    if one is None:
        return "none"
    if one.low is None or one.high is None:
        return f"{one.value:+.4f}"
    return f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
