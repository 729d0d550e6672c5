"""`curate compare` where run noise was measured: a verdict, p-values, and what each kind of world is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from curation.randomness import generator
from curation.store import Store
from leaderboard.compare_command import compared
from leaderboard.comparison.verdicts import Outcome
from leaderboard.noise.build import build_pack
from leaderboard.noise.pack_files import write_pack
from leaderboard.noise.read_runs import gather_runs

SLICES = {"docs": 60, "code": 60}
TIERS = ("micro-0.5x", "micro-1x")
SIGMA = 0.001
Effect = Callable[[str, str], float]
"""(arm, slice) -> factor on bits per byte."""


@pytest.fixture
def measured(store: Store, make_run: Any, write_run: Any, make_corpus: Any) -> Callable[..., list[Outcome]]:
    """Return a maker of outcomes: 8 baseline seeds in a pack at two budgets, three seeds of an arm and its control."""

    def make(effect: Effect) -> list[Outcome]:
        def level(arm: str, seed: int, name: str) -> float:
            noise = generator(5, seed).normal() + generator(5, seed, name).normal()  # alike in all arms
            return 2.0 * effect(arm, name) * math.exp(SIGMA * float(noise))

        for arm in ("baseline", "mine", "matched"):
            make_corpus(store, arm, 1_000_000)
        sides: dict[str, list[str]] = {}
        for tier in TIERS:
            paths: dict[str, list[str]] = {}
            for arm, seeds in (("baseline", 8), ("mine", 3), ("matched", 3)):
                for seed in range(1, seeds + 1):
                    run = make_run(arm, seed, level, SLICES, tier=tier)
                    paths.setdefault(arm, []).append(str(write_run(store, run, unique_tokens=10).path))
            pack = build_pack(gather_runs(store, paths["baseline"], None), date="2026-01-31", device="a card")
            (store.root / "noise").mkdir(exist_ok=True)
            write_pack(store.root / "noise" / pack.file_name, pack)
            for arm, own in paths.items():
                sides.setdefault(arm, []).extend(own[:3])
        named = {arm: ",".join(own) for arm, own in sides.items()}
        (pair,) = compared(store, [named["mine"], named["baseline"]], control=named["matched"])
        return list(pair.outcomes)

    return make


def test_a_gain_in_every_slice_beyond_the_control_is_better_with_p_values(measured: Any) -> None:
    for outcome in measured(lambda arm, _: 0.98 if arm == "mine" else 1.0):
        assert (outcome.verdict, outcome.reasons) == ("better", ())
        assert outcome.headline.p < 0.001
        assert all(row.holm and row.p is not None for row in outcome.rows if row.level == "slice")


def test_a_gain_that_the_matched_control_has_too_is_reweighting(measured: Any) -> None:
    found = measured(lambda arm, _: 1.0 if arm == "baseline" else 0.98)
    assert {outcome.verdict for outcome in found} == {"reweighting"}


def test_nothing_is_called_better_where_nothing_differs(measured: Any) -> None:
    found = measured(lambda *_: 1.0)
    assert {outcome.verdict for outcome in found} == {"no-difference"}


def test_a_gain_with_a_worse_slice_is_a_regression(measured: Any) -> None:
    found = measured(lambda arm, name: {"docs": 0.95, "code": 1.02}[name] if arm == "mine" else 1.0)
    assert {outcome.verdict for outcome in found} == {"regression"}
    assert found[0].regressions[0].name == "code"


def test_a_loss_is_worse(measured: Any) -> None:
    found = measured(lambda arm, _: 1.02 if arm == "mine" else 1.0)
    assert {outcome.verdict for outcome in found} == {"worse"}


def test_the_pack_is_named_and_compared_runs_of_it_are_left_out(measured: Any) -> None:
    (note,) = [note for note in measured(lambda *_: 1.0)[0].notes if note.startswith("run noise from")]
    assert "8 seeds, 3 of them compared here and left out" in note
