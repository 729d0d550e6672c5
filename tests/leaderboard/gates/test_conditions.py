"""Every condition passes where all is well, is insufficient without its evidence, and fails on what it is there for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import highest_gate, judge
from leaderboard.gates.report import GateReport, report_json
from leaderboard.studies.results import Reason

GATES = load_gates()


def state(report: GateReport, name: str) -> str:
    """The state of one condition."""
    return next(item.state for item in report.conditions if item.name == name)


def with_largest(found: Any, **changes: Any) -> Any:
    """The evidence with its deciding tier changed."""
    return replace(found, tiers=(*found.tiers[:-1], replace(found.tiers[-1], **changes)))


def with_smallest(found: Any, **changes: Any) -> Any:
    """The evidence with its smallest tier changed."""
    return replace(found, tiers=(replace(found.tiers[0], **changes), *found.tiers[1:]))


@pytest.mark.parametrize("gate", ["G0", "G1", "G2", "G3"])
def test_a_true_win_passes_every_gate_with_evidence_ids_for_every_condition(world: Any, gate: str) -> None:
    report = judge(world.evidence(), GATES, gate)
    assert report.decision == "scale-up"
    assert {item.state for item in report.conditions} == {"pass"}
    assert all(item.evidence and all("#" in one for one in item.evidence) for item in report.conditions)
    assert all(item.threshold for item in report.conditions)


def test_judging_twice_gives_equal_reports(world: Any) -> None:
    assert report_json(judge(world.evidence(), GATES, "G3")) == report_json(judge(world.evidence(), GATES, "G3"))


def test_evidence_of_nothing_passes_nothing_that_must_be_measured(world: Any) -> None:
    bare = {
        "contamination": None,
        "baseline_contamination": None,
        "integrity": None,
        "baseline_integrity": None,
        "forecast": None,
        "reports": (),
        "tiers": (),
        "corpus_cost": None,
    }
    for gate in ("G0", "G1", "G2", "G3"):
        report = judge(world.evidence(**bare), GATES, gate)
        assert report.decision == "one-more-proxy"
        assert set(report.states("pass")) <= {"gate-g0"}


@pytest.mark.parametrize(
    ("gate", "name", "tier_changes"),
    [
        ("G1", "noise-measured", {"noise": None}),
        ("G1", "headline", {"total": None}),
        ("G1", "repetition", {"supply": None}),
        ("G1", "quality-gain", {"matched": None}),
        ("G1", "stable", {"health": ()}),
        ("G1", "suspicious-gap", {"gap": None}),
        ("G1", "before-final", {"checkpoints": ()}),
        ("G1", "downstream-one-family", {"families": ()}),
        ("G1", "severe-regression", {"slices": ()}),
        ("G1", "seeds", {"planned_seeds": 5}),
        ("G1", "valid-comparison", {"faults": (Reason(rule=17, text="intervened in mine seed 1"),)}),
        ("G2", "downstream-consistent", {"families": ()}),
        ("G2", "held-out-half", {"halves": ()}),
        ("G2", "cost", {"cost": None}),
        ("G3", "confirmation-seed", {"confirmation": None}),
    ],
)
def test_what_was_not_measured_is_insufficient(world: Any, gate: str, name: str, tier_changes: Any) -> None:
    report = judge(with_largest(world.evidence(), **tier_changes), GATES, gate)
    assert state(report, name) == "insufficient"
    assert report.decision == "one-more-proxy"


@pytest.mark.parametrize(
    ("gate", "name", "changes"),
    [
        ("G1", "panel-leakage", {"contamination": None}),
        ("G1", "benchmark-overlap", {"baseline_contamination": None}),
        ("G3", "scaling-fit", {"forecast": None}),
        ("G3", "forecast-difference", {"forecast": None}),
        ("G3", "prediction", {"forecast": None}),
        ("G3", "rollback-plan", {"reports": ()}),
        ("G3", "reports", {"reports": ()}),
    ],
)
def test_what_was_not_measured_of_the_study_is_insufficient(world: Any, gate: str, name: str, changes: Any) -> None:
    report = judge(world.evidence(**changes), GATES, gate)
    assert state(report, name) == "insufficient"
    assert report.decision == "one-more-proxy"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tokenizer-roundtrip", {"roundtrip_exact": 9_999}),
        ("corpus-integrity", {"empty_docs": 1}),
        ("corpus-integrity", {"invalid_utf8_docs": 1}),
        ("corpus-integrity", {"nul_docs": 1}),
        ("corpus-integrity", {"sha256_match": False}),
        ("duplicate-explosion", {"exact_duplicate_docs": 6_001}),
        ("duplicate-explosion", {"exact_duplicate_docs": 21}),
        ("duplicate-explosion", {"near_duplicate_docs": 10_001}),
        ("source-shares", {"max_share_deviation": 0.011}),
    ],
)
def test_a_corpus_that_is_not_what_it_says_fails_smoke_and_every_later_gate(
    world: Any, name: str, changes: Any
) -> None:
    found = world.evidence(integrity=world.cited(world.integrity(**changes), "arms[1].integrity"))
    assert state(judge(found, GATES, "G0"), name) == "fail"
    later = judge(found, GATES, "G1")
    assert state(later, "gate-g0") == "fail"
    assert later.decision == "reject"


@pytest.mark.parametrize(
    "changes",
    [{"finite": False}, {"spike_score": 0.006}, {"final_loss": 8.0}, {"grad_norm_p99": 11.0}, {"diverged": True}],
)
def test_a_training_that_went_wrong_fails_smoke(world: Any, changes: Any) -> None:
    wrong = tuple(world.cited(world.health(**changes), f"runs[{seed}].facts") for seed in range(3))
    assert state(judge(with_smallest(world.evidence(), health=wrong), GATES, "G0"), "training") == "fail"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("loader", {"loader_reproducible": False}),
        ("loader", {"resume_exact": False}),
        ("export-parity", {"export_max_logit": 2e-4}),
        ("export-parity", {"export_nll": 2e-6}),
        ("training", {"every_parameter_learns": False}),
    ],
)
def test_broken_machinery_fails_smoke(world: Any, name: str, changes: Any) -> None:
    broken = world.cited(world.plumbing("micro-1x", **changes), "plumbing")
    assert state(judge(with_smallest(world.evidence(), plumbing=broken), GATES, "G0"), name) == "fail"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("eval-leakage", {"exact_items": 1}),
        ("panel-leakage", {"panel_exact": 1}),
        ("panel-leakage", {"panel_near": 1}),
        ("benchmark-overlap", {"overlap_fraction": 0.0111}),
    ],
)
def test_contamination_rejects_whatever_the_gain(world: Any, name: str, changes: Any) -> None:
    leaked = world.cited(world.counts("mine", **changes), "contamination[0]")
    report = judge(world.evidence(contamination=leaked), GATES, "G1")
    assert state(report, name) == "fail"
    assert report.decision == "reject"
    assert report.why.startswith(("panel-leakage", "eval-leakage", "benchmark-overlap"))


def test_a_win_on_suspicious_items_alone_is_rejected_by_rule_14(world: Any) -> None:
    gap = world.cited(world.gap("100m-1x", 3.0), "gap")
    report = judge(with_largest(world.evidence(), gap=gap), GATES, "G1")
    assert state(report, "suspicious-gap") == "fail"
    assert report.decision == "reject"


def test_a_gap_too_wide_to_tell_is_insufficient(world: Any) -> None:
    gap = world.cited(world.gap("100m-1x", 0.5, 2.0), "gap")
    assert state(judge(with_largest(world.evidence(), gap=gap), GATES, "G1"), "suspicious-gap") == "insufficient"


def test_reweighting_sold_as_quality_fails_against_random_matched_by_rule_3(world: Any) -> None:
    mine = world.evidence().tiers[-1].arm
    same = replace(mine, arm="random-matched", log_bpb=tuple(value - 0.00005 for value in mine.log_bpb))
    report = judge(with_largest(world.evidence(), matched=same), GATES, "G1")
    assert state(report, "average-gain") == "pass"
    assert state(report, "quality-gain") == "fail"
    assert report.decision == "reject"


def test_extra_epochs_fail_by_rule_4_though_the_gain_is_large(world: Any) -> None:
    supply = world.cited(world.supply("mine", "100m-1x", 4.0), "supply[0]")
    report = judge(with_largest(world.evidence(), supply=supply), GATES, "G1")
    failed = next(item for item in report.conditions if item.state == "fail")
    assert (failed.name, failed.rule) == ("repetition", 4)
    assert report.decision == "reject"


def test_unmatched_epochs_up_to_two_are_judged_by_the_equal_keep_control(world: Any) -> None:
    changed = {
        "supply": world.cited(world.supply("mine", "100m-1x", 1.5), "supply[0]"),
        "matched_supply": world.cited(world.supply("random-matched", "100m-1x", 1.5), "supply[2]"),
    }
    report = judge(with_largest(world.evidence(), **changed), GATES, "G1")
    gain = next(item for item in report.conditions if item.name == "average-gain")
    assert "random-matched" in gain.text
    assert report.decision == "scale-up"


def test_seeds_other_than_one_to_n_reject_by_rule_10(world: Any) -> None:
    picked = replace(world.evidence().tiers[-1].arm, seeds=(3, 9, 12))
    base = replace(world.evidence().tiers[-1].baseline, seeds=(3, 9, 12))
    report = judge(with_largest(world.evidence(), arm=picked, baseline=base), GATES, "G1")
    assert state(report, "seeds") == "fail"
    assert report.decision == "reject"


def test_a_gain_under_one_per_cent_asks_for_three_seeds(world: Any) -> None:
    two = world.evidence(world.tier("100m-0.5x", seeds=2), world.tier("100m-1x", seeds=2))
    assert state(judge(two, GATES, "G1"), "seeds") == "insufficient"
    large = world.evidence(world.tier("100m-0.5x", seeds=2, gain=0.02), world.tier("100m-1x", seeds=2, gain=0.02))
    assert state(judge(large, GATES, "G1"), "seeds") == "pass"


def test_the_lucky_one_of_twenty_is_refused_by_screening(world: Any) -> None:
    # p about 0.03 alone; twenty tries need 0.005
    tier = world.tier("100m-1x", gain=0.001)
    others = tuple(
        replace(tier.peers[0], arm=f"other-{place}", effect=world.effect(0.00005 * (place - 10), se=0.0006))
        for place in range(19)
    )
    alone = judge(world.evidence(tier), GATES, "G1")
    among = judge(world.evidence(replace(tier, peers=(*tier.peers, *others))), GATES, "G1")
    assert state(alone, "screening") == "pass"
    assert state(among, "screening") != "pass"


def test_earlier_versions_of_the_study_are_tries_too(world: Any) -> None:
    from leaderboard.gates.evidence import Look

    tier = world.tier("100m-1x", gain=0.001)
    looks = tuple(
        Look(study=str(n), name="planted", arm="mine", results="r", panel="p", num_seeds=3, same_study=True)
        for n in range(19)
    )
    assert state(judge(world.evidence(tier, looks=looks), GATES, "G1"), "screening") != "pass"
    others = tuple(replace(look, same_study=False, name="another") for look in looks)
    assert state(judge(world.evidence(tier, looks=others), GATES, "G1"), "screening") == "pass"


def test_one_budget_is_no_claim_by_rule_16(world: Any) -> None:
    assert state(judge(world.evidence(world.tier("100m-1x")), GATES, "G1"), "budgets") == "insufficient"


def test_kinds_of_study_are_asked_what_binds_them(world: Any) -> None:
    names = {item.name for item in judge(world.evidence(kind="optimizer"), GATES, "G1").conditions}
    assert "quality-gain" not in names
    assert {"kind-seeds", "kind-measurements"} <= names
    assert "kind-seeds" not in {item.name for item in judge(world.evidence(), GATES, "G1").conditions}


def test_an_optimizer_study_needs_its_kinds_seeds_and_measurements(world: Any) -> None:
    found = with_largest(world.evidence(kind="optimizer"), kind_seeds=5, required=("memory",))
    report = judge(found, GATES, "G1")
    assert set(report.states("insufficient")) == {"kind-seeds", "kind-measurements"}


def test_a_gain_that_hangs_on_the_learning_rate_is_refused(world: Any) -> None:
    found = world.evidence()
    probe = replace(world.tier("micro-1x@lr2", gain=-0.006), id="probe")
    turned = replace(found, tiers=tuple(probe if item.tier == probe.tier else item for item in found.tiers))
    report = judge(turned, GATES, "G2")
    assert state(report, "learning-rate") == "fail"
    assert report.decision == "reject"


def test_without_probes_of_the_learning_rate_the_check_is_insufficient(world: Any) -> None:
    found = world.evidence()
    plain = replace(found, tiers=found.plain_tiers)
    report = judge(plain, GATES, "G2")
    assert report.states("insufficient") == ("learning-rate",)
    assert report.next_runs is not None
    assert report.next_runs.tiers["micro-1x@lr0.5"] == 2


def test_a_sign_that_turns_between_scales_is_refused(world: Any) -> None:
    found = world.evidence(world.tier("micro-1x", gain=-0.006), world.tier("100m-0.5x"), world.tier("100m-1x"))
    report = judge(found, GATES, "G2")
    assert state(report, "same-sign") == "fail"
    assert state(report, "rank-stability") == "fail"


def test_two_scales_too_close_are_insufficient(world: Any) -> None:
    found = world.evidence(world.tier("micro-1x"), world.tier("smoke-0.5x"), world.tier("smoke-1x"))
    assert state(judge(found, GATES, "G2"), "same-sign") == "insufficient"  # 1.8 times apart


@pytest.mark.parametrize(
    ("loss", "half_width", "expected", "decision"),
    [
        (0.012, 0.001, "fail", "reject"),
        (0.012, 0.013, "insufficient", "one-more-proxy"),
        (0.004, 0.030, "insufficient", "one-more-proxy"),
        (0.008, 0.001, "pass", "scale-up"),
    ],
)
def test_a_slice_may_lose_one_per_cent(
    world: Any, loss: float, half_width: float, expected: str, decision: str
) -> None:
    found = world.evidence()
    effect = replace(world.effect(-loss), low=-loss - half_width, high=-loss + half_width)
    slices = (replace(found.tiers[-1].slices[0], effect=effect), *found.tiers[-1].slices[1:])
    report = judge(with_largest(found, slices=slices), GATES, "G1")
    assert (state(report, "severe-regression"), report.decision) == (expected, decision)


def test_a_protected_slice_may_lose_half_of_that_and_a_traded_one_its_floor(world: Any) -> None:
    found = world.evidence(kind="mixture")
    slices = found.tiers[-1].slices
    lost = replace(slices[0], effect=world.effect(-0.008, se=0.0002))
    for role, floor, expected in (("", None, "pass"), ("protect", 0.005, "fail"), ("trade", 0.02, "pass")):
        changed = (replace(lost, role=role, floor=floor), replace(slices[1], role="protect", floor=0.005), *slices[2:])
        report = judge(with_largest(found, slices=changed), GATES, "G1")
        assert state(report, "severe-regression") == expected


def test_spikes_twice_the_baselines_are_unstable(world: Any) -> None:
    own = tuple(world.cited(world.health(spike_score=0.004), f"runs[{n}]") for n in range(3))
    base = tuple(world.cited(world.health(spike_score=0.002), f"runs[{n}]") for n in range(3))
    report = judge(with_largest(world.evidence(), health=own, baseline_health=base), GATES, "G1")
    assert state(report, "stable") == "fail"


def test_a_gain_only_at_the_end_fails_before_final(world: Any) -> None:
    points = [world.cited(world.checkpoint("100m-1x", place, -0.001), f"c[{place}]") for place in range(5)]
    report = judge(with_largest(world.evidence(), checkpoints=tuple(points)), GATES, "G1")
    assert state(report, "before-final") == "fail"


def test_a_significant_loss_of_a_family_fails_the_second_gate(world: Any) -> None:
    families = tuple(
        world.cited(world.family("100m-1x", name, points), name)
        for name, points in (("knowledge", 2.0), ("reasoning", 2.0), ("code", -2.0))
    )
    report = judge(with_largest(world.evidence(), families=families), GATES, "G2")
    assert state(report, "downstream-consistent") == "fail"


def test_a_win_on_the_selecting_half_alone_fails_the_held_out_half(world: Any) -> None:
    halves = (
        world.cited(world.half("100m-1x", "selection", 0.01), "s"),
        world.cited(world.half("100m-1x", "held-out", -0.001), "h"),
    )
    report = judge(with_largest(world.evidence(), halves=halves), GATES, "G2")
    assert state(report, "held-out-half") == "fail"
    assert report.winner.held_out == pytest.approx(-0.001)


@pytest.mark.parametrize(("error", "expected"), [(0.003, "pass"), (0.0031, "fail")])
def test_a_forecast_of_the_difference_is_off_by_half_the_gain_at_most(world: Any, error: float, expected: str) -> None:
    forecast = world.cited(world.forecast(gain=0.006, held_out_error=error), "forecast")
    assert state(judge(world.evidence(forecast=forecast), GATES, "G3"), "forecast-difference") == expected


def test_a_law_within_one_per_cent_of_the_loss_alone_does_not_pass(world: Any) -> None:
    forecast = world.cited(world.forecast(loss_error=0.001, held_out_error=0.01), "forecast")
    report = judge(world.evidence(forecast=forecast), GATES, "G3")
    assert state(report, "scaling-fit") == "pass"
    assert report.decision == "reject"


def test_a_corpus_read_five_times_at_the_target_costs_too_much(world: Any) -> None:
    assert state(judge(world.evidence(epochs_at_target=5.0), GATES, "G2"), "cost") == "fail"


def test_laptop_tiers_decide_nothing_beyond_smoke_by_rule_18(world: Any) -> None:
    found = world.evidence(world.tier("nano-1x", gain=0.05, seeds=5))
    report = judge(found, GATES, "G1")
    assert report.decision == "one-more-proxy"
    assert "rule 18" in next(item.text for item in report.conditions if item.name == "average-gain")
    assert highest_gate(found, GATES) == "G0"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("pico-1x",), "G0"),
        (("micro-1x",), "G1"),
        (("micro-1x", "smoke-1x"), "G1"),
        (("micro-1x", "100m-1x"), "G2"),
        (("micro-1x", "smoke-1x", "100m-1x"), "G3"),
    ],
)
def test_tiers_reach_gates(world: Any, names: tuple[str, ...], expected: str) -> None:
    assert highest_gate(world.evidence(*(world.tier(name) for name in names)), GATES) == expected


@pytest.mark.parametrize("gate", ["G1", "G2"])
def test_scores_that_are_no_numbers_never_pass(world: Any, gate: str) -> None:
    broken = replace(world.runs("mine", math.nan, 3))
    effect = replace(world.effect(math.nan), low=math.nan, high=math.nan)
    slices = tuple(replace(item, effect=effect) for item in world.evidence().tiers[-1].slices)
    report = judge(with_largest(world.evidence(), arm=broken, total=effect, slices=slices), GATES, gate)
    assert report.decision != "scale-up"
    assert state(report, "severe-regression") != "pass"


def test_a_fragile_gain_is_told(world: Any) -> None:
    arm = replace(
        world.runs("mine", 0.0, 3), log_bpb=tuple(math.log(0.9) - gain for gain in (0.00095, 0.00095, 0.00245))
    )
    report = judge(with_largest(world.evidence(), arm=arm), GATES, "G1")
    assert report.winner.fragile is True


@pytest.mark.parametrize(
    ("p_values", "state_found"),
    [
        ({"mine": 0.0220}, "pass"),  # three looks: 0.05 * 0.01105 / 0.025 = 0.0221
        ({"mine": 0.0222}, "other"),
        ({"mine": 0.0110, "twin": 0.9}, "pass"),  # Holm of two: 0.0221 / 2 = 0.01105
        ({"mine": 0.0111, "twin": 0.9}, "other"),
    ],
)
def test_a_p_among_candidates_pays_for_the_three_looks(
    world: Any, monkeypatch: pytest.MonkeyPatch, p_values: dict[str, float], state_found: str
) -> None:
    monkeypatch.setattr("leaderboard.gates.gain_checks.peer_p", lambda *_: p_values)
    found = state(judge(world.evidence(), GATES, "G2"), "candidates")
    assert (found == "pass") == (state_found == "pass")
