"""Order across scales and the noise behind it, by hand numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from leaderboard.gates import scale_checks
from leaderboard.gates.case import prior_of, sides
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import case_of
from leaderboard.gates.scale_checks import Place, RankLimits, beaten_p, rank_stability
from leaderboard.gates.statistics import family_wise

GATES = load_gates()
LIMITS = RankLimits(max_inversions=0, min_winner_kept=0.9, resolved_p=0.05)


def place(arm: str, gain: float, se: float = 0.001, degrees: float = 1e9) -> Place:
    return Place(arm=arm, gain=gain, variance=se**2, degrees=degrees)


def test_two_arms_share_the_baselines_runs_so_half_of_the_variances_counts() -> None:
    # gains a - b0 and c - b0 have variance 2 s²/n each; a - c has 2 s²/n too, not 4
    p = beaten_p(place("a", 0.002, degrees=12), place("c", 0.0, degrees=12))
    assert p == pytest.approx(stats.t.sf(2.0, 12))


def test_an_arm_against_the_baseline_has_its_own_variance() -> None:
    base = Place(arm="baseline", gain=0.0, variance=0.0, degrees=float("inf"))
    assert beaten_p(place("a", 0.002, degrees=12), base) == pytest.approx(stats.t.sf(2.0, 12))


def test_earlier_looks_stand_in_holms_row_as_tries_that_found_nothing() -> None:
    assert family_wise({"a": 0.02}, alpha=0.05) == {"a": True}
    assert family_wise({"a": 0.02}, alpha=0.05, earlier=2) == {"a": False}  # 0.02 > 0.05 / 3


def ordered(world: Any, monkeypatch: pytest.MonkeyPatch, small: list[Place], large: list[Place]) -> Any:
    """Return the outcome for recipes that stand so at the two scales."""
    case = case_of(world.evidence(), GATES, GATES.gates["G2"])
    smallest = scale_checks.scales(case)[0]
    monkeypatch.setattr(scale_checks, "places", lambda _, tier: tuple(small if tier.tier == smallest.tier else large))
    return rank_stability(case, LIMITS)


@pytest.mark.parametrize(("t", "state"), [(1.8, "insufficient"), (2.1, "fail")])
def test_an_inversion_counts_where_both_ends_are_resolved_at_five_per_cent_two_sided(
    world: Any, monkeypatch: pytest.MonkeyPatch, t: float, state: str
) -> None:
    turned = ordered(
        world, monkeypatch, [place("a", t / 1000), place("b", 0.0)], [place("a", 0.0), place("b", t / 1000)]
    )
    assert turned.state == state


def test_the_winner_is_kept_by_what_is_left_of_all_rivals_together(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small = [place("a", 0.01), place("b", 0.0), place("c", 0.0), place("d", 0.0)]
    t = float(stats.norm.isf(0.05))  # each of three rivals beats it with 5 %
    large = [place("a", t / 1000), place("b", 0.0), place("c", 0.0), place("d", 0.0)]
    found = ordered(world, monkeypatch, small, large)
    assert found.state == "insufficient"
    assert "P ≥ 0.85" in found.text


def test_the_prior_is_the_cautious_sigma(world: Any) -> None:
    tier = world.evidence().tiers[-1]
    noise = replace(tier.noise, fact=replace(tier.noise.fact, sigma=0.002, sigma_upper=0.003))
    prior = prior_of(replace(tier, noise=noise))
    assert prior is not None
    assert prior.sigma == 0.003


def test_four_seeds_are_read_as_three_a_look_between_looks_is_none(world: Any) -> None:
    found = world.evidence(world.tier("100m-1x", seeds=4))
    case = case_of(found, GATES, GATES.gates["G1"])
    assert case.tier is not None
    left, right = sides(case, case.tier, "baseline")
    assert left == list(case.tier.arm.log_bpb[:3])
    assert right == list(case.tier.baseline.log_bpb[:3])
