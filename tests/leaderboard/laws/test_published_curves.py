"""Published runs give the published numbers: over-training, error, repeated data, loss curves, critical batch."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from leaderboard.laws.data_constrained import PUBLISHED_R_STAR
from leaderboard.laws.fit import fit
from leaderboard.laws.law import Fit, Settings

RESULTS = Path(os.environ.get("CURATE_SHARED", "../shared")) / "results"
pytestmark = pytest.mark.skipif(not RESULTS.is_dir(), reason="the published run data are not there (CURATE_SHARED)")
Row = Mapping[str, str]
QUICK = Settings(draws=0)
FIVE = (10569312, 78914048, 153677376, 411616256)
TRAINED = ("cosine_24000", "constant_24000", "wsdcon_9")
# printed with the authors' code, by size in millions: L0, A, alpha, B, C, beta, gamma
POINTS = {
    25: (3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257),
    100: (2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644),
    400: (2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493, 0.63472457),
}
PRINTED = {25: (0.9988, 0.00376, 0.00465), 100: (0.9983, 0.00435, 0.00592), 400: (0.9978, 0.00484, 0.0073)}


def rows_of(name: str) -> list[Row]:
    with (RESULTS / name).open() as stream:
        return list(csv.DictReader(stream))


def gadre(chosen: Callable[[float, float], bool]) -> dict[str, list[float]]:
    tasks = json.loads((RESULTS / "gadre_scaling/task_splits.json").read_text())["tasks17"]
    found: dict[str, list[float]] = {name: [] for name in ("N", "D", "L", "Err", "in_loss")}
    for row in rows_of("gadre_scaling/runs.csv"):
        size, ratio = float(row["N"]), float(row["M"])
        if row["train_dataset"] == "rpj" and chosen(size, ratio):
            error = 1 - sum(float(row[f"acc_{task}"]) for task in tasks) / len(tasks)
            values = (size, float(row["D"]), float(row["loss_c4_val"]), error, float(size < 1e9))
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    return found


def small_runs(size: float, ratio: float) -> bool:
    return (ratio == 20 and size in FIVE) or (ratio == 320 and size == FIVE[0])


def only(table: Mapping[str, list[float]], *names: str) -> dict[str, list[float]]:
    return {name: table[name] for name in names}


def test_the_over_training_law_of_redpajama_is_the_published_one() -> None:
    found = fit("overtraining", only(gadre(small_runs), "N", "D", "L"), QUICK)
    expected = {"E": 1.836648, "eta": 0.136425, "a": 212.236, "b": 366.687}
    assert {name: found.params[name] for name in expected} == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "ratio", "loss_percent", "error_percent"),
    [(1439795200, 640, 0.710336, 3.636507), (6889410560, 20, 0.732046, 0.046446)],
)
def test_losses_and_errors_of_larger_runs_are_missed_by_as_much_as_published(
    size: float, ratio: float, loss_percent: float, error_percent: float
) -> None:
    target = gadre(lambda n, m: n == size and m == ratio)
    loss = fit("overtraining", only(gadre(small_runs), "N", "D", "L"), QUICK, holdout=only(target, "N", "D", "L"))
    chain = gadre(lambda n, m: small_runs(n, m) or (n == 1439795200 and m == 20))
    error = fit("error-from-loss", chain, QUICK, holdout=target)
    assert loss.holdout.mean_relative_error == pytest.approx(loss_percent / 100, rel=1e-3)
    assert error.holdout.mean_relative_error == pytest.approx(error_percent / 100, rel=1e-3)
    assert [error.params[name] for name in ("k", "gamma", "eps")] == pytest.approx([2.20649, 0.714591, 0.856992], 1e-3)


@pytest.fixture(scope="module")
def repeated() -> Fit:
    rows = rows_of("datablations/runs_fit182.csv")
    columns = {"N": "N", "D": "D", "U": "U_D", "L": "loss"}
    return fit("data-constrained", {key: [row[name] for row in rows] for key, name in columns.items()}, QUICK)


def test_the_objective_at_the_published_decay_is_the_published_one(repeated: Fit) -> None:
    published = repeated.details["published"]
    assert isinstance(published, dict)
    assert (published["R*_D"], published["R*_N"]) == PUBLISHED_R_STAR
    assert published["objective"] == pytest.approx(0.0158259353, abs=1e-6)
    assert published["r2"] == pytest.approx(0.772205, abs=1e-6)
    assert repeated.details["no_decay"] == {"r2": pytest.approx(0.445168, abs=1e-6)}


def test_the_fit_is_not_above_the_published_point_and_tells_of_the_ridge(repeated: Fit) -> None:
    assert repeated.objective <= 0.0158048
    assert repeated.params["R*_N"] < 100  # with 1 - exp in place of -expm1 a false minimum lies at 1e17
    assert any("flat ridge: R*_D, R*_N not identified" in text for text in repeated.warnings)


def test_critical_batches_and_their_power_law_are_the_published_ones() -> None:
    rows = rows_of("critical_batch_size/steps_to_target.csv")
    table = {"N": "N", "B": "batch_size_seqs", "steps": "steps_to_target"}
    found = fit("critical-batch", {key: [float(row[name]) for row in rows] for key, name in table.items()}, QUICK)
    sizes = found.details["sizes"]
    assert isinstance(sizes, list)
    batches = [size["CBS"] for size in sizes if isinstance(size, dict)]
    assert batches == pytest.approx([745.32, 955.16, 1393.73, 1888.52, 2533.41], rel=1e-3)
    assert (found.params["coef"], found.params["exp"]) == pytest.approx((93.1968, 0.468278), rel=1e-3)


def curves(size: int, *, trained: bool) -> dict[str, list[str]]:
    rows = [row for row in rows_of("multipowerlaw/loss_curves.csv") if int(row["size_M"]) == size]
    rows = [row for row in rows if (row["schedule"] in TRAINED) == trained]
    names = {"step": "step", "lr": "lr", "L": "loss", "curve": "schedule"}
    return {key: [row[name] for row in rows] for key, name in names.items()}


@pytest.mark.parametrize("size", [25, 100, 400])
def test_the_multi_power_law_at_the_authors_point_has_the_printed_errors_on_unseen_schedules(size: int) -> None:
    given = dict(zip(("L0", "A", "alpha", "B", "C", "beta", "gamma"), map(str, POINTS[size]), strict=True))
    settings = Settings(draws=0, options=given)
    found = fit("loss-curve", curves(size, trained=True), settings, holdout=curves(size, trained=False))
    mean = found.details["mean_of_held_out_curves"]
    assert isinstance(mean, dict)
    r2, mae, rmse = PRINTED[size]
    assert (mean["r2"], mean["mae"], mean["rmse"]) == (
        pytest.approx(r2, abs=5.1e-5),
        pytest.approx(mae, abs=5.1e-6),
        pytest.approx(rmse, abs=5.1e-6),
    )


@pytest.mark.slow
def test_the_converged_fit_of_loss_curves_is_below_the_authors_objective() -> None:
    to_the_end = Settings(draws=0, options={"procedure": "converged"})
    found = fit("loss-curve", curves(25, trained=True), to_the_end, holdout=curves(25, trained=False))
    given = dict(zip(("L0", "A", "alpha", "B", "C", "beta", "gamma"), map(str, POINTS[25]), strict=True))
    authors = fit("loss-curve", curves(25, trained=True), Settings(draws=0, options=given))
    assert found.objective < 0.5 * authors.objective
    assert found.holdout.mean_relative_error is not None
    assert found.holdout.mean_relative_error < 0.0025


@pytest.mark.slow
@pytest.mark.parametrize("size", [25, 100, 400])
def test_the_default_fit_ends_at_the_authors_point_and_has_the_printed_errors(size: int) -> None:
    found = fit("loss-curve", curves(size, trained=True), QUICK, holdout=curves(size, trained=False))
    assert list(found.params.values()) == pytest.approx(list(POINTS[size]), rel=2e-5)
    mean = found.details["mean_of_held_out_curves"]
    assert isinstance(mean, dict)
    printed = dict(zip(("r2", "mae", "rmse"), PRINTED[size], strict=True))
    assert mean["r2"] == pytest.approx(printed["r2"], abs=5.1e-5)
    assert (mean["mae"], mean["rmse"]) == (
        pytest.approx(printed["mae"], abs=6e-6),
        pytest.approx(printed["rmse"], abs=6e-6),
    )


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1e3])
def test_the_unit_of_the_rates_changes_no_prediction(unit: float) -> None:
    table = curves(100, trained=True)
    scaled = {**table, "lr": [str(unit * float(rate)) for rate in table["lr"]]}
    first, second = (fit("loss-curve", one, QUICK) for one in (table, scaled))
    assert second.expected == pytest.approx(first.expected, rel=1e-4)


def test_residuals_are_as_many_as_rows(repeated: Fit) -> None:
    assert repeated.residuals.shape == (182,)
    assert np.all(np.isfinite(repeated.residuals))
