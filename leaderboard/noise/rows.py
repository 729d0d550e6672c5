"""What a noise pack lets one see: sigma, its causes, the smallest effect that is found, the seeds that it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from curation.files import Json
from leaderboard.noise.build import causes
from leaderboard.noise.checkpoints import working_sigma
from leaderboard.noise.find import headline_values
from leaderboard.noise.pack import Measure, NoisePack, PartFacts, mean_of, scaled, seed_values
from leaderboard.noise.power import (
    GAINS,
    LOOKS,
    SEEDS_SHOWN,
    Noise,
    detectable,
    detectable_by_looks,
    noise_of,
    seeds_by_looks,
    seeds_needed,
)
from leaderboard.noise.spread import Spread, cautious_sigma, spread_of

ALL_SLICES = "all slices"
OUTLIER = 2.0
"""A run is pointed out when sigma without it is less than half; it is never left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One slice, task or the mean of all slices; every number on the scale of differences (`log`: relative)."""

    kind: str
    name: str
    metric: str
    scale: str
    mean: float | None
    """Of the metric itself."""
    basis: str
    """What sigma is of: `seeds` (runs 1..n), or without two of them `fixed-subset`, `variable-subset`."""
    sigma: float
    low: float
    high: float
    degrees: float
    cautious: float
    """Upper 80 % bound of sigma, for gates."""
    causes: Mapping[str, Mapping[str, float | str]]
    sigma_checkpoints: float | None
    working_sigma: float
    """With two seeds: the larger of sigma and `sigma_ckpt / √5`."""
    naive_error: float | None
    clustered_error: float | None
    pair_error: float | None
    detectable: Mapping[str, float]
    """By seeds an arm: found with 80 % at one-sided 5 %, questions held fixed."""
    detectable_two_sided: Mapping[str, float]
    """The same by a two-sided test, as `curate compare` judges."""
    detectable_by_looks: Mapping[str, float]
    """By looks at 2, 3, 5 seeds with the sequential critical values."""
    seeds: Mapping[str, int | None]
    """By gain: fewest seeds an arm that find it."""
    seeds_by_looks: Mapping[str, int | None]
    signal_to_noise: float | None
    outlier: str
    """A run that makes more than half of sigma by itself; empty when none does."""


def rows_of(
    pack: NoisePack, recipes: Mapping[str, Sequence[float]] | None = None, gains: Mapping[str, float] = GAINS
) -> list[Row]:
    """Return a row a measure, and first the mean of all slices; measures without a spread have none.

    `recipes` holds, by slice or task, the mean metric of each of several recipes: the signal.
    """
    rows = []
    slices = [one.name for one in pack.measures if one.kind == "slice"]
    head = _based(spread_of(headline_values(pack, slices)), causes(pack.runs, _means_of_slices(pack)))
    if head is not None and len(slices) > 1:
        rows.append(_row(pack, None, head, _Asked(signal=_signal_of_mean(slices, recipes or {}), gains=gains)))
    for measure in pack.measures:
        own = _based(measure.seeds.spread if measure.seeds else None, measure.parts)
        if own is not None:
            asked = _Asked(signal=(recipes or {}).get(measure.name, ()), gains=gains)
            rows.append(_row(pack, measure, own, asked))
    return rows


def rows_json(rows: Sequence[Row]) -> list[Json]:
    """Return rows as plain JSON."""
    return [asdict(row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    signal: Sequence[float]
    """The mean metric of each recipe; of the mean of slices its logarithm."""
    gains: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Based:
    spread: Spread
    basis: str


def _based(seeds: Spread | None, parts: Mapping[str, PartFacts]) -> _Based | None:
    """Return the spread of runs 1..n, else of noise runs that vary all but one thing; None without either."""
    if seeds is not None:
        return _Based(spread=seeds, basis="seeds")
    for name in ("fixed-subset", "variable-subset"):
        part = parts.get(name)
        if part is not None and part.variance > 0:
            sigma, low, high = (math.sqrt(value) for value in (part.variance, part.low, part.high))
            return _Based(spread=Spread(sigma=sigma, degrees=part.degrees, low=low, high=high), basis=name)
    return None


def _row(pack: NoisePack, measure: Measure | None, based: _Based, asked: _Asked) -> Row:
    spread = based.spread
    items = measure.items if measure else None
    noise = noise_of(spread)
    checkpoints = measure.checkpoints.spread if measure and measure.checkpoints else None
    slices = [one.name for one in pack.measures if one.kind == "slice"]
    values = seed_values(pack, measure) if measure else headline_values(pack, slices)
    scale = measure.scale if measure else "log"
    signal = scaled(asked.signal, scale) if measure else list(asked.signal)
    return Row(
        kind=measure.kind if measure else "mean",
        name=measure.name if measure else ALL_SLICES,
        metric=measure.metric if measure else "bits_per_byte",
        scale=scale,
        mean=mean_of(measure) if measure else _typical(pack),
        basis=based.basis,
        sigma=spread.sigma,
        low=spread.low,
        high=spread.high,
        degrees=spread.degrees,
        cautious=cautious_sigma(spread),
        causes=_causes(measure.parts if measure else causes(pack.runs, _means_of_slices(pack))),
        sigma_checkpoints=checkpoints.sigma if checkpoints else None,
        working_sigma=working_sigma(spread, checkpoints, 2) or spread.sigma,
        naive_error=items.naive if items else None,
        clustered_error=items.clustered if items else None,
        pair_error=items.pair if items else None,
        detectable=_by_seeds(noise, two_sided=False),
        detectable_two_sided=_by_seeds(noise, two_sided=True),
        detectable_by_looks={str(count): detectable_by_looks(noise, count) for count in LOOKS},
        seeds={name: seeds_needed(noise, gain) for name, gain in asked.gains.items()},
        seeds_by_looks={name: seeds_by_looks(noise, gain) for name, gain in asked.gains.items()},
        signal_to_noise=_signal_to_noise(signal, spread.sigma, scale, mean_of(measure) if measure else None),
        outlier=_outlier(pack, values),
    )


def _by_seeds(noise: Noise, *, two_sided: bool) -> dict[str, float]:
    found = {str(count): detectable(noise, count, two_sided=two_sided) for count in SEEDS_SHOWN}
    return {count: value for count, value in found.items() if value is not None}


def _typical(pack: NoisePack) -> float | None:
    """Return the geometric mean over slices and runs."""
    found = [value for value in _means_of_slices(pack) if value is not None]
    return math.exp(float(np.mean(found))) if found else None


def _means_of_slices(pack: NoisePack) -> list[float | None]:
    """Return each run's mean over slices of log bits per byte, noise runs too."""
    columns = [one.values for one in pack.measures if one.kind == "slice"]
    return [
        None if None in row else float(np.mean(np.log([value for value in row if value is not None])))
        for row in zip(*columns, strict=True)
    ]


def _causes(parts: Mapping[str, PartFacts]) -> dict[str, dict[str, float | str]]:
    return {
        name: {
            "sigma": math.sqrt(max(0.0, part.variance)),
            "low": math.sqrt(part.low),
            "high": math.sqrt(part.high),
            "design": part.design,
        }
        for name, part in parts.items()
    }


def _signal_to_noise(signal: Sequence[float], sigma: float, scale: str, mean: float | None) -> float | None:
    """Return relative dispersion of recipes over relative sigma; on logarithms both are relative already."""
    if len(signal) < 2 or sigma <= 0:
        return None
    dispersion = max(signal) - min(signal)
    if scale == "log":
        return dispersion / sigma
    centre = float(np.mean(signal))
    return None if not centre or not mean else abs(dispersion / centre) / abs(sigma / mean)


def _signal_of_mean(slices: Sequence[str], recipes: Mapping[str, Sequence[float]]) -> list[float]:
    """Return the mean log of every recipe over slices; empty unless all slices have the same recipes."""
    columns = [recipes.get(name, ()) for name in slices]
    if not columns or len({len(column) for column in columns}) > 1:
        return []
    return [float(np.mean(np.log(row))) for row in zip(*columns, strict=True)]


def _outlier(pack: NoisePack, values: Sequence[float]) -> str:
    """Return which run 1..n makes more than half of sigma, with sigma without it; never left out for it."""
    if len(values) < 4:
        return ""
    far = int(np.argmax(np.abs(np.asarray(values) - np.median(values))))
    with_it, without = spread_of(values), spread_of([value for n, value in enumerate(values) if n != far])
    if with_it is None or without is None or with_it.sigma < OUTLIER * without.sigma:
        return ""
    places = pack.ordinary if pack.status != "unstable" else [n for n, run in enumerate(pack.runs) if run.seed]
    return f"{pack.runs[places[far]].label}: sigma {without.sigma:.2%} without it"
