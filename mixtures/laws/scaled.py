"""Optimal-mixture laws with model size N and tokens D: additive and joint.

additive: L = E + 1 / sum_i C_i h_i^g_i + A / N^a + B / D^b
joint:    the same, with A = (sum_i CA_i h_i)^gA and B = (sum_i CB_i h_i)^gB
h are the shares, N in 1e9 parameters, D in 1e10 tokens. Fitted with Huber(1e-3) on the log of the loss; E, C, g, A, B
and the exponents are positive by way of their logarithms, gA and gB are free. Shares below 1e-9 count as 1e-9.
Source: Shukor et al. 2507.09404 (forms); the search is ours: drawn starts that all descend together.
Shapes: S parameter rows, N rows of the table, K domains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from curation.descent import Loss, Problem, Pullback
from curation.errors import LawError
from curation.files import Json
from curation.fitting import minimise, polish
from curation.randomness import generator
from mixtures.laws.fitted import LossFit
from mixtures.laws.table import Floats, MixTable

SIZE_UNIT, TOKEN_UNIT = 1e9, 1e10
SMALLEST_SHARE = 1e-9
NUM_STARTS = 256
LARGEST_LOG = 60.0
TermPullback = Callable[[Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Either law; `joint` lets the weights act on the terms of size and tokens too."""

    name: str
    formula: str
    joint: bool
    source: str = "Shukor et al. 2507.09404"
    scaled: bool = True

    def min_rows(self, num_domains: int) -> int:
        """One run more than parameters."""
        return self.num_params(num_domains) + 1

    def num_params(self, num_domains: int) -> int:
        """E, both exponents, C and g a domain; A and B, or their C a domain and exponent."""
        return 3 + 2 * num_domains + (2 * (num_domains + 1) if self.joint else 2)

    def fit(self, table: MixTable, loss: int, start: LossFit | None = None) -> LossFit:
        """Return the lowest objective found."""
        inputs = Inputs.of(table.weights_NK, table.size_N, table.tokens_N)
        values = np.log(table.losses_NM[:, loss])
        problem = Problem(model=lambda theta_SP: _model(theta_SP, inputs, self.joint), targets=values, loss=Loss())
        if start is not None:
            theta = polish(problem, start.theta[None, :], rounds=2)[0]
            objective = float(problem.objective(theta)[0])
        else:
            found = minimise(problem, _starts(len(table.domains), values, joint=self.joint))
            theta, objective = found.theta, found.objective

        def predict(weights_NK: Floats, size_N: Floats | None, tokens_N: Floats | None) -> Floats:
            logs, _ = _model(theta[None, :], Inputs.of(weights_NK, size_N, tokens_N), self.joint)
            return np.asarray(np.exp(logs[0]), np.float64)

        return LossFit(
            params=_params(theta, table.domains, joint=self.joint),
            objective=objective,
            theta=theta,
            predict=predict,
            notes=_notes(table, theta, values),
        )


ADDITIVE = Scaled(
    name="additive-law",
    formula="L = E + 1 / sum_i C_i h_i^g_i + A / N^alpha + B / D^beta",
    joint=False,
)
JOINT = Scaled(
    name="joint-law",
    formula="L = E + 1 / sum_i C_i h_i^g_i + (sum_i CA_i h_i)^gA / N^alpha + (sum_i CB_i h_i)^gB / D^beta",
    joint=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the curve is computed from: shares with their logs, and logs of N and D in their units."""

    shares_NK: Floats
    logs_NK: Floats
    size_N: Floats
    tokens_N: Floats

    @staticmethod
    def of(weights_NK: Floats, size_N: Floats | None, tokens_N: Floats | None) -> Inputs:
        """Return the inputs of mixtures at sizes (parameters) and tokens.

        Raises: LawError without either.
        """
        if size_N is None or tokens_N is None:
            raise LawError("--size, --tokens: the law needs both for every mixture; name their columns, or amounts")
        shares = np.maximum(weights_NK, SMALLEST_SHARE)
        return Inputs(
            shares_NK=shares,
            logs_NK=np.log(shares),
            size_N=np.log(size_N / SIZE_UNIT),
            tokens_N=np.log(tokens_N / TOKEN_UNIT),
        )


def _model(theta_SP: Floats, inputs: Inputs, joint: bool) -> tuple[Floats, Pullback]:
    """Return ln L of every row under every parameter row, and the pullback.

    Order of parameters: ln E, ln alpha, ln beta, ln C (K), ln g (K); then ln A, ln B, or gA, ln CA (K), gB, ln CB (K).
    """
    K = inputs.shares_NK.shape[1]
    with np.errstate(all="ignore"):
        floor = _exp(theta_SP[:, :1])
        mixed, back_mixed = _mixed(theta_SP[:, 3 : 3 + 2 * K], inputs)
        rest = theta_SP[:, 3 + 2 * K :]
        split = rest.shape[1] // 2
        sized, back_sized = _term(theta_SP[:, 1:2], rest[:, :split], inputs.size_N, inputs.shares_NK, joint)
        fed, back_fed = _term(theta_SP[:, 2:3], rest[:, split:], inputs.tokens_N, inputs.shares_NK, joint)
        total = floor + mixed + sized + fed

    def back(weights_SN: Floats) -> Floats:
        with np.errstate(all="ignore"):
            inner = weights_SN / total
            alpha, size_part = back_sized(inner)
            beta, token_part = back_fed(inner)
            ends = [inner.sum(axis=1, keepdims=True) * floor, alpha, beta, back_mixed(inner), size_part, token_part]
            return np.concatenate(ends, axis=1)

    return np.log(total), back


def _exp(values: Floats) -> Floats:
    return np.asarray(np.exp(np.clip(values, -LARGEST_LOG, LARGEST_LOG)), np.float64)


def _mixed(theta_SP: Floats, inputs: Inputs) -> tuple[Floats, Pullback]:
    """Return 1 / sum_i C_i h_i^g_i, shape SN, and its pullback."""
    K = inputs.shares_NK.shape[1]
    powers = _exp(theta_SP[:, K:])
    parts = _exp(theta_SP[:, None, :K] + powers[:, None, :] * inputs.logs_NK[None])  # SNK
    found = 1 / parts.sum(axis=2)

    def back(inner_SN: Floats) -> Floats:
        scaled = -(inner_SN * found**2)[:, :, None] * parts
        return np.concatenate([scaled.sum(axis=1), (scaled * inputs.logs_NK[None]).sum(axis=1) * powers], axis=1)

    return found, back


def _term(
    log_power_S1: Floats, theta_SP: Floats, logs_N: Floats, shares_NK: Floats, joint: bool
) -> tuple[Floats, TermPullback]:
    """Return A / N^alpha, shape SN, and the map to the gradients of ln alpha and of A's parameters."""
    power = _exp(log_power_S1)
    if joint:
        exponent, parts = theta_SP[:, :1], _exp(theta_SP[:, 1:])
        sums = parts @ shares_NK.T  # SN
        found = _exp(exponent * np.log(sums) - power * logs_N)
    else:
        found = _exp(theta_SP - power * logs_N)

    def back(inner_SN: Floats) -> tuple[Floats, Floats]:
        scaled = inner_SN * found
        of_power = (-(scaled * logs_N).sum(axis=1, keepdims=True)) * power
        if not joint:
            return of_power, scaled.sum(axis=1, keepdims=True)
        of_exponent = (scaled * np.log(sums)).sum(axis=1, keepdims=True)
        of_parts = ((scaled / sums) @ shares_NK) * parts * exponent
        return of_power, np.concatenate([of_exponent, of_parts], axis=1)

    return found, back


def _starts(num_domains: int, values: Floats, *, joint: bool) -> Floats:
    """Return drawn starts: the loss shared among the four terms at random, exponents between 0.05 and 1."""
    rng = generator(1, "scaled-law", num_domains, int(joint))
    level = float(np.exp(values.min()))
    shared = rng.dirichlet([2.0, 1.0, 1.0, 1.0], NUM_STARTS) * level
    exponents = np.log(rng.uniform(0.05, 1.0, (NUM_STARTS, 2)))
    scale = -np.log(shared[:, 1:2]) - np.log(num_domains)
    C = scale + rng.normal(scale=1.0, size=(NUM_STARTS, num_domains))
    g = np.log(rng.uniform(0.05, 1.0, (NUM_STARTS, num_domains)))
    ends = []
    for place in (2, 3):
        height = np.log(shared[:, place : place + 1])
        if joint:
            power = rng.uniform(0.2, 1.2, (NUM_STARTS, 1))
            ends += [power, height / power + rng.normal(scale=0.5, size=(NUM_STARTS, num_domains))]
        else:
            ends.append(height)
    return np.concatenate([np.log(shared[:, :1]), exponents, C, g, *ends], axis=1)


def _params(theta: Floats, domains: tuple[str, ...], *, joint: bool) -> Mapping[str, Json]:
    K = len(domains)

    def named(values: Floats) -> dict[str, Json]:
        return {name: float(value) for name, value in zip(domains, values, strict=True)}

    params: dict[str, Json] = {
        "E": float(np.exp(theta[0])),
        "alpha": float(np.exp(theta[1])),
        "beta": float(np.exp(theta[2])),
        "C": named(np.exp(theta[3 : 3 + K])),
        "gamma": named(np.exp(theta[3 + K : 3 + 2 * K])),
    }
    rest = theta[3 + 2 * K :]
    if not joint:
        return {**params, "A": float(np.exp(rest[0])), "B": float(np.exp(rest[1]))}
    half = K + 1
    return {
        **params,
        "gamma_A": float(rest[0]),
        "C_A": named(np.exp(rest[1:half])),
        "gamma_B": float(rest[half]),
        "C_B": named(np.exp(rest[half + 1 :])),
    }


def _notes(table: MixTable, theta: Floats, values: Floats) -> tuple[str, ...]:
    notes = []
    for what, column in (("model sizes", table.size_N), ("token counts", table.tokens_N)):
        count = len(np.unique(column)) if column is not None else 0
        if count < 3:
            notes.append(f"{count} {what}: its exponent rests on two points and trades against E")
    if np.exp(theta[0]) > 0.999 * np.exp(values.min()):
        notes.append("E ended at the lowest loss seen: the floor is not identified")
    return tuple(notes)
