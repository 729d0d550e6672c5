"""Gates judge an optimizer at the best of its sweep, on seeds that chose nothing; never at the centre of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.protocols import sweep_assessments, sweeps
from leaderboard.protocols.optimizer_report import _claim_rows
from leaderboard.protocols.study_runs import MeasuredRun
from leaderboard.protocols.sweep_assessments import NO_CLAIM, judged_by_sweeps
from leaderboard.protocols.sweeps import side_sweeps, sweep_claims
from leaderboard.scores import ScoredRun
from leaderboard.studies.results import ArmResult, RunResult, StudyResult, Supply
from train.tiers import load_tier

SLICES = {"docs": 60, "code": 60}
TIER = "micro-1x"
POINTS = {
    "baseline": TIER,
    "baseline.lr0.5": f"{TIER}@lr0.5",
    "baseline.lr2": f"{TIER}@lr2",
    "muon": f"{TIER}@muon",
    "muon.lr0.5": f"{TIER}@lr0.5@muon",
    "muon.lr2": f"{TIER}@lr2@muon",
}
Level = Callable[[str, int], float]


@dataclass(frozen=True)
class FakeArtifact:
    path: Any
    name: str
    summary: Any


@pytest.fixture
def swept(make_run: Any, make_result: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Return a maker of a study of Muon against AdamW whose points have these bits per byte at a seed."""

    def make(level: Level, seeds: int = 4) -> StudyResult:
        scored: dict[tuple[str, int], ScoredRun] = {
            (arm, seed): make_run(arm, seed, lambda arm, seed, _: level(arm, seed), SLICES, tier=TIER)
            for arm in POINTS
            for seed in range(1, seeds + 1)
        }
        for module in (sweeps, sweep_assessments):
            monkeypatch.setattr(
                module, "scored_run", lambda run, arm: replace(scored[run.name, run.summary["seed"]], arm=arm)
            )
        results = [_run(arm, seed, level(arm, seed)) for arm, seed in scored]
        runs = [
            MeasuredRun(
                result=one, trained=load_tier(POINTS[one.arm]), tokens=cast("Any", None), bytes_a_token=2.0,
                artifact=cast("Any", FakeArtifact(path=tmp_path / "run", name=one.arm, summary={"seed": one.seed})),
                tokens_per_second=None, step_seconds=None, peak_bytes=None,
            )
            for one in results
        ]  # fmt: skip
        plain = make_result(
            lambda arm, seed, _: level("muon" if arm == "mine" else "baseline", seed), SLICES, tier=TIER
        )
        kept = [replace(item, arm="muon", quality=None, rest=None) for item in plain.assessments]
        result = replace(
            plain, kind="optimizer", tiers={TIER: seeds}, arms=tuple(_arm(name, plain.arms[0]) for name in POINTS),
            runs=tuple(results), assessments=tuple(kept), supply=tuple(_supply(name) for name in POINTS),
        )  # fmt: skip
        claims = sweep_claims(result, runs, side_sweeps(result, runs, TIER))
        rows = tuple(row for claim in claims for row in _claim_rows(claim))
        result = judged_by_sweeps(result, runs, claims)
        return replace(result, facts=replace(result.facts, measurements=rows))

    return make


def _run(arm: str, seed: int, bpb: float) -> RunResult:
    return RunResult(
        arm=arm, tier=TIER, seed=seed, fingerprint=f"{arm}{seed}", panel="p", tokenizer="t", context=512,
        tokens_seen=10, unique_tokens=10, epochs=1.0, epochs_by_slice={}, bpb=dict.fromkeys(SLICES, bpb),
        final_train_loss=1.0, steps=1, flops=1.0, curve=(), variant="" if POINTS[arm] == TIER else POINTS[arm],
    )  # fmt: skip


def _arm(name: str, like: ArmResult) -> ArmResult:
    side = name.partition(".")[0]
    role = "point" if name != side else "baseline" if name == "baseline" else "arm"
    return replace(like, name=name, role=role, of=side)


def _supply(arm: str) -> Supply:
    return Supply(arm=arm, tier=TIER, unique_tokens=10, tokens_seen=10, epochs=1.0, flag="")


def level(best: str, gain: float, lucky: str = "") -> Level:
    """Return bits per byte: every point alike but `best`, and `lucky`, which is good at seed 1 alone."""

    def value(arm: str, seed: int) -> float:
        off = -gain if arm == best else -0.3 if arm == lucky and seed == 1 else 0.0
        return 2.0 + off + 0.0004 * ((len(arm) * 7 + seed * 3) % 5) - (0.01 if arm == "baseline" else 0.0)

    return value


def condition(result: StudyResult, name: str) -> Any:
    report = judge(evidence_of(result, "muon"), load_gates(), "G1")
    return next(one for one in report.conditions if one.name == name)


def test_the_gain_is_that_of_the_best_point_though_the_centre_has_none(swept: Any) -> None:
    result = swept(level("muon.lr2", 0.1))
    item = result.assessments[0]
    assert (item.arm, item.total.arm, item.total.against, item.total.seeds) == (
        "muon",
        "muon.lr2",
        "baseline",
        (2, 3, 4),
    )
    assert item.notes[0].text == "best of sweep: muon.lr2 against baseline, chosen at seed 1, judged at seeds 2, 3, 4"
    tier = evidence_of(result, "muon").tiers[0]
    assert (tier.arm.arm, tier.arm.seeds, tier.choosing_seeds) == ("muon.lr2", (2, 3, 4), (1,))
    assert tier.total is not None
    assert tier.total.gain == pytest.approx(0.0463, abs=0.002)  # ln(1.99 / 1.9)
    assert condition(result, "average-gain").state != "fail"
    assert condition(result, "seeds").text == "seeds 2..4; 1 chose the points of the sweep"


def test_a_point_that_was_lucky_at_the_choosing_seed_gains_nothing(swept: Any) -> None:
    result = swept(level("", 0.0, lucky="muon.lr0.5"))
    tier = evidence_of(result, "muon").tiers[0]
    assert tier.arm.arm == "muon.lr0.5"
    assert tier.total is not None
    assert tier.total.gain < 0.003
    assert condition(result, "average-gain").state != "pass"


def test_the_base_is_read_at_its_own_best_rate(swept: Any) -> None:
    result = swept(lambda arm, seed: 1.9 if arm in ("muon", "baseline.lr2") else 2.0)
    assert result.assessments[0].total.against == "baseline.lr2"
    assert abs(result.assessments[0].total.headline.log_ratio) < 1e-9


def test_one_seed_claims_nothing_and_no_gate_passes_on_the_centre(swept: Any) -> None:
    result = swept(level("muon", 0.1), seeds=1)
    assert result.assessments[0].verdict == "insufficient"
    assert any(NO_CLAIM in reason.text for reason in result.assessments[0].reasons)
    assert condition(result, "valid-comparison").state == "insufficient"


def test_best_of_sweep_is_a_required_measurement_of_the_arm(swept: Any) -> None:
    result = swept(level("muon.lr2", 0.1))
    assert "best-of-sweep" not in condition(result, "kind-measurements").text
    bare = replace(result, facts=replace(result.facts, measurements=()))
    assert "best-of-sweep" in condition(bare, "kind-measurements").text
