"""Schedules rebuilt from logged rows, and the multi-power law on made curves."""

from __future__ import annotations

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Settings
from leaderboard.laws.multi_power import changes_of, losses, losses_and_slopes
from leaderboard.laws.multi_power_fit import Curves, converge, searched
from leaderboard.laws.schedules import described, rebuild

THETA = np.array([2.5, 0.6, 0.45, 400.0, 2.0, 0.6, 0.65])
PEAK, WARMUP, END = 3e-4, 200, 3e-5


def slow_loss(theta: np.ndarray, rates: np.ndarray, step: int) -> float:  # type: ignore[type-arg]
    """The formula, step by step."""
    level, size, alpha, drop, scale, beta, gamma = theta
    lost = 0.0
    for k in range(1, step + 1):
        if rates[k] != rates[k - 1]:
            later = rates[k : step + 1].sum()
            lost += (rates[k] - rates[k - 1]) * (1 - (1 + scale * rates[k] ** -gamma * later) ** -beta)
    return float(level + size * rates[: step + 1].sum() ** -alpha + drop * lost)


def schedule(name: str, num_steps: int = 4000) -> np.ndarray:  # type: ignore[type-arg]
    if name == "jump":
        rates = described(num_steps, PEAK, warmup=WARMUP)
        rates[2560:] = 9e-5
        return rates
    options = {
        "constant": {},
        "cosine": {"end": END},
        "exponential decay": {"end": END, "decay_from": 3000},
        "linear decay": {"end": END, "decay_from": 3000, "linear": True},
    }[name]
    return described(num_steps, PEAK, warmup=WARMUP, **options)  # type: ignore[arg-type]


NAMES = ("constant", "jump", "cosine", "exponential decay", "linear decay")


@pytest.mark.parametrize("name", NAMES)
def test_rates_of_every_step_come_back_from_rounded_rows(name: str) -> None:
    rates = schedule(name)
    steps = np.arange(256, 4000, 64)
    found = rebuild(steps, np.round(rates[steps], 6), warmup=WARMUP)
    assert found.shape == name
    assert np.max(np.abs(found.rates - rates[: len(found.rates)])) < 2e-6


def test_an_unknown_shape_is_interpolated() -> None:
    steps = np.arange(0, 1000, 10)
    rates = PEAK * (1.5 + np.sin(steps / 60.0))
    found = rebuild(steps, rates, warmup=0)
    assert found.shape == "interpolated"
    assert found.rates[steps] == pytest.approx(rates, rel=1e-9)


def test_a_warm_up_that_rows_show_is_read_from_them() -> None:
    steps = np.arange(0, 1001, 50)
    rates = np.minimum(steps / 300.0, 1.0) * PEAK
    found = rebuild(steps, rates, warmup=0)
    assert found.rates == pytest.approx(np.minimum(np.arange(1001) / 300.0, 1.0) * PEAK, abs=1e-12)


@pytest.mark.parametrize("name", ["cosine", "jump"])
def test_losses_are_those_of_the_formula_step_by_step(name: str) -> None:
    rates = schedule(name, 600) if name == "cosine" else schedule(name)[:2700]
    steps = np.array([250, 599]) if name == "cosine" else np.array([2559, 2560, 2699])
    expected = [slow_loss(THETA, rates, int(step)) for step in steps]
    assert losses(THETA, changes_of(rates, steps)) == pytest.approx(expected, rel=1e-12)


def test_blocks_of_four_steps_move_no_loss_by_more_than_a_ten_thousandth() -> None:
    rates, steps = schedule("exponential decay"), np.arange(256, 4000, 64)
    exact, rough = (losses(THETA, changes_of(rates, steps, block_steps=size)) for size in (1, 4))
    assert np.max(np.abs(exact - rough)) < 1e-4


def test_gradients_are_those_of_small_steps() -> None:
    seen = changes_of(schedule("cosine"), np.arange(256, 4000, 256), block_steps=32)
    _, slopes = losses_and_slopes(THETA, seen)
    for place in range(7):
        small = np.eye(7)[place] * THETA[place] * 1e-5
        change = (losses(THETA + small, seen) - losses(THETA - small, seen)) / (2 * small[place])
        assert slopes[:, place] == pytest.approx(change, rel=1e-5)


def table(*names: str) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {"step": [], "lr": [], "L": [], "curve": []}
    for name in names:
        rates, steps = schedule(name), np.arange(256, 4000, 64)
        seen = losses(THETA, changes_of(rates, steps))
        found["step"] += steps.tolist()
        found["lr"] += rates[steps].tolist()
        found["L"] += seen.tolist()
        found["curve"] += [name] * len(steps)
    return found


def test_a_schedule_that_was_not_fitted_is_predicted() -> None:
    settings = Settings(draws=0, options={"warmup": str(WARMUP), "procedure": "converged"})
    found = fit("loss-curve", table("constant", "cosine", "jump"), settings, holdout=table("exponential decay"))
    assert found.holdout.mean_relative_error == pytest.approx(0, abs=2e-4)
    at = predict(found, {"step": 4000, "lr": PEAK, "warmup": WARMUP, "decay_from": 3000, "end_lr": END})[0].value
    assert at == pytest.approx(slow_loss(THETA, schedule("exponential decay"), 4000), rel=2e-4)


def test_the_tail_of_a_fitted_curve_has_its_own_past_behind_it() -> None:
    whole = table("constant", "cosine")
    late = np.array(whole["step"], float) > 3000
    given = dict(zip(("L0", "A", "alpha", "B", "C", "beta", "gamma"), map(str, THETA), strict=True))
    parts = [{name: np.array(v, object)[chosen] for name, v in whole.items()} for chosen in (~late, late)]
    settings = Settings(draws=0, options={"warmup": str(WARMUP), **given})
    found = fit("loss-curve", parts[0], settings, holdout=parts[1])
    assert found.holdout.mean_relative_error == pytest.approx(0, abs=1e-4)


def test_intervals_come_from_blocks_of_curves() -> None:
    rows = table("constant", "cosine")
    noise = np.random.default_rng(0).normal(0, 0.002, len(rows["L"]))
    rows["L"] = (np.array(rows["L"], float) * np.exp(noise)).tolist()
    found = fit("loss-curve", rows, Settings(draws=20, options={"warmup": str(WARMUP)}))
    assert len(np.unique(found.data.groups)) == 20
    low, high = found.ci95["L0"]
    assert low < high


def test_constant_rates_alone_cannot_tell_what_a_decay_does() -> None:
    found = fit("loss-curve", table("constant"), Settings(draws=0, options={"warmup": str(WARMUP)}))
    assert any("rest on the warm-up alone" in text for text in found.warnings)


def test_bad_input_is_named() -> None:
    rows = table("constant")
    few = {name: values[:5] for name, values in rows.items()}
    with pytest.raises(InsufficientError, match="5 logged steps"):
        fit("loss-curve", few, Settings(draws=0))
    with pytest.raises(LawError, match="option warmup is `soon`"):
        fit("loss-curve", rows, Settings(draws=0, options={"warmup": "soon"}))
    with pytest.raises(LawError, match="option B is `-3`"):
        fit("loss-curve", rows, Settings(draws=0, options={"B": "-3"}))


def test_a_step_logged_twice_counts_once() -> None:
    rows = table("constant", "cosine")
    twice = {name: [*values, values[-1]] for name, values in rows.items()}
    found = fit("loss-curve", twice, Settings(draws=0, options={"warmup": str(WARMUP)}))
    assert found.data.dropped == {"step appears twice in a curve": 1}


def test_residuals_and_gradient_of_one_point_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = np.arange(256, 4000, 64)
    rates = schedule("cosine")
    seen = changes_of(rates, steps, block_steps=32)
    curves = Curves(seen=[seen], losses=losses(THETA, seen))
    points: list[bytes] = []
    once = Curves.residuals

    def counted(self: Curves, search: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        points.append(search.tobytes())
        return once(self, search)

    monkeypatch.setattr(Curves, "residuals", counted)
    converge(curves, searched(THETA * 1.05), free=np.ones(7, bool))
    assert len(points) == len(set(points)) > 3
