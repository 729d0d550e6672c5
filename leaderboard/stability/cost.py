"""What a decision costs: training FLOPs of all runs of the compared recipes at the small tier, and at the target.

FLOPs of a run come from `--flops TIER=1e20,…`, from the table (`--flops COLUMN`, mean over the tier's runs), from a
study's own runs, or, as an assumption that is said beside every number, from a tier's name where it is one of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from curation.errors import ResultsError, nearest
from curation.tables import amount_of
from leaderboard.stability.rows import Rows
from leaderboard.stability.scores import tier_flops

FlopsSource = Literal["tier names", "column", "--flops", "runs"]
"""Where FLOPs are from, the least sure first; `runs` are those that a study's trainings recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """FLOPs of one run by tier, and where each is from."""

    by_tier: Mapping[str, float]
    sources: Mapping[str, FlopsSource]

    @property
    def source(self) -> FlopsSource | None:
        """The least sure of the tiers' sources; None where no FLOPs are known."""
        return next((one for one in get_args(FlopsSource) if one in self.sources.values()), None)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Tiers whose FLOPs are those of curate's tiers of the same name."""
        return tuple(tier for tier, one in self.sources.items() if one == "tier names")

    @property
    def told(self) -> str:
        """What a reader must know before any cost; empty where nothing is assumed, or one tier alone has FLOPs."""
        if not self.assumed or len(self.by_tier) < 2:
            return ""
        listed = ",".join(f"{tier}=FLOPS" for tier in self.assumed)
        return f"costs assume curate's tiers of these names ({', '.join(self.assumed)}); give --flops {listed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """FLOPs of one decision among `n` recipes."""

    per_run_from: float
    per_run_to: float
    total_from: float
    """All runs of the compared recipes at the small tier."""
    total_to: float
    assumed: bool = False
    """Whether FLOPs of either tier were taken from its name."""

    @property
    def share(self) -> float:
        """What the decision at the small tier costs, as a share of that at the target."""
        return self.total_from / self.total_to


def is_mapping(text: str | None) -> bool:
    """Return whether `--flops` gives numbers rather than a column or an expression."""
    return text is not None and "=" in text


def given_flops(text: str, tiers: Sequence[str]) -> dict[str, float]:
    """Return the FLOPs a run of `TIER=1e20,…`.

    Raises: ResultsError for an unknown tier or no positive number.
    """
    found = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.rpartition("="))
        if name not in tiers:
            raise ResultsError(
                f"--flops: no tier `{name}`; {nearest(name, tiers)}; expected --flops TIER=1e20,TIER=1e21"
            )
        found[name] = amount_of(value) if value else float("nan")
        if not 0 < found[name] < float("inf"):
            raise ResultsError(f"--flops: {name} is `{value}`, expected a positive number of FLOPs a run, e.g. 1e20")
    return found


def flops_by_tier(
    tiers: Sequence[str], rows: Rows, given: Mapping[str, float], *, recorded: FlopsSource = "column"
) -> Flops:
    """Return the FLOPs of one run for every tier of which they are known; those of `rows` are `recorded`.

    Raises: ResultsError for FLOPs in the table that are not positive.
    """
    found = {tier: flops for tier in tiers if (flops := tier_flops(tier)) is not None}
    sources: dict[str, FlopsSource] = dict.fromkeys(found, "tier names")
    if rows.flops is not None:
        for code in np.unique(rows.tiers.codes).tolist():
            values = rows.flops[(rows.tiers.codes == code) & np.isfinite(rows.flops)]
            if len(values) and float(values.min()) <= 0:
                raise ResultsError(
                    f"{rows.source}: --flops: a run of tier `{rows.tiers.names[code]}` has {values.min():g} FLOPs, "
                    "expected a positive number; mend the table, or give --flops TIER=1e20"
                )
            if len(values):
                found[rows.tiers.names[code]] = float(np.mean(np.sort(values)))
                sources[rows.tiers.names[code]] = recorded
    return Flops(by_tier={**found, **given}, sources={**sources, **dict.fromkeys(given, "--flops")})


def cost_of(flops: Flops, tiers: tuple[str, str], runs: tuple[int, int]) -> Cost | None:
    """Return the cost of a decision at the first of two tiers instead of the second; None where FLOPs are not known."""
    small, target = (flops.by_tier.get(tier) for tier in tiers)
    if small is None or target is None:
        return None
    assumed = any(tier in flops.assumed for tier in tiers)
    total_from, total_to = small * runs[0], target * runs[1]
    return Cost(per_run_from=small, per_run_to=target, total_from=total_from, total_to=total_to, assumed=assumed)
