"""Envelope (Chinchilla, approach 1): at each compute the training curve with the lowest loss gives N* and D*.

Each run (variable `run`, several rows with growing compute) is a curve of ln L in ln C, interpolated in straight lines.
At `levels` log-spaced FLOPs between the second smallest start and the second largest end of a curve (so that two
curves compete) the lowest curve is taken, unless it is of the smallest or largest size trained; then ordinary least
squares of ln N* and ln D* on ln C.
* `hull`: only levels that lie on the lower convex hull of (ln C, ln L) of all points count: a run that is lowest only
  because no other was trained that long bends the envelope but not the hull.
Without curves (one row a run) the points of the hull are used, whatever the variant.
The result depends strongly on how FLOPs are counted (with attention or 6 N D) and on which curves end where; use it
beside approach 2, not in its place. Source: Hoffmann et al. 2022, section 3.1; hull: McLeish et al. 2025 (2502.06857).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.errors import InsufficientError
from leaderboard.laws.compute import completed
from leaderboard.laws.law import Card, Columns, Data, Estimate, Floats, Ints, Law, Option, Parameter, Settings, Variable
from leaderboard.laws.power import at, power_law

CARD = Card(
    name="envelope",
    title="compute-optimal size and tokens from loss curves (Chinchilla, approach 1)",
    formula="N* = N_coefficient C^N_exponent, D* = D_coefficient C^D_exponent, from the lowest curve at each C",
    source="Hoffmann et al. 2022 (2203.15556) section 3.1; hull: McLeish et al. 2025 (2502.06857)",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size of the curve"),
        Variable(name="D", unit="tokens", meaning="tokens seen at the point; else C / (6 N)", required=False),
        Variable(name="C", unit="FLOPs", meaning="compute spent at the point; else 6 N D", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="loss at the point"),
    ),
    usual=("N", "D", "L"),
    params=(
        Parameter(name="N_exponent", meaning="N* grows as C^this", low=0.0, high=1.0),
        Parameter(name="N_coefficient", meaning="N* at 1 FLOP"),
        Parameter(name="D_exponent", meaning="D* grows as C^this", low=0.0, high=1.0),
        Parameter(name="D_coefficient", meaning="D* at 1 FLOP"),
    ),
    losses=(),
    options=(
        Option(name="variant", meaning="which levels count", choices=("interpolate", "hull")),
        Option(name="levels", meaning="log-spaced FLOPs at which curves compete", default="1500"),
    ),
    predicts="N*",
    r2_of_logs=True,
)


Flags = npt.NDArray[np.bool_]
MIN_INNER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Losses and tokens of every curve at every level; infinite loss where a curve does not reach."""

    flops: Floats
    loss_RL: Floats
    tokens_RL: Floats
    size_R: Floats
    groups_R: Ints


class Envelope(Law):
    """Approach 1; theta = (ln k, exponent) of N*, then of D*."""

    card = CARD
    scatter = False

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with N, D and C."""
        return completed(data, ("C", "D"), self.card.name)

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return both lines, and how many curves make the envelope."""
        curves = self.curves(data, settings)
        sizes, tokens, counted = self.optima(curves, np.ones((1, len(curves.size_R))), settings)
        winners = len(np.unique(sizes[counted]))
        if winners < 2:
            raise InsufficientError(
                f"envelope: insufficient: {winners} size(s) on the envelope of {len(curves.size_R)} curves, "
                "expected at least 2 (3 for a trend); map run=COLUMN for curves, or train more sizes"
            )
        weights = counted.astype(np.float64)
        lines = [power_law(curves.flops, values, weights) for values in (sizes, tokens)]
        theta = np.concatenate([line[0] for line in lines])
        misses = [
            np.log(v[0]) - np.log(at(line, curves.flops)[0]) for v, line in zip((sizes, tokens), lines, strict=True)
        ]
        objective = float(sum(np.sum(weights[0] * miss**2) for miss in misses))
        return Estimate(theta=theta, objective=objective, warnings=self._remarks(data, winners))

    def _remarks(self, data: Data, winners: int) -> tuple[str, ...]:
        found = ["depends on how FLOPs are counted and on where curves end; compare with isoflop"]
        if len(np.unique(data.groups)) == data.n:
            found.insert(0, "one row a run: the hull of the points is used; map run=COLUMN for training curves")
        if winners < 3:
            found.append(f"only {winners} sizes on the envelope, expected at least 3: no trend can be told")
        return tuple(found)

    def curves(self, data: Data, settings: Settings) -> Curves:
        """Return every run's loss and tokens at the levels of compute."""
        runs = [np.flatnonzero(data.groups == group) for group in np.unique(data.groups)]
        flops, loss = data.columns["C"], data.columns["L"]
        runs = [rows[np.argsort(flops[rows], kind="stable")] for rows in runs]
        levels = self._levels(data, runs, settings)
        losses, tokens = np.full((len(runs), len(levels)), np.inf), np.full((len(runs), len(levels)), np.nan)
        for number, rows in enumerate(runs):
            if len(rows) == 1:
                reached = levels == flops[rows[0]]
            else:
                reached = (levels >= flops[rows[0]]) & (levels <= flops[rows[-1]])
            x = np.log(flops[rows])
            losses[number, reached] = np.exp(np.interp(np.log(levels[reached]), x, np.log(loss[rows])))
            tokens[number, reached] = np.exp(np.interp(np.log(levels[reached]), x, np.log(data.columns["D"][rows])))
        size = np.array([data.columns["N"][rows[-1]] for rows in runs])
        groups = np.array([data.groups[rows[0]] for rows in runs])
        return Curves(flops=levels, loss_RL=losses, tokens_RL=tokens, size_R=size, groups_R=groups)

    def _levels(self, data: Data, runs: list[Ints], settings: Settings) -> Floats:
        flops = data.columns["C"]
        if len(runs) == data.n:
            return np.unique(flops)
        starts = np.sort([flops[rows[0]] for rows in runs])
        ends = np.sort([flops[rows[-1]] for rows in runs])
        low, high = starts[min(1, len(starts) - 1)], ends[max(0, len(ends) - 2)]
        if not low < high:
            raise InsufficientError(
                f"envelope: insufficient: no two of {len(runs)} curves overlap in C ({low:.3g} to {high:.3g}); "
                "expected curves of several sizes over the same compute"
            )
        return np.geomspace(low, high, int(float(settings.option(self.card, "levels"))))

    def optima(self, curves: Curves, weights_BR: Floats, settings: Settings) -> tuple[Floats, Floats, Flags]:
        """Return N*, D* and which levels count for every resample of curves, each of shape BL."""
        only_hull = settings.option(self.card, "variant") == "hull" or bool(
            np.all(np.sum(np.isfinite(curves.loss_RL), axis=1) <= 1)
        )
        sizes, tokens, counted = [], [], []
        places = np.arange(len(curves.flops))
        for weights in weights_BR:
            losses = np.where(weights[:, None] > 0, curves.loss_RL, np.inf)
            best = np.argmin(losses, axis=0)
            lowest = losses[best, places]
            good = _inside(np.isfinite(lowest), curves.size_R, best)
            if only_hull:
                good &= _on_hull(np.log(curves.flops), np.log(lowest))
            sizes.append(curves.size_R[best])
            tokens.append(curves.tokens_RL[best, places])
            counted.append(good)
        return np.stack(sizes), np.stack(tokens), np.stack(counted)

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return the lines of resampled curves."""
        curves = self.curves(data, settings)
        first = np.array([np.flatnonzero(data.groups == group)[0] for group in curves.groups_R])
        found = []
        with settings.progress.task("bootstrap", total=len(weights_BN)) as task:
            for weights in weights_BN:
                sizes, tokens, counted = self.optima(curves, weights[None, first], settings)
                lines = [power_law(curves.flops, v, counted.astype(np.float64))[0] for v in (sizes, tokens)]
                found.append(np.concatenate(lines))
                task.advance()
        return np.stack(found)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return exponents and coefficients of N* and D*."""
        return {
            "N_exponent": theta_SP[:, 1],
            "N_coefficient": np.exp(theta_SP[:, 0]),
            "D_exponent": theta_SP[:, 3],
            "D_coefficient": np.exp(theta_SP[:, 2]),
        }

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return N* at C."""
        return at(theta_SP[:, :2], inputs["C"])

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return N* on the envelope and the line there."""
        curves = self.curves(data, settings)
        sizes, _, counted = self.optima(curves, np.ones((1, len(curves.size_R))), settings)
        return sizes[0, counted[0]], at(theta[None, :2], curves.flops[counted[0]])[0]


def _inside(good: Flags, size_R: Floats, best: Ints) -> Flags:
    """Return `good` without levels won by the smallest or largest size, if at least 3 other sizes win some.

    There the best size may lie outside the trained range, as a valley outside it in approach 2.
    """
    inner = good & (size_R[best] > size_R.min()) & (size_R[best] < size_R.max())
    return inner if len(np.unique(size_R[best[inner]])) >= MIN_INNER else good


def _on_hull(x: Floats, y: Floats) -> Flags:
    """Return which points are corners of the lower convex hull and not above its lowest corner on the left."""
    hull: list[int] = []
    for place in np.flatnonzero(np.isfinite(y)).tolist():
        while len(hull) >= 2 and _turn(x, y, (hull[-2], hull[-1], place)) <= 0:
            hull.pop()
        hull.append(place)
    found = np.zeros(len(x), bool)
    falling = [p for number, p in enumerate(hull) if number == 0 or y[p] < y[hull[number - 1]]]
    found[falling] = True
    return found


def _turn(x: Floats, y: Floats, places: tuple[int, int, int]) -> float:
    a, b, c = places
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


ENVELOPE = Envelope()
