"""Direct accuracy, two stages, error from loss: known truths come back; bad input is told."""

from __future__ import annotations

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Settings

QUICK = Settings(draws=0)
N = np.repeat(np.geomspace(1e8, 1e10, 6), 4)
D = N * np.tile([10.0, 20.0, 80.0, 320.0], 6)
C = 6 * N * D


def chosen(**options: str) -> Settings:
    return Settings(draws=0, options=options)


def test_accuracy_in_compute_is_the_straight_line_of_the_double_log() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, len(C))
    accuracy = np.exp(-np.exp(6 - 0.15 * np.log(C) + noise))
    found = fit("direct-accuracy", {"C": C, "Q": accuracy}, QUICK)
    slope, level = np.polyfit(np.log(C), np.log(-np.log(accuracy)), 1)
    assert found.params["alpha"] == pytest.approx(-slope, rel=1e-8)
    assert np.log(found.params["A"]) == pytest.approx(level, rel=1e-8)


def test_accuracy_in_sizes_comes_back_above_chance() -> None:
    skill = np.exp(-(np.exp(9) / N**0.5 + np.exp(11) / D**0.55))
    found = fit("direct-accuracy", {"N": N, "D": D, "Q": 0.25 + 0.75 * skill}, chosen(chance="0.25"))
    assert (found.params["alpha"], found.params["beta"]) == (pytest.approx(0.5), pytest.approx(0.55))
    at = predict(found, {"N": 7e10, "D": 1.4e12})[0].value
    assert at == pytest.approx(0.25 + 0.75 * np.exp(-(np.exp(9) / 7e10**0.5 + np.exp(11) / 1.4e12**0.55)))


def test_pass_at_k_has_four_coefficients() -> None:
    tries = np.tile([1.0, 4.0, 16.0, 64.0], 6)
    accuracy = np.exp(-np.exp(5 - 0.1 * np.log(C) - 0.9 * np.log(tries) + 0.01 * np.log(tries) * np.log(C)))
    found = fit("direct-accuracy", {"C": C, "k": tries, "Q": accuracy}, QUICK)
    expected = {"A": np.exp(5), "alpha": -0.1, "beta": -0.9, "delta": 0.01}
    assert dict(found.params) == pytest.approx(expected, rel=1e-6)


def test_a_ceiling_below_one_is_found() -> None:
    accuracy = np.exp(-np.exp(6) * C**-0.15 - 0.1)
    found = fit("direct-accuracy", {"C": C, "Q": accuracy}, chosen(form="ceiling"))
    assert found.params["ceiling"] == pytest.approx(np.exp(-0.1))


def test_rows_at_or_below_chance_are_dropped_and_counted_never_clipped() -> None:
    accuracy = 0.25 + 0.75 * np.exp(-np.exp(6) * C**-0.15)
    worse = np.concatenate([accuracy, [0.25, 0.2]])
    compute = np.concatenate([C, [1e18, 1e18]])
    found = fit("direct-accuracy", {"C": compute, "Q": worse}, chosen(chance="0.25"))
    assert found.data.dropped == {"accuracy is at or below chance": 2}
    assert found.params["alpha"] == pytest.approx(0.15)


def test_a_column_of_chance_counts_for_each_row() -> None:
    chance = np.tile([0.25, 0.5], 12)
    accuracy = chance + (1 - chance) * np.exp(-np.exp(6) * C**-0.15)
    found = fit("direct-accuracy", {"C": C, "Q": accuracy, "chance": chance}, QUICK)
    assert found.params["alpha"] == pytest.approx(0.15)


def test_several_ratios_in_the_law_of_one_ratio_are_told() -> None:
    table = {"N": N, "D": D, "Q": np.exp(-np.exp(6) * C**-0.15)}
    assert any("holds at one ratio" in text for text in fit("direct-accuracy", table, chosen(form="compute")).warnings)


@pytest.mark.parametrize(
    ("accuracy", "options", "message"),
    [
        (np.full(24, 55.0), {}, "expected fractions"),
        (np.full(24, 0.1), {"chance": "0.25"}, "at or below chance"),
        (np.full(24, 0.5), {"chance": "25"}, "expected a fraction"),
    ],
)
def test_bad_accuracies_are_named(accuracy: np.ndarray, options: dict[str, str], message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(LawError, match=message):
        fit("direct-accuracy", {"C": C, "Q": accuracy}, chosen(**options))


def loss_of(size: np.ndarray, tokens: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(np.exp(5) / size**0.3 + np.exp(7) / tokens**0.35 + 0.45)


def link(loss: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(-0.8 / (1 + np.exp(-4 * (loss - 1.0))) + 0.98)


def test_both_stages_come_back_and_stand_beside_the_direct_law_on_held_out_runs() -> None:
    target = {"N": np.array([7e10]), "D": np.array([4e12])}
    target = {**target, "L": loss_of(**dict(zip(("size", "tokens"), target.values(), strict=True)))}
    target["Q"] = link(target["L"])
    table = {"N": N, "D": D, "L": loss_of(N, D), "Q": link(loss_of(N, D))}
    found = fit("two-stage", table, chosen(chance="0.15"), holdout=target)
    assert (found.params["alpha"], found.params["k"]) == (pytest.approx(0.3), pytest.approx(4.0, rel=1e-5))
    errors = found.details["holdout"]
    assert isinstance(errors, dict)
    assert errors["two_stage"] == pytest.approx(0, abs=1e-6)
    assert isinstance(errors["direct"], float)
    assert errors["direct"] > 0.001


def test_in_compute_the_first_stage_is_a_straight_line_of_logarithms() -> None:
    loss = (C / 1e20) ** -0.1
    found = fit("two-stage", {"C": C, "L": loss, "Q": 1.2 - 0.6 * loss}, chosen(link="linear"))
    expected = {"alpha": 0.1, "C_N": 1e20, "a": -0.6, "b": 1.2}
    assert dict(found.params) == pytest.approx(expected, rel=1e-6)


def test_checkpoints_of_a_run_end_in_the_mean_of_their_last_five() -> None:
    steps = np.tile(np.arange(1.0, 21.0), 24)
    run = np.repeat(np.arange(24), 20)
    loss = np.repeat(loss_of(N, D), 20) + np.tile(
        np.where(np.arange(20) >= 15, [0.0] * 15 + [-0.1, -0.05, 0, 0.05, 0.1], 1.0), 24
    )
    tokens = np.repeat(D, 20) * steps / 20
    table = {"run": run, "step": steps, "N": np.repeat(N, 20), "D": tokens, "L": loss, "Q": link(loss)}
    found = fit("two-stage", table, chosen(anchor="no"))
    assert found.params["alpha"] == pytest.approx(0.3, rel=1e-4)  # +-0.1 around the end averages out
    assert len(found.observed) == 24


def test_two_stages_refuse_a_size_without_tokens() -> None:
    with pytest.raises(LawError, match="needs N and D, or C"):
        fit("two-stage", {"N": [1e8, 1e9, 1e10], "L": [1.0, 0.8, 0.6], "Q": [0.3, 0.4, 0.5]}, Settings(draws=0))


def test_the_link_alone_is_fitted_where_only_loss_and_accuracy_are_mapped() -> None:
    losses = np.linspace(0.5, 1.5, 12)
    score = -0.7 / (1 + np.exp(-6 * (losses - 0.9))) + 0.98
    found = fit("two-stage", {"L": losses, "Q": score}, Settings(draws=0))
    assert found.params == pytest.approx({"a": -0.7, "x0": 0.9, "k": 6.0, "b": 0.98}, rel=1e-4)
    assert predict(found, {"L": 0.9})[0].value == pytest.approx(0.63, rel=1e-5)
    assert any("form link" in text for text in found.warnings)


def test_error_from_loss_comes_back_and_predicts_from_a_loss() -> None:
    loss = np.linspace(2.0, 4.0, 9)
    found = fit("error-from-loss", {"L": loss, "Err": 0.86 - 2.2 * np.exp(-0.7 * loss)}, Settings(draws=50))
    assert dict(found.params) == pytest.approx({"eps": 0.86, "k": 2.2, "gamma": 0.7}, rel=1e-5)
    assert predict(found, {"L": 1.8})[0].value == pytest.approx(0.86 - 2.2 * np.exp(-0.7 * 1.8), rel=1e-5)


def test_two_rows_are_insufficient_for_three_parameters() -> None:
    with pytest.raises(InsufficientError, match="insufficient"):
        fit("error-from-loss", {"L": [2.0, 3.0], "Err": [0.5, 0.6]}, QUICK)
