"""Pictures of fits: valid Vega-Lite, the same for the same numbers, below the row limit, with units and titles."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import RunError
from leaderboard.laws.difference.compare import Asked, compare_recipes
from leaderboard.laws.difference.paired import Points, Rows, cells_of
from leaderboard.laws.fit import fit, predict
from leaderboard.laws.law import Fit, Settings
from leaderboard.laws.plots import parts, save
from leaderboard.laws.plots.fitted import fit_spec
from leaderboard.laws.plots.gap import difference_spec
from leaderboard.laws.plots.parts import Spec, chart, log_ticks, series

MAX_ROWS = 5_000
"""Altair's own limit."""


def loss_of(sizes: np.ndarray, tokens: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(1.8 + 480 / sizes**0.35 + 2100 / tokens**0.37)


def surface_fit() -> Fit:
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1e7, 1e10, 6), 6)
    tokens = sizes * np.tile(np.geomspace(5, 100, 6), 6)
    loss = loss_of(sizes, tokens) * np.exp(0.004 * rng.standard_normal(36))
    table, held = ({"N": sizes[k], "D": tokens[k], "L": loss[k]} for k in (slice(0, 30), slice(30, 36)))
    return fit("overtraining", table, Settings(draws=20), holdout=held)


def isoflop_fit() -> Fit:
    flops = np.repeat(np.geomspace(1e18, 1e21, 4), 7)
    best = 0.1 * flops**0.5
    sizes = best * np.tile(np.geomspace(0.2, 5, 7), 4)
    return fit("isoflop", {"C": flops, "N": sizes, "L": 3 + np.log(sizes / best) ** 2 / 20}, Settings(draws=20))


def power_fit() -> Fit:
    sizes = np.geomspace(1e7, 1e10, 12)
    return fit("kaplan", {"N": sizes, "L": (8.8e13 / sizes) ** 0.076}, Settings(draws=20))


def kaplan_steps() -> Fit:
    sizes = np.geomspace(1e7, 1e10, 2_500)
    noise = np.random.default_rng(1).standard_normal(2_500)
    return fit("kaplan", {"N": sizes, "L": (8.8e13 / sizes) ** 0.076 * np.exp(0.01 * noise)}, Settings(draws=0))


def difference() -> Spec:
    n = np.repeat([1e8, 3e8, 1e9, 3e9], 4)
    side = np.tile([0.0, 0.0, 1.0, 1.0], 4)
    d, noise = 20 * n, np.random.default_rng(2).standard_normal(16)
    loss = loss_of(n, d) * np.exp(-0.01 * side + 0.001 * noise)
    seeds = ("1", "2") * 8
    rows = Rows(
        sizes=n, tokens=d, flops=6 * n * d, loss=loss, is_candidate=side, seeds=seeds, cells=cells_of(n, d, 6 * n * d)
    )
    at = Points(sizes=np.array([1e10]), tokens=np.array([2e11]), flops=np.array([1.2e22]))
    return difference_spec(compare_recipes(rows, Asked(baseline="old", candidate="new", target=at, draws=50)))


def surface_spec() -> Spec:
    fitted = surface_fit()
    return fit_spec(fitted, [predict(fitted, {"N": 3e10, "D": 6e11})[0]])


SPECS = {
    "surface": surface_spec,
    "isoflop": lambda: fit_spec(isoflop_fit()),
    "power": lambda: fit_spec(power_fit()),
    "many rows": lambda: fit_spec(kaplan_steps()),
    "difference": difference,
}


def parts_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a spec."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts_of(inner)


@pytest.fixture(scope="module", params=SPECS)
def spec(request: pytest.FixtureRequest) -> Spec:
    return SPECS[request.param]()


def test_a_spec_is_valid_vega_lite(spec: Spec) -> None:
    assert chart(spec).to_dict(validate=True)["$schema"].endswith(".json")


def test_a_spec_holds_fewer_rows_than_altair_refuses_and_no_nan(spec: Spec) -> None:
    rows = [row for part in parts_of(spec) if "values" in part and "mark" not in part for row in _records(part)]
    assert 0 < len(rows) < MAX_ROWS
    assert all(math.isfinite(value) for row in rows for value in row.values() if not isinstance(value, str))
    json.dumps(spec, allow_nan=False)


def _records(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in part["values"] if isinstance(row, dict)]


def test_every_panel_has_a_title_and_every_shown_axis_too(spec: Spec) -> None:
    panels = [part for part in parts_of(spec) if "layer" in part]
    assert panels
    assert all(part["title"]["text"] for part in panels)
    axes = [part["axis"] for part in parts_of(spec) if "axis" in part and "field" in part]
    assert all(axis.get("title") or axis == {"title": None} for axis in axes)


def test_the_same_numbers_give_the_same_spec() -> None:
    assert json.dumps(fit_spec(power_fit())) == json.dumps(fit_spec(power_fit()))


def test_isoflop_shows_a_diamond_for_each_kept_budget() -> None:
    valleys = fit_spec(isoflop_fit())["vconcat"][0]  # type: ignore[index, call-overload]
    diamonds = [one for one in parts_of(valleys) if one.get("mark", {}).get("shape") == "diamond"]
    lowest = [row["x"] for row in diamonds[0]["data"]["values"]]
    assert lowest == pytest.approx(0.1 * np.sqrt([1e18, 1e19, 1e20, 1e21]), rel=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1e18, 1e21, [1e18, 1e19, 1e20, 1e21]), (1.0, 30.0, [1, 2, 5, 10, 20]), (2e7, 9e7, [2e7, 5e7])],
)
def test_ticks_are_decades_or_one_two_five(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_long_series_keep_their_ends_and_drop_nan() -> None:
    rows = series(x=np.arange(10_000.0), y=np.where(np.arange(10_000) == 0, np.nan, 1.0))
    assert len(rows) == parts.MAX_POINTS - 1
    assert rows[-1]["x"] == 9_999


@pytest.mark.parametrize("suffix", [".json", ".svg", ".png", ".html"])
def test_a_picture_is_written_in_every_kind_and_is_the_same_twice(tmp_path: Path, suffix: str) -> None:
    spec, heads = fit_spec(power_fit()), {".json": b"{", ".svg": b"<svg", ".png": b"\x89PNG", ".html": b"<!DOCTYPE"}
    for name in ("one", "two"):
        save.write_plot(tmp_path / f"{name}{suffix}", spec)
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert first.lstrip().startswith(heads[suffix])
    assert first == second


def test_without_its_library_a_png_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(save, "import_module", missing)
    with pytest.raises(RunError, match=r"pip install 'curate-ladder\[report\]'.*one\.json"):
        save.check_plot(tmp_path / "one.png")
    save.check_plot(tmp_path / "one.json")
    with pytest.raises(RunError, match=r"ends in \.svg, \.png, \.html, \.json"):
        save.check_plot(tmp_path / "one.pdf")
