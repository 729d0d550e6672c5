"""Mixture laws on made-up runs whose law is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from mixtures.laws.exponential import own_domain
from mixtures.laws.fitted import fit_all
from mixtures.laws.judge import errors_of, held_out, proposal
from mixtures.laws.methods import METHODS, method_named
from mixtures.laws.proposal import drawn, goal_for, under_caps
from mixtures.laws.table import Floats, MixTable

DOMAINS = ("web", "code", "math", "books")
SIZES, TOKENS = np.array([2e8, 4e8, 8e8, 1.6e9]), np.array([4e9, 1e10, 2e10, 4e10])
C, G = np.array([0.5, 1.0, 2.0, 0.3]), np.array([0.3, 0.5, 0.2, 0.8])


def table(law: Callable[[Floats, Floats, Floats], Floats], num: int = 120, *, domains: int = 4) -> MixTable:
    """Return runs of drawn mixtures, sizes and tokens whose loss is the law's."""
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(domains), num)
    size, tokens = rng.choice(SIZES, num), rng.choice(TOKENS, num)
    return MixTable(
        source="runs.csv",
        domains=DOMAINS[:domains],
        losses=("loss",),
        weights_NK=weights,
        losses_NM=law(weights, size, tokens)[:, None],
        size_N=size,
        tokens_N=tokens,
    )


def exponential(weights: Floats, size: Floats, tokens: Floats) -> Floats:
    return np.asarray(1.8 + np.exp(weights @ np.array([0.4, -0.8, -2.0, 0.1])), np.float64)


def additive(weights: Floats, size: Floats, tokens: Floats) -> Floats:
    mixed = 1 / (C * weights**G).sum(axis=1)
    return np.asarray(1.2 + mixed + 0.25 / (size / 1e9) ** 0.35 + 0.2 / (tokens / 1e10) ** 0.4, np.float64)


def joint(weights: Floats, size: Floats, tokens: Floats) -> Floats:
    sized = (weights @ np.array([0.3, 0.1, 0.5, 0.2])) ** 0.7 / (size / 1e9) ** 0.35
    fed = (weights @ np.array([0.1, 0.4, 0.2, 0.3])) ** 0.5 / (tokens / 1e10) ** 0.4
    return np.asarray(1.2 + 1 / (C * weights**G).sum(axis=1) + sized + fed, np.float64)


@pytest.mark.parametrize("name", ["mixing-law", "log-linear"])
def test_an_exponential_law_gives_back_its_numbers(name: str) -> None:
    params = fit_all(table(exponential), METHODS[name]).fits[0].params
    assert params["c"] == pytest.approx(1.8, rel=1e-5)
    sums = params["log_k_plus_t"]
    assert isinstance(sums, dict)
    assert [sums[name] for name in DOMAINS] == pytest.approx([0.4, -0.8, -2.0, 0.1], abs=1e-4)


def test_the_gauge_is_fixed_by_the_last_domain() -> None:
    params = fit_all(table(exponential), METHODS["mixing-law"]).fits[0].params
    assert isinstance(params["t"], dict)
    assert params["t"]["books"] == 0
    assert params["t"]["web"] == pytest.approx(0.3, abs=1e-4)
    assert params["log_k"] == pytest.approx(0.1, abs=1e-4)


def test_the_additive_law_gives_back_its_numbers() -> None:
    params = fit_all(table(additive), METHODS["additive-law"]).fits[0].params
    found = [params[name] for name in ("E", "alpha", "beta", "A", "B")]
    assert found == pytest.approx([1.2, 0.35, 0.4, 0.25, 0.2], rel=1e-3)
    assert list(params["C"].values()) == pytest.approx(list(C), rel=1e-2)  # type: ignore[union-attr]


def test_the_joint_law_gives_back_its_numbers_and_the_additive_one_cannot() -> None:
    runs = table(joint, 200)
    params = fit_all(runs, METHODS["joint-law"]).fits[0].params
    assert params["gamma_A"] == pytest.approx(0.7, rel=1e-3)
    assert list(params["C_B"].values()) == pytest.approx([0.1, 0.4, 0.2, 0.3], rel=1e-2)  # type: ignore[union-attr]
    assert errors_of(fit_all(runs, METHODS["additive-law"]), runs)["loss"].relative > 1e-3


def test_gradients_of_the_scaled_laws_are_those_of_differences() -> None:
    from mixtures.laws.scaled import Inputs, _model, _starts

    runs = table(joint, 7)
    inputs = Inputs.of(runs.weights_NK, runs.size_N, runs.tokens_N)
    for is_joint in (False, True):
        theta = _starts(4, np.log(runs.losses_NM[:, 0]), joint=is_joint)[:1]
        weights = np.arange(1.0, 8.0)[None, :]
        gradient = _model(theta, inputs, is_joint)[1](weights)[0]
        for place in range(theta.shape[1]):
            ends = [theta.copy(), theta.copy()]
            ends[0][0, place] -= 1e-6
            ends[1][0, place] += 1e-6
            low, high = [float((_model(end, inputs, is_joint)[0] * weights).sum()) for end in ends]
            assert gradient[place] == pytest.approx((high - low) / 2e-6, rel=1e-4, abs=1e-7)


def test_held_out_error_is_of_noise_not_of_the_law() -> None:
    runs = table(exponential, 60)
    noisy = runs.losses_NM * np.exp(np.random.default_rng(5).normal(scale=0.01, size=(60, 1)))
    fit = fit_all(MixTable(**{**_fields(runs), "losses_NM": noisy}), METHODS["log-linear"])
    assert 0.005 < held_out(fit)["loss"].relative < 0.012  # a mean absolute error of 0.8 sigma, and the fit's own
    assert errors_of(fit, fit.table)["loss"].relative < held_out(fit)["loss"].relative


def _fields(runs: MixTable) -> dict[str, object]:
    return {name: getattr(runs, name) for name in MixTable.__slots__}  # type: ignore[attr-defined]


def test_the_proposal_is_the_minimum_on_the_simplex() -> None:
    fit = fit_all(table(exponential), METHODS["log-linear"])
    goal = goal_for(fit.table, target={}, supply={}, max_epochs=4, size=None, tokens=None)
    found = proposal(fit, goal, 0)
    assert found.weights_K == pytest.approx([0, 0, 1, 0], abs=1e-6)  # all on the domain with the lowest t
    assert found.value == pytest.approx(np.log(1.8 + np.exp(-2.0)), rel=1e-4)


def two_losses() -> MixTable:
    """Return runs of two domains: `big` is 8 + 4 w, `small` 1 + (1 - w), of the share w of the first domain."""
    first = np.linspace(0.0, 1.0, 11)
    losses = np.stack([8 + 4 * first, 2 - first], axis=1)
    return MixTable(
        source="runs.csv",
        domains=("a", "b"),
        losses=("big", "small"),
        weights_NK=np.stack([first, 1 - first], axis=1),
        losses_NM=losses,
        size_N=None,
        tokens_N=None,
    )


@pytest.mark.parametrize(
    ("target", "at_a", "at_b"),
    [
        ({}, (np.log(12) + np.log(1)) / 2, (np.log(8) + np.log(2)) / 2),  # ln 12 / 2 = 1.2425, ln 16 / 2 = 1.3863
        ({"big": 3, "small": 1}, 0.75 * np.log(12), 0.75 * np.log(8) + 0.25 * np.log(2)),  # 1.8637, 1.7329
        ({"small": 5}, 0.0, np.log(2)),
    ],
)
def test_the_target_is_the_weighted_mean_of_the_logarithms_of_losses(
    target: dict[str, float], at_a: float, at_b: float
) -> None:
    """By hand: raw means are 6.5 at a and 5 at b, so that the mean of losses would take b, and that of ln L takes a."""
    fit = fit_all(two_losses(), METHODS["regmix-linear"])
    goal = goal_for(fit.table, target=target, supply={}, max_epochs=4, size=None, tokens=None)
    corners = np.eye(2)
    assert goal.value(fit, corners) == pytest.approx([at_a, at_b], abs=1e-9)
    proposed = proposal(fit, goal, 0)
    assert proposed.weights_K[int(at_a > at_b)] > 0.95
    predicted = [8 + 4 * proposed.weights_K[0], 2 - proposed.weights_K[0]]
    assert proposed.value == pytest.approx(float(goal.target_M @ np.log(predicted)))
    half = float(goal.target_M @ np.log([10.0, 1.5]))  # the mean of the runs' weights is one half each
    assert proposed.gain == pytest.approx(half - proposed.value)


def test_predictions_below_what_ln_is_taken_of_stay_finite_and_in_order() -> None:
    """Half of the lowest loss, 0.5 for `small`, is the last ln is taken of: below it ln goes on as its tangent."""
    runs = two_losses()
    goal = goal_for(runs, target={"small": 1}, supply={}, max_epochs=4, size=None, tokens=None)
    found = goal.of_losses(np.array([[9.0, 0.5], [9.0, 0.25], [9.0, -0.5], [np.nan, 1.0]]))
    assert found == pytest.approx([np.log(0.5), np.log(0.5) - 0.5, np.log(0.5) - 2.0, 0.0])


def test_a_supply_caps_the_proposal() -> None:
    fit = fit_all(table(exponential), METHODS["log-linear"])
    supply = {"web": 4e9, "code": 2e9, "math": 0.5e9, "books": 4e9}
    goal = goal_for(fit.table, target={}, supply=supply, max_epochs=2, size=None, tokens=4e9)
    # math at most 2 x 0.5 / 4; code, the next lowest, takes the rest: its cap is 1
    assert proposal(fit, goal, 0).weights_K == pytest.approx([0, 0.75, 0.25, 0], abs=1e-6)


def test_intervals_of_the_weights_hold_the_truth_of_a_flat_minimum() -> None:
    def valley(weights: Floats, size: Floats, tokens: Floats) -> Floats:
        return 1.5 + np.exp(-1.5 * weights[:, 0]) + np.exp(-1.5 * weights[:, 1])

    rng = np.random.default_rng(8)
    weights = rng.dirichlet(np.ones(3), 80)
    parts = np.stack([1.5 + np.exp(-1.5 * weights[:, 0]), 1.5 + np.exp(-1.5 * weights[:, 1])], axis=1)
    runs = MixTable(
        source="runs.csv",
        domains=DOMAINS[:3],
        losses=("a", "b"),
        weights_NK=weights,
        losses_NM=parts * np.exp(rng.normal(scale=0.005, size=parts.shape)),
        size_N=None,
        tokens_N=None,
    )
    fit = fit_all(runs, METHODS["log-linear"])
    found = proposal(fit, goal_for(runs, target={}, supply={}, max_epochs=4, size=None, tokens=None), 40)
    assert found.low_K is not None
    assert found.high_K is not None
    assert found.low_K[0] <= 0.5 <= found.high_K[0]  # by symmetry the best weights are one half each
    assert found.better == 1.0
    assert found.num_refits == 40


@pytest.mark.parametrize(
    ("weights", "caps", "expected"),
    [
        ([0.5, 0.5], [0.2, 1.0], [0.2, 0.8]),
        ([0.8, 0.1, 0.1], [0.4, 0.2, 1.0], [0.4, 0.2, 0.4]),
        ([1.0, 0.0], [0.25, 0.75], [0.25, 0.75]),
    ],
)
def test_what_is_over_a_cap_goes_to_the_others(weights: list[float], caps: list[float], expected: list[float]) -> None:
    assert under_caps(np.array(weights), np.array(caps)) == pytest.approx(expected)


def test_too_few_runs_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InsufficientError, match="5 runs, `log-linear` over 4 domains needs at least 6; train 1 more"):
        fit_all(table(exponential, 5), METHODS["log-linear"])


def test_trees_need_sixty_runs_and_grow_on_them() -> None:
    with pytest.raises(InsufficientError, match="needs at least 60"):
        fit_all(table(exponential, 59), METHODS["regmix-lightgbm"])
    runs = table(exponential, 60)
    params = fit_all(runs, METHODS["regmix-lightgbm"]).fits[0].params
    assert isinstance(params["trees"], int)
    assert params["trees"] > 1


def test_tight_caps_still_leave_drawn_proposals_a_choice() -> None:
    """Caps that sum to 1.05 hold none of the mixtures drawn; a line's best of them fills its best domain's cap."""
    fit = fit_all(table(exponential), METHODS["regmix-linear"])
    supply = {"web": 5e8, "code": 2e8, "math": 2e8, "books": 1e8}
    goal = goal_for(fit.table, target={}, supply=supply, max_epochs=1.05, size=None, tokens=1e9)
    assert len(drawn(goal)) > 1_000
    weights = proposal(fit, goal, 0).weights_K
    assert np.all(weights <= goal.caps_K + 1e-9)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[2] == pytest.approx(0.21, abs=1e-3)


@pytest.mark.parametrize(("name", "delta"), [("mixing-law", 0.05), ("log-linear", 0.02)])
def test_the_objective_of_noisy_runs_is_as_low_as_that_of_another_search(name: str, delta: float) -> None:
    """The slow twin: scipy's L-BFGS-B with gradients by differences, from forty drawn starts."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(12)
    runs = table(exponential, 30, domains=4)
    losses = runs.losses_NM + 0.02 * rng.standard_t(2, (30, 1))

    def objective(theta: Floats) -> float:
        misses = np.abs(np.exp(theta[0]) + np.exp(np.minimum(runs.weights_NK @ theta[1:], 30)) - losses[:, 0])
        return float(np.where(misses <= delta, misses**2 / 2, delta * (misses - delta / 2)).sum())

    starts = [np.r_[np.log(losses.min() * rng.uniform(0.2, 0.98)), rng.normal(size=4)] for _ in range(40)]
    ends = [minimize(objective, start, method="L-BFGS-B", options={"maxfun": 4_000}) for start in starts]
    found = fit_all(MixTable(**{**_fields(runs), "losses_NM": losses}), METHODS[name]).fits[0]
    assert objective(found.theta) == pytest.approx(found.objective, rel=1e-9)
    assert found.objective <= min(end.fun for end in ends) * (1 + 1e-6)


def test_domains_that_move_together_are_named() -> None:
    runs = table(exponential)
    tied = runs.weights_NK.copy()
    tied[:, 1] = tied[:, 0] / 2
    tied /= tied.sum(axis=1, keepdims=True)
    with pytest.raises(LawError, match="web, code always move together"):
        fit_all(MixTable(**{**_fields(runs), "weights_NK": tied}), METHODS["mixing-law"])


def test_one_model_size_is_too_few_for_a_law_of_size() -> None:
    runs = MixTable(**{**_fields(table(additive)), "size_N": np.full(120, 4e8)})
    with pytest.raises(InsufficientError, match="one of model sizes"):
        fit_all(runs, METHODS["additive-law"])


def test_a_budget_beyond_all_caps_is_refused() -> None:
    with pytest.raises(LawError, match="beyond 4 epochs of all"):
        goal_for(
            table(exponential), target={}, supply=dict.fromkeys(DOMAINS, 1e9), max_epochs=4, size=None, tokens=2e10
        )


def test_an_unknown_method_is_told_the_nearest() -> None:
    with pytest.raises(LawError, match="did you mean `mixing-law`"):
        method_named("mixinglaw")


@pytest.mark.parametrize(("loss", "place"), [("loss_code", 1), ("Math val", 2), ("eval", 0)])
def test_a_loss_is_of_the_domain_it_names(loss: str, place: int) -> None:
    assert own_domain(loss, DOMAINS) == place
