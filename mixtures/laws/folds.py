"""Which mixtures are held out together: five folds, every run of a mixture in the same one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.randomness import generator

NUM_FOLDS = 5


def fold_numbers(groups: npt.NDArray[np.int64], num_folds: int = NUM_FOLDS) -> npt.NDArray[np.int64]:
    """Return the fold of every row, the same for rows of one group; folds differ by at most one group."""
    names, inverse = np.unique(groups, return_inverse=True)
    order = generator(1, "mixture-folds").permutation(len(names))
    folds = np.empty(len(names), np.int64)
    folds[order] = np.arange(len(names)) % min(num_folds, len(names))
    return np.asarray(folds[inverse], np.int64)
