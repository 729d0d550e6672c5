"""Verdicts over tasks: only with the measured noise of the row that decides, each refusal by name (rule 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.randomness import generator
from curation.store import Store
from leaderboard.comparison.finding import find_side
from leaderboard.comparison.outcome import Question, compare_sides
from leaderboard.comparison.sides import Side
from leaderboard.comparison.verdicts import Outcome
from leaderboard.noise.pack import Measure, NoisePack, PackRun, Provenance, sealed
from train.evals.results import Scored
from train.tiers import load_tier

TIERS = ("micro-0.5x", "micro-1x")
PLAIN, BITS = {"easy": 0.8, "hard": 0.4}, {"easy": 1.0, "hard": 2.0}
FEWER = {"easy": 0.93, "hard": 1.86}
Packs = list[tuple[Path, NoisePack]]


def pack_of(tier: str, tasks: tuple[str, ...] = ("easy", "hard"), sigma: float = 0.004, **changes: Any) -> NoisePack:
    """Return a pack of eight baseline seeds that measured the bits per byte of `tasks`."""
    measures = [
        Measure(kind="task", name=name, metric="bits_per_byte_corr", scale="plain", seeds=None,
                values=tuple((BITS[name] * np.exp(sigma * generator(6, tier, name).normal(size=8))).tolist()))
        for name in tasks
    ]  # fmt: skip
    settings: dict[str, Any] = {
        "tier": tier,
        "recipe_version": load_tier(tier).recipe_version,
        "tokenizer": "ladder@1",
        "context": 512,
        "evidence": True,
        "status": "measured",
        "provenance": Provenance(device="a card", date="", corpus="text", suites={"small": "5" * 64}),
        "runs": [
            PackRun(fingerprint=f"{seed}" * 40, seed=seed, steps=9, skipped_steps=0, stable=True)
            for seed in range(1, 9)
        ],
        "measures": measures,
    }
    return sealed(NoisePack.model_validate({**settings, **changes}))


@pytest.fixture
def sides(publish: Callable[..., Path], scored: Any, tmp_path: Path) -> Callable[..., dict[str, Side]]:
    """Return a maker of two sides at two budgets: A has fewer bits per byte in every task."""

    def make(seeds: int = 3, **model: Any) -> dict[str, Side]:
        for tier in TIERS:
            for seed in range(1, seeds + 1):
                for arm, bits in (("mine", FEWER), ("base", BITS)):
                    made = scored(arm, seed, PLAIN, bits, tier=tier, run_noise=0.002)
                    facts = made.results.model.model_copy(update={"tokenizer": "ladder@1", **model})
                    results = made.results.model_copy(update={"model": facts})
                    folder = publish(Scored(results=results, items=made.items)).parent
        store = Store.open(tmp_path / "store")
        return {arm: find_side(store, f"{folder}/{arm}*") for arm in ("mine", "base")}

    return make


def compare(sides: Mapping[str, Side], packs: list[NoisePack]) -> Outcome:
    question = Question(a="mine", b="base", packs=[(Path(pack.file_name), pack) for pack in packs])
    return compare_sides(sides, question)[-1]


def rule_9(outcome: Outcome) -> str:
    return "; ".join(reason.text for reason in outcome.reasons if reason.rule == 9)


def test_a_gain_is_better_once_the_noise_of_its_tasks_was_measured(sides: Any) -> None:
    outcome = compare(sides(), [pack_of(tier) for tier in TIERS])
    assert (outcome.verdict, outcome.reasons) == ("better", ())
    assert outcome.headline is not None
    assert outcome.headline.p is not None
    assert any("run noise of small from" in note for note in outcome.notes)


def test_marks_stand_only_in_the_rows_that_were_measured(sides: Any) -> None:
    rows = compare(sides(), [pack_of("micro-1x")]).rows
    marked = {(row.level, row.metric) for row in rows if row.holm is not None}
    assert marked == {("task", "bits_per_byte_corr"), ("family", "bits_per_byte_corr")}
    assert all((row.holm is None) == (row.p is None) for row in rows if row.level == "task")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": ("easy",)}, "does not measure every task of all tasks by bits_per_byte_corr"),
        ({"status": "preliminary", "why": ("7 stable baseline seeds",)}, "it is preliminary, 7 stable baseline seeds"),
        ({"status": "unstable", "why": ("8 of 8 skipped",)}, "it is unstable"),
        ({"recipe_version": 99}, "recipe version 99"),
        ({"tokenizer": "gpt-neox-20b@1"}, r"tokenizer gpt-neox-20b@1, the runs have ladder@1 (rule 7)"),
        ({"context": 1024}, "evaluation context 1024, the runs have 512 (rule 6)"),
        ({"provenance": Provenance(device="", date="", corpus="", suites={})}, "another version of the suite (none"),
    ],
)  # fmt: skip
def test_a_pack_that_measured_something_else_decides_nothing(sides: Any, changes: dict[str, Any], said: str) -> None:
    outcome = compare(sides(), [pack_of("micro-1x", **changes)])
    assert outcome.verdict == "insufficient"
    assert said in rule_9(outcome)
    assert {row.p for row in outcome.rows} == {None}


def test_a_pack_of_another_tier_of_the_same_name_decides_nothing(sides: Any) -> None:
    made = {
        arm: replace(side, models=tuple(replace(model, tier_digest="b" * 64) for model in side.models))
        for arm, side in sides().items()
    }
    assert "another tier of the same name" in rule_9(compare(made, [pack_of("micro-1x", tier_digest="a" * 64)]))


def test_runs_of_unknown_tokenizer_are_described_by_no_pack(sides: Any) -> None:
    assert "the runs have an unknown one (rule 7)" in rule_9(compare(sides(tokenizer=None), [pack_of("micro-1x")]))


def test_a_pack_of_finished_runs_says_nothing_of_averaged_checkpoints(sides: Any) -> None:
    made = {}
    for arm, side in sides().items():
        models = [replace(one, place=replace(one.place, averaged=(1, 2))) for one in side.models]
        made[arm] = replace(side, models=tuple(models))
    assert "mean of 2 checkpoints was never measured" in rule_9(compare(made, [pack_of("micro-1x")]))


def test_the_pack_that_fits_is_taken_among_several(sides: Any) -> None:
    packs = [pack_of("micro-1x", context=1024), pack_of("micro-1x"), pack_of("micro-1x", tokenizer="other@1")]
    assert rule_9(compare(sides(), packs)) == ""


def test_compared_runs_leave_the_packs_estimate(sides: Any) -> None:
    made = sides()
    own = [model.identity for model in made["base"].models if model.place.tier == "micro-1x"]
    runs = [
        run.model_copy(update={"fingerprint": own[place]}) if place < 3 else run
        for place, run in enumerate(pack_of("micro-1x").runs)
    ]
    outcome = compare(made, [pack_of("micro-1x", runs=runs)])
    alone = compare(made, [pack_of("micro-1x")])
    assert any("8 seeds, 3 of them compared here and left out" in note for note in outcome.notes)
    assert outcome.headline.degrees != alone.headline.degrees  # type: ignore[union-attr]


def test_a_pack_of_none_but_compared_runs_decides_nothing(sides: Any) -> None:
    made = sides()
    own = [model.identity for model in made["base"].models if model.place.tier == "micro-1x"]
    runs = [
        run.model_copy(update={"fingerprint": own[place % 3]}) for place, run in enumerate(pack_of("micro-1x").runs)
    ]
    assert "fewer than two of its runs" in rule_9(compare(made, [pack_of("micro-1x", runs=runs)]))


def test_runs_far_louder_than_the_pack_need_five_seeds(sides: Any) -> None:
    outcome = compare(sides(), [pack_of("micro-1x", sigma=1e-5)])
    assert "each arm needs 5 seeds, one has 3" in rule_9(outcome)
    assert outcome.headline.p is None  # type: ignore[union-attr]


def test_five_loud_seeds_decide_without_the_prior_and_are_marked(sides: Any) -> None:
    outcome = compare(sides(5), [pack_of(tier, sigma=1e-5) for tier in TIERS])
    assert (outcome.verdict, rule_9(outcome)) == ("better", "")
    assert {row.holm for row in outcome.rows if row.level == "task" and row.metric == "bits_per_byte_corr"} == {True}
