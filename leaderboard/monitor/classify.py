"""Each new point against the band, and what the pattern over a run and over scales means.

* in a run: above the band in at least half of the checkpoints of its first 30 % is `above-early`; a slope of ln L over
  the last 30 % of its tokens less than half of the law's, by more than two standard errors, is `flattens-early`;
* over scales, by the last rows of the runs: above with both neighbours inside is `single-bad-scale`; above from some
  scale on is `above-at-larger-scale` (unless the run was above from its start); above from the smallest on is
  `above-early`; anything else above is `above-band`. Earlier runs count as inside unless they are outliers.
Checkpoints are judged only if earlier runs have some too: before its rate has decayed a run lies above finished ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from curation.files import Json
from leaderboard.laws.law import Floats, Ints
from leaderboard.laws.levels import groups_of
from leaderboard.monitor.band import Band
from leaderboard.monitor.flags import Flag
from leaderboard.monitor.rows import Rows

Bools = npt.NDArray[np.bool_]
State = Literal["inside", "above", "below"]
EARLY = 0.3
LATE = 0.3
MIN_CHECKPOINTS = 4
MIN_LATE = 3
MIN_FOR_SCATTER = 5
SLOPE_SHARE = 0.5
SLOPE_ERRORS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A new row and where it lies; `sigmas` is its distance from the curve in standard deviations of a new run."""

    run: str
    compute: float
    size: float
    observed: float
    expected: float
    low: float
    high: float
    sigmas: float
    state: State
    kind: str = ""
    """The flag it belongs to; empty when it is inside or below, or alone above on the way."""

    def as_json(self) -> dict[str, Json]:
        """Return the point."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The new points in order of the table, and the flags of their pattern."""

    points: tuple[Point, ...]
    flags: tuple[Flag, ...]
    notes: tuple[str, ...]


def judge(band: Band, earlier: Rows, new: Rows) -> Judged:
    """Return every new row against the band, and flags for the pattern of each run and over scales."""
    places = band.at(new)
    expected, spread = places
    sigmas = (np.log(new.columns["L"]) - np.log(expected)) / spread
    several = bool(np.any(np.bincount(earlier.run) > 1))
    has_checkpoints = bool(np.any(np.bincount(new.run) > 1))
    notes = []
    judged = np.arange(new.n)
    if has_checkpoints and not several:
        judged = new.finals()
        notes.append(
            "earlier runs have one row each: only the last row of a new run is judged by their band; give checkpoints "
            "of earlier runs too (run=COLUMN) to judge runs on the way"
        )
    above = sigmas > band.critical
    kinds: dict[int, str] = {}
    flags = _of_runs(new, above, sigmas, kinds) if several else []
    flags += _flattening(band, new, expected, above=above, kinds=kinds)
    flags += _of_scales(_Scales(band, earlier, new, above, sigmas), kinds)
    points = [_point(band, new, row, places=places, kind=kinds.get(row, "")) for row in judged.tolist()]
    below = sorted({point.run for point in points if point.state == "below"})
    if below:
        notes.append(
            f"better than the band: {', '.join(below)}; look for leaked validation text, other data or another "
            "tokenizer before it counts as a gain"
        )
    return Judged(points=tuple(points), flags=tuple(flags), notes=tuple(notes))


def _point(band: Band, new: Rows, row: int, *, places: tuple[Floats, Floats], kind: str) -> Point:
    """Return a row with the band around it; `places` are the expected losses of all rows and their spread."""
    expected, spread = (float(values[row]) for values in places)
    observed = float(new.columns["L"][row])
    distance, half = float((np.log(observed) - np.log(expected)) / spread), band.critical * spread
    state: State = "inside" if abs(distance) <= band.critical else "above" if distance > 0 else "below"
    return Point(
        run=new.labels[new.run[row]],
        compute=float(new.compute[row]),
        size=float(new.size[row]),
        observed=observed,
        expected=expected,
        low=float(expected * np.exp(-half)),
        high=float(expected * np.exp(half)),
        sigmas=distance,
        state=state,
        kind=kind if state == "above" else "",
    )


def _of_runs(new: Rows, above: Bools, sigmas: Floats, kinds: dict[int, str]) -> list[Flag]:
    """Return a flag for each run that is above the band in its first 30 %."""
    flags = []
    for run in np.unique(new.run).tolist():
        rows = np.flatnonzero(new.run == run)
        early = rows[new.progress[rows] <= EARLY * new.progress[rows].max()]
        if len(rows) < MIN_CHECKPOINTS or not len(early) or above[early].mean() < 0.5:
            continue
        kinds.update(dict.fromkeys(rows[above[rows]].tolist(), "above-early"))
        worst = float(sigmas[early].max())
        flags.append(
            Flag(
                kind="above-early",
                where=new.labels[run],
                said=f"{int(above[early].sum())} of its first {len(early)} checkpoints above, up to {worst:+.1f} sigma",
                sigmas=worst,
            )
        )
    return flags


def _flattening(band: Band, new: Rows, expected: Floats, *, above: Bools, kinds: dict[int, str]) -> list[Flag]:
    """Return a flag for each run whose last 30 % fall less than half as steeply as the law says."""
    flags = []
    for run in np.unique(new.run).tolist():
        rows = np.flatnonzero(new.run == run)
        late = rows[new.progress[rows] >= (1 - LATE) * new.progress[rows].max()]
        if len(rows) < MIN_CHECKPOINTS or len(late) < MIN_LATE:
            continue
        places = np.log(new.progress[late])
        own, error = slope(places, np.log(new.columns["L"][late]), band.residuals.sigma)
        wanted, _ = slope(places, np.log(expected[late]), 0.0)
        if own > SLOPE_SHARE * wanted and own - wanted > SLOPE_ERRORS * error:  # the law's slope is negative
            for row in late[above[late]].tolist():
                kinds.setdefault(row, "flattens-early")
            flags.append(
                Flag(
                    kind="flattens-early",
                    where=new.labels[run],
                    said=f"over its last {len(late)} checkpoints ln L changes by {own:+.4f} per e-fold of tokens, "
                    f"the law says {wanted:+.4f}",
                    sigmas=(own - wanted) / error if error else None,
                )
            )
    return flags


def slope(x: Floats, y: Floats, sigma: float) -> tuple[float, float]:
    """Return the least-squares slope and its error, from five points or more, else at least `sigma`'s."""
    moved = x - x.mean()
    spread = float(np.sum(moved**2))
    found = float(np.sum(moved * y) / spread)
    rest = y - y.mean() - found * moved
    own = float(np.sqrt(np.sum(rest**2) / (len(x) - 2)))
    return found, (own if len(x) >= MIN_FOR_SCATTER else max(own, sigma)) / float(np.sqrt(spread))


class _Scales:
    """The last rows of all runs by scale: which scales are inside."""

    def __init__(self, band: Band, earlier: Rows, new: Rows, above: Bools, sigmas: Floats) -> None:
        old, last = earlier.finals(), new.finals()
        bad = np.concatenate([band.residuals.outliers[old] & (band.residuals.values[old] > 0), above[last]])
        self.sizes = np.concatenate([earlier.size[old], new.size[last]])
        self.rows = np.concatenate([np.full(len(old), -1), last])
        self.sigmas = np.concatenate([band.residuals.studentised[old], sigmas[last]])
        self.labels = [earlier.labels[run] for run in earlier.run[old]] + [new.labels[run] for run in new.run[last]]
        self.groups = groups_of(self.sizes)
        self.bad = [self._is_bad(group, bad) for group in self.groups]

    def _is_bad(self, group: Ints, bad: Bools) -> bool:
        fresh = group[self.rows[group] >= 0]
        return bool(bad[fresh].mean() >= 0.5) if len(fresh) else bool(bad[group].mean() > 0.5)


def _of_scales(scales: _Scales, kinds: dict[int, str]) -> list[Flag]:
    flags = []
    for place, group in enumerate(scales.groups):
        rows = scales.rows[group]
        if not scales.bad[place] or not np.any(rows >= 0):
            continue
        kind = scale_kind(scales.bad, place)
        told = all(kinds.get(row) in ("above-early", "flattens-early") for row in rows[rows >= 0].tolist())
        if told and kind != "single-bad-scale":
            continue  # of the run itself
        for row in rows[rows >= 0].tolist():
            kinds.setdefault(row, kind)
        fresh = group[rows >= 0]
        worst = float(scales.sigmas[fresh].max())
        flags.append(
            Flag(
                kind=kind,
                where=f"{_size(float(scales.sizes[group[0]]))}: {', '.join(scales.labels[one] for one in fresh)}",
                said=f"{worst:+.1f} sigma above the law of earlier runs",
                sigmas=worst,
            )
        )
    return flags


def scale_kind(bad: Sequence[bool], place: int) -> str:
    """Return what a bad scale is called, from the scales around it, smallest first."""
    smaller, larger = bad[:place], bad[place + 1 :]
    if smaller and larger and not smaller[-1] and not larger[0]:
        return "single-bad-scale"
    if all(larger) and not all(smaller):
        return "above-at-larger-scale"
    return "above-early" if all(smaller) else "above-band"


def _size(value: float) -> str:
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if unit <= value < 1e15:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"
