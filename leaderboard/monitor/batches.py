"""Larger batch, worse loss at equal compute: pairs of runs that only the batch tells apart.

Runs of one compute (within 5 %) and one size (within 2 %) are grouped by batch; runs of one batch are averaged. A pair
is flagged when ln L of the larger batch is higher by more than 2 sigma of the difference, sigma^2 (1/n1 + 1/n2).
sigma of a run: as given, else of runs that repeat each other (two of them at least), else of the law's residuals.
Source: training reference 4.4; McCandlish et al. 2018 (1812.06162).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from curation.files import Json
from leaderboard.laws.law import Ints
from leaderboard.laws.levels import SAME_BUDGET, groups_of
from leaderboard.monitor.flags import Flag
from leaderboard.monitor.rows import Rows

SIGMAS = 2.0
MIN_REPEATS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two batches at one compute and size; `gain` is ln L of the smaller minus the larger batch's."""

    compute: float
    size: float
    smaller: float
    larger: float
    runs: tuple[str, str]
    gain: float
    sigmas: float | None

    @property
    def worse(self) -> bool:
        """Whether the larger batch is worse beyond noise."""
        return self.sigmas is not None and self.sigmas > SIGMAS

    def as_json(self) -> dict[str, Json]:
        """Return the pair."""
        return {
            "C": self.compute,
            "N": self.size,
            "smaller_batch": self.smaller,
            "larger_batch": self.larger,
            "runs": list(self.runs),
            "relative_loss_of_larger": float(np.expm1(-self.gain)),
            "sigmas": self.sigmas,
            "worse": self.worse,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """All pairs, with the noise of a run and where it is from."""

    pairs: tuple[Pair, ...]
    sigma: float | None
    source: str
    flags: tuple[Flag, ...]


def check_batches(rows: Rows, *, noise: float | None = None, law_sigma: float | None = None) -> Batches | None:
    """Return every pair of batches at equal compute and size; None where no batch is mapped or no pair exists."""
    if "B" not in rows.columns:
        return None
    last = rows.keep(rows.finals())
    last = last.keep(np.isfinite(last.columns["B"]))
    if not last.n:
        return None
    cells = list(_cells(last))
    sigma, source = _sigma(last, cells, noise, law_sigma)
    pairs = [
        _pair(last, left, right, sigma)
        for groups in cells
        for place, left in enumerate(groups)
        for right in groups[place + 1 :]
    ]
    if not pairs:
        return None
    flags = tuple(_flag(pair) for pair in pairs if pair.worse)
    return Batches(pairs=tuple(pairs), sigma=sigma, source=source, flags=flags)


def _cells(rows: Rows) -> Iterator[list[Ints]]:
    """Yield, for each compute and size, the places of the runs of each batch, smallest first."""
    for at_compute in groups_of(rows.compute, SAME_BUDGET):
        for group in groups_of(rows.size[at_compute]):
            cell = at_compute[group]
            yield [cell[one] for one in groups_of(rows.columns["B"][cell])]


def _sigma(
    rows: Rows, cells: list[list[Ints]], noise: float | None, law_sigma: float | None
) -> tuple[float | None, str]:
    if noise is not None:
        return noise, "given"
    losses = np.log(rows.columns["L"])
    repeats = [losses[group] for groups in cells for group in groups if len(group) > 1]
    degrees = sum(len(values) - 1 for values in repeats)
    if degrees >= MIN_REPEATS:
        return float(np.sqrt(sum(np.sum((v - v.mean()) ** 2) for v in repeats) / degrees)), f"{degrees} repeated runs"
    return law_sigma, "residuals of the law" if law_sigma is not None else "unknown"


def _pair(rows: Rows, left: Ints, right: Ints, sigma: float | None) -> Pair:
    losses = np.log(rows.columns["L"])
    gain = float(losses[left].mean() - losses[right].mean())
    error = None if not sigma else sigma * np.sqrt(1 / len(left) + 1 / len(right))
    names = [", ".join(rows.labels[run] for run in rows.run[group]) for group in (left, right)]
    return Pair(
        compute=float(rows.compute[left[0]]),
        size=float(rows.size[left[0]]),
        smaller=float(rows.columns["B"][left[0]]),
        larger=float(rows.columns["B"][right[0]]),
        runs=(names[0], names[1]),
        gain=gain,
        sigmas=None if error is None else float(-gain / error),
    )


def _flag(pair: Pair) -> Flag:
    return Flag(
        kind="larger-batch-worse",
        where=f"{pair.runs[0]} against {pair.runs[1]}",
        said=f"at {pair.compute:.3g} FLOPs and {pair.size:.3g} parameters batch {pair.larger:,.6g} has a loss "
        f"{np.expm1(-pair.gain):+.2%} of batch {pair.smaller:,.6g}: {pair.sigmas:+.1f} sigma",
        sigmas=pair.sigmas,
    )
