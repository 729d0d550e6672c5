"""Sweeps: what is chosen by seed 1, when its edge is told, and that a claim reads only seeds that chose nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from leaderboard.protocols import sweeps as module
from leaderboard.protocols.measured import Point
from leaderboard.protocols.optimizer_report import _sweep_faults
from leaderboard.protocols.study_runs import MeasuredRun, at_equal
from leaderboard.protocols.sweeps import _swept, batches_tried, rates_tried, side_sweeps, sweep_claims
from leaderboard.scores import ScoredRun
from leaderboard.studies.kinds import load_protocol
from leaderboard.studies.results import RunResult, StudyResult
from train.tiers import load_tier

SLICES = {"web": 60, "code": 60}
TIER = "pico-1x"
POINTS = {
    "baseline": TIER,
    "baseline.lr2": "pico-1x@lr2",
    "baseline.lr0.5": "pico-1x@lr0.5",
    "baseline.b2": "pico-1x@b2",
    "muon": "pico-1x@muon",
    "muon.lr2": "pico-1x@lr2@muon",
    "muon.lr0.5": "pico-1x@lr0.5@muon",
}


@dataclass(frozen=True)
class FakeArtifact:
    path: Any
    name: str
    seed: int


@pytest.fixture
def study(
    make_run: Callable[..., ScoredRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Callable[[Mapping[tuple[str, int], float], int], tuple[StudyResult, list[MeasuredRun]]]:
    """Return a maker of a study whose points have these bits per byte at a seed, 1.0 otherwise."""

    def make(level: Mapping[tuple[str, int], float], seeds: int) -> tuple[StudyResult, list[MeasuredRun]]:
        def value(arm: str, seed: int, _: str) -> float:
            return level.get((arm, seed), 1.0 + 0.001 * ((len(arm) * 7 + seed * 3) % 5))

        scored = {(arm, seed): make_run(arm, seed, value, SLICES, tier=TIER)
                  for arm in POINTS for seed in range(1, seeds + 1)}  # fmt: skip
        monkeypatch.setattr(module, "scored_run", lambda artifact, arm: scored[arm, artifact.seed])
        monkeypatch.setattr(module, "headline_slices", lambda result, tier: tuple(SLICES))
        runs = [
            MeasuredRun(
                result=_run(arm, seed, value(arm, seed, "")), trained=load_tier(POINTS[arm]),
                artifact=cast("Any", FakeArtifact(path=tmp_path / "run", name=arm, seed=seed)),
                tokens=cast("Any", None),
                bytes_a_token=2.0, tokens_per_second=None, step_seconds=None, peak_bytes=None,
            )
            for arm, seed in scored
        ]  # fmt: skip
        result = cast("StudyResult", type("Fake", (), {"selected_for": ()})())
        return result, runs

    return make


def _run(arm: str, seed: int, bpb: float) -> RunResult:
    return RunResult(
        arm=arm, tier=TIER, seed=seed, fingerprint="f", panel="p", tokenizer="t", context=512, tokens_seen=1,
        unique_tokens=1, epochs=1.0, epochs_by_slice={}, bpb=dict.fromkeys(SLICES, bpb), final_train_loss=1.0, steps=1,
        flops=1.0, curve=(), variant=POINTS[arm],
    )  # fmt: skip


def test_sides_are_optimizers_and_their_points_rates_and_batches(study: Any) -> None:
    result, runs = study({}, 1)
    base, other = side_sweeps(result, runs, TIER)
    assert (base.side, other.side) == ("adamw", "muon")
    assert (rates_tried(base), batches_tried(base), rates_tried(other), batches_tried(other)) == (3, 2, 3, 1)


def test_the_best_point_is_that_of_seed_1_whatever_other_seeds_say(study: Any) -> None:
    result, runs = study({("muon", 1): 0.9, ("muon.lr2", 2): 0.5}, 3)
    assert side_sweeps(result, runs, TIER)[1].best == "muon"


def test_a_lucky_choice_is_not_claimed_on_fresh_seeds(study: Any) -> None:
    result, runs = study({("muon.lr0.5", 1): 0.8}, 5)
    (claim,) = sweep_claims(result, runs, side_sweeps(result, runs, TIER))
    assert claim.arm == "muon.lr0.5"
    assert claim.fresh_seeds == (2, 3, 4, 5)
    assert claim.choosing_log_ratio < math.log(0.81)
    assert claim.log_ratio == pytest.approx(0, abs=0.005)
    assert claim.low is not None
    assert claim.high is not None
    assert claim.low < 0 < claim.high


def test_a_real_gain_is_claimed(study: Any) -> None:
    result, runs = study({("muon", seed): 0.9 for seed in range(1, 4)}, 3)
    (claim,) = sweep_claims(result, runs, side_sweeps(result, runs, TIER))
    assert claim.log_ratio == pytest.approx(math.log(0.9), abs=0.01)
    assert claim.high is not None
    assert claim.high < 0
    assert claim.why == ""


def test_one_seed_chooses_and_claims_nothing(study: Any) -> None:
    result, runs = study({("muon", 1): 0.5}, 1)
    (claim,) = sweep_claims(result, runs, side_sweeps(result, runs, TIER))
    assert claim.log_ratio is None
    assert "no seed that did not choose" in claim.why


def points(losses: Mapping[float, float], batches: tuple[float, ...] = (1.0, 2.0)) -> list[Point]:
    return [
        Point(arm=f"a{rate}{batch}", learning_rate_multiplier=rate, batch_multiplier=batch, loss=loss + batch)
        for rate, loss in losses.items()
        for batch in batches
    ]


@pytest.mark.parametrize(
    ("losses", "said"),
    [({0.5: 1.0, 1.0: 0.9, 2.0: 1.1}, []), ({0.5: 1.0, 1.0: 0.9, 2.0: 0.8}, ["largest rate, x2"]),
     ({0.5: 0.7, 1.0: 0.9, 2.0: 0.8}, ["smallest rate, x0.5"])],
)  # fmt: skip
def test_a_best_rate_at_an_edge_of_the_sweep_is_told(losses: Mapping[float, float], said: list[str]) -> None:
    sweep = _swept("muon", TIER, points(losses))
    assert len(sweep.at_edge) == len(said)
    assert all(one in told for one, told in zip(said, sweep.at_edge, strict=True))


@pytest.mark.parametrize(
    ("losses", "batches", "names"),
    [
        ({0.5: 1.0, 1.0: 0.9, 2.0: 1.1}, (1.0, 2.0), []),
        ({1.0: 0.9}, (1.0, 2.0), ["learning-rates"]),
        ({0.5: 1.0, 1.0: 0.9, 2.0: 0.8}, (1.0, 2.0), ["learning-rates"]),
        ({0.5: 1.0, 1.0: 0.9, 2.0: 1.1}, (1.0,), ["batch-sizes"]),
    ],
)
def test_too_few_rates_a_best_at_an_edge_or_one_batch_are_missing_with_a_remedy(
    losses: Mapping[float, float], batches: tuple[float, ...], names: list[str]
) -> None:
    protocol = load_protocol("optimizer").sweep
    assert protocol is not None
    faults = list(_sweep_faults(_swept("muon", TIER, points(losses, batches)), protocol))
    assert [fault.name for fault in faults] == names
    assert all("curate study run" in fault.remedy for fault in faults)


def test_values_are_read_off_between_points_straight_in_the_logarithm_and_never_beyond() -> None:
    line = [(100.0, 2.0), (400.0, 1.0)]
    assert at_equal(line, 200.0) == pytest.approx(1.5)
    assert (at_equal(line, 99.0), at_equal(line, 401.0), at_equal([], 1.0)) == (None, None, None)
    assert at_equal([(100.0, 2.0)], 100.01) == 2.0
