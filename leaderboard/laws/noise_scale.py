"""Gradient noise scale from paired gradient norms of a small and a big batch.

|G|² = (B_big |G_big|² - B_small |G_small|²) / (B_big - B_small), S = (|G_small|² - |G_big|²) / (1/B_small - 1/B_big),
unbiased for every pair; both are averaged over pairs FIRST, then B_simple = S / |G|² (the mean of ratios is biased
and may have no mean at all). B_simple has the unit of the batches. In data-parallel training B_small is one worker's
batch and B_big the global one. It is no critical batch size: see `critical-batch`.
Source: McCandlish et al. 2018 (1812.06162), appendix A.1.
"""

from __future__ import annotations

import numpy as np

from curation.errors import InsufficientError
from leaderboard.laws.law import Card, Columns, Data, Estimate, Floats, Law, Parameter, Settings, Variable
from train.noise_scale import paired_estimate

MIN_PAIRS = 10
CARD = Card(
    name="noise-scale",
    title="gradient noise scale (simple), from paired norms",
    formula="B_simple = S / |G|², E|G_B|² = |G|² + S / B",
    source="McCandlish et al. 2018 (1812.06162) appendix A.1",
    variables=(
        Variable(name="small_square", unit="squared norm", meaning="|G|² of the small batch, before clipping"),
        Variable(name="big_square", unit="squared norm", meaning="|G|² of the big batch of the same step"),
        Variable(name="B_small", unit="tokens (or sequences)", meaning="size of the small batch"),
        Variable(name="B_big", unit="tokens (or sequences)", meaning="size of the big batch"),
    ),
    params=(
        Parameter(name="B_simple", meaning="noise scale, in the unit of the batches", low=0.0),
        Parameter(name="g2", meaning="squared norm of the true gradient", low=0.0),
        Parameter(name="tr_sigma", meaning="trace of the covariance of one draw's gradient", low=0.0),
    ),
    target="big_square",
    sizes=(),
    losses=(),
)


class GradientNoise(Law):
    """Means of both unbiased estimates."""

    card = CARD
    is_regression = False

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return pairs whose big batch is the bigger one."""
        return data.keep(data.columns["B_small"] < data.columns["B_big"], "B_small is not below B_big")

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return |G|² and S; means minimise nothing, so there is no objective."""
        if data.n < MIN_PAIRS:
            raise InsufficientError(f"noise-scale: insufficient: {data.n} pairs, expected {MIN_PAIRS} or more")
        theta = _pairs(data).mean(axis=0)
        warnings = () if np.all(theta > 0) else ("noise hides the sign of |G|² or S: B_simple is not identified",)
        return Estimate(theta=theta, objective=float("nan"), warnings=warnings)

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return means over resampled pairs."""
        return np.asarray(weights_BN @ _pairs(data) / weights_BN.sum(axis=1, keepdims=True))

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return B_simple, |G|² and S; B_simple is NaN where either is negative."""
        with np.errstate(all="ignore"):
            ratio = np.where(np.all(theta_SP > 0, axis=1), theta_SP[:, 1] / theta_SP[:, 0], np.nan)
        return {"B_simple": ratio, "g2": theta_SP[:, 0], "tr_sigma": theta_SP[:, 1]}

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return the expected squared norm at batch B_big."""
        return np.asarray(theta_SP[:, 0:1] + theta_SP[:, 1:2] / inputs["B_big"])

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the big batches' squared norms and what the two means expect."""
        return data.columns["big_square"], self.predict(theta[None], data.columns)[0]


def _pairs(data: Data) -> Floats:
    """Return |G|² and S of every pair, shape N2."""
    rows = zip(
        *(data.columns[name].tolist() for name in ("small_square", "big_square", "B_small", "B_big")), strict=True
    )
    found = [paired_estimate(small, big, small=few, big=many) for small, big, few, many in rows]
    return np.array([(one.g2, one.tr_sigma) for one in found])


NOISE_SCALE = GradientNoise()
