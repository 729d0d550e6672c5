"""What every law shares: rows dropped and counted, holdout, intervals, one seed one answer."""

from __future__ import annotations

import numpy as np
import pytest

from curation.descent import Loss
from curation.errors import InsufficientError, LawError
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Settings

NO_DRAWS = Settings(draws=0)


def powers(num: int = 12, noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    sizes = np.geomspace(1e7, 1e10, num)
    wobble = np.exp(noise * np.random.default_rng(seed).standard_normal(num))
    return {"N": sizes, "L": (8.8e13 / sizes) ** 0.076 * wobble}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("N", 0.0, "N is zero or negative"),
        ("N", -1e8, "N is zero or negative"),
        ("L", 0.0, "L is zero or negative"),
        ("L", float("nan"), "L is missing or not a finite number"),
        ("N", float("inf"), "N is missing or not a finite number"),
    ],
)
def test_a_row_that_cannot_be_used_is_dropped_and_counted(column: str, value: float, reason: str) -> None:
    table = powers()
    table[column][3] = value
    found = fit("kaplan", table, NO_DRAWS)
    assert (found.data.n, dict(found.data.dropped)) == (11, {reason: 1})
    assert any(reason in warning for warning in found.warnings)


def test_words_and_gaps_among_numbers_are_missing_values() -> None:
    found = fit("kaplan", {"N": [*powers()["N"], None, "many"], "L": [*powers()["L"], 2.0, 2.0]}, NO_DRAWS)
    assert dict(found.data.dropped) == {"N is missing or not a finite number": 2}


def test_integers_too_large_for_64_bits_do_not_overflow() -> None:
    """6 N D of int64 wraps at 9.2e18."""
    sizes = np.array([10**9 * k for k in range(1, 13)], np.int64)
    tokens = np.array([10**11 + 10**10 * k**2 for k in range(12)], np.int64)
    found = fit("isoflop", isoflop_integers(sizes, tokens), NO_DRAWS)
    assert found.data.columns["C"].min() > 9.2e18
    assert np.all(found.data.columns["C"] == 6.0 * found.data.columns["N"] * found.data.columns["D"])


def isoflop_integers(sizes: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    budgets = np.array([1e21, 1e22, 1e23])
    rows = [(int(n), int(c / 6 / n)) for c in budgets for n in np.geomspace(0.1, 10, 9) * 1e9 * (c / 1e21) ** 0.5]
    found = np.array(rows, np.int64)
    return {"N": found[:, 0], "D": found[:, 1], "L": 1.7 + 400 / found[:, 0] ** 0.34 + 410 / found[:, 1] ** 0.28}


def test_compute_beyond_float64_is_dropped_by_name() -> None:
    table = {"N": [1e200, 2e200, 1e199], "D": [1e200, 1e201, 1e202], "L": [3.0, 2.9, 2.8]}
    with pytest.raises(InsufficientError, match="3 C = 6 N D overflows"):
        fit("isoflop", table, NO_DRAWS)


@pytest.mark.parametrize("law", ["kaplan", "isoflop", "envelope", "chinchilla"])
def test_two_points_and_equal_points_are_insufficient_for_every_law(law: str) -> None:
    names = ["N", "L"] if law == "kaplan" else ["N", "D", "L"]
    two = {"N": [1e8, 2e8], "D": [1e9, 2e9], "L": [3.0, 2.9]}
    with pytest.raises(InsufficientError, match="insufficient"):
        fit(law, {name: two[name] for name in names}, NO_DRAWS)
    with pytest.raises(InsufficientError, match="insufficient"):
        fit(law, {name: two[name][:1] * 10 for name in names}, NO_DRAWS)


def test_no_row_left_says_why() -> None:
    with pytest.raises(InsufficientError, match="3 L is zero or negative"):
        fit("kaplan", {"N": [1e7, 1e8, 1e9], "L": [0, -1, 0]}, NO_DRAWS)


def test_two_sizes_are_too_few_for_a_trend() -> None:
    found = fit("kaplan", {"N": [1e7, 1e7, 1e8, 1e8], "L": [4.0, 4.1, 3.5, 3.4]}, NO_DRAWS)
    assert "only 2 distinct values of N, expected at least 3: no trend can be told" in found.warnings


def test_an_exponent_at_its_bound_is_warned_about() -> None:
    sizes = np.geomspace(1e7, 1e9, 8)
    found = fit("kaplan", {"N": sizes, "L": 3.0 * sizes**0.01}, NO_DRAWS)
    assert any("alpha_N = -0.01 is at a bound" in warning for warning in found.warnings)


def test_held_out_rows_only_measure_the_error() -> None:
    table = powers()
    held_out = {"N": np.array([1e11]), "L": np.array([1.1 * (8.8e13 / 1e11) ** 0.076])}
    found = fit("kaplan", table, NO_DRAWS, holdout=held_out)
    assert found.holdout.n == 1
    assert found.holdout.mean_relative_error == pytest.approx(1 - 1 / 1.1, rel=1e-6)
    assert found.params == fit("kaplan", table, NO_DRAWS).params


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others() -> None:
    table = powers(noise=0.01)
    first, again = (fit("kaplan", table, Settings(draws=50)) for _ in range(2))
    assert first.ci95 == again.ci95
    assert fit("kaplan", table, Settings(draws=50, seed=1)).ci95 != first.ci95


def test_runs_are_drawn_whole() -> None:
    """Copies of a run add no evidence: intervals by run are those of one row a run, those by row are narrower."""
    table = powers(noise=0.01)
    copies = {name: np.repeat(values, 9) for name, values in table.items()}
    settings = Settings(draws=200, options={"variant": "original"})
    by_run = fit("kaplan", {**copies, "run": np.repeat(np.arange(12), 9)}, settings)
    by_row, alone = fit("kaplan", copies, settings), fit("kaplan", table, settings)
    width = {
        name: found.ci95["alpha_N"][1] - found.ci95["alpha_N"][0]
        for name, found in (("run", by_run), ("row", by_row), ("alone", alone))
    }
    assert width["run"] == pytest.approx(width["alone"], rel=1e-4)
    assert width["row"] < width["run"] / 2


def test_intervals_of_predictions_hold_new_runs_about_as_often_as_they_claim() -> None:
    hits = 0
    for seed in range(40):
        found = fit("kaplan", powers(30, noise=0.01, seed=seed), Settings(draws=100, options={"variant": "original"}))
        new = (8.8e13 / 3e10) ** 0.076 * np.exp(0.01 * np.random.default_rng(1000 + seed).standard_normal())
        interval = predict(found, {"N": 3e10})[0].interval
        assert interval is not None
        hits += interval[0] < new < interval[1]
    assert 33 <= hits <= 40


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        ({"N": [1, 2, 3]}, NO_DRAWS, "needs L"),
        ({"N": [1, 2, 3], "L": [1, 2]}, NO_DRAWS, "unequal length"),
        ({"N": [1, 2, 3], "L": [1, 2, 3], "Q": [1, 2, 3]}, NO_DRAWS, "no variable `Q`"),
        ({"L": [1, 2, 3]}, NO_DRAWS, "needs N, D or C"),
        (powers(), Settings(options={"shape": "x"}), "no option `shape`"),
        (powers(), Settings(options={"variant": "x"}), "expected one of auto, original, irreducible"),
    ],
)
def test_a_table_or_an_option_the_law_does_not_have_is_named(
    table: dict[str, list[float]], settings: Settings, message: str
) -> None:
    with pytest.raises(LawError, match=message):
        fit("kaplan", table, settings)


def test_a_loss_function_is_refused_where_the_procedure_fixes_it() -> None:
    table = {"N": [1e8, 2e8, 3e8], "C": [1e18] * 3, "L": [3.0, 2.9, 3.1]}
    with pytest.raises(LawError, match="loss function `lad` is not allowed"):
        fit("isoflop", table, Settings(loss=Loss(kind="lad")))


def test_a_prediction_needs_inputs_that_the_law_has() -> None:
    found = fit("kaplan", powers(), NO_DRAWS)
    with pytest.raises(LawError, match="no input Z"):
        predict(found, {"Z": 1.0})
    with pytest.raises(LawError, match="also needs N"):
        predict(found, {"D": 1.0})


def test_sizes_that_lie_close_are_still_many_where_they_span_decades() -> None:
    """4,000 sizes, each within 2 % of the next."""
    found = fit("kaplan", powers(4000), NO_DRAWS)
    assert not any("distinct values of N" in warning for warning in found.warnings)


@pytest.mark.parametrize(("units", "is_told"), [(3, True), (5, False)])
def test_intervals_of_few_drawn_units_are_not_to_be_trusted(units: int, is_told: bool) -> None:
    table = {**powers(30, noise=0.01), "run": np.arange(30) % units}
    found = fit("kaplan", table, Settings(draws=20))
    assert any(f"draws {units} units" in warning for warning in found.warnings) == is_told


def test_resamples_of_a_large_table_are_held_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit("kaplan", powers(40, noise=0.01), Settings(draws=30))
    monkeypatch.setattr("leaderboard.laws.fit.WEIGHT_CELLS", 40)
    parts = fit("kaplan", powers(40, noise=0.01), Settings(draws=30))
    assert parts.draws_SP[:, :2] == pytest.approx(whole.draws_SP[:, :2], rel=1e-5)
