"""Data-constrained scaling (Muennighoff): what repeated tokens and surplus parameters are still worth.

L = E + A / N'^alpha + B / D'^beta with D' = U_D (1 + R*_D (1 - exp(-R_D / R*_D))), R_D = D / U_D - 1, and N' likewise
from U_N = min(N, N_opt(U_D)), R_N = N / U_N - 1; N_opt(U_D) is the size for which U_D tokens are compute-optimal.
The five Chinchilla parameters stay at the authors' C4 fit (options A, B, E, alpha, beta), only R*_D and R*_N are
fitted, unless `chinchilla=free`. Minimised: sum of Huber(1e-3) of ln L, from the authors' 4 x 4 starts (their 0 is
taken as 0.5: the search runs on ln R*) and the lowest cells of a fine grid. 1 - exp is computed as -expm1: otherwise
a false minimum appears at R*_N ~ 1e17.
R*_D and R*_N lie on a flat ridge: the fit says over which range the objective stays within 0.5 % of its least.
Source: Muennighoff et al. 2023 (2305.16264), section 3.1 and appendix; their code for the frozen figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from curation.descent import Model, Pullback
from curation.errors import LawError
from curation.files import Json
from curation.fitting import grid
from leaderboard.laws.compute import completed
from leaderboard.laws.curve import CurveLaw
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Option, Parameter, Settings, Variable
from mixtures.repeats import R_STAR

C4_FIT: Mapping[str, float] = {
    "A": float(np.exp(6.255414)),
    "B": float(np.exp(7.3049974)),
    "E": float(np.exp(0.6254804)),
    "alpha": 0.3526596,
    "beta": 0.3526596,
}
PUBLISHED_R_STAR = (R_STAR, 5.309743)
"""R*_D and R*_N of the authors, whose objective every fit reports beside its own."""
STARTS = (0.5, 6.67, 13.3, 20.0)
RIDGE = 1.005
"""Objective, relative to the least, up to which a value is not told apart from the best one."""
RIDGE_VALUES = tuple(np.geomspace(0.1, 1e5, 61).tolist())
NEAR_VALUES = tuple(np.geomspace(0.7, 1 / 0.7, 41).tolist())
"""Multiples of the best point."""
NAMES: tuple[str, ...] = ("A", "B", "E", "alpha", "beta", "R*_D", "R*_N")

CARD = Card(
    name="data-constrained",
    title="loss with repeated data (Muennighoff)",
    formula="L = E + A / N'^alpha + B / D'^beta, D' = U + U R*_D (1 - exp(-(D/U - 1) / R*_D)), N' likewise",
    source="Muennighoff et al. 2023 (2305.16264) section 3.1",
    variables=(
        Variable(name="N", unit="parameters", meaning="model size"),
        Variable(name="D", unit="tokens", meaning="tokens seen, repeats counted"),
        Variable(name="U", unit="tokens", meaning="unique tokens (at most D)"),
        Variable(name="L", unit="nats per token", meaning="final loss"),
    ),
    params=(
        Parameter(name="R*_D", meaning="repeats after which repeated tokens have lost 1 - 1/e", low=0.05, high=1e4),
        Parameter(name="R*_N", meaning="the same for parameters beyond those the data justify", low=0.05, high=1e4),
        Parameter(name="A", meaning="scale of the size term"),
        Parameter(name="B", meaning="scale of the data term"),
        Parameter(name="E", meaning="irreducible loss"),
        Parameter(name="alpha", meaning="exponent of N", low=0.01, high=2.0),
        Parameter(name="beta", meaning="exponent of D", low=0.01, high=2.0),
    ),
    sizes=("N", "D"),
    options=(
        Option(
            name="chinchilla",
            meaning="keep the five Chinchilla parameters, or fit them too",
            choices=("frozen", "free"),
        ),
        *(
            Option(name=name, meaning=f"{name} of the Chinchilla law", default=f"{value:.9g}")
            for name, value in C4_FIT.items()
        ),
    ),
)


class DataConstrained(CurveLaw):
    """The law with all seven parameters; `base` holds the values of the first five when they are frozen."""

    card = CARD
    names: tuple[str, ...] = NAMES
    refits_thin = False

    def __init__(self, base: Floats | None = None) -> None:
        self.base = base

    def adapted(self, variables: Collection[str], settings: Settings) -> Law:
        """Return the law with the Chinchilla parameters of the options.

        Raises: LawError for one that is no positive number.
        """
        values = []
        for name in C4_FIT:
            text = settings.option(CARD, name)
            try:
                value = float(text)
            except ValueError:
                value = np.nan
            if not 0 < value < np.inf:
                raise LawError(f"data-constrained: option {name} is `{text}`, expected a positive number")
            values.append(np.log(value) if name in ("A", "B", "E") else value)
        if settings.option(CARD, "chinchilla") == "free":
            return DataConstrained()
        return _Frozen(np.array(values))

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows whose unique tokens are at most the tokens seen."""
        data = completed(data, ("N", "D"), CARD.name)
        unique = np.minimum(data.columns["U"], data.columns["D"])
        num = int(np.sum(unique < data.columns["U"]))
        note = f"{num} rows have U above D: a run cannot use more tokens than it sees, U taken as D" if num else ""
        return data.with_column("U", unique, note)

    def model(self, inputs: Columns) -> Model:
        """Return ln L in all seven parameters."""
        size, tokens = np.log(inputs["N"]), np.log(inputs["D"])
        unique = np.log(np.minimum(inputs["U"], inputs["D"]))

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            scale_n, scale_d, floor, alpha, beta, ln_rd, ln_rn = (theta_SP[:, i : i + 1] for i in range(7))
            best = (np.log(alpha) + scale_n - np.log(beta) - scale_d + beta * unique) / alpha
            own = np.minimum(size, best)
            data, data_by_r, _ = _worth(unique, tokens - unique, ln_rd)
            model, model_by_r, model_by_own = _worth(own, size - own, ln_rn)
            of_size = np.exp(scale_n - alpha * model)
            of_data = np.exp(scale_d - beta * data)
            of_floor = np.exp(floor)
            total = of_size + of_data + of_floor

            def pullback(weights_SN: Floats) -> Floats:
                by_model = -alpha * of_size / total * weights_SN
                by_data = -beta * of_data / total * weights_SN
                by_own = np.where(best < size, by_model * model_by_own, 0.0)
                size_part, data_part = of_size / total * weights_SN, of_data / total * weights_SN
                columns = (
                    size_part + by_own / alpha,
                    data_part - by_own / alpha,
                    of_floor / total * weights_SN,
                    -size_part * model + by_own * (1 / alpha - best) / alpha,
                    -data_part * data + by_own * (unique - 1 / beta) / alpha,
                    by_data * data_by_r,
                    by_model * model_by_r,
                )
                return np.stack([column.sum(axis=1) for column in columns], axis=1)

            return np.log(total), pullback

        return values

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' grid of R*, each with the authors' Chinchilla parameters."""
        decay = np.log(grid(STARTS, STARTS))
        base = np.array(
            [np.log(C4_FIT["A"]), np.log(C4_FIT["B"]), np.log(C4_FIT["E"]), C4_FIT["alpha"], C4_FIT["beta"]]
        )
        return np.hstack([np.tile(base, (len(decay), 1)), decay])

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the seven parameters."""
        values = dict(zip(("R*_D", "R*_N"), np.exp(np.clip(theta_SP[:, 5:7], -700, 700)).T, strict=True))
        scales = dict(zip(("A", "B", "E"), np.exp(theta_SP[:, :3]).T, strict=True))
        return {**values, **scales, "alpha": theta_SP[:, 3], "beta": theta_SP[:, 4]}


def _worth(own: Floats, surplus: Floats, ln_r: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ln of what own + surplus (logs) is worth, and its gradients in ln R* and in ln own."""
    scale = np.exp(ln_r)
    repeats = np.expm1(surplus)
    decay = -np.expm1(-repeats / scale)
    kept = 1 + scale * decay
    left = np.exp(-repeats / scale)
    by_scale = (scale * decay - repeats * left) / kept
    by_own = 1 - left * (repeats + 1) / kept
    return own + np.log(kept), by_scale, by_own


class _Frozen(DataConstrained):
    """Only R*_D and R*_N are fitted; theta still holds all seven."""

    names = NAMES[5:]

    @property
    def of_two(self) -> CurveLaw:
        """The law of R*_D and R*_N alone."""
        return _Two(self.base)

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return the two, with the frozen five put before them."""
        found = self.of_two.estimate(data, settings)
        theta = np.concatenate([np.asarray(self.base), found.theta])
        ridge = self.ridge(data, settings, found)
        told = tuple(text for text in found.warnings if not text.startswith("flat ridge"))
        base = {name: float(values[0]) for name, values in super().parameters(theta[None]).items() if name in C4_FIT}
        return replace(found, theta=theta, warnings=(*told, *_remarks(ridge)), extras=base, unidentified=())

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits of the two."""
        draws = self.of_two.resample(data, replace(estimate, theta=estimate.theta[5:]), settings, weights_BN)
        return np.hstack([np.tile(np.asarray(self.base), (len(draws), 1)), draws])

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the two that are fitted."""
        found = super().parameters(theta_SP)
        return {name: found[name] for name in self.names}

    def ridge(self, data: Data, settings: Settings, found: Estimate) -> dict[str, tuple[float, float]]:
        """Return for R*_D and R*_N the range in which some value of the other stays within 0.5 % of the least.

        Beside the wide grid a fine one around the best point is tried: a sharp minimum lies between the wide cells.
        """
        near_best = found.theta[-2:] + np.log(grid(NEAR_VALUES, NEAR_VALUES))
        cells = np.vstack([np.log(grid(RIDGE_VALUES, RIDGE_VALUES)), near_best, found.theta[-2:]])
        problem = self.of_two.problem(data, settings)
        near = np.concatenate([problem.objective(part) for part in np.array_split(cells, 8)])
        chosen = np.exp(cells[near <= RIDGE * max(found.objective, near[-1])])
        return {name: (float(chosen[:, i].min()), float(chosen[:, i].max())) for i, name in enumerate(self.names)}

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return the objective and r2 at the authors' point and without decay, and the ridge."""
        assert self.base is not None
        problem = self.problem(fitted.data, fitted.settings)
        theta = np.concatenate([self.base, np.log(PUBLISHED_R_STAR)])
        best = Estimate(theta=fitted.theta, objective=fitted.objective)
        ridge = self.ridge(fitted.data, fitted.settings, best)
        endless = np.concatenate([self.base, np.log([1e12, 1e12])])
        return {
            "published": {
                "R*_D": PUBLISHED_R_STAR[0],
                "R*_N": PUBLISHED_R_STAR[1],
                "objective": float(problem.objective(theta[None])[0]),
                "r2": self._r2(theta, fitted),
            },
            "no_decay": {"r2": self._r2(endless, fitted)},
            "ridge": {name: list(span) for name, span in ridge.items()},
        }

    def _r2(self, theta: Floats, fitted: Fit) -> float:
        observed, expected = self.fitted(theta, fitted.data, fitted.settings)
        return 1 - float(np.sum((observed - expected) ** 2) / np.sum((observed - observed.mean()) ** 2))


class _Two(DataConstrained):
    """The curve in ln R*_D and ln R*_N alone."""

    names = NAMES[5:]

    def model(self, inputs: Columns) -> Model:
        """Return ln L."""
        assert self.base is not None
        whole, base = super().model(inputs), self.base

        def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
            found, pullback = whole(np.hstack([np.tile(base, (len(theta_SP), 1)), theta_SP]))
            return found, lambda weights: pullback(weights)[:, 5:]

        return values

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return the authors' 4 x 4 grid, and the lowest cells of a fine one: the ridge has shallow dents."""
        cells = np.log(grid(RIDGE_VALUES[::2], RIDGE_VALUES[::2]))
        lowest = np.argsort(self.problem(data, settings).objective(cells), kind="stable")[:8]
        return np.vstack([np.log(grid(STARTS, STARTS)), cells[lowest]])


def _remarks(ridge: dict[str, tuple[float, float]]) -> tuple[str, ...]:
    wide = {name: span for name, span in ridge.items() if span[1] >= 3 * span[0]}
    if not wide:
        return ()
    spans = ", ".join(f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in wide.items())
    return (
        f"flat ridge: {', '.join(wide)} not identified: within 0.5 % of the least objective lie {spans}; "
        "compare objectives and predictions, not these parameters",
    )


DATA_CONSTRAINED = DataConstrained()
