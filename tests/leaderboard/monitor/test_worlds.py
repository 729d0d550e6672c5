"""Planted worlds: each fault raises its flag, and a sound world raises none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from leaderboard.laws.law import Settings
from leaderboard.monitor.flags import ADVICE
from leaderboard.monitor.watch import Watched, watch
from leaderboard.planning.surface import PUBLISHED

TRUTH = PUBLISHED["muennighoff"]
"""Its exponents are equal, as those of the law `overtraining`, which is fitted from 128 starts."""
NOISE = 0.002
SIZES = (1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9)


@dataclass(slots=True)
class World:
    """Rows of runs on the true surface with seed noise; `lift` raises the loss of a row."""

    seed: int = 0
    rows: list[tuple[float, float, float, str, bool, float]] = field(default_factory=list)
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def run(self, name: str, params: float, tokens: Sequence[float], **more: object) -> None:
        """Add a run: its rows share half of the noise."""
        lift = more.get("lift", lambda share: 0.0)
        assert callable(lift)
        shared = self.rng.normal() * NOISE
        for count in tokens:
            noise = shared if len(tokens) == 1 else 0.9 * shared + 0.3 * NOISE * self.rng.normal()
            loss = TRUTH.loss(params, count) * np.exp(noise + lift(count / tokens[-1]))
            batch = more.get("batch", 1e5)
            assert isinstance(batch, float)
            self.rows.append((params, count, float(loss), name, bool(more.get("new", False)), batch))

    def ladder(self, *, checkpoints: bool = False) -> None:
        """Add the earlier runs."""
        for params in SIZES:
            for ratio in (10, 20, 40):
                tokens = params * ratio * (np.arange(1, 11) / 10 if checkpoints else np.ones(1))
                self.run(f"{params:g}-{ratio}", params, tokens.tolist())

    def watched(self, *, batches: bool = False, law: str | None = "overtraining") -> Watched:
        """Return what the monitor says."""
        n, d, loss, names, new, batch = zip(*self.rows, strict=True)
        table: dict[str, Sequence[object]] = {"N": n, "D": d, "L": loss, "run": names}
        if batches:
            table["B"] = batch
        return watch(table, np.array(new), law=law, level=0.99, settings=Settings(draws=50))

    def kinds(self, *, batches: bool = False) -> list[str]:
        """Return the kinds of the flags."""
        return [flag.kind for flag in self.watched(batches=batches).flags]


def curve(params: float, ratio: float = 20, count: int = 10) -> list[float]:
    return [float(params * ratio * step / count) for step in range(1, count + 1)]


def late(start: float, size: float) -> Callable[[float], float]:
    """Return a lift that grows with ln of progress from `start` on."""
    return lambda share: size * max(0.0, float(np.log(share / start)))


def test_a_clean_ladder_raises_nothing() -> None:
    world = World()
    world.ladder()
    for params in (2e9, 4e9, 8e9):
        world.run(f"{params:g}", params, [20 * params], new=True)
    found = world.watched(law=None)
    assert found.band is not None
    assert found.band.fitted.law.card.name == "chinchilla"
    assert [flag.kind for flag in found.flags] == []
    assert found.verdict == "inside"


def test_clean_runs_with_checkpoints_raise_nothing() -> None:
    world = World()
    world.ladder(checkpoints=True)
    for params in (2e9, 4e9):
        world.run(f"{params:g}", params, curve(params), new=True)
    assert world.kinds() == []


def test_a_run_that_starts_too_high_is_above_early() -> None:
    world = World()
    world.ladder(checkpoints=True)
    world.run("bad start", 2e9, curve(2e9), new=True, lift=lambda share: 0.04)
    world.run("good", 4e9, curve(4e9), new=True)
    found = world.watched()
    assert "above-early" in {flag.kind for flag in found.flags}
    assert next(flag for flag in found.flags if flag.kind == "above-early").where == "bad start"
    assert "flattens-early" not in {flag.kind for flag in found.flags}


def test_larger_scales_alone_too_high_may_not_transfer() -> None:
    world = World()
    world.ladder()
    for params in (2e9, 4e9, 8e9, 16e9):
        lift = 0.03 if params > 3e9 else 0.0
        world.run(f"{params:g}", params, [20 * params], new=True, lift=lambda share, lift=lift: lift)
    found = world.watched()
    assert {flag.kind for flag in found.flags} == {"above-at-larger-scale"}
    assert [point.state for point in found.judged.points] == ["inside", "above", "above", "above"]  # type: ignore[union-attr]


def test_one_bad_scale_between_good_ones_is_told() -> None:
    world = World()
    world.ladder()
    for params in (2e9, 4e9, 8e9):
        lift = 0.03 if params == 4e9 else 0.0
        world.run(f"{params:g}", params, [20 * params], new=True, lift=lambda share, lift=lift: lift)
    assert world.kinds() == ["single-bad-scale"]


def test_a_curve_that_stops_learning_flattens_early() -> None:
    world = World()
    world.ladder(checkpoints=True)
    world.run("worn out", 2e9, curve(2e9, count=20), new=True, lift=late(0.7, 0.06))
    assert world.kinds() == ["flattens-early"]


def test_a_bad_earlier_run_is_an_outlier_and_does_not_widen_the_band() -> None:
    world = World()
    world.ladder()
    world.run("broken", 3e8, [6e9], lift=lambda share: 0.05)
    world.run("new", 2e9, [4e10], new=True)
    found = world.watched()
    assert [(flag.kind, flag.where) for flag in found.flags] == [("residual-outlier", "earlier run broken")]
    assert found.band is not None
    assert found.band.residuals.sigma < 2 * NOISE


def test_a_law_of_the_wrong_form_leaves_a_trend() -> None:
    """A wave along compute that no power law follows."""
    rng = np.random.default_rng(1)
    flops = np.geomspace(1e17, 1e22, 40)
    loss = (2 + 30 * flops**-0.08 + 0.03 * np.sin(np.log(flops))) * np.exp(1e-4 * rng.normal(size=40))
    found = watch({"C": flops, "L": loss}, np.zeros(40, bool), level=0.99, settings=Settings(draws=20))
    assert "residual-trend" in {flag.kind for flag in found.flags}


def iso(seed: int = 0, *, moved: float = 1.0, bend: float = 1.0) -> World:
    """Return IsoFLOP budgets, the last one new; its losses are those of sizes `moved` times, its curvature changed."""
    world = World(seed=seed)
    for number, flops in enumerate((1e18, 3e18, 1e19, 3e19, 1e20)):
        best = TRUTH.optimum(flops)
        for factor in np.geomspace(0.3, 3.3, 7):
            params = best.params * factor
            new = number == 4
            world.run(f"{flops:g}-{factor:.2f}", params, [flops / 6 / params], new=new)
            if new:
                there = best.params * factor / moved
                loss = best.loss + bend * (TRUTH.loss(there, flops / 6 / there) - best.loss)
                n, d, _, name, _, batch = world.rows.pop()
                loss *= float(np.exp(0.1 * NOISE * world.rng.normal()))
                world.rows.append((n, d, loss, name, True, batch))
    return world


def test_valleys_on_their_path_raise_nothing() -> None:
    found = iso().watched()
    assert [flag.kind for flag in found.flags] == []
    assert [one.state for one in found.valleys.budgets][-1] == "on the path"  # type: ignore[union-attr]


def test_a_valley_that_moves_is_flagged() -> None:
    assert "valley-moved" in iso(moved=2.2).kinds()


def test_a_valley_that_opens_downward_is_flagged() -> None:
    assert "valley-flat" in iso(bend=-1.0).kinds()


def test_a_larger_batch_with_a_worse_loss_is_flagged() -> None:
    world = World()
    world.ladder()
    world.run("small batch", 2e9, [4e10], new=True, batch=5e5)
    world.run("large batch", 2e9, [4e10], new=True, batch=4e6, lift=lambda share: 0.02)
    kinds = world.kinds(batches=True)
    assert "larger-batch-worse" in kinds


def test_batches_that_differ_by_noise_alone_raise_nothing() -> None:
    world = World()
    world.ladder()
    for batch in (5e5, 1e6, 4e6):
        world.run(f"batch {batch:g}", 2e9, [4e10], new=True, batch=batch)
    found = world.watched(batches=True)
    assert len(found.batches.pairs) == 3  # type: ignore[union-attr]
    assert [flag.kind for flag in found.flags] == []


def test_a_run_better_than_the_band_is_a_note_and_no_flag() -> None:
    world = World()
    world.ladder()
    world.run("lucky", 2e9, [4e10], new=True, lift=lambda share: -0.05)
    found = world.watched()
    assert found.flags == []
    assert any("leaked" in note for note in found.warnings)


def test_the_page_tells_of_every_flag_that_has_advice() -> None:
    page = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text(encoding="utf-8")
    table = page.partition("| flag | raised when |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == set(ADVICE)


@pytest.mark.slow
def test_sound_worlds_are_rarely_flagged() -> None:
    """Of 200 clean worlds with three new runs each: the band at 99 %, 21 residuals at 3 sigma, the runs test at 1 %."""
    flagged = 0
    for seed in range(200):
        world = World(seed=seed)
        world.ladder()
        for params in (2e9, 4e9, 8e9):
            world.run(f"{params:g}", params, [20 * params], new=True)
        flagged += bool(world.kinds())
    assert flagged / 200 < 0.12
