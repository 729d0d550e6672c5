"""The joint law against a slow obvious twin: least squares of SciPy from several starts, on the same objective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import least_squares

from curation.randomness import generator
from mixtures.laws.scaled import JOINT
from mixtures.laws.table import MixTable

Floats = npt.NDArray[np.float64]
DELTA = 1e-3
NOISE = 0.002
TRUTH = np.log([1.5, 0.35, 0.4, 1.2, 2.0, 0.5, 0.4])
"""ln E, ln alpha, ln beta, ln C (2), ln g (2)."""
TERMS = np.array([0.6, np.log(0.3), np.log(0.8), 0.7, np.log(0.5), np.log(0.2)])
"""gA, ln CA (2), gB, ln CB (2)."""


def log_loss(theta: Floats, shares: Floats, size: Floats, tokens: Floats) -> Floats:
    """Return ln of the formula in the paper, written out for two domains."""
    floor, alpha, beta = np.exp(theta[:3])
    mixed = 1 / sum(np.exp(theta[3 + i]) * shares[:, i] ** np.exp(theta[5 + i]) for i in range(2))
    of_size = (shares @ np.exp(theta[8:10])) ** theta[7] / (size / 1e9) ** alpha
    of_tokens = (shares @ np.exp(theta[11:13])) ** theta[10] / (tokens / 1e10) ** beta
    return np.asarray(np.log(floor + mixed + of_size + of_tokens), np.float64)


def grid(firsts: list[float], sizes: list[float], tokens: list[float]) -> tuple[Floats, Floats, Floats]:
    """Return every share of the first domain at every size and token count."""
    first, size, fed = (one.ravel() for one in np.meshgrid(firsts, sizes, tokens, indexing="ij"))
    return np.stack([first, 1 - first], axis=1), size, fed


def twin(runs: tuple[Floats, Floats, Floats], logs: Floats) -> tuple[float, Floats]:
    """Return the lowest Huber objective of SciPy's search and its parameters; a start near the truth is among them."""
    rng = generator(7, "twin")
    truth = np.concatenate([TRUTH, TERMS])
    best, chosen = np.inf, truth
    for spread in (0.05, *[1.0] * 3):
        found = least_squares(
            lambda theta: np.clip(log_loss(theta, *runs) - logs, -1e3, 1e3),
            truth + rng.normal(scale=spread, size=truth.size),
            bounds=(truth - 6, truth + 6),
            loss="huber",
            f_scale=DELTA,
            x_scale="jac",
            max_nfev=150,
        )
        # SciPy's cost is half of delta² rho(r²/delta²): r²/2 inside and delta (|r| - delta/2) outside, as ours.
        if found.cost < best:
            best, chosen = float(found.cost), found.x
    return best, chosen


@pytest.mark.slow
def test_the_joint_law_reaches_the_objective_of_scipys_search_and_predicts_as_it_and_the_truth_do() -> None:
    truth = np.concatenate([TRUTH, TERMS])
    runs = grid([0.1, 0.3, 0.5, 0.7, 0.9], [1e8, 4e8, 1.6e9], [1e9, 4e9, 1.6e10])
    logs = log_loss(truth, *runs) + generator(5, "noise").normal(scale=NOISE, size=len(runs[1]))
    table = MixTable(
        source="made",
        domains=("web", "code"),
        losses=("loss",),
        weights_NK=runs[0],
        losses_NM=np.exp(logs)[:, None],
        size_N=runs[1],
        tokens_N=runs[2],
    )
    ours = JOINT.fit(table, 0)
    objective, theta = twin(runs, logs)
    assert 0 < ours.objective <= objective * 1.01
    between = grid([0.2, 0.4, 0.6, 0.8], [2e8, 8e8], [2e9, 8e9])
    predicted = np.log(ours.predict(*between))
    assert predicted == pytest.approx(log_loss(theta, *between), abs=NOISE)
    assert predicted == pytest.approx(log_loss(truth, *between), abs=2 * NOISE)
