"""How data quality moves the exponents: the Chinchilla law by group (recipe, filter, source), apart and shared.

apart    every group has its own A, B, E, alpha, beta;
shared   every group has its own A, B, E, all have one alpha and beta.
Both minimise the sum of Huber(1e-3) of ln L; the bootstrap by run gives each exponent and each difference of two groups
an interval. Exponents are said to differ only where the interval of a difference excludes 0 AND sharing costs more than
it saves by BIC (n ln(sum of squares / n) + parameters ln n). Fits on few sizes seldom tell exponents from scales: then
the answer is that they are not told apart, which is no sign that they are equal.
Source: Chinchilla's approach 3; the question: Bi et al. 2024 (2401.02954) section 4 (better data, larger share of
compute for the model); the comparison of objectives is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from curation.descent import Model, Problem, Pullback
from curation.errors import InsufficientError
from curation.files import Json
from curation.fitting import grid, minimise, refit
from leaderboard.laws.chinchilla import CARD as CHINCHILLA_CARD
from leaderboard.laws.chinchilla import CHINCHILLA, Chinchilla
from leaderboard.laws.compute import completed
from leaderboard.laws.law import Card, Columns, Data, Estimate, Fit, Floats, Law, Parameter, Settings, Variable

NUM = 5
SCALES, FLOORS, EXPONENTS = (5.0, 10.0, 15.0, 20.0), (0.0, 0.5), (0.3, 0.5, 1.0)

CARD = Card(
    name="by-group",
    title="do exponents differ between groups (data quality)?",
    formula="L = E_g + A_g / N^alpha_g + B_g / D^beta_g against one alpha, beta for all groups g",
    source="Hoffmann et al. 2022 by group; Bi et al. 2024 (2401.02954) section 4",
    variables=(
        *(variable for variable in CHINCHILLA_CARD.variables),
        Variable(name="group", unit="name", meaning="recipe, filter or source of the run's data", domain="text"),
    ),
    usual=("N", "D", "L", "group"),
    params=(
        Parameter(name="alpha_shared", meaning="exponent of N, one for all groups", low=0.01, high=2.0),
        Parameter(name="beta_shared", meaning="exponent of D, one for all groups", low=0.01, high=2.0),
    ),
    sizes=("N", "D"),
)


class _Coarse(Chinchilla):
    """Approach 3 from 288 starts: enough for a group."""

    refits_thin = False

    def starts(self, data: Data, settings: Settings) -> Floats:
        """Return a coarser grid."""
        return grid(SCALES, SCALES, FLOORS, EXPONENTS, EXPONENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Where the parameters of G groups lie in theta: apart (5 a group), then shared (3 a group, alpha, beta)."""

    num_groups: int

    def apart(self, group: int) -> slice:
        """Return the columns of a group's own fit."""
        return slice(NUM * group, NUM * (group + 1))

    @property
    def shared(self) -> slice:
        """Return the columns of the shared fit."""
        return slice(NUM * self.num_groups, NUM * self.num_groups + 3 * self.num_groups + 2)

    def own_of_shared(self, theta_SP: Floats, group: int) -> Floats:
        """Return the shared fit as five parameters of one group."""
        part = theta_SP[:, self.shared]
        return np.hstack([part[:, 3 * group : 3 * group + 3], part[:, -2:]])


class ByGroup(Law):
    """Both fits side by side; predictions come from the fits apart."""

    card = CARD

    def __init__(self) -> None:
        self.labels: tuple[str, ...] = ()
        self.own = _Coarse()

    def adapted(self, variables: object, settings: Settings) -> Law:
        """Return a law of its own for one table."""
        return ByGroup()

    def prepare(self, data: Data, settings: Settings) -> Data:
        """Return rows with N and D; the group as its place among the fitted names."""
        data = completed(data, ("N", "D"), CARD.name)
        names = data.labels["group"]
        if not self.labels:
            self.labels = names
        place = np.array([self.labels.index(name) if name in self.labels else -1 for name in names] or [0])
        codes = place[data.columns["group"].astype(np.int64)].astype(np.float64)
        data = replace(data.with_column("group", codes), labels={"group": self.labels})
        return data.keep(codes >= 0, "its group was not fitted")

    def estimate(self, data: Data, settings: Settings) -> Estimate:
        """Return both fits; the objective is that of the fits apart."""
        if len(self.labels) < 2:
            raise InsufficientError(
                f"by-group: insufficient: one group ({', '.join(self.labels)}), expected two or more"
            )
        fits, remarks = [], []
        for number, name in enumerate(self.labels):
            try:
                found = self.own.estimate(_group(data, number), settings)
            except InsufficientError as error:
                raise InsufficientError(f"by-group: group {name}: {error}") from error
            fits.append(found)
            remarks += [f"group {name}: {text}" for text in found.warnings]
        problem = self._shared_problem(data, settings)
        starts = []
        for exponents in [*(one.theta[3:] for one in fits), np.mean([one.theta[3:] for one in fits], axis=0)]:
            own = [self._scales(_group(data, g), fits[g].theta, exponents) for g in range(len(fits))]
            starts.append(np.concatenate([*own, exponents]))
        shared = minimise(problem, np.array(starts))
        theta = np.concatenate([*(one.theta for one in fits), shared.theta])
        extras = {"objective_apart": sum(one.objective for one in fits), "objective_shared": shared.objective}
        return Estimate(theta=theta, objective=extras["objective_apart"], warnings=tuple(remarks), extras=extras)

    def resample(self, data: Data, estimate: Estimate, settings: Settings, weights_BN: Floats) -> Floats:
        """Return refits of both."""
        shapes, parts = self._shapes, []
        for number in range(len(self.labels)):
            rows = data.columns["group"] == number
            begin = replace(estimate, theta=estimate.theta[shapes.apart(number)])
            parts.append(self.own.resample(_group(data, number), begin, settings, weights_BN[:, rows]))
        problem = self._shared_problem(data, settings)
        parts.append(np.concatenate(list(refit(problem, estimate.theta[shapes.shared], weights_BN))))
        return np.hstack(parts)

    def parameters(self, theta_SP: Floats) -> dict[str, Floats]:
        """Return the exponents of every group, their differences, the shared ones, and each group's A, B, E."""
        shapes = self._shapes
        own = [CHINCHILLA.parameters(theta_SP[:, shapes.apart(g)]) for g in range(len(self.labels))]
        shared = theta_SP[:, shapes.shared]
        found = {"alpha_shared": shared[:, -2], "beta_shared": shared[:, -1]}
        for key in ("alpha", "beta", "a", "E", "A", "B"):
            found |= {f"{key}[{name}]": one[key] for name, one in zip(self.labels, own, strict=True)}
        for (i, first), (j, second) in combinations(enumerate(self.labels), 2):
            for key in ("alpha", "beta", "a"):
                found[f"{key}[{second}]-{key}[{first}]"] = own[j][key] - own[i][key]
        return found

    def predict(self, theta_SP: Floats, inputs: Columns) -> Floats:
        """Return L of a group's own fit; `group` counts from 1 in order of names."""
        return self._predicted(theta_SP, {**inputs, "group": inputs["group"] - 1})

    def fitted(self, theta: Floats, data: Data, settings: Settings) -> tuple[Floats, Floats]:
        """Return losses and the fits apart."""
        return data.columns["L"], self._predicted(theta[None], data.columns)[0]

    def details(self, fitted: Fit) -> dict[str, Json]:
        """Return which exponents differ, both objectives with BIC, and the held-out error of both."""
        theta, data = fitted.theta[None], fitted.data
        apart = self._score(data, self._predicted(theta, data.columns)[0], NUM * len(self.labels))
        shared = self._score(data, self._predicted(theta, data.columns, shared=True)[0], 3 * len(self.labels) + 2)
        apart["objective"], shared["objective"] = fitted.params["objective_apart"], fitted.params["objective_shared"]
        if fitted.held_out is not None:
            for score, is_shared in ((apart, False), (shared, True)):
                expected = self._predicted(theta, fitted.held_out.columns, shared=is_shared)[0]
                score["holdout_relative_error"] = float(np.mean(np.abs(expected / fitted.held_out.columns["L"] - 1)))
        differs: dict[str, Json] = {}
        for name, interval in fitted.ci95.items():
            if "]-" in name and not name.startswith("a["):
                excludes = interval[0] > 0 or interval[1] < 0
                differs[name] = bool(excludes and apart["bic"] < shared["bic"])
        return {"groups": list(self.labels), "apart": {**apart}, "shared": {**shared}, "exponents_differ": differs}

    @property
    def _shapes(self) -> Shapes:
        return Shapes(num_groups=len(self.labels))

    def _predicted(self, theta_SP: Floats, inputs: Columns, *, shared: bool = False) -> Floats:
        found = np.full((len(theta_SP), len(inputs["group"])), np.nan)
        sizes = {name: inputs[name] for name in ("N", "D", "C") if name in inputs}
        for number in range(len(self.labels)):
            own = self._shapes.own_of_shared(theta_SP, number) if shared else theta_SP[:, self._shapes.apart(number)]
            found = np.where(inputs["group"] == number, CHINCHILLA.predict(own, sizes), found)
        return found

    def _score(self, data: Data, expected: Floats, num_params: int) -> dict[str, float]:
        gap = np.log(expected) - np.log(data.columns["L"])
        squares = float(np.sum(gap**2))
        return {"bic": data.n * float(np.log(max(squares, 1e-300) / data.n)) + num_params * float(np.log(data.n))}

    def _scales(self, data: Data, theta: Floats, exponents: Floats) -> Floats:
        """Return a group's lnA, lnB, lnE with the exponents changed and the terms kept at the middle of the data."""
        middle = np.array([np.mean(np.log(data.columns[name])) for name in ("N", "D")])
        moved = theta[:3].copy()
        moved[:2] += (exponents - theta[3:]) * middle
        return moved

    def _shared_problem(self, data: Data, settings: Settings) -> Problem:
        rows = [data.columns["group"] == number for number in range(len(self.labels))]
        models = [CHINCHILLA.model({"N": data.columns["N"][r], "D": data.columns["D"][r]}) for r in rows]
        loss = settings.loss_of(self.card)
        return Problem(model=_joined(models, rows), targets=np.log(data.columns["L"]), loss=loss)


def _joined(models: list[Model], rows: list[np.ndarray]) -> Model:  # type: ignore[type-arg]
    """Return ln L of all rows in (lnA, lnB, lnE of each group, alpha, beta)."""

    def values(theta_SP: Floats) -> tuple[Floats, Pullback]:
        exponents = theta_SP[:, -2:]
        found = np.empty((len(theta_SP), len(rows[0])))
        pulls = []
        for number, (model, chosen) in enumerate(zip(models, rows, strict=True)):
            own = np.hstack([theta_SP[:, 3 * number : 3 * number + 3], exponents])
            found[:, chosen], pull = model(own)
            pulls.append(pull)

        def pullback(weights_SN: Floats) -> Floats:
            slopes = np.zeros_like(theta_SP)
            for number, (pull, chosen) in enumerate(zip(pulls, rows, strict=True)):
                part = pull(weights_SN[:, chosen])
                slopes[:, 3 * number : 3 * number + 3] = part[:, :3]
                slopes[:, -2:] += part[:, 3:]
            return slopes

        return found, pullback

    return values


def _group(data: Data, number: int) -> Data:
    rows = data.columns["group"] == number
    columns = {name: data.columns[name][rows] for name in ("N", "D", "L")}
    return Data(columns=columns, groups=data.groups[rows])


BY_GROUP = ByGroup()
