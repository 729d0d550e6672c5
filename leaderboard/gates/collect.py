"""From a study's result to the evidence of its arms. Nothing is measured here: records are put in order and named."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from curation.errors import CurateError, StudyError, nearest
from curation.slices import domain_of
from leaderboard.gates.citing import Citing, first_of
from leaderboard.gates.evidence import (
    Cited,
    Effect,
    Evidence,
    Look,
    Peer,
    Runs,
    SliceEffect,
    TierEvidence,
    sorted_tiers,
)
from leaderboard.studies.decision_facts import Plumbing
from leaderboard.studies.facts import CheckpointDelta, CorpusIntegrity, FamilyDelta, Measurement, RunFacts
from leaderboard.studies.kinds import load_protocol, stage_of
from leaderboard.studies.results import Assessment, Comparison, Delta, Reason, RunResult, StudyResult, Supply
from leaderboard.studies.study import BASELINE
from leaderboard.studies.verdict import is_laptop_tier

SMALL_GAIN = 0.01
"""Gains below it need more seeds. Source: gate G1."""
SWEPT = "optimizer"
"""Kind of study whose arms are judged at the best of their sweep, on seeds that chose nothing."""
ASKED_ELSEWHERE = (5, 8, 16, 18)
"""Rules whose reasons conditions of their own ask after: judged slices, seeds, budgets, laptop tiers."""
SAID_ELSEWHERE = ("no random-matched control", "run noise of", "noise pack", "the noise of", "seeds finished", "@lr")
"""Words of further reasons that are: the control, the noise pack, missing seeds, probes of the learning rate."""


NO_NOISE = ("run noise of", "noise pack")
"""How a reason begins that says why no noise pack could be used."""


def evidence_of(result: StudyResult, arm: str | None = None, *, looks: Sequence[Look] = ()) -> Evidence:
    """Return the evidence of one arm; `arm` may be left out when the study has one.

    Raises: StudyError for an arm that the study has not, or when several are there and none is named.
    """
    name = _arm(result, arm)
    facts, root = result.facts.decision, _root(result)
    cited = Citing(root)
    tiers = [_tier(result, item, number, cited) for number, item in enumerate(result.assessments) if item.arm == name]
    others = {name, BASELINE, *(item.name for item in result.arms if item.of == name)}
    return Evidence(
        id=root,
        study=result.fingerprint,
        name=result.name,
        kind=result.kind,
        arm=name,
        panel=result.panel,
        multi_factor=result.multi_factor,
        runs_before_freeze=result.runs_before_freeze,
        tiers=sorted_tiers(tiers),
        selected_for=result.selected_for,
        num_recipes=len(result.arms),
        num_failures=sum(item.arm in others for item in result.failures),
        contamination=cited.of_arm("facts.decision.contamination", facts.contamination, name),
        baseline_contamination=cited.of_arm("facts.decision.contamination", facts.contamination, BASELINE),
        integrity=_integrity(result, name, cited),
        baseline_integrity=_integrity(result, BASELINE, cited),
        corpus_cost=first_of(cited.of_both("facts.costs", result.facts.costs, name, "")),
        epochs_at_target=facts.epochs_at_target.get(name),
        forecast=cited.of_arm("facts.decision.forecasts", facts.forecasts, name),
        reports=cited.every("facts.decision.reports", facts.reports, lambda _: True),
        looks=tuple(looks),
    )


def candidate_arms(result: StudyResult) -> tuple[str, ...]:
    """Return the arms that a gate can judge: neither the baseline nor a control."""
    return tuple(item.name for item in result.arms if item.role == "arm")


def _root(result: StudyResult) -> str:
    return f"study-result-{result.fingerprint[:8]}"


def _arm(result: StudyResult, arm: str | None) -> str:
    known = candidate_arms(result)
    if arm is None and len(known) == 1:
        return known[0]
    if arm is None:
        raise StudyError(f"study {result.name}: has {len(known)} arms, expected one to judge; name it with --arm")
    if arm not in known:
        raise StudyError(
            f"study {result.name}: no arm `{arm}`, expected one of its changes (not the baseline or a control); "
            f"{nearest(arm, known)}"
        )
    return arm


def _tier(result: StudyResult, found: Assessment, number: int, cited: Citing) -> TierEvidence:
    facts, more, tier, arm = result.facts, result.facts.decision, found.tier, found.arm
    here = [run for run in result.runs if run.tier == tier]
    ours, base = found.total.arm, found.total.against  # of an optimizer's sweep the chosen points
    read = [run for run in here if run.seed in found.total.seeds or result.kind != SWEPT]
    own = [run for run in read if run.arm == ours]
    model, multiple, lr_multiplier, params = _shape(tier)
    path = f"assessments[{number}]"
    headline = found.total.headline_slices if found.total.headline_judged else ()
    matched = found.quality.against if found.quality else None
    supply = {item.arm: (place, item) for place, item in enumerate(result.supply) if item.tier == tier}

    def supplied(name: str | None) -> Cited[Supply] | None:
        place = supply.get(name or "")
        return Cited(fact=place[1], id=cited.at(f"supply[{place[0]}]")) if place else None

    return TierEvidence(
        id=cited.at(path),
        tier=tier,
        model=model,
        multiple=multiple,
        lr_multiplier=lr_multiplier,
        laptop=is_laptop_tier(tier),
        num_params=params,
        num_tokens=own[0].tokens_seen if own else 0,
        flops=own[0].flops if own else 0.0,
        planned_seeds=int(result.tiers.get(tier, 0)),
        arm=_runs(own, ours, headline, cited),
        baseline=_runs([run for run in read if run.arm == base], base, headline, cited),
        choosing_seeds=_choosing(result, found),
        matched=_runs([run for run in here if run.arm == matched], matched, headline, cited) if matched else None,
        others=_others(here if result.kind != SWEPT else [], (ours, base, matched or ""), headline, cited),
        total=_headline(found.total, cited.at(f"{path}.total.headline")),
        quality=_headline(found.quality, cited.at(f"{path}.quality.headline")),
        rest=_headline(found.rest, cited.at(f"{path}.rest.headline")),
        slices=_slices(found, path, result, cited),
        noise=first_of(cited.every("facts.decision.noise", more.noise, lambda item: item.tier == tier)),
        noise_reason=_no_noise(found),
        supply=supplied(arm),
        baseline_supply=supplied(BASELINE),
        matched_supply=supplied(matched),
        faults=_faults(found),
        health=_health(result, tier, ours, cited),
        baseline_health=_health(result, tier, base, cited),
        checkpoints=cited.every("facts.checkpoints", facts.checkpoints, lambda one: _is_own(one, found)),
        families=cited.every("facts.families", facts.families, lambda one: _is_own(one, found)),
        halves=cited.of_both("facts.decision.halves", more.halves, arm, tier),
        confirmation=first_of(cited.of_both("facts.decision.confirmations", more.confirmations, arm, tier)),
        gap=first_of(cited.of_both("facts.decision.gaps", more.gaps, arm, tier)),
        plumbing=_plumbing(result, tier, arm, cited),
        cost=first_of(cited.of_both("facts.costs", facts.costs, arm, tier)),
        peers=_peers(result, tier, cited),
        kind_seeds=_kind_seeds(result, found),
        required=_required(result, tier),
        measurements=_measurements(facts.measurements, (arm, ours, ""), (tier, ""), cited),
    )


def _measurements(
    held: Sequence[Measurement], arms: tuple[str, ...], tiers: tuple[str, ...], cited: Citing
) -> tuple[Cited[Measurement], ...]:
    """Return what was measured of the arm at the tier, or of the study as a whole (no arm, no tier)."""
    return cited.every("facts.measurements", held, lambda item: item.arm in arms and item.tier in tiers)


def _choosing(result: StudyResult, found: Assessment) -> tuple[int, ...]:
    """Return the seed that chose the points of a sweep, which then says nothing of the gain (rule 10)."""
    seeds = {run.seed for run in result.runs if (run.arm, run.tier) == (found.total.arm, found.tier)}
    return (1,) if result.kind == SWEPT and 1 in seeds and 1 not in found.total.seeds else ()


def _is_own(item: CheckpointDelta | FamilyDelta, found: Assessment) -> bool:
    return (item.arm, item.tier, item.against) == (found.arm, found.tier, BASELINE)


def _no_noise(found: Assessment) -> str:
    """Return why no noise pack is used; empty where one is."""
    return next((one.text for one in found.reasons if one.rule == 9 and one.text.startswith(NO_NOISE)), "")


def _health(result: StudyResult, tier: str, arm: str, cited: Citing) -> tuple[Cited[RunFacts], ...]:
    return tuple(
        Cited(fact=run.facts, id=cited.at(f"runs[{number}].facts"))
        for number, run in enumerate(result.runs)
        if (run.tier, run.arm) == (tier, arm) and run.facts is not None
    )


def _integrity(result: StudyResult, arm: str, cited: Citing) -> Cited[CorpusIntegrity] | None:
    for number, item in enumerate(result.arms):
        if item.name == arm and item.integrity is not None:
            return Cited(fact=item.integrity, id=cited.at(f"arms[{number}].integrity"))
    return None


def _plumbing(result: StudyResult, tier: str, arm: str, cited: Citing) -> Cited[Plumbing] | None:
    """Return what holds of the machinery that an arm trains with: its variant's, where it trains one."""
    found = cited.every("facts.decision.plumbing", result.facts.decision.plumbing, lambda item: item.tier == tier)
    trains_other = any(run.variant for run in result.runs if (run.arm, run.tier) == (arm, tier))
    own = tuple(item for item in found if item.fact.arm == (arm if trains_other else ""))
    return first_of(own)


def _shape(tier: str) -> tuple[str, float, float, int | None]:
    """Return model, multiple, learning-rate multiplier and parameters; its name if it is not ours."""
    from train.tiers import load_tier

    try:
        loaded = load_tier(tier)
    except CurateError:
        model, _, budget = tier.partition("@")[0].rpartition("-")
        return model, float(budget.rstrip("x") or 1) if model else 1.0, 1.0, None
    return loaded.model, loaded.multiple, loaded.lr_multiplier, loaded.shape.total_params


def _faults(found: Assessment) -> tuple[Reason, ...]:
    """Return what was done to the comparison: interventions, copies, skipped steps, a control of another size."""
    return tuple(
        item
        for item in found.reasons
        if item.rule not in ASKED_ELSEWHERE and not any(words in item.text for words in SAID_ELSEWHERE)
    )


def _runs(runs: Sequence[RunResult], arm: str, headline: Sequence[str], cited: Citing) -> Runs:
    ordered = sorted(runs, key=lambda run: run.seed)
    values = [float(np.mean([math.log(run.bpb[name]) for name in headline])) for run in ordered] if headline else []
    return Runs(
        arm=arm, seeds=tuple(run.seed for run in ordered), log_bpb=tuple(values), id=cited.at(f"runs[arm={arm}].bpb")
    )


def _others(
    here: Sequence[RunResult], named: tuple[str, ...], headline: Sequence[str], cited: Citing
) -> tuple[Runs, ...]:
    """Return the runs of every further recipe of a tier: what its spread is pooled over; of a sweep none."""
    names = sorted({run.arm for run in here} - set(named))
    return tuple(_runs([run for run in here if run.arm == name], name, headline, cited) for name in names)


def _headline(comparison: Comparison | None, place: str) -> Effect | None:
    if comparison is None or comparison.headline is None or not comparison.headline_judged:
        return None
    return _effect(comparison.headline, place)


def _effect(delta: Delta, place: str) -> Effect:
    return Effect(
        id=place,
        gain=-delta.log_ratio,
        low=None if delta.high is None else -delta.high,
        high=None if delta.low is None else -delta.low,
        num_seeds=delta.num_seeds,
        se_seeds=delta.se_seeds,
        se_families=delta.se_families,
        degrees=delta.degrees,
    )


def _slices(found: Assessment, path: str, result: StudyResult, cited: Citing) -> tuple[SliceEffect, ...]:
    floors = {item.slice: item for item in found.protect}
    return tuple(
        SliceEffect(
            slice=item.slice,
            domain=domain_of(item.slice),
            effect=_effect(item.delta, cited.at(f"{path}.total.slices[{number}].delta")),
            judged=not item.not_judged,
            why_not=item.not_judged,
            role=_role(item.slice, result),
            floor=floors[item.slice].floor if item.slice in floors else None,
        )
        for number, item in enumerate(found.total.slices)
    )


def _kind_seeds(result: StudyResult, found: Assessment) -> int:
    stage = stage_of(found.tier)
    small = found.total.headline is not None and abs(found.total.headline.log_ratio) < SMALL_GAIN
    return load_protocol(result.kind).min_seeds(stage.name, small_gain=small) if stage else 1


def _required(result: StudyResult, tier: str) -> tuple[str, ...]:
    stage = stage_of(tier)
    return tuple(item.name for item in load_protocol(result.kind).required(stage.name)) if stage else ()


def _role(name: str, result: StudyResult) -> str:
    return "protect" if name in result.protect else "trade" if name in result.trade else ""


def _peers(result: StudyResult, tier: str, cited: Citing) -> tuple[Peer, ...]:
    found = []
    for number, item in enumerate(result.assessments):
        effect = _headline(item.total, cited.at(f"assessments[{number}].total.headline"))
        if item.tier == tier and effect is not None:
            found.append(Peer(arm=item.arm, effect=effect))
    return tuple(found)
