"""Which resamples of a bootstrap can carry a fit at all."""

from __future__ import annotations

import numpy as np

from leaderboard.laws.law import Floats


def without_thin(draws_SP: Floats, weights_BN: Floats, num_params: int) -> Floats:
    """Return the refits, NaN where fewer distinct rows were drawn than there are parameters."""
    thin = np.sum(weights_BN > 0, axis=1) < num_params
    return np.where(thin[:, None], np.nan, draws_SP)
