"""Comparison: hand-made scores with known differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from curation.errors import RunError
from curation.numerics import NoisePrior, bootstrap_sums
from curation.randomness import generator
from leaderboard.compare_arms import HEADLINE, Rules, compare_arms, slice_pairs
from leaderboard.scores import SliceScores, TierScores, gather

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


def family_scores(families: dict[str, list[str]]) -> TierScores:
    """Return two seeds of two arms whose every family moves by itself in every run."""
    slices = {}
    for name, own in families.items():
        nats = 1e6 * np.exp(generator(8, name).normal(scale=0.05, size=(len(own), 4)))
        slices[name] = SliceScores(
            slice=name, families=tuple(own), nats=nats, num_bytes=np.full(len(own), 5e5), num_docs=len(own)
        )
    return TierScores(tier="micro-1x", runs=(("a", 1), ("a", 2), ("b", 1), ("b", 2)), slices=slices)


def test_a_headline_of_one_slice_is_that_slice() -> None:
    found = slice_pairs(family_scores({"docs": [str(n) for n in range(60)]}), "a", "b", Rules())
    headline, own = found.headline, found.slices["docs"]
    assert headline is not None
    assert headline.units is not None
    assert own.units is not None
    assert headline.seeds is not None
    assert own.seeds is not None
    assert (headline.delta, headline.seeds.value) == (pytest.approx(own.delta), pytest.approx(own.seeds.value))
    assert headline.both == pytest.approx(own.both)
    assert headline.both > 0
    assert headline.units.value == pytest.approx(own.units.value, rel=0.15)  # two bootstraps of 2,000 draws


def test_a_headline_of_two_slices_without_a_common_family_has_a_quarter_of_their_variances() -> None:
    names = {name: [f"{name}-{n}" for n in range(60)] for name in ("docs", "code")}
    found = slice_pairs(family_scores(names), "a", "b", Rules())
    headline, own = found.headline, list(found.slices.values())
    assert headline is not None
    assert headline.units is not None
    assert headline.units.value == pytest.approx(sum(one.units.value for one in own if one.units) / 4, rel=0.15)
    assert headline.both == pytest.approx(sum(one.both for one in own) / 4, rel=0.02)  # 120/119 for 60/59


def test_a_family_that_spans_two_slices_is_drawn_whole() -> None:
    scores = family_scores({"docs": [str(n) for n in range(60)]})
    twice = {name: replace(scores.slices["docs"], slice=name) for name in ("docs", "code")}
    found = slice_pairs(replace(scores, slices=twice), "a", "b", Rules())
    headline, own = found.headline, found.slices["docs"]
    assert headline is not None
    assert headline.units is not None
    assert own.units is not None
    assert headline.units.value == pytest.approx(own.units.value, rel=0.15)
    assert headline.both == pytest.approx(own.both)


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


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_headline_interval_covers_the_truth_in_93_to_97_of_100_worlds(
    monkeypatch: pytest.MonkeyPatch, num_seeds: int
) -> None:
    """Noise of a seed, of an arm's effect on one family, and of a seed on one family; half the families span slices."""
    monkeypatch.setattr("leaderboard.compare_arms.bootstrap_sums", partial(bootstrap_sums, draws=400))
    monkeypatch.setattr("leaderboard.comparison.paired.bootstrap_sums", partial(bootstrap_sums, draws=2))  # not read
    names = {"docs": tuple(str(n) for n in range(60)), "code": tuple(str(n) for n in range(30, 90))}
    runs = tuple((arm, seed) for arm in "ab" for seed in range(num_seeds))
    worlds, shares = 800, []
    for noise in ((0.004, 0.02, 0.0), (0.004, 0.02, 0.03), (0.001, 0.01, 0.03)):
        rng, covered = generator(9, "headline", num_seeds, str(noise)), 0
        for _ in range(worlds):
            slices = world_slices(rng, names, num_seeds, noise)
            found = slice_pairs(TierScores(tier="micro-1x", runs=runs, slices=slices), "a", "b", Rules()).headline
            assert found is not None
            assert found.interval is not None
            covered += found.interval.low <= 0.01 <= found.interval.high
        shares.append(covered / worlds)
    error = math.sqrt(0.95 * 0.05 / worlds)
    assert 0.93 <= float(np.mean(shares)) <= 0.97, shares
    assert 0.93 - 2 * error <= min(shares) <= max(shares) <= 0.97 + 2 * error, shares


def world_slices(
    rng: np.random.Generator, names: dict[str, tuple[str, ...]], num_seeds: int, noise: tuple[float, float, float]
) -> dict[str, SliceScores]:
    """Return two slices whose true log ratio is 0.01; a family moves alike in every slice that it is in."""
    seed, family, both = noise
    all_names = sorted({one for own in names.values() for one in own})
    own = rng.normal(scale=family, size=(len(all_names), 2, 1))
    own = own + rng.normal(scale=both, size=(len(all_names), 2, num_seeds))
    own = own + rng.normal(scale=0.1, size=(len(all_names), 1, 1)) + rng.normal(scale=seed, size=(1, 2, num_seeds))
    own[:, 0] += 0.01
    by_name = dict(zip(all_names, 1e6 * np.exp(own.reshape(len(all_names), -1)), strict=True))
    return {
        name: SliceScores(
            slice=name,
            families=families,
            nats=np.stack([by_name[one] for one in families]),
            num_bytes=np.full(len(families), 5e5),
            num_docs=len(families),
        )
        for name, families in names.items()
    }
