"""The decision table, the cheapest next runs, survival checks and the six diagnoses, each in a planted world."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.gates.definition import load_gates
from leaderboard.gates.evidence import SliceEffect
from leaderboard.gates.judge import case_of, judge
from leaderboard.gates.next_runs import flops_of, work_of
from leaderboard.gates.report import GateReport
from leaderboard.studies.decision_facts import Plumbing
from train.tiers import load_tier

GATES = load_gates()


def with_largest(found: Any, **changes: Any) -> Any:
    """The evidence with its deciding tier changed."""
    return replace(found, tiers=(*found.tiers[:-1], replace(found.tiers[-1], **changes)))


def with_gain(world: Any, found: Any, gain: float) -> Any:
    """The evidence with another average at the deciding tier; slices keep theirs."""
    slices = found.tiers[-1].slices
    return with_largest(
        found,
        **{name: getattr(world.tier("100m-1x", gain=gain), name) for name in ("arm", "total", "quality", "peers")},
    ), slices


def state(report: GateReport, name: str) -> str:
    """The state of a survival check or diagnosis by the number it starts with."""
    return next(item.state for item in (*report.survival, *report.diagnoses) if item.name == name)


def sliced(world: Any, name: str, domain: str, gain: float) -> SliceEffect:
    """A judged slice with that gain."""
    return SliceEffect(slice=name, domain=domain, effect=world.effect(gain, name), judged=True)


def test_targets_that_gain_while_the_average_does_not_are_for_the_target_domain_only(world: Any) -> None:
    found, slices = with_gain(world, world.evidence(kind="mixture"), 0.0)
    target = sliced(world, "target/law", "target", 0.01)
    flat = tuple(replace(item, effect=world.effect(0.0, item.slice)) for item in slices)
    report = judge(with_largest(found, slices=(*flat, target)), GATES, "G1")
    assert report.decision == "target-domain-only"
    assert "target/law" in report.why


def test_without_a_gaining_target_the_same_world_is_rejected(world: Any) -> None:
    found, slices = with_gain(world, world.evidence(kind="mixture"), 0.0)
    flat = tuple(replace(item, effect=world.effect(0.0, item.slice)) for item in slices)
    assert judge(with_largest(found, slices=flat), GATES, "G1").decision == "reject"


def test_a_gain_of_instruction_slices_alone_is_kept_for_post_training(world: Any) -> None:
    found = world.evidence(kind="mixture")
    flat = tuple(replace(item, effect=world.effect(0.0, item.slice)) for item in found.tiers[-1].slices)
    report = judge(with_largest(found, slices=(*flat, sliced(world, "chat", "instruction", 0.04))), GATES, "G1")
    assert report.decision == "keep-for-post-training"


def test_a_gain_everywhere_and_in_instruction_slices_scales_up(world: Any) -> None:
    found = world.evidence(kind="mixture")
    slices = (*found.tiers[-1].slices, sliced(world, "chat", "instruction", 0.04))
    assert judge(with_largest(found, slices=slices), GATES, "G1").decision == "scale-up"


def test_a_severe_regression_rejects_though_targets_gain(world: Any) -> None:
    found, slices = with_gain(world, world.evidence(), 0.0)
    lost = sliced(world, "books", "books", -0.03)
    target = sliced(world, "target/law", "target", 0.01)
    report = judge(with_largest(found, slices=(*slices, target, lost)), GATES, "G1")
    assert report.decision == "reject"
    assert "books" in report.why


def test_next_runs_name_the_next_look_and_its_cost(world: Any) -> None:
    found = world.evidence(world.tier("100m-0.5x", gain=0.001), world.tier("100m-1x", gain=0.001))
    report = judge(found, GATES, "G2")
    open_ones = set(report.states("insufficient"))
    assert "effect-beats-noise" in open_ones
    assert report.next_runs is not None
    assert report.next_runs.tiers["100m-1x"] == 5
    assert "100m-1x: 5" in report.next_runs.commands[0]
    assert set(report.next_runs.clears) == open_ones


def test_a_missing_budget_is_the_only_run_that_a_study_with_one_budget_needs(world: Any) -> None:
    report = judge(world.evidence(world.tier("100m-1x")), GATES, "G1")
    work = report.next_runs
    assert report.states("insufficient") == ("budgets",)
    assert work is not None
    assert dict(work.tiers) == {"100m-1x": 3, "100m-0.5x": 3}
    assert work.runs == 3 * 4  # seeds times baseline, arm and two controls
    assert work.flops == pytest.approx(12 * load_tier("100m-0.5x").num_flops)


def test_laptop_tiers_are_sent_to_the_cheapest_tier_that_may_decide(world: Any) -> None:
    report = judge(world.evidence(world.tier("nano-1x")), GATES, "G1")
    assert report.next_runs is not None
    assert dict(report.next_runs.tiers) == {"nano-1x": 3, "micro-1x": 3}


def test_of_two_ways_the_cheaper_is_proposed(world: Any) -> None:
    # suspicious-gap too wide: more seeds of a large tier, or scoring suites again, which trains nothing
    found = with_largest(world.evidence(), gap=world.cited(world.gap("100m-1x", 0.5, 2.0), "gap"))
    report = judge(found, GATES, "G1")
    assert report.next_runs is not None
    assert report.next_runs.runs == 0
    assert report.next_runs.flops == 0


def test_no_pack_asks_for_eight_baseline_seeds(world: Any) -> None:
    found = with_largest(world.evidence(), noise=None)
    work = work_of(case_of(found, GATES, GATES.gates["G1"]), "noise-pack")
    assert work is not None
    assert work.noise_runs == 8 - 3
    assert "curate noise build --tier 100m-1x" in work.commands


def test_a_tier_that_is_not_ours_has_no_flops() -> None:
    assert flops_of("quux-1x") is None


def test_nothing_is_proposed_when_nothing_is_open(world: Any) -> None:
    assert judge(world.evidence(), GATES, "G1").next_runs is None


def test_survival_checks_hold_where_all_is_well_and_have_evidence(world: Any) -> None:
    report = judge(world.evidence(), GATES, "G2")
    assert [item.state for item in report.survival] == ["pass"] * 5
    assert all(item.evidence for item in report.survival)


def test_survival_checks_are_insufficient_without_a_second_scale_or_scores(world: Any) -> None:
    report = judge(world.evidence(world.tier("100m-1x", families=(), checkpoints=())), GATES, "G1")
    names = ["1-same-sign-across-scales", "2-stable-rank-order", "3-loss-becomes-score", "5-effect-beats-run-noise"]
    assert [state(report, name) for name in names] == ["insufficient"] * 4


def test_check_1_fails_where_the_sign_turns(world: Any) -> None:
    report = judge(world.evidence(world.tier("micro-1x", gain=-0.006), world.tier("100m-1x")), GATES, "G2")
    assert state(report, "1-same-sign-across-scales") == "fail"


def test_check_2_fails_where_a_resolved_pair_turns(world: Any) -> None:
    report = judge(world.evidence(world.tier("micro-1x"), world.tier("100m-1x", gain=-0.006)), GATES, "G2")
    assert state(report, "2-stable-rank-order") == "fail"


def test_check_3_fails_where_a_family_falls_while_the_loss_gains(world: Any) -> None:
    families = tuple(
        world.cited(world.family("100m-1x", name, -2.0), name) for name in ("knowledge", "reasoning", "code")
    )
    report = judge(with_largest(world.evidence(), families=families), GATES, "G2")
    assert state(report, "3-loss-becomes-score") == "fail"


@pytest.mark.parametrize(
    ("kind", "slice_name", "domain"),
    [("filter", "translations", "multilingual"), ("filter", "forums", "general-web"), ("dedup", "atlas", "curated")],
)
def test_check_4_finds_what_a_kind_of_change_is_known_to_harm(
    world: Any, kind: str, slice_name: str, domain: str
) -> None:
    found = world.evidence(kind=kind)
    slices = (*found.tiers[-1].slices[:1], sliced(world, slice_name, domain, -0.004))
    report = judge(with_largest(found, slices=slices), GATES, "G2")
    check = next(item for item in report.survival if item.name == "4-no-hidden-regressions")
    assert check.state == "fail"
    assert slice_name in check.text


def test_check_4_asks_for_question_answering_where_code_gains(world: Any) -> None:
    lost = tuple(world.cited(world.family("100m-1x", name, -2.0), name) for name in ("knowledge",))
    report = judge(with_largest(world.evidence(kind="mixture"), families=lost), GATES, "G1")
    check = next(item for item in report.survival if item.name == "4-no-hidden-regressions")
    assert "code against question answering: knowledge" in check.text


def test_check_5_fails_where_checkpoints_do_not_agree(world: Any) -> None:
    points = tuple(world.cited(world.checkpoint("100m-1x", place, -0.001), f"c{place}") for place in range(6))
    report = judge(with_largest(world.evidence(), checkpoints=points), GATES, "G1")
    assert state(report, "5-effect-beats-run-noise") == "fail"


def test_no_diagnosis_is_found_where_all_is_well(world: Any) -> None:
    found = world.evidence()
    long = replace(found, tiers=(*found.tiers, world.tier("100m-2x")))
    report = judge(long, GATES, "G2")
    assert [item.state for item in report.diagnoses] == ["not-found"] * 6


def test_a_gain_that_the_large_model_can_do_without_is_capacity_limited(world: Any) -> None:
    report = judge(world.evidence(world.tier("micro-1x", gain=0.02), world.tier("100m-1x", gain=0.002)), GATES, "G2")
    assert state(report, "1-capacity-limited") == "found"


def test_a_gain_in_one_slice_of_five_is_a_narrow_metric(world: Any) -> None:
    found = world.evidence()
    slices = found.tiers[-1].slices
    changed = (
        replace(slices[0], effect=world.effect(0.03)),
        *(replace(item, effect=world.effect(0.0002)) for item in slices[1:]),
    )
    assert state(judge(with_largest(found, slices=changed), GATES, "G1"), "2-narrow-metric") == "found"


def test_a_gain_in_loss_that_no_family_of_tasks_shows_is_a_narrow_metric(world: Any) -> None:
    families = tuple(world.cited(world.family("100m-1x", name, -0.1), name) for name in ("knowledge", "code"))
    report = judge(with_largest(world.evidence(), families=families), GATES, "G1")
    assert state(report, "2-narrow-metric") == "found"


def test_a_sign_that_turns_between_budgets_is_the_token_budget(world: Any) -> None:
    report = judge(world.evidence(world.tier("100m-0.5x"), world.tier("100m-1x", gain=-0.004)), GATES, "G1")
    assert state(report, "3-token-budget") == "found"


def test_a_gain_that_is_gone_after_the_decay_is_optimisation_only(world: Any) -> None:
    points = tuple(world.cited(world.checkpoint("100m-1x", place, 0.01), f"c{place}") for place in range(6))
    found = world.evidence(world.tier("100m-1x", gain=0.0, checkpoints=points))
    assert state(judge(found, GATES, "G1"), "4-optimisation-only") == "found"


def test_a_gain_that_another_learning_rate_takes_is_optimisation_only(world: Any) -> None:
    names = ("micro-1x", "micro-1x@lr0.5", "micro-1x@lr2")
    tiers = [world.tier(name, gain=-0.004 if name.endswith("lr2") else 0.006) for name in names]
    assert state(judge(world.evidence(*tiers), GATES, "G1"), "4-optimisation-only") == "found"


def test_a_gain_on_the_selecting_half_alone_is_proxy_overfit(world: Any) -> None:
    halves = (
        world.cited(world.half("100m-1x", "selection", 0.01), "s"),
        world.cited(world.half("100m-1x", "held-out", 0.001), "h"),
    )
    report = judge(with_largest(world.evidence(), halves=halves), GATES, "G1")
    assert state(report, "5-proxy-overfit") == "found"


def test_a_gain_on_suspicious_items_that_clean_ones_do_not_show_is_proxy_overfit(world: Any) -> None:
    gap = world.cited(world.gap("100m-1x", 3.0, clean_points=0.0, clean_low=-0.5), "gap")
    assert state(judge(with_largest(world.evidence(), gap=gap), GATES, "G1"), "5-proxy-overfit") == "found"


def test_a_gain_that_is_gone_at_twice_the_budget_is_over_trained(world: Any) -> None:
    found = world.evidence(world.tier("100m-1x", gain=0.01), world.tier("100m-2x", gain=0.001))
    assert state(judge(found, GATES, "G1"), "6-over-trained") == "found"


def test_diagnoses_without_evidence_are_insufficient(world: Any) -> None:
    bare = world.tier("100m-1x", families=(), checkpoints=(), halves=(), gap=None, slices=())
    report = judge(world.evidence(bare), GATES, "G1")
    assert [item.state for item in report.diagnoses] == ["insufficient"] * 6


def test_a_target_that_gains_while_leaks_are_unknown_needs_one_more_proxy(world: Any) -> None:
    found, slices = with_gain(world, world.evidence(kind="mixture"), 0.0)
    flat = tuple(replace(item, effect=world.effect(0.0, item.slice)) for item in slices)
    target = sliced(world, "target/law", "target", 0.01)
    report = judge(replace(with_largest(found, slices=(*flat, target)), contamination=None), GATES, "G1")
    assert report.decision == "one-more-proxy"
    assert "first to be known" in report.why


@pytest.mark.parametrize("gate", ["G1", "G2"])
def test_a_slice_whose_interval_is_no_number_passes_nothing(world: Any, gate: str) -> None:
    found = world.evidence()
    hollow = tuple(
        replace(item, effect=replace(item.effect, low=math.nan, high=math.nan)) for item in found.tiers[-1].slices
    )
    assert judge(with_largest(found, slices=hollow), GATES, gate).decision != "scale-up"


def test_an_average_that_is_no_number_is_insufficient_not_rejected(world: Any) -> None:
    found = world.evidence()
    arm = found.tiers[-1].arm
    lost = replace(arm, log_bpb=(math.nan, *arm.log_bpb[1:]))
    report = judge(with_largest(found, arm=lost), GATES, "G1")
    assert report.decision == "one-more-proxy"


def test_a_law_that_grows_the_gain_does_not_ease_its_own_test(world: Any) -> None:
    grown = world.cited(world.forecast(gain=0.1, gain_low=0.09, gain_high=0.11, held_out_error=0.04), "forecast")
    report = judge(world.evidence(forecast=grown), GATES, "G3")
    assert next(item.state for item in report.conditions if item.name == "forecast-difference") == "fail"


def short_of_text(world: Any, **changes: Any) -> Any:
    """A world in which neither arm nor baseline has learnt much at the smallest tier."""
    tier = world.tier("nano-0.25x")
    poor = tuple(world.cited(replace(item.fact, initial_loss=10.4, final_loss=10.0), item.id) for item in tier.health)
    return replace(world.evidence(), tiers=(replace(tier, health=poor, baseline_health=poor, **changes),))


def test_a_budget_too_small_to_tell_asks_for_a_longer_one_in_its_place(world: Any) -> None:
    report = judge(short_of_text(world), GATES, "G0")
    assert report.next_runs is not None
    assert report.states("insufficient") == ("training",)
    assert report.next_runs.commands == ("curate study run STUDY.yaml --set 'tiers={nano-1x: 3}'",)


def test_machinery_of_an_older_result_is_measured_by_a_rerun(world: Any) -> None:
    tier = replace(world.tier("nano-1x"), plumbing=None)
    report = judge(replace(world.evidence(), tiers=(tier,)), GATES, "G0")
    assert report.next_runs is not None
    assert {"loader", "export-parity", "training"} <= set(report.next_runs.clears)
    assert [command.partition("   ")[0] for command in report.next_runs.commands] == ["curate study run STUDY.yaml"]
    assert "older version" in report.next_runs.commands[0]


def test_machinery_that_could_not_be_tried_says_why_rather_than_that_a_rerun_measures_it(world: Any) -> None:
    untried = world.cited(Plumbing(tier="nano-1x", why="no library reads the exported model"), "plumbing")
    tier = replace(world.tier("nano-1x"), plumbing=untried)
    report = judge(replace(world.evidence(), tiers=(tier,)), GATES, "G0")
    assert report.next_runs is not None
    assert "first mend what the condition says" in report.next_runs.commands[0]
    assert "no library reads" in next(item.text for item in report.conditions if item.name == "loader")


def test_what_trainings_did_not_record_is_cleared_by_no_run(world: Any) -> None:
    tier = world.tier("nano-1x")
    silent = tuple(world.cited(replace(item.fact, initial_loss=None), item.id) for item in tier.health)
    report = judge(replace(world.evidence(), tiers=(replace(tier, health=silent),)), GATES, "G0")
    assert report.next_runs is not None
    assert report.next_runs.open == ("training",)
    assert report.next_runs.commands == ()
