"""Finding the noise of a comparison: what fits is used, what does not says why, and no run counts twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.randomness import generator
from curation.store import Store
from leaderboard.compare_arms import HEADLINE, Rules, compare_arms
from leaderboard.noise.find import Found, noise_for
from leaderboard.noise.pack import NoisePack, pack_digest
from leaderboard.noise.pack_files import write_pack
from leaderboard.scores import ScoredRun, gather

Make = Callable[..., NoisePack]
SLICES = {"docs": 60, "code": 60}


def quiet(arm: str, seed: int, name: str) -> float:
    return 2.0 * (0.98 if arm == "mine" else 1.0) * math.exp(0.001 * float(generator(8, arm, seed, name).normal()))


def runs(make_run: Any, level: Any = quiet, num_seeds: int = 2, **changes: Any) -> list[ScoredRun]:
    made = [make_run(arm, seed, level, SLICES) for arm in ("baseline", "mine") for seed in range(1, num_seeds + 1)]
    return [replace(one, **changes) for one in made]


def found(compared: Sequence[ScoredRun], *packs: NoisePack) -> Found:
    return noise_for(compared, gather(compared), [(Path(pack.file_name), pack) for pack in packs])


def test_a_fitting_pack_gives_a_prior_by_slice_and_of_the_headline(make_pack: Make, make_run: Any) -> None:
    pack = make_pack()
    noise = found(runs(make_run), pack)
    assert (set(noise.priors), noise.reason) == ({"docs", "code", HEADLINE}, "")
    assert f"run noise from {pack.file_name}: sigma" in noise.note
    columns = [np.log(one.values) for one in pack.measures]  # type: ignore[arg-type]
    assert noise.priors[HEADLINE].sigma == pytest.approx(np.std(np.mean(columns, axis=0), ddof=1))
    assert noise.priors[HEADLINE].degrees == 7


def test_without_a_pack_it_was_never_measured(make_run: Any) -> None:
    assert found(runs(make_run)).reason == "run noise of micro-1x was never measured: no noise pack of 8 seeds"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokenizer": "gpt-neox-20b@1"}, "rule 7"),
        ({"context": 1_024}, "rule 6"),
        ({"tier_digest": "d" * 64}, ""),  # the pack names no digest: nothing to contradict
    ],
)
def test_runs_that_a_pack_does_not_describe_get_no_prior(
    make_pack: Make, make_run: Any, changes: dict[str, Any], said: str
) -> None:
    noise = found(runs(make_run, **changes), make_pack())
    assert said in noise.reason
    assert bool(noise.priors) is not bool(noise.reason)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"recipe_version": 1}, "recipe version 1"), ({"tier_digest": "a" * 64}, "another tier of the same name")],
)
def test_a_pack_of_another_recipe_is_not_used(
    make_pack: Make, make_run: Any, changes: dict[str, Any], said: str
) -> None:
    pack = make_pack().model_copy(update=changes)
    noise = found(runs(make_run, tier_digest="b" * 64), pack)
    assert said in noise.reason
    assert noise.priors == {}


def test_a_pack_of_seven_seeds_is_no_prior(make_pack: Make, make_run: Any) -> None:
    noise = found(runs(make_run), make_pack(7))
    assert noise.reason.endswith("is not used: it is preliminary, 7 stable baseline seeds, rule 9 asks for 8")
    assert noise.priors == {}


def test_unstable_runs_are_no_evidence_of_noise(make_pack: Make, make_run: Any) -> None:
    noise = found(runs(make_run), make_pack(8, unstable=range(1, 9)))
    assert "it is unstable" in noise.reason


def test_a_pack_without_a_slice_of_the_headline_is_not_used(make_pack: Make, make_run: Any) -> None:
    pack = make_pack()
    fewer = pack.model_copy(update={"measures": tuple(one for one in pack.measures if one.name != "code")})
    assert "does not measure code" in found(runs(make_run), fewer).reason


def test_a_measured_pack_is_taken_before_a_preliminary_one(make_pack: Make, make_run: Any) -> None:
    seven, eight = make_pack(7), make_pack(8)
    assert eight.file_name in found(runs(make_run), seven, eight).note


def test_runs_that_are_compared_do_not_count_twice(make_pack: Make, make_run: Any) -> None:
    pack = make_pack()
    compared = [
        replace(one, fingerprint=pack.runs[one.seed - 1].fingerprint if one.arm == "baseline" else "other")
        for one in runs(make_run, num_seeds=3)
    ]
    noise = found(compared, pack)
    assert noise.priors[HEADLINE].degrees == 8 - 3 - 1
    assert "3 of them compared here and left out" in noise.note


def loud(arm: str, seed: int, name: str) -> float:
    return 2.0 * math.exp(0.05 * float(generator(8, "loud", arm, seed).normal()))


def test_runs_far_louder_than_the_pack_drop_it_and_need_five_seeds(make_pack: Make, make_run: Any) -> None:
    few = found(runs(make_run, loud, 3), make_pack())
    assert HEADLINE not in few.priors
    assert "each arm needs 5 seeds, one has 3" in few.reason
    many = found(runs(make_run, loud, 5), make_pack())
    assert (HEADLINE in many.priors, many.reason) == (False, "")
    assert (few.dropped, many.dropped) == (frozenset(), {HEADLINE, "docs", "code"})


def test_a_study_finds_the_pack_of_its_store_and_no_longer_names_rule_9(
    store: Store, make_pack: Make, make_result: Any
) -> None:
    def reasons() -> set[int]:
        result = make_result(quiet, SLICES, tier="micro-1x", seeds=3)
        return {reason.rule for item in result.assessments for reason in item.reasons}

    pack = make_pack()
    assert 9 in reasons()
    write_pack(store.root / "noise" / pack.file_name, pack)
    assert reasons() == {16}  # one token budget


def test_intervals_with_the_prior_of_a_pack_cover_what_they_claim(make_pack: Make, make_scores: Any) -> None:
    """Eight seeds of noise and two of each arm: the pooled t covers 93 to 97 % (rule 8), whatever the pack drew."""
    rng, worlds, covered = generator(9, "coverage"), 400, 0
    from curation.numerics import difference_variance, pooled_variance, t_interval
    from leaderboard.noise.spread import prior_of, spread_of

    for _ in range(worlds * 5):
        spread = spread_of(rng.normal(size=8))
        left, right = rng.normal(size=2), rng.normal(size=2)
        assert spread is not None
        one_run = pooled_variance([left.tolist(), right.tolist()], prior_of(spread))
        assert one_run is not None
        interval = t_interval(float(left.mean() - right.mean()), difference_variance(one_run, 2, 2))
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / (worlds * 5) <= 0.97


def test_the_prior_narrows_the_interval_of_two_seeds(make_pack: Make, make_run: Any) -> None:
    compared = runs(make_run)
    scores, noise = gather(compared), found(compared, make_pack())

    def width(priors: Any) -> float:
        head = compare_arms(scores, "mine", "baseline", Rules(noise=priors)).headline
        assert head is not None
        return float(head.high - head.low)  # type: ignore[operator]

    assert width(noise.priors) != width({})


def test_a_pack_is_what_its_digest_says(make_pack: Make) -> None:
    pack = make_pack()
    assert pack.digest == pack_digest(pack)
