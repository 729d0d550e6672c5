"""Parts of the monitor against arithmetic and slow twins."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from curation.errors import InsufficientError, LawError
from leaderboard.laws.law import Settings
from leaderboard.monitor.band import check_residuals, fit_band, runs_test
from leaderboard.monitor.batches import check_batches
from leaderboard.monitor.classify import scale_kind, slope
from leaderboard.monitor.rows import read_rows
from leaderboard.monitor.view import strip
from leaderboard.monitor.watch import watch


def num_runs(signs: tuple[int, ...]) -> int:
    return 1 + sum(left != right for left, right in pairwise(signs))


def test_the_runs_test_counts_every_order() -> None:
    """Slow twin: all orders of 5 pluses and 4 minuses."""
    orders = [signs for signs in product((1, -1), repeat=9) if sum(signs) == 1]
    seen = num_runs((1, 1, 1, 1, 1, -1, -1, -1, -1))
    share = sum(num_runs(signs) <= seen for signs in orders) / len(orders)
    assert runs_test([1.0] * 5 + [-1.0] * 4) == pytest.approx(2 * share)


def test_checkpoints_of_a_run_count_as_one_residual() -> None:
    """Ten runs of ten rows that miss together: ten residuals, not a hundred in ten blocks."""
    means = np.array([0.001, -0.002, 0.0015, -0.001, 0.002, 0.001, -0.0015, -0.001, 0.002, -0.001])
    run = np.repeat(np.arange(10), 10)
    found = check_residuals(np.repeat(means, 10), num_params=4, run=run, compute=np.arange(1.0, 101.0))
    assert found.num_runs == 8
    assert found.degrees == 6
    assert not found.trend


def test_alternating_signs_are_as_suspicious_as_blocks() -> None:
    assert runs_test([1.0, -1.0] * 10) < 0.01
    assert runs_test([1.0] * 10 + [-1.0] * 10) < 0.01
    assert runs_test([1.0, 1.0]) == 1.0


def test_one_outlier_does_not_hide_itself() -> None:
    values = np.array([0.001, -0.001] * 10 + [0.02])
    found = check_residuals(values, num_params=5, run=np.arange(21), compute=np.arange(1.0, 22.0))
    assert found.outliers.tolist() == [False] * 20 + [True]
    assert found.sigma == pytest.approx(np.sqrt(20e-6 / 15))


def test_parameters_that_a_law_does_not_fit_take_no_degrees_of_freedom() -> None:
    """`data-constrained` keeps five of its seven parameters: sigma^2 = sum of squares / (n - 2)."""
    sizes, tokens = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e8, 4e9, 5), [4e9, 2e10, 4e10, 1e11]))
    noise = np.exp(0.002 * np.random.default_rng(0).standard_normal(20))
    losses = (1.87 + 521 / sizes**0.353 + 1488 / tokens**0.353) * noise
    table = {"N": sizes, "D": tokens, "U": tokens / np.tile([1.0, 4.0], 10), "L": losses}
    band = fit_band(read_rows(table, np.zeros(20, bool), "t"), law="data-constrained", settings=Settings(draws=0))
    kept = ~band.residuals.outliers
    squares = float(np.sum(band.residuals.values[kept] ** 2))
    assert band.residuals.sigma == pytest.approx(np.sqrt(squares / (int(kept.sum()) - 2)))


@pytest.mark.parametrize(
    ("bad", "place", "kind"),
    [
        ([False, True, False], 1, "single-bad-scale"),
        ([False, False, True], 2, "above-at-larger-scale"),
        ([False, True, True], 1, "above-at-larger-scale"),
        ([True, True, True], 2, "above-early"),
        ([True, False, False], 0, "above-early"),
        ([False, True, True, False], 1, "above-band"),
    ],
)
def test_the_pattern_over_scales_names_the_fault(bad: list[bool], place: int, kind: str) -> None:
    assert scale_kind(bad, place) == kind


def test_a_slope_has_its_textbook_error() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    y = np.array([0.0, 1.1, 1.9, 3.1, 3.9])
    found, error = slope(x, y, 0.0)
    rest = y - np.polyval(np.polyfit(x, y, 1), x)
    assert found == pytest.approx(np.polyfit(x, y, 1)[0])
    assert error == pytest.approx(np.sqrt(np.sum(rest**2) / 3 / 10))


def batched(losses: list[float], batches: list[float]) -> object:
    n = len(losses)
    table = {"N": [1e8] * n, "D": [2e9] * n, "L": losses, "B": batches}
    return read_rows(table, np.zeros(n, bool), "t")


def test_the_batch_pair_is_judged_by_the_noise_of_a_difference() -> None:
    """ln(3.03 / 3) = 0.00995; sigma 0.003 x sqrt(2): 2.35."""
    found = check_batches(batched([3.0, 3.03], [1e5, 4e5]), noise=0.003)  # type: ignore[arg-type]
    assert found is not None
    assert found.pairs[0].sigmas == pytest.approx(np.log(1.01) / (0.003 * np.sqrt(2)))
    assert [flag.kind for flag in found.flags] == ["larger-batch-worse"]


def test_a_larger_batch_that_is_better_is_no_fault() -> None:
    found = check_batches(batched([3.0, 2.9], [1e5, 4e5]), noise=0.003)  # type: ignore[arg-type]
    assert found is not None
    assert not found.flags


def test_repeated_runs_tell_the_noise_of_batches() -> None:
    found = check_batches(batched([3.0, 3.01, 3.0, 3.01], [1e5, 1e5, 4e5, 4e5]))  # type: ignore[arg-type]
    assert found is not None
    assert found.source == "2 repeated runs"
    assert found.sigma == pytest.approx(np.log(3.01 / 3) / np.sqrt(2))


@pytest.mark.parametrize(("sigmas", "mark"), [(0.0, "o"), (1.9, "o"), (2.1, "X"), (-30.0, "X")])
def test_the_strip_shows_inside_and_outside(sigmas: float, mark: str) -> None:
    text = strip(sigmas, 2.0)
    assert len(text) == 21
    assert mark in text


def test_bad_rows_are_dropped_and_counted() -> None:
    table = {"N": [1e8, -1.0, 1e8], "D": [1e9, 1e9, 1e9], "L": [3.0, 3.0, float("nan")]}
    rows = read_rows(table, np.zeros(3, bool), "t")
    assert rows.n == 1
    assert sum(rows.dropped.values()) == 2


def test_compute_of_large_integers_does_not_overflow() -> None:
    rows = read_rows({"N": np.array([7 * 10**10]), "D": np.array([10**13]), "L": [2.0]}, np.zeros(1, bool), "t")
    assert rows.compute[0] == pytest.approx(4.2e24)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"L": [1.0]}, "needs L and"),
        ({"N": [1.0], "L": [1.0]}, "two of N, D, C"),
        ({"N": [1.0], "X": [1.0], "L": [1.0]}, "no variable `X`"),
    ],
)
def test_tables_without_sizes_are_refused(table: dict[str, list[float]], said: str) -> None:
    with pytest.raises(LawError, match=said):
        read_rows(table, np.zeros(1, bool), "t")


@pytest.mark.parametrize(("level", "noise"), [(1.0, None), (0.2, None), (0.99, -0.1), (0.99, float("nan"))])
def test_levels_and_noise_that_are_none_are_refused(level: float, noise: float | None) -> None:
    with pytest.raises(LawError, match=r"--level|--noise"):
        watch({"C": [1.0], "L": [1.0]}, np.zeros(1, bool), level=level, noise=noise)


def test_too_few_earlier_runs_are_insufficient() -> None:
    table = {"N": [1e8, 2e8, 4e8], "D": [1e9, 2e9, 3e9], "L": [3.0, 2.9, 2.8]}
    found = watch(table, np.array([False, False, True]), level=0.99, settings=Settings(draws=0))
    assert found.verdict == "insufficient"
    assert any("no band" in note for note in found.warnings)


def test_nothing_usable_is_insufficient() -> None:
    with pytest.raises(InsufficientError, match="no usable row"):
        watch({"C": [1e18], "L": [-1.0]}, np.zeros(1, bool), level=0.99)
