"""RegMix: regression from weights to losses, by trees (LightGBM) or a straight line.

The trees are the authors': 1,000 at a rate of 0.01, seed 42, stopped when three more do not lower the squared error on
mixtures kept aside. The paper keeps aside the very mixtures that it reports on; with `--predict FILE` that has losses
this is what is done, and `trees` by cross-validation stands beside it. Without such a file the number of trees comes
from five-fold cross-validation. Source: Liu et al. 2407.01492 and its notebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.laws.fitted import LossFit
from mixtures.laws.folds import fold_numbers
from mixtures.laws.table import Floats, MixTable

NUM_TREES, RATE, SEED, PATIENCE = 1000, 0.01, 42, 3
LEAF_ROWS = 20
"""LightGBM's default: a leaf has at least this many runs, so fewer than twice of it are no tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Gradient-boosted trees; `aside` are mixtures with losses that decide when to stop."""

    aside: MixTable | None = None
    name: str = "regmix-lightgbm"
    formula: str = "a sum of trees over weights"
    source: str = "Liu et al. 2407.01492"
    scaled: bool = False

    def min_rows(self, num_domains: int) -> int:
        """Three leaves' worth: of 50 runs a fold leaves 40, which split in the very middle or not at all."""
        return 3 * LEAF_ROWS

    def fit(self, table: MixTable, loss: int, start: LossFit | None = None) -> LossFit:
        """Return trees on all rows, as many as the mixtures kept aside, or cross-validation, call for."""
        values = table.losses_NM[:, loss]
        known = None if self.aside is None else np.isfinite(self.aside.losses_NM[:, loss])
        if start is not None:
            model = _train(table.weights_NK, values, num_trees=int(start.theta[0]))
        elif self.aside is not None and known is not None and known.any():
            model = _stopped(table.weights_NK, values, self.aside.weights_NK[known], self.aside.losses_NM[known, loss])
        else:
            model = _train(table.weights_NK, values, num_trees=_trees_by_folds(table, loss))
        trees = int(model.best_iteration or model.num_trees())
        residuals = np.asarray(model.predict(table.weights_NK, num_iteration=trees)) - values
        return LossFit(
            params={"trees": trees, "stopped_on": "mixtures of --predict" if self.aside is not None else "folds"},
            objective=float(np.sum(residuals**2)),
            theta=np.array([float(trees)]),
            predict=lambda weights, size, tokens: np.asarray(model.predict(weights, num_iteration=trees), np.float64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Least squares with an intercept; weights that sum to 1 exactly leave one direction free: the shortest vector."""

    name: str = "regmix-linear"
    formula: str = "L = a + sum_j b_j r_j"
    source: str = "Liu et al. 2407.01492"
    scaled: bool = False

    def min_rows(self, num_domains: int) -> int:
        """One number a domain, and one run more to see an error with."""
        return num_domains + 1

    def fit(self, table: MixTable, loss: int, start: LossFit | None = None) -> LossFit:
        """Return the least squares."""
        values = table.losses_NM[:, loss]
        design = _with_intercept(table.weights_NK)
        found, *_ = np.linalg.lstsq(design, values, rcond=None)
        return LossFit(
            params={
                "intercept": float(found[-1]),
                "slopes": {name: float(value) for name, value in zip(table.domains, found[:-1], strict=True)},
            },
            objective=float(np.sum((design @ found - values) ** 2)),
            theta=np.asarray(found, np.float64),
            predict=lambda weights, size, tokens: _with_intercept(weights) @ found,
        )


def _with_intercept(weights_NK: Floats) -> Floats:
    return np.column_stack([weights_NK, np.ones(len(weights_NK))])


def _settings() -> dict[str, Any]:
    return {
        "boosting_type": "gbdt",
        "objective": "regression",
        "metric": ["l1", "l2"],
        "seed": SEED,
        "learning_rate": RATE,
        "verbosity": -1,
        "num_threads": 1,
        "deterministic": True,
        "min_data_in_leaf": LEAF_ROWS,
    }


def _train(weights_NK: Floats, values: Floats, num_trees: int) -> Any:
    import lightgbm

    return lightgbm.train(_settings(), lightgbm.Dataset(weights_NK, values), num_boost_round=num_trees)


def _stopped(weights_NK: Floats, values: Floats, aside_NK: Floats, aside: Floats) -> Any:
    """Return the trees up to the one after which three more did not help on the rows kept aside."""
    import lightgbm

    data = lightgbm.Dataset(weights_NK, values)
    return lightgbm.train(
        _settings(),
        data,
        num_boost_round=NUM_TREES,
        valid_sets=[data.create_valid(aside_NK, aside)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )


def _trees_by_folds(table: MixTable, loss: int) -> int:
    """Return the mean, over five folds of mixtures, of the trees at which the fold left out stops."""
    folds = fold_numbers(table.groups)
    counts = []
    for fold in range(int(folds.max()) + 1):
        train, out = folds != fold, folds == fold
        values = table.losses_NM[:, loss]
        model = _stopped(table.weights_NK[train], values[train], table.weights_NK[out], values[out])
        counts.append(model.best_iteration)
    return max(1, round(float(np.mean(counts))))
