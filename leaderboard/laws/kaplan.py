"""Kaplan's laws: loss in N, in D, in C, and jointly in N and D; which one follows from the mapped variables.

* one variable X: L = (Xc / X)^alpha_X, a straight line on logarithms (least squares of ln L, as its authors fitted);
* N and D: L = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D, Huber on ln L;
* `irreducible`: the same plus E. In the joint form that is L = E + ((A / N)^(alpha / beta) + B / D)^beta with A = Nc,
  B = Dc, alpha = alpha_N, beta = alpha_D (both names are given).

`auto`: for one variable the original form, as its authors fitted, with a remark where E would clearly help; jointly
both are fitted, and the irreducible form is taken only where BIC of the squared log residuals and an F test at 1 %
prefer it. N counts non-embedding parameters in the original; C is the least compute for a loss (C_min).
Source: Kaplan et al. 2020 (2001.08361), equations 1.1 to 1.5; with E: Brandfonbrener et al. 2024 (2411.12925).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from curation.descent import Loss
from curation.errors import InsufficientError, LawError
from leaderboard.laws.compute import completed, derived
from leaderboard.laws.kaplan_curves import PowerCurve
from leaderboard.laws.law import Card, Columns, Data, Estimate, Floats, Law, Option, Parameter, Settings, Variable

CARD = Card(
    name="kaplan",
    title="loss in N, D or C alone, or jointly in N and D (Kaplan)",
    formula="L = [E +] (Xc / X)^alpha_X for X of N, D, C; L = [E +] ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D",
    source="Kaplan et al. 2020 (2001.08361) eq. 1.1-1.5; with E Brandfonbrener et al. 2024 (2411.12925)",
    variables=(
        Variable(name="N", unit="parameters (originally non-embedding)", meaning="model size", required=False),
        Variable(name="D", unit="tokens", meaning="tokens seen", required=False),
        Variable(name="C", unit="FLOPs", meaning="compute: mapped alone, or for the missing N or D", required=False),
        Variable(name="L", unit="nats per token (or any loss)", meaning="final loss"),
    ),
    usual=("N", "L"),
    params=(
        Parameter(name="alpha_N", meaning="exponent of N", low=0.005, high=2.0),
        Parameter(name="Nc", meaning="N at which its term is 1"),
        Parameter(name="alpha_D", meaning="exponent of D", low=0.005, high=2.0),
        Parameter(name="Dc", meaning="D at which its term is 1"),
        Parameter(name="alpha_C", meaning="exponent of C", low=0.005, high=2.0),
        Parameter(name="Cc", meaning="C at which its term is 1"),
        Parameter(name="E", meaning="irreducible loss (only in that form)"),
        Parameter(name="A", meaning="Nc, joint form"),
        Parameter(name="B", meaning="Dc, joint form"),
        Parameter(name="alpha", meaning="alpha_N, joint form"),
        Parameter(name="beta", meaning="alpha_D, joint form"),
    ),
    sizes=("N", "D", "C"),
    losses=("huber", "lad", "mse"),
    options=(Option(name="variant", meaning="with or without E", choices=("auto", "original", "irreducible")),),
)
MAX_CHANCE, CLEAR_FLOOR = 0.01, 1e-4
"""Chance of a false E: that is accepted in the joint form, and from which it is advised for one variable."""
NO_FLOOR = -np.inf
"""Value of ln E in the original form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kaplan(Law):
    """The law of `variables`; theta is that of the curve with E, whose ln E is -inf in the original form."""

    variables: tuple[str, ...] = ("N", "D")
    card = CARD

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law of the mapped variables."""
        mapped = tuple(name for name in ("N", "D", "C") if name in variables)
        if not mapped:
            raise LawError("kaplan: needs N, D or C beside L, or N and D together; add --map N=COLUMN")
        return Kaplan(variables=mapped if len(mapped) == 1 else ("N", "D"))

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with the variables of the form."""
        return completed(data, self.variables, self.card.name)

    def curve(self, *, has_floor: bool) -> PowerCurve:
        """Return one form as a curve."""
        return PowerCurve(card=self.card, variables=self.variables, has_floor=has_floor)

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the fit of the asked form, or of the one that BIC prefers."""
        variant = settings.option(self.card, "variant")
        settings = self._own_loss(settings)
        if variant == "irreducible":
            return self.curve(has_floor=True).estimate(data, settings)
        plain = self.curve(has_floor=False).estimate(data, settings)
        plain = replace(plain, theta=np.append(plain.theta, NO_FLOOR))
        if variant == "original":
            return plain
        try:
            floored = self.curve(has_floor=True).estimate(data, settings)
        except InsufficientError:
            return _said(plain, "the original form: too few rows for E; force it with --variant irreducible")
        gain = self._bic(plain, data) - self._bic(floored, data)
        chance = self._chance_of_floor(plain, floored, data)
        told = f"E would change BIC by {-gain:+.1f} (F test p = {chance:.2g})"
        if len(self.variables) == 1:
            clear = gain > 0 and chance < CLEAR_FLOOR
            advice = "E looks real, compare with" if clear else "force it with"
            return _said(plain, f"the original form, without E: {told}; {advice} --variant irreducible")
        if gain > 0 and chance < MAX_CHANCE:
            return _said(floored, f"the form with E: {told}; force one with --variant")
        return _said(plain, f"the original form: {told}; force it with --variant irreducible")

    def _own_loss(self, settings: Settings) -> Settings:
        """Return the settings with least squares for one variable (a regression on logarithms), Huber for two."""
        if settings.loss is not None or len(self.variables) == 2:
            return settings
        return replace(settings, loss=Loss(kind="mse"))

    def _bic(self, estimate: Estimate, data: Data) -> float:
        misses = self._misses(estimate, data)
        num_params = len(estimate.theta) - (0 if np.isfinite(estimate.theta[-1]) else 1)
        return float(data.n * np.log(max(float(np.mean(misses**2)), 1e-30)) + num_params * np.log(data.n))

    def _chance_of_floor(self, plain: Estimate, floored: Estimate, data: Data) -> float:
        """Return how likely E gains as much on a law without it (F test of squared log residuals)."""
        from scipy.stats import f

        squares = [float(np.sum(self._misses(one, data) ** 2)) for one in (plain, floored)]
        left = data.n - len(floored.theta)
        if left < 1:
            return 1.0
        return float(f.sf((squares[0] - squares[1]) / max(squares[1] / left, 1e-300), 1, left))

    def _misses(self, estimate: Estimate, data: Data) -> Floats:
        missed: Floats = np.log(data.columns["L"]) - np.log(self.predict(estimate.theta[None], data.columns)[0])
        return missed

    def num_fitted(self, theta: Floats) -> int:
        """Return the parameters, E only where it is there."""
        return int(np.sum(np.isfinite(theta)))

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits of the form that was chosen."""
        has_floor = bool(np.isfinite(estimate.theta[-1]))
        inner = estimate if has_floor else replace(estimate, theta=estimate.theta[:-1])
        draws = self.curve(has_floor=has_floor).resample(data, inner, self._own_loss(settings), weights_BN)
        return draws if has_floor else np.concatenate([draws, np.full((len(draws), 1), NO_FLOOR)], axis=1)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return exponents and scales, and E in the form that has it."""
        found = self.curve(has_floor=True).parameters(theta_SP)
        if not np.any(np.isfinite(theta_SP[:, -1])):
            del found["E"]
        return found

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return L; with C in place of N or D the other follows from C = 6 N D."""
        given = dict(inputs)
        for name in self.variables:
            if name not in given:
                values, _ = derived(given, name)
                if values is None:
                    raise KeyError(name)
                given[name] = values
        return self.curve(has_floor=True).predict(theta_SP, given)

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return the losses and the curve there."""
        return data.columns["L"], self.predict(theta[None], data.columns)[0]


def _said(estimate: Estimate, why: str) -> Estimate:
    return replace(estimate, warnings=(f"chosen: {why}", *estimate.warnings))


KAPLAN = Kaplan()
