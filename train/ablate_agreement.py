"""How well averages of models rank unions that were trained for real.

By slice: correlations of perplexities. Over all: of the scores (weighted means of ln(bits per byte), so that their
differences are log ratios), with RMSE and regret: how much higher than the lowest trained score that of the union is
which the averages call best. Intervals resample the panel's families within slices, the same draws for every model
(rule 5); the noise of training runs is not in them. Unions share their members, so they are no sample: beside the
interval stands the range of the rank correlation when every partition in turn is left out, with its unions.
Partitions alone are no part of it: their average is themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from curation.files import Json
from curation.numerics import Interval, bootstrap_sums, pearson, percentile_interval, spearman
from curation.randomness import generator
from mixtures.unions import Union, mean_of_members

if TYPE_CHECKING:
    import pyarrow as pa

DRAWS = 1_000
Floats = npt.NDArray[np.float64]
Scores = Mapping[str, Mapping[str, float]]
"""`bpb` and `perplexity`, each by slice of the panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two estimates of a domain's perplexity go with what trained unions have."""

    pearson: float | None
    spearman: float | None
    baseline_pearson: float | None
    """Of the mean of the members' own perplexities."""
    baseline_spearman: float | None

    def as_json(self) -> dict[str, Json]:
        """Return the four numbers."""
        return {
            "proxy": {"pearson": self.pearson, "spearman": self.spearman},
            "mean_of_members": {"pearson": self.baseline_pearson, "spearman": self.baseline_spearman},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number and what other draws of the panel's families give; None without enough unions."""

    value: float | None
    interval: Interval | None

    def as_json(self) -> dict[str, Json]:
        """Return the number with the ends of 95 %."""
        ends = (self.interval.low, self.interval.high) if self.interval is not None else (None, None)
        return {"value": self.value, "low": ends[0], "high": ends[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How one kind of estimate ranks the trained unions by the target."""

    spearman: Estimate
    rmse: Estimate
    """Of scores: log ratios, a shift of all unions included."""
    bias: Estimate
    """Mean of estimate less truth; RMSE² is bias² and the spread's square."""
    regret: Estimate
    pairs_right: int
    without_each: tuple[float, float] | None
    """Lowest and highest rank correlation without each partition in turn."""
    within_size: Mapping[int, float]
    """Rank correlation among unions of one size: larger unions are better in themselves, and no average shows that."""

    def as_json(self) -> dict[str, Json]:
        """Return all of it."""
        numbers = {"spearman": self.spearman, "rmse": self.rmse, "bias": self.bias, "regret": self.regret}
        return {
            **{name: one.as_json() for name, one in numbers.items()},
            "pairs_right": self.pairs_right,
            "spearman_without_each_partition": list(self.without_each) if self.without_each is not None else None,
            "spearman_within_size": {str(size): value for size, value in self.within_size.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """The rankings by averages and, beside them, by the mean of the members' own scores."""

    unions: tuple[Union, ...]
    families: Mapping[str, int]
    """Families of the panel that were scored, by slice."""
    trained: tuple[float, ...]
    proxy: Ranking
    mean_of_members: Ranking
    by_size: float | None
    """Rank correlation of the trained scores with the number of members alone, more being better."""

    @property
    def pairs(self) -> int:
        """Pairs of unions."""
        return len(self.unions) * (len(self.unions) - 1) // 2

    def as_json(self) -> dict[str, Json]:
        """Return all of it."""
        return {
            "n": len(self.unions),
            "pairs": self.pairs,
            "families": dict(self.families),
            "spearman_of_size_alone": self.by_size,
            "proxy": self.proxy.as_json(),
            "mean_of_members": self.mean_of_members.as_json(),
        }


def agreement(proxies: Mapping[Union, Scores], trained: Mapping[Union, Scores]) -> dict[str, Agreement]:
    """Return, by slice, how the proxies and the members' means go with the trained unions' perplexities."""
    unions = list(trained)
    if not unions:
        return {}
    alone = {union[0]: found["perplexity"] for union, found in proxies.items() if len(union) == 1}
    found = {}
    for name in sorted(trained[unions[0]]["perplexity"]):
        truth = [trained[union]["perplexity"][name] for union in unions]
        proxy = [proxies[union]["perplexity"][name] for union in unions]
        means = [mean_of_members(union, alone, name) for union in unions]
        found[name] = Agreement(
            pearson=pearson(proxy, truth),
            spearman=spearman(proxy, truth),
            baseline_pearson=pearson(means, truth),
            baseline_spearman=spearman(means, truth),
        )
    return found


def overall(
    proxies: Mapping[Union, pa.Table], trained: Mapping[Union, pa.Table], target: Mapping[str, float]
) -> Overall | None:
    """Return how estimates rank the trained unions by `target`; None without one of two or more members.

    Tables are scores of the same documents in one order (`train.score.scores_table`); every member alone is a proxy.
    """
    unions = tuple(union for union in trained if len(union) > 1)
    if not unions:
        return None
    names = [name for union in proxies if len(union) == 1 for name in union]
    tables = [*(proxies[union] for union in unions), *(trained[union] for union in unions)]
    scores_DC = _score_draws([*tables, *(proxies[(name,)] for name in names)], target)
    num = len(unions)
    proxy, truth, alone = scores_DC[:, :num], scores_DC[:, num : 2 * num], scores_DC[:, 2 * num :]
    share = np.array([[1 / len(union) if name in union else 0.0 for union in unions] for name in names])
    first = tables[0]
    pairs = set(zip(first["slice"].to_pylist(), first["family"].to_pylist(), strict=True))
    return Overall(
        unions=unions,
        families={name: sum(of == name for of, _ in pairs) for name in sorted(target)},
        trained=tuple(truth[0].tolist()),
        proxy=_ranking(proxy, truth, unions),
        mean_of_members=_ranking(alone @ share, truth, unions),
        by_size=spearman([-len(union) for union in unions], truth[0]),
    )


def _score_draws(tables: Sequence[pa.Table], target: Mapping[str, float]) -> Floats:
    """Return the score of each table: the first row of what was drawn, the others of resampled families."""
    slices = tables[0]["slice"].to_numpy(zero_copy_only=False)
    families = tables[0]["family"].to_numpy(zero_copy_only=False)
    sizes = tables[0]["num_bytes"].to_numpy().astype(np.float64)
    nats_NC = np.column_stack([table["nats"].to_numpy() for table in tables])
    found = np.zeros((DRAWS + 1, len(tables)))
    for name, weight in sorted(target.items()):
        rows = np.flatnonzero(slices == name)
        _, place = np.unique(families[rows].astype(str), return_inverse=True)
        sums = np.zeros((int(place.max()) + 1, len(tables) + 1))
        np.add.at(sums, place, np.column_stack([nats_NC[rows], sizes[rows]]))
        drawn = bootstrap_sums(sums, generator(1, "ablate", name), DRAWS)
        both = np.concatenate([sums.sum(axis=0, keepdims=True), drawn])
        found += weight * np.log(both[:, :-1] / both[:, -1:] / np.log(2))
    return found


def _ranking(guess_DU: Floats, truth_DU: Floats, unions: Sequence[Union]) -> Ranking:
    miss = guess_DU - truth_DU
    best = np.argmin(guess_DU, axis=1)
    regret = truth_DU[np.arange(len(best)), best] - truth_DU.min(axis=1)
    ranks = [spearman(guess, truth) for guess, truth in zip(guess_DU, truth_DU, strict=True)]
    known = np.array([rank for rank in ranks[1:] if rank is not None])
    right = sum(
        (guess_DU[0, one] - guess_DU[0, two]) * (truth_DU[0, one] - truth_DU[0, two]) > 0
        for one, two in combinations(range(len(unions)), 2)
    )
    return Ranking(
        spearman=Estimate(value=ranks[0], interval=percentile_interval(known) if len(known) else None),
        rmse=_estimate(np.sqrt(np.mean(miss**2, axis=1))),
        bias=_estimate(miss.mean(axis=1)),
        regret=_estimate(regret),
        pairs_right=int(right),
        without_each=_without_each(guess_DU[0], truth_DU[0], unions),
        within_size=_within_size(guess_DU[0], truth_DU[0], unions),
    )


def _estimate(draws: Floats) -> Estimate:
    return Estimate(value=float(draws[0]), interval=percentile_interval(draws[1:]))


def _without_each(guess_U: Floats, truth_U: Floats, unions: Sequence[Union]) -> tuple[float, float] | None:
    found = []
    for name in sorted({name for union in unions for name in union}):
        kept = [place for place, union in enumerate(unions) if name not in union]
        rank = spearman(guess_U[kept], truth_U[kept])
        if rank is not None:
            found.append(rank)
    return (min(found), max(found)) if found else None


def _within_size(guess_U: Floats, truth_U: Floats, unions: Sequence[Union]) -> dict[int, float]:
    sizes = np.array([len(union) for union in unions])
    ranks = {int(size): spearman(guess_U[sizes == size], truth_U[sizes == size]) for size in np.unique(sizes)}
    return {size: rank for size, rank in ranks.items() if rank is not None}
