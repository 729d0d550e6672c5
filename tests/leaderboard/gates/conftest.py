"""A world in which one arm passes every gate; tests break one thing at a time with `replace`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard.gates.evidence import Cited, Effect, Evidence, Peer, Runs, SliceEffect, TierEvidence
from leaderboard.studies.decision_facts import (
    Confirmation,
    ContaminationCounts,
    ContaminationGap,
    Forecast,
    HalfDelta,
    NoiseUsed,
    Plumbing,
    Report,
)
from leaderboard.studies.facts import CheckpointDelta, CorpusIntegrity, Cost, FamilyDelta, RunFacts
from leaderboard.studies.results import Supply

SIGMA = 0.0006
GAIN = 0.006
SLICES = {"web": "general-web", "docs": "curated", "code": "code", "translations": "multilingual", "papers": "academic"}
FAMILIES = ("knowledge", "reasoning", "code")
TIERS = ("micro-1x", "micro-1x@lr0.5", "micro-1x@lr2", "smoke-0.5x", "smoke-1x", "100m-0.5x", "100m-1x")


def cited(fact: Any, name: str) -> Cited[Any]:
    return Cited(fact=fact, id=f"study-result-00000000#{name}")


def effect(gain: float, name: str = "effect", *, se: float = SIGMA, seeds: int = 3) -> Effect:
    return Effect(
        id=f"study-result-00000000#{name}",
        gain=gain,
        low=gain - 2.2 * se,
        high=gain + 2.2 * se,
        num_seeds=seeds,
        se_seeds=se,
        se_families=0.0,
        degrees=12.0,
    )


def runs(arm: str, mean: float, seeds: int, spread: float = SIGMA) -> Runs:
    """Runs 1..n with that mean, evenly spread over ± `spread`."""
    offsets = [spread * (2 * place / max(1, seeds - 1) - 1) if seeds > 1 else 0.0 for place in range(seeds)]
    return Runs(
        arm=arm,
        seeds=tuple(range(1, seeds + 1)),
        log_bpb=tuple(mean + offset for offset in offsets),
        id=f"study-result-00000000#runs[arm={arm}].bpb",
    )


def health(**changes: Any) -> RunFacts:
    found = RunFacts(
        finite=True,
        diverged=False,
        initial_loss=10.4,
        final_loss=3.3,
        grad_norm_p99=1.2,
        spike_score=0.0,
        spike_score_grad_norm=0.0,
        num_spikes=0,
        skipped_fraction=0.0,
        num_interventions=0,
        resumed_exactly=True,
        sample_hash="ab",
    )
    return replace(found, **changes)


def supply(arm: str, tier: str, epochs: float = 0.8) -> Supply:
    seen = round(1_000_000 * epochs)
    return Supply(arm=arm, tier=tier, unique_tokens=1_000_000, tokens_seen=seen, epochs=epochs, flag="")


def tier(name: str = "smoke-1x", *, gain: float = GAIN, seeds: int = 3, **changes: Any) -> TierEvidence:
    """One tier where the arm gains `gain` everywhere, over the baseline and over random-matched."""
    from train.tiers import load_tier

    loaded = load_tier(name)
    total = effect(gain, f"{name}.total", seeds=seeds)
    found = TierEvidence(
        id=f"study-result-00000000#{name}",
        tier=name,
        model=loaded.model,
        multiple=loaded.multiple,
        lr_multiplier=loaded.lr_multiplier,
        laptop=not loaded.evidence,
        num_params=loaded.shape.total_params,
        num_tokens=loaded.num_tokens,
        flops=float(loaded.num_flops),
        planned_seeds=seeds,
        arm=runs("mine", math.log(0.9) - gain, seeds),
        baseline=runs("baseline", math.log(0.9), seeds),
        matched=runs("random-matched", math.log(0.9), seeds),
        total=total,
        quality=effect(gain, f"{name}.quality", seeds=seeds),
        rest=effect(0.0, f"{name}.rest", seeds=seeds),
        slices=tuple(
            SliceEffect(slice=one, domain=domain, effect=effect(gain, f"{name}.{one}", seeds=seeds), judged=True)
            for one, domain in SLICES.items()
        ),
        noise=cited(NoiseUsed(tier=name, sigma=SIGMA, degrees=8, pack="pack"), f"{name}.noise"),
        supply=cited(supply("mine", name), f"{name}.supply[0]"),
        baseline_supply=cited(supply("baseline", name), f"{name}.supply[1]"),
        matched_supply=cited(supply("random-matched", name), f"{name}.supply[2]"),
        health=tuple(cited(health(), f"{name}.runs[{seed}].facts") for seed in range(seeds)),
        baseline_health=tuple(cited(health(), f"{name}.runs[{seed + 9}].facts") for seed in range(seeds)),
        checkpoints=tuple(cited(checkpoint(name, place, gain), f"{name}.checkpoint[{place}]") for place in range(6)),
        families=tuple(cited(family(name, one, 100 * gain), f"{name}.families[{one}]") for one in FAMILIES),
        halves=tuple(cited(half(name, one, gain), f"{name}.{one}") for one in ("selection", "held-out")),
        confirmation=cited(Confirmation(arm="mine", tier=name, seed=77, log_ratio=-gain), "confirmation"),
        gap=cited(gap(name, 0.0), f"{name}.gap"),
        plumbing=cited(plumbing(name), f"{name}.plumbing"),
        cost=cited(cost(name), f"{name}.cost"),
        peers=(Peer(arm="mine", effect=total),),
    )
    return replace(found, **changes)


def evidence(*tiers: TierEvidence, **changes: Any) -> Evidence:
    """A filter study at three scales and two budgets, with probes of the learning rate, where everything is well."""
    found = Evidence(
        id="study-result-00000000",
        study="0" * 64,
        name="planted",
        kind="filter",
        arm="mine",
        panel="1" * 64,
        multi_factor=False,
        runs_before_freeze=0,
        tiers=tiers or tuple(tier(name) for name in TIERS),
        num_recipes=4,
        contamination=cited(counts("mine"), "contamination[0]"),
        baseline_contamination=cited(counts("baseline"), "contamination[1]"),
        integrity=cited(integrity(), "arms[1].integrity"),
        baseline_integrity=cited(integrity(), "arms[0].integrity"),
        corpus_cost=cited(cost(""), "facts.costs[0]"),
        epochs_at_target=1.2,
        forecast=cited(forecast(), "forecasts[0]"),
        reports=tuple(cited(one, f"reports.{one.name}") for one in reports()),
    )
    return replace(found, **changes)


def integrity(**changes: Any) -> CorpusIntegrity:
    found = CorpusIntegrity(
        artifact="a",
        num_docs=20_000,
        num_bytes=1,
        empty_docs=0,
        invalid_utf8_docs=0,
        nul_docs=0,
        exact_duplicate_docs=10,
        near_duplicate_docs=100,
        shares={"web": 1.0},
        max_share_deviation=0.001,
        sha256_match=True,
        tokenizer="t",
        roundtrip_docs=10_000,
        roundtrip_exact=10_000,
        items_checked=100,
        items_hit=0,
    )
    return replace(found, **changes)


def forecast(**changes: Any) -> Forecast:
    found = Forecast(
        arm="mine",
        num_points=8,
        num_scales=3,
        largest_tier="100m-1x",
        gain=GAIN,
        gain_low=GAIN / 2,
        gain_high=GAIN * 1.5,
        held_out_error=GAIN / 4,
        loss_error=0.004,
        max_residual_sigmas=2.0,
        final_loss=2.5,
        final_loss_low=2.4,
        final_loss_high=2.6,
        evaluation_ranges={"knowledge": (30.0, 40.0)},
    )
    return replace(found, **changes)


def reports() -> list[Report]:
    papers = [Report(name=name, state="valid") for name in ("decontamination", "provenance", "monitoring")]
    plan = Report(
        name="rollback-plan",
        state="valid",
        early_points=(0.02, 0.05, 0.1, 0.2),
        prediction_interval=0.99,
        actions=("pause", "check-batch-and-rate", "rewind", "swap-recipe"),
    )
    return [*papers, plan]


def plumbing(name: str, **changes: Any) -> Plumbing:
    found = Plumbing(
        tier=name,
        loader_reproducible=True,
        resume_exact=True,
        every_parameter_learns=True,
        export_max_logit=1e-6,
        export_nll=1e-8,
    )
    return replace(found, **changes)


def gap(name: str, points: float, half_width: float = 0.4, **changes: Any) -> ContaminationGap:
    found = ContaminationGap(
        arm="mine",
        tier=name,
        points=points,
        low=points - half_width,
        high=points + half_width,
        clean_points=1.0,
        clean_low=0.5,
        clean_high=1.5,
    )
    return replace(found, **changes)


def half(name: str, which: str, gain: float) -> HalfDelta:
    return HalfDelta(arm="mine", tier=name, half=which, log_ratio=-gain, low=-gain - SIGMA, high=-gain + SIGMA)


def checkpoint(name: str, place: int, gain: float) -> CheckpointDelta:
    return CheckpointDelta(
        tier=name,
        arm="mine",
        against="baseline",
        tokens=1000 * (place + 1),
        phase="plateau" if place < 4 else "decay",
        source="validation",
        log_ratio=-gain,
        seeds=(1, 2, 3),
    )


def family(name: str, which: str, points: float, half_width: float = 0.4) -> FamilyDelta:
    return FamilyDelta(
        tier=name,
        arm="mine",
        against="baseline",
        suite="s",
        family=which,
        points=points,
        low=points - half_width,
        high=points + half_width,
        num_tasks=3,
        num_items=1000,
        seeds=(1, 2, 3),
        eligible=True,
    )


def counts(arm: str, **changes: Any) -> ContaminationCounts:
    found = ContaminationCounts(
        arm=arm, decontaminated=True, exact_items=0, overlap_fraction=0.01, panel_exact=0, panel_near=0
    )
    return replace(found, **changes)


def cost(name: str) -> Cost:
    return Cost(
        arm="mine",
        tier=name,
        num_runs=3,
        wall_seconds=1.0,
        cpu_hours=1.0,
        gpu_hours=1.0,
        tokens_per_second=1e5,
        device="d",
        kept_token_fraction=0.3,
    )


class World:
    """The builders of this file, for tests."""

    tier = staticmethod(tier)
    evidence = staticmethod(evidence)
    effect = staticmethod(effect)
    runs = staticmethod(runs)
    cited = staticmethod(cited)
    supply = staticmethod(supply)
    health = staticmethod(health)
    integrity = staticmethod(integrity)
    forecast = staticmethod(forecast)
    plumbing = staticmethod(plumbing)
    gap = staticmethod(gap)
    half = staticmethod(half)
    checkpoint = staticmethod(checkpoint)
    family = staticmethod(family)
    counts = staticmethod(counts)


@pytest.fixture
def world() -> type[World]:
    """Builders of evidence that passes every gate."""
    return World
