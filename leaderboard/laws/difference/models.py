"""Models of the difference D between candidate and baseline, as it changes with scale x = ln C.

    constant    D = d
    trend       D = a + b x                    the only one of one axis that can change its sign
    plane       D = a + b ln N + c ln D        where N and D vary apart
    power       D = k exp(-p x)                a gap that dies out or grows as a power of compute
    multiplier  D = L(m C) - L(C)              the candidate counts as if it had m times the compute
    floor       D = L with E f - L with E      only the irreducible loss differs
Multiplier and floor take every other parameter from the law that both recipes share. All are least squares on the
differences, weighted by their seeds; many draws at once. S draws, M places, K parameters of a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaderboard.laws.difference.paired import Points, Scale
from leaderboard.laws.difference.shared import REACH, SharedLaw
from leaderboard.laws.law import Floats

POWERS = np.linspace(-1.0, 1.0, 161)
STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What models stand on: the middle of the data, and the shared law with one row of parameters a draw."""

    centre: Points
    law: SharedLaw | None
    law_SP: Floats
    scale: Scale

    def x(self, points: Points) -> Floats:
        """Return ln C from the middle of the data."""
        return np.log(points.flops / self.centre.flops)


class DeltaModel(ABC):
    """One shape of the difference."""

    name: ClassVar[str]
    formula: ClassVar[str]
    params: ClassVar[tuple[str, ...]]

    @abstractmethod
    def fit(self, at: Setting, points: Points, targets_SM: Floats, weights_SM: Floats) -> Floats:
        """Return the parameters of every draw, shape SK."""

    @abstractmethod
    def predict(self, at: Setting, points: Points, theta_SK: Floats) -> Floats:
        """Return the difference at places, shape SM."""


class _Linear(DeltaModel):
    @abstractmethod
    def design(self, at: Setting, points: Points) -> Floats:
        """Return one column a parameter, shape MK."""

    def fit(self, at: Setting, points: Points, targets_SM: Floats, weights_SM: Floats) -> Floats:
        """Return weighted least squares."""
        design = self.design(at, points)
        squares = np.einsum("sm,mk,ml->skl", weights_SM, design, design)
        sides = np.einsum("sm,sm,mk->sk", weights_SM, targets_SM, design)
        return np.asarray(np.einsum("skl,sl->sk", np.linalg.pinv(squares, hermitian=True), sides))

    def predict(self, at: Setting, points: Points, theta_SK: Floats) -> Floats:
        """Return the linear combination."""
        return theta_SK @ self.design(at, points).T


class Constant(_Linear):
    """The same at every scale."""

    name, formula, params = "constant", "D = d", ("d",)

    def design(self, at: Setting, points: Points) -> Floats:
        """Return ones."""
        return np.ones((len(points.flops), 1))


class Trend(_Linear):
    """A straight line in ln C."""

    name, formula, params = "trend", "D = a + b ln C", ("a", "b")

    def design(self, at: Setting, points: Points) -> Floats:
        """Return 1 and ln C."""
        return np.stack([np.ones(len(points.flops)), at.x(points)], axis=1)


class Plane(_Linear):
    """Linear in ln N and ln D."""

    name, formula, params = "plane", "D = a + b ln N + c ln D", ("a", "b", "c")

    def design(self, at: Setting, points: Points) -> Floats:
        """Return 1, ln N, ln D."""
        sizes, tokens = np.log(points.sizes / at.centre.sizes), np.log(points.tokens / at.centre.tokens)
        return np.stack([np.ones(len(sizes)), sizes, tokens], axis=1)


class Power(DeltaModel):
    """A power law of compute; its exponent is scanned from -1 to 1."""

    name, formula, params = "power", "D = k C^-p", ("k", "p")

    def fit(self, at: Setting, points: Points, targets_SM: Floats, weights_SM: Floats) -> Floats:
        """Return k and the exponent of the least weighted squares on the grid."""
        shapes_GM = np.exp(-POWERS[:, None] * at.x(points))
        tops = (weights_SM * targets_SM) @ shapes_GM.T
        bottoms = weights_SM @ (shapes_GM**2).T
        best = np.argmax(tops**2 / bottoms, axis=1)
        rows = np.arange(len(best))
        return np.stack([tops[rows, best] / bottoms[rows, best], POWERS[best]], axis=1)

    def predict(self, at: Setting, points: Points, theta_SK: Floats) -> Floats:
        """Return k exp(-p x)."""
        return np.asarray(theta_SK[:, :1] * np.exp(-theta_SK[:, 1:] * at.x(points)))


class _OfLaw(DeltaModel):
    """One parameter that changes the shared law."""

    @abstractmethod
    def changed(self, at: Setting, points: Points, value_S: Floats) -> Floats:
        """Return the difference for the parameter's values, shape SM."""

    def fit(self, at: Setting, points: Points, targets_SM: Floats, weights_SM: Floats) -> Floats:
        """Return the parameter's least weighted squares by damped Gauss-Newton, all draws at once."""
        value, eps = np.zeros(len(targets_SM)), 1e-4
        for _ in range(STEPS):
            here = self.changed(at, points, value)
            slope = (self.changed(at, points, value + eps) - here) / eps
            step = np.sum(weights_SM * slope * (targets_SM - here), axis=1)
            step /= np.maximum(np.sum(weights_SM * slope**2, axis=1), 1e-300)
            value = np.clip(value + np.clip(step, -1.0, 1.0), -REACH, REACH)
        return value[:, None]

    def predict(self, at: Setting, points: Points, theta_SK: Floats) -> Floats:
        """Return the difference."""
        return self.changed(at, points, theta_SK[:, 0])


class Multiplier(_OfLaw):
    """The candidate's compute counts m-fold."""

    name, formula, params = "multiplier", "D = L(m C) - L(C)", ("ln m",)

    def changed(self, at: Setting, points: Points, value_S: Floats) -> Floats:
        """Return the difference for ln m."""
        assert at.law is not None
        return at.law.change(at.law_SP, points, at.scale, ln_m=value_S)


class Floor(_OfLaw):
    """The candidate's irreducible loss differs."""

    name, formula, params = "floor", "D = L with f E - L", ("ln f",)

    def changed(self, at: Setting, points: Points, value_S: Floats) -> Floats:
        """Return the difference for ln f."""
        assert at.law is not None
        return at.law.change(at.law_SP, points, at.scale, ln_floor=value_S)


CONSTANT, TREND, MULTIPLIER = Constant(), Trend(), Multiplier()


def usable(at: Setting, points: Points) -> list[DeltaModel]:
    """Return the models that the sizes allow, simplest first; two values of C cannot carry a power."""
    num = len(np.unique(points.flops))
    found: list[DeltaModel] = [CONSTANT]
    if at.law is not None and num >= 2:
        found.append(MULTIPLIER)
        if at.law.has_floor:
            found.append(Floor())
    if num >= 2:
        found.append(TREND)
    if num >= 4:
        found.append(Power())
    if num >= 6 and not np.isnan(points.sizes).any() and _apart(points):
        found.append(Plane())
    return found


def _apart(points: Points) -> bool:
    if min(len(np.unique(points.sizes)), len(np.unique(points.tokens))) < 3:
        return False
    return abs(float(np.corrcoef(np.log(points.sizes), np.log(points.tokens))[0, 1])) < 0.95
