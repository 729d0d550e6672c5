"""Everything a monitor says of a table: band, residuals, points, valleys, batches, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import InsufficientError, LawError
from curation.files import Json
from leaderboard.laws.law import Settings
from leaderboard.monitor.band import Band, fit_band
from leaderboard.monitor.batches import Batches, check_batches
from leaderboard.monitor.classify import Judged, judge
from leaderboard.monitor.flags import Flag
from leaderboard.monitor.rows import Rows, read_rows
from leaderboard.monitor.valleys import Valleys, check_valleys

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was found; parts that the table has no rows for are None, and `notes` says why."""

    rows: Rows
    band: Band | None
    judged: Judged | None
    valleys: Valleys | None
    batches: Batches | None
    notes: tuple[str, ...]

    @property
    def flags(self) -> list[Flag]:
        """All flags: of the law, of new points, of valleys, of batches."""
        parts = (self.judged, self.valleys, self.batches)
        return [*_residual_flags(self.rows, self.band), *(flag for part in parts if part for flag in part.flags)]

    def as_json(self) -> dict[str, Json]:
        """Return one object."""
        band, judged, valleys, batches = self.band, self.judged, self.valleys, self.batches
        new = int(self.rows.is_new.sum())
        return {
            "n": {"earlier": self.rows.n - new, "new": new, "dropped": sum(self.rows.dropped.values())},
            "law": None if band is None else band.fitted.law.card.name,
            "params": None if band is None else {k: v for k, v in band.fitted.params.items() if np.isfinite(v)},
            "level": None if band is None else band.level,
            "residuals": None if band is None else _residuals_json(band),
            "points": [point.as_json() for point in judged.points] if judged else [],
            "valleys": [one.as_json() for one in valleys.budgets] if valleys else [],
            "batches": [pair.as_json() for pair in batches.pairs] if batches else [],
            "batch_noise": {"sigma": batches.sigma, "source": batches.source} if batches else None,
            "flags": [flag.as_json() for flag in self.flags],
            "verdict": self.verdict,
            "warnings": list(self.warnings),
        }

    @property
    def verdict(self) -> str:
        """`flagged`, `inside`, or `insufficient` where nothing could be judged."""
        if self.flags:
            return "flagged"
        judged = bool(self.judged or self.batches or (self.band and not self.rows.is_new.any()))
        return "inside" if judged or (self.valleys and _any_judged(self.valleys)) else "insufficient"

    @property
    def warnings(self) -> list[str]:
        """Notes of every part."""
        found = [f"dropped {count} rows: {reason}" for reason, count in self.rows.dropped.items()]
        found += self.notes
        for part in (self.judged, self.valleys):
            found += part.notes if part else ()
        return [*found, *(self.band.fitted.warnings if self.band else ())]


def watch(
    table: Mapping[str, Array | Sequence[object]],
    is_new: npt.NDArray[np.bool_],
    *,
    law: str | None = None,
    level: float,
    noise: float | None = None,
    settings: Settings | None = None,
    where: str = "table",
) -> Watched:
    """Return all that can be told of a table whose rows `is_new` are judged by the law of the others.

    Without new rows only residuals, valleys and batches are checked. Raises: LawError for an unusable table.
    """
    if not 0.5 <= level < 1:
        raise LawError(f"--level is {level:g}, expected at least 0.5 and below 1, e.g. 0.99")
    if noise is not None and not 0 < noise < 1:
        raise LawError(f"--noise is {noise:g}, expected the relative noise of a run between 0 and 1, e.g. 0.002")
    rows = read_rows(table, is_new, where)
    if not rows.n:
        reasons = "; ".join(f"{count} where {reason}" for reason, count in rows.dropped.items()) or "it has none"
        raise InsufficientError(f"{where}: insufficient: no usable row ({reasons}); check --map and --where")
    earlier, new = rows.keep(~rows.is_new), rows.keep(rows.is_new)
    notes, band = [], None
    try:
        band = fit_band(earlier, law=law, level=level, settings=settings)
    except InsufficientError as error:
        notes.append(f"no band: {error}")
    if band is not None and not new.n:
        notes.append("no new rows: residuals, valleys and batches alone are checked; say which are new with --new EXPR")
    return Watched(
        rows=rows,
        band=band,
        judged=judge(band, earlier, new) if band is not None and new.n else None,
        valleys=check_valleys(rows, noise=noise),
        batches=check_batches(rows, noise=noise, law_sigma=band.residuals.sigma if band else None),
        notes=tuple(notes),
    )


def _any_judged(valleys: Valleys) -> bool:
    return any(one.state == "on the path" for one in valleys.budgets)


def _residuals_json(band: Band) -> dict[str, Json]:
    found = band.residuals
    return {
        "sigma": found.sigma,
        "degrees": found.degrees,
        "limit": found.limit,
        "outlier_rows": int(found.outliers.sum()),
        "runs": found.num_runs,
        "runs_p": found.runs_p,
    }


def _residual_flags(rows: Rows, band: Band | None) -> list[Flag]:
    if band is None:
        return []
    found, earlier = band.residuals, rows.keep(~rows.is_new)
    bad = dict(zip(earlier.run[found.outliers].tolist(), found.studentised[found.outliers].tolist(), strict=True))
    flags = [
        Flag(
            kind="residual-outlier",
            where=f"earlier run {earlier.labels[run]}",
            said=f"{sigmas:+.1f} sigma of the other residuals (limit {found.limit:.1f})",
            sigmas=sigmas,
        )
        for run, sigmas in bad.items()
    ]
    if found.trend:
        flags.append(
            Flag(
                kind="residual-trend",
                where="earlier runs, by compute",
                said=f"{found.num_runs} stretches of one sign in {len(np.unique(earlier.run))} residuals, "
                f"p = {found.runs_p:.2g}",
            )
        )
    return flags
