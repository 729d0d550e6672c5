"""Comparison: hand-made scores with known differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from curation.errors import RunError
from curation.numerics import NoisePrior
from curation.randomness import generator
from leaderboard.compare_arms import HEADLINE, Rules, compare_arms
from leaderboard.scores import gather

SLICES = {"docs": 60, "code": 80}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better on docs and 1 % worse on code; seeds shift all arms alike."""
    effect = {"docs": 0.98, "code": 1.01}[name] if arm == "mine" else 1.0
    return 2.0 * effect * (1 + 0.01 * seed)


def noisy(arm: str, seed: int, name: str) -> float:
    """The same with run noise of 0.2 %."""
    return level(arm, 0, name) * math.exp(0.002 * float(generator(3, arm, seed, name).normal()))


def test_a_slices_difference_is_the_mean_log_ratio_over_shared_seeds(make_scores: Any) -> None:
    result = compare_arms(make_scores(["baseline", "mine"], 2, level, SLICES), "mine", "baseline", Rules())
    by_name = {item.slice: item for item in result.slices}
    assert by_name["docs"].delta.log_ratio == pytest.approx(math.log(0.98))
    assert by_name["code"].delta.share == pytest.approx(0.01)


def test_bits_per_byte_are_nats_over_bytes_over_ln_2(make_scores: Any) -> None:
    scores = make_scores(["baseline"], 1, lambda *_: 2.0, {"docs": 1})
    spread = float(generator(0, "families", "docs").normal(scale=0.05))
    assert scores.slices["docs"].bpb[0] == pytest.approx(2.0 * math.exp(spread))


def test_the_headline_is_the_mean_of_log_ratios_not_of_bits(make_scores: Any) -> None:
    result = compare_arms(make_scores(["baseline", "mine"], 2, level, SLICES), "mine", "baseline", Rules())
    assert result.headline.log_ratio == pytest.approx((math.log(0.98) + math.log(1.01)) / 2)
    assert result.headline_slices == ("code", "docs")


def test_a_selected_for_slice_leaves_the_headline_and_says_why(make_scores: Any) -> None:
    rules = Rules(selected_for=frozenset({"docs"}))
    result = compare_arms(make_scores(["baseline", "mine"], 2, level, SLICES), "mine", "baseline", rules)
    assert result.headline_slices == ("code",)
    assert "rule 2" in next(item.not_judged for item in result.slices if item.slice == "docs")


@pytest.mark.parametrize(
    ("slices", "why"),
    [({"docs": 60, "code": 49}, "49 families, under 50"), ({"docs": 60, "noisy_web": 60}, "never gated")],
)
def test_small_and_noisy_slices_are_shown_not_judged(make_scores: Any, slices: dict[str, int], why: str) -> None:
    scores = make_scores(["baseline", "mine"], 2, lambda *_: 2.0, slices)
    result = compare_arms(scores, "mine", "baseline", Rules())
    assert result.headline_slices == ("docs",)
    assert why in " ".join(item.not_judged for item in result.slices)


def test_without_a_judged_slice_the_mean_is_marked_as_not_judged(make_scores: Any) -> None:
    scores = make_scores(["baseline", "mine"], 2, level, {"docs": 5, "code": 5})
    result = compare_arms(scores, "mine", "baseline", Rules())
    assert result.headline is not None
    assert not result.headline_judged


def test_one_seed_gives_an_interval_of_families_only(make_scores: Any) -> None:
    delta = compare_arms(make_scores(["baseline", "mine"], 1, noisy, SLICES), "mine", "baseline", Rules()).headline
    assert delta.se_seeds is None
    assert delta.low is not None


def test_seed_noise_is_pooled_over_arms_that_are_not_compared(make_scores: Any) -> None:
    def wild(arm: str, seed: int, name: str) -> float:
        return 2.0 * (1 + 0.1 * seed) if arm == "random" else 2.0

    two = compare_arms(make_scores(["baseline", "mine"], 2, wild, SLICES), "mine", "baseline", Rules())
    three = compare_arms(make_scores(["baseline", "mine", "random"], 2, wild, SLICES), "mine", "baseline", Rules())
    assert two.headline.se_seeds == pytest.approx(0, abs=1e-12)
    spread = math.log(2.4 / 2.2) ** 2 / 2 / 3  # squares of one arm over three degrees of freedom
    assert three.headline.se_seeds == pytest.approx(math.sqrt(spread))


def test_variances_of_seeds_and_families_add(make_scores: Any) -> None:
    rules = Rules(noise={HEADLINE: NoisePrior(sigma=0.01, degrees=1e9)})
    delta = compare_arms(make_scores(["baseline", "mine"], 2, level, SLICES), "mine", "baseline", rules).headline
    total = math.sqrt(delta.se_seeds**2 + delta.se_families**2)
    assert delta.se_seeds == pytest.approx(0.01, rel=1e-3)
    assert delta.high - delta.log_ratio == pytest.approx(1.96 * total, rel=0.02)


def test_family_noise_cancels_between_arms_that_move_alike(make_scores: Any) -> None:
    delta = compare_arms(make_scores(["baseline", "mine"], 2, level, SLICES), "mine", "baseline", Rules()).slices[0]
    assert delta.delta.se_families == pytest.approx(0, abs=1e-9)


def test_the_same_runs_give_the_same_interval_twice(make_scores: Any) -> None:
    scores = make_scores(["baseline", "mine"], 2, noisy, SLICES)
    assert compare_arms(scores, "mine", "baseline", Rules()) == compare_arms(scores, "mine", "baseline", Rules())


def test_swapping_the_arms_flips_the_sign_and_keeps_the_width(make_scores: Any) -> None:
    scores = make_scores(["baseline", "mine"], 3, noisy, SLICES)
    there = compare_arms(scores, "mine", "baseline", Rules()).headline
    back = compare_arms(scores, "baseline", "mine", Rules()).headline
    assert (there.log_ratio, there.low) == (pytest.approx(-back.log_ratio), pytest.approx(-back.high))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"panel": "q" * 64}, r"panel digests differ.*rule 1"),
        ({"tokenizer": "other@1"}, r"tokenizers differ.*rule 7"),
        ({"context": 1024}, r"evaluation contexts differ, 512 and 1024.*rule 6"),
        ({"tier": "smoke-1x"}, "tiers differ"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    make_run: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    first, second = make_run("baseline", 1, level, SLICES), make_run("mine", 1, level, SLICES)
    with pytest.raises(RunError, match=message):
        gather([first, replace(second, **change)])


def test_different_documents_under_one_panel_digest_are_refused(make_run: Callable[..., Any]) -> None:
    with pytest.raises(RunError, match="scored different documents"):
        gather([make_run("baseline", 1, level, SLICES), make_run("mine", 1, level, {"docs": 60, "code": 79})])


def test_arms_without_a_common_seed_are_refused(make_run: Callable[..., Any]) -> None:
    scores = gather([make_run("baseline", 1, level, SLICES), make_run("mine", 2, level, SLICES)])
    with pytest.raises(RunError, match="no seed in common"):
        compare_arms(scores, "mine", "baseline", Rules())


def test_the_headline_interval_covers_the_truth_in_93_to_97_of_100_worlds(make_scores: Any) -> None:
    """The whole path: pooled seeds plus bootstrapped families, two seeds and four arms."""
    arms, covered, worlds = ["baseline", "mine", "random", "random-matched"], 0, 300
    truth = (math.log(0.98) + math.log(1.01)) / 2
    quiet = make_scores(arms, 2, lambda arm, _, name: level(arm, 0, name), {"docs": 50, "code": 50})
    for world in range(worlds):
        rng = generator(world, "seed noise")
        slices = {
            name: replace(one, nats=one.nats * np.exp(0.004 * rng.normal(size=8))) for name, one in quiet.slices.items()
        }
        headline = compare_arms(replace(quiet, slices=slices), "mine", "baseline", Rules()).headline
        covered += headline.low <= truth <= headline.high
    assert 0.92 <= covered / worlds <= 0.98  # 300 worlds: a standard error of 1.3 points
