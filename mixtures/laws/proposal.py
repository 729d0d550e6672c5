"""Weights proposed for a target: those whose predicted losses are lowest, under caps on repetition.

The target is a weighted mean of ln L over the predicted losses, never of L itself: bytes a character and levels differ
from loss to loss, and differences of ln L are log ratios (rule 5). Smooth laws are minimised on the simplex from
several starts; trees and lines by the lowest 128 of 100,000 drawn mixtures, averaged, as RegMix does (a line's own
minimum is a corner, which no run has been near). A cap is the share at which a domain would be read `max_epochs` times
within the token budget.
Sources: RegMix (Liu et al. 2407.01492); repetition constraints: Olmix 2602.12237.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from curation.errors import LawError, nearest, raise_faults
from curation.randomness import generator
from mixtures.course import fill
from mixtures.laws.fitted import MixFit
from mixtures.laws.table import Floats, MixTable

NUM_DRAWN, NUM_BEST, NUM_SHORT = 100_000, 128, 4_000
STRENGTHS = (1.0, 4.0, 16.0)
"""Dirichlet concentrations, as multiples of the number of domains over four: sparse, middling and near the centre."""
TINY = 1e-12
FLOOR_FRACTION = 0.5
"""Below this share of the lowest loss of any run ln goes on as its tangent: lines can predict less than nothing."""
DRAWN_BY = ("regmix-lightgbm", "regmix-linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be low, and what is allowed. Shapes: M losses, K domains."""

    target_M: Floats
    """Weight of every loss; sums to 1."""
    floor_M: Floats
    """Lowest loss that ln is taken of."""
    centre_K: Floats
    """The mixture that proposals are compared with: the mean of the runs' weights, or the supply's own shares."""
    centre_name: str
    caps_K: Floats
    size: float | None = None
    tokens: float | None = None

    def value(self, fit: MixFit, weights_NK: Floats) -> Floats:
        """Return the predicted target of mixtures, shape N."""
        table = self.table(fit.table, weights_NK)
        losses_NM = np.ones((len(weights_NK), len(self.target_M)))
        for place in np.flatnonzero(self.target_M):
            losses_NM[:, place] = fit.predict_loss(table, int(place))
        return self.of_losses(losses_NM)

    def of_losses(self, losses_NM: Floats) -> Floats:
        """Return the weighted mean of ln L of each row, shape N; losses without weight may be anything."""
        counted = np.flatnonzero(self.target_M)
        losses, floors = losses_NM[:, counted], self.floor_M[counted]
        above = np.maximum(losses, floors)
        logs = np.log(above) + (losses - above) / floors
        found: Floats = logs @ self.target_M[counted]
        return found

    def table(self, like: MixTable, weights_NK: Floats) -> MixTable:
        """Return mixtures at the goal's size and tokens, their losses unknown."""
        num = len(weights_NK)
        return replace(
            like,
            weights_NK=weights_NK,
            losses_NM=np.full((num, len(like.losses)), np.nan),
            size_N=None if self.size is None else np.full(num, self.size),
            tokens_N=None if self.tokens is None else np.full(num, self.tokens),
        )


def goal_for(
    table: MixTable,
    *,
    target: Mapping[str, float],
    supply: Mapping[str, float],
    max_epochs: float,
    size: float | None,
    tokens: float | None,
) -> Goal:
    """Return the goal; without `target` every loss counts alike, without `supply` nothing is capped.

    Raises: LawError for losses or domains that the table lacks, a supply without tokens, or a budget beyond the caps.
    """
    known = (("--target", "loss", target, table.losses), ("--supply", "domain", supply, table.domains))
    faults = [
        f"{option}: no {what} `{name}`; {nearest(name, names)}"
        for option, what, given, names in known
        for name in given
        if name not in names
    ]
    missing = [name for name in table.domains if supply and name not in supply]
    faults += [f"--supply: {name} is missing; say its unique tokens, e.g. {name}=2B" for name in missing]
    if supply and tokens is None:
        faults.append("--supply: a cap needs the token budget; add --tokens, e.g. --tokens 20B")
    raise_faults(LawError, table.source, faults)
    wanted = np.array([target.get(name, 0.0) for name in table.losses]) if target else np.ones(len(table.losses))
    if supply:
        held = np.array([supply[name] for name in table.domains])
        caps = np.minimum(max_epochs * held / float(tokens or 1), 1.0)
        _check_budget(table, held, max_epochs, float(tokens or 1))
        centre, centre_name = np.minimum(held / held.sum(), 1.0), "shares of the supply"
    else:
        caps, centre = np.ones(len(table.domains)), table.weights_NK.mean(axis=0)
        centre_name = "mean of the runs' weights"
    return Goal(
        target_M=wanted / wanted.sum(),
        floor_M=FLOOR_FRACTION * np.fmin.reduce(table.losses_NM, axis=0),
        centre_K=centre / centre.sum(),
        centre_name=centre_name,
        caps_K=caps,
        size=size,
        tokens=tokens,
    )


def _check_budget(table: MixTable, held: Floats, max_epochs: float, tokens: float) -> None:
    most = max_epochs * float(held.sum())
    if tokens > most:
        raise LawError(
            f"{table.source}: --tokens {tokens:.3g} is beyond {max_epochs:g} epochs of all {held.sum():.3g} unique "
            f"tokens ({most:.3g}); lower --tokens, raise --max-epochs (more than 4 adds little), or find more text"
        )


def propose(fit: MixFit, goal: Goal, among_SK: Floats | None = None) -> Floats:
    """Return the weights whose predicted target is lowest, shape K; with `among_SK` the search starts there alone.

    `among_SK` is what `shortlist` gave for a law of the same runs.
    """
    if fit.method.name in DRAWN_BY:
        best = _best_of(fit, goal, drawn(goal) if among_SK is None else among_SK)[:NUM_BEST]
        return np.asarray(best.mean(axis=0), np.float64)
    return _descended(fit, goal, _starts(fit, goal) if among_SK is None else among_SK)


def shortlist(fit: MixFit, goal: Goal, weights_K: Floats) -> Floats:
    """Return the mixtures that refits choose among: those drawn that rank first, or the proposal to descend from."""
    return _best_of(fit, goal, drawn(goal))[:NUM_SHORT] if fit.method.name in DRAWN_BY else weights_K[None, :]


def _best_of(fit: MixFit, goal: Goal, among_SK: Floats) -> Floats:
    """Return the mixtures, lowest predicted target first."""
    ordered: Floats = among_SK[np.argsort(goal.value(fit, among_SK), kind="stable")]
    return ordered


def drawn(goal: Goal) -> Floats:
    """Return mixtures around the centre that keep to the caps.

    Where the caps leave few of those drawn, others are put under their caps, so that there is a choice.
    """
    rng = generator(1, "proposal")
    prior = np.maximum(goal.centre_K, 1e-3)
    num = NUM_DRAWN // len(STRENGTHS)
    parts = [rng.dirichlet(prior * strength * len(prior) / 4, num) for strength in STRENGTHS]
    all_SK = np.concatenate([under_caps(goal.centre_K, goal.caps_K)[None, :], *parts])
    within = np.all(all_SK <= goal.caps_K + 1e-9, axis=1)
    kept: Floats = all_SK[within]
    if len(kept) < NUM_SHORT:
        others = all_SK[~within]
        every = max(1, len(others) // NUM_SHORT)  # some of each strength
        kept = np.concatenate([kept, [under_caps(one, goal.caps_K) for one in others[::every]]])
    return kept


def _descended(fit: MixFit, goal: Goal, starts_SK: Floats) -> Floats:
    from scipy.optimize import minimize

    K = len(goal.centre_K)
    best, lowest = under_caps(goal.centre_K, goal.caps_K), np.inf
    for start in starts_SK:
        found = minimize(
            lambda weights: float(goal.value(fit, np.clip(weights, 0.0, None)[None, :])[0]),
            under_caps(start, goal.caps_K),
            method="SLSQP",
            bounds=[(0.0, float(cap)) for cap in goal.caps_K],
            constraints=[{"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": lambda _: np.ones(K)}],
            options={"maxiter": 300, "ftol": 1e-12},
        )
        weights = under_caps(np.clip(found.x, 0.0, None), goal.caps_K)
        value = float(goal.value(fit, weights[None, :])[0])
        if value < lowest:
            best, lowest = weights, value
    return best


def _starts(fit: MixFit, goal: Goal) -> Floats:
    """Return the centre, equal weights, the best run's weights, and five drawn mixtures."""
    values = goal.of_losses(fit.table.losses_NM) if np.isfinite(fit.table.losses_NM).all() else None
    K = len(goal.centre_K)
    starts = [goal.centre_K, np.full(K, 1 / K)]
    if values is not None:
        starts.append(fit.table.weights_NK[int(np.argmin(values))])
    return np.array([*starts, *generator(1, "proposal-starts").dirichlet(np.ones(K), 5)])


def under_caps(weights_K: Floats, caps_K: Floats) -> Floats:
    """Return weights that sum to 1 and keep to the caps: what is over a cap goes to the others in proportion."""
    positive = np.maximum(np.asarray(weights_K, np.float64), TINY)  # what has no weight takes what no other may
    return np.asarray(fill(1.0, (positive / positive.sum()).tolist(), caps_K.tolist()), np.float64)
