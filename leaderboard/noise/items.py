"""Noise of the items: what another draw of questions or documents would change, with and without clusters.

Items of one passage, subject or site rise and fall together, so the error of a mean is that of its clusters:

    SE² = Σ_c (Σ_{i in c} (s_i − s̄))² / n² · C / (C − 1)

(Miller 2411.00640, with the factor that makes it the usual SE when every item is alone). Between two models only the
difference of an item counts. Of a table items × seeds the two-way analysis of variance gives what a new seed and what
a new item brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.numerics import Floats
from curation.suites.task_scores import clustered_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """Standard error of a mean over items, taken alone and by clusters."""

    naive: float
    clustered: float
    num_items: int
    num_clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedsAndItems:
    """Variances of one item's score: by the seed, by the item, and by the pair of both; estimates, from 0 on."""

    seed: float
    item: float
    rest: float


def item_error(values: Floats, clusters: Sequence[object]) -> ItemError | None:
    """Return the error of the mean of `values`; None of fewer than two clusters."""
    codes = cluster_codes(clusters)
    count = len(values)
    num_clusters = int(codes.max()) + 1 if count else 0
    if num_clusters < 2:
        return None
    centred = values - values.mean()
    clustered = clustered_mean(values.tolist(), codes.astype(str).tolist()).se
    assert clustered is not None
    return ItemError(
        naive=math.sqrt(float(np.sum(centred**2)) / (count * (count - 1))),
        clustered=clustered,
        num_items=count,
        num_clusters=num_clusters,
    )


def ratio_error(nats_left: Floats, nats_right: Floats) -> float:
    """Return the standard error, over families, of `ln(Σ nats_left / Σ nats_right)`; one entry a family."""
    shares = nats_left / nats_left.sum() - nats_right / nats_right.sum()
    count = len(shares)
    return math.sqrt(float(np.sum(shares**2)) * count / (count - 1))


def log_error(nats: Floats, num_bytes: Floats) -> float:
    """Return the standard error, over families, of `ln(Σ nats / Σ bytes)`; one entry a family."""
    return ratio_error(nats, num_bytes)


def pair_error(values: Floats, clusters: Sequence[object]) -> float | None:
    """Return the clustered error of the mean difference of two runs that nothing but a seed tells apart.

    `values` has a row an item and a column a run. The root mean square over neighbouring runs; None of fewer than two
    runs or clusters.
    """
    found = [item_error(values[:, one] - values[:, one + 1], clusters) for one in range(values.shape[1] - 1)]
    errors = [one.clustered for one in found if one is not None]
    return math.sqrt(math.fsum(error**2 for error in errors) / len(errors)) if errors else None


def pair_ratio_error(nats: Floats) -> float | None:
    """Return `ratio_error` of neighbouring runs, root mean square; `nats` has a row a family and a column a run."""
    if len(nats) < 2 or nats.shape[1] < 2:
        return None
    errors = [ratio_error(nats[:, one], nats[:, one + 1]) for one in range(nats.shape[1] - 1)]
    return math.sqrt(math.fsum(error**2 for error in errors) / len(errors))


def seeds_and_items(values: Floats) -> SeedsAndItems | None:
    """Return the parts of the variance of `values`, a row an item and a column a run; None below 2 x 2."""
    num_items, num_runs = values.shape
    if num_items < 2 or num_runs < 2:
        return None
    mean, by_item, by_run = values.mean(), values.mean(axis=1), values.mean(axis=0)
    left = values - by_item[:, None] - by_run[None, :] + mean
    rest = float(np.sum(left**2)) / ((num_items - 1) * (num_runs - 1))
    ms_items = num_runs * float(np.sum((by_item - mean) ** 2)) / (num_items - 1)
    ms_runs = num_items * float(np.sum((by_run - mean) ** 2)) / (num_runs - 1)
    return SeedsAndItems(
        seed=max(0.0, (ms_runs - rest) / num_items), item=max(0.0, (ms_items - rest) / num_runs), rest=rest
    )


def cluster_codes(clusters: Sequence[object]) -> np.ndarray:
    """Return a number from 0 on for each item's cluster."""
    _, codes = np.unique(np.asarray([str(one) for one in clusters]), return_inverse=True)
    return codes
