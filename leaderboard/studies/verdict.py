"""Assessment of an arm: the split of its gain, what got worse, and a verdict with the rules behind it.

Verdicts: `insufficient` (some rule says that these runs cannot decide; the reasons are listed and no p-value is
given), `better`, `reweighting` (better than the baseline, not than `random-matched`), `no-difference`, `worse`,
`regression` (better, but a protected slice is worse). Rules are those of `docs/statistics.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from curation.numerics import NoisePrior
from leaderboard.compare_arms import Rules, compare_arms
from leaderboard.scores import TierScores
from leaderboard.studies.kinds import Protocol, load_protocol
from leaderboard.studies.results import Assessment, Comparison, Delta, Reason, SliceVerdict, Supply
from leaderboard.studies.study import BASELINE
from leaderboard.words import percent

LAPTOP_FAMILIES = ("pico", "nano")
MAX_EPOCH_RATIO = 1.25
MAX_EPOCHS = 2.0
MAX_CONTROL_RATIO = 1.05
"""Kept tokens of an arm and its controls count as equal up to this factor. Source: ours; whole documents differ."""
PROTECT_FLOOR = 0.005
"""Loss of a protected slice that still counts as held. Source: gate G1, `target_slice_point_rel_max`."""
DEFAULT_FLOOR = 0.010
"""Loss allowed in any other judged slice of a filter study. Source: gate G1, `point_rel_max`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the study froze, and what is known about noise, before anything is judged."""

    kind: str
    protect: tuple[str, ...] = ()
    trade: Mapping[str, float] = field(default_factory=dict)
    selected_for: frozenset[str] = frozenset()
    noise: Mapping[str, NoisePrior] = field(default_factory=dict)
    noise_reason: str = ""
    """Why the run noise decides nothing; empty when it was measured."""
    noise_note: str = ""
    """Which pack it was measured in."""
    num_budgets: int = 1
    """Token budgets of the tier's model with finished runs."""
    num_seeds: int = 1
    """Seeds that the study asks for at this tier."""
    unstable: frozenset[tuple[str, int]] = frozenset()
    """Arm and seed of runs at this tier that skipped more than 0.1 % of their steps."""
    multi_factor: bool = False
    interventions: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """(arm, seed) -> digest of what recovery did to the run, of those it did anything to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmNames:
    """An arm and its controls; a control is None when the study has none or it failed."""

    arm: str
    random: str | None
    matched: str | None


def is_laptop_tier(tier: str) -> bool:
    """Whether a tier tests plumbing only (rule 18)."""
    return tier.partition("-")[0] in LAPTOP_FAMILIES


def epochs_flag(arm: Supply, baseline: Supply) -> str:
    """Return what rule 4 says about an arm's repetition against the baseline's; empty when nothing."""
    high, low = max(arm.epochs, baseline.epochs), min(arm.epochs, baseline.epochs)
    if low <= 0 or high / low <= MAX_EPOCH_RATIO:
        return ""
    aside = ", though neither repeats any text" if high <= 1 else ""
    return (
        f"{arm.epochs:.2f} epochs against {baseline.epochs:.2f}, more than {MAX_EPOCH_RATIO}x apart{aside}: "
        "compares only through the equal-keep controls"
    )


def assess(scores: TierScores, names: ArmNames, supply: Mapping[str, Supply], terms: Terms) -> Assessment:
    """Return everything there is to say about one arm at one tier; its controls are used where they exist."""
    rules = Rules(selected_for=terms.selected_for, noise=terms.noise, interventions=terms.interventions)
    total = compare_arms(scores, names.arm, BASELINE, rules)
    quality = compare_arms(scores, names.arm, names.matched, rules) if names.matched else None
    rest = compare_arms(scores, names.matched, BASELINE, rules) if names.matched else None
    volume = compare_arms(scores, names.random, BASELINE, rules) if names.random else None
    protect = _protected(total, terms)
    reasons = _reasons(scores.tier, total, quality, terms)
    reasons += _run_faults(names, total, quality, terms) + _control_faults(names, supply)
    reasons += _repeated_runs(scores, names)
    reasons += [
        Reason(rule=13, text=f"slice {item.slice}, which must hold, is not in the panel")
        for item in protect
        if item.state == "missing"
    ]
    notes = _notes(names, supply, total, terms)
    matched_epochs = not epochs_flag(supply[names.arm], supply[BASELINE])
    verdict = "insufficient" if reasons else _decide(total, quality, protect, matched_epochs=matched_epochs)
    worse = [item for item in total.slices if item.delta.log_ratio > 0]
    return Assessment(
        tier=scores.tier,
        arm=names.arm,
        verdict=verdict,
        reasons=tuple(reasons),
        notes=tuple(notes),
        total=total,
        quality=quality,
        rest=rest,
        volume=volume,
        regressions=tuple(item.slice for item in sorted(worse, key=lambda item: -item.delta.log_ratio)),
        protect=protect,
    )


def _reasons(tier: str, total: Comparison, quality: Comparison | None, terms: Terms) -> list[Reason]:
    """Return why nothing can be decided; empty when it can."""
    reasons = []
    if is_laptop_tier(tier):
        reasons.append(Reason(rule=18, text=f"{tier} is a laptop tier: plumbing, not evidence, which starts at micro"))
    if "@lr" in tier:
        reasons.append(Reason(rule=17, text=f"{tier} is a learning-rate control of its tier: no verdict of its own"))
    if terms.noise_reason or not terms.noise:
        said = terms.noise_reason or f"run noise of {tier} was never measured: no noise pack of 8 seeds"
        reasons.append(Reason(rule=9, text=said))
    if len(total.seeds) < 2:
        reasons.append(Reason(rule=8, text="one seed: seed noise is unknown, the intervals hold families only"))
    if not total.headline_judged:
        reasons.append(
            Reason(rule=5, text="no slice has 50 families and 1 MB in the panel: all are shown, none judged")
        )
    protocol = load_protocol(terms.kind)
    if terms.num_budgets < protocol.budgets.min_multiples:
        reasons.append(Reason(rule=16, text=budgets_text(terms.num_budgets, protocol)))
    if "random-matched" in protocol.control_names and quality is None:
        reasons.append(Reason(rule=3, text="no random-matched control: quality and reweighting cannot be told apart"))
    return reasons


def budgets_text(number: int, protocol: Protocol) -> str:
    """Return why so many token budgets are too few for a claim of a kind."""
    have = "one token budget" if number == 1 else f"{number} token budgets"
    return f"{have}: a {protocol.name} claim needs at least {protocol.budgets.min_multiples} multiples of it"


def _run_faults(names: ArmNames, total: Comparison, quality: Comparison | None, terms: Terms) -> list[Reason]:
    """Return what is wrong with the runs themselves: seeds that never finished, trainings that were not stable."""
    reasons = []
    shared = set(total.seeds) & set(quality.seeds if quality else total.seeds)
    if len(shared) < terms.num_seeds:
        text = f"{len(shared)} of {terms.num_seeds} seeds finished in all arms: the rest may have failed by the arm"
        reasons.append(Reason(rule=10, text=text))
    compared = [name for name in (names.arm, BASELINE, names.matched) if name]
    unstable = [f"{arm} seed {seed}" for arm, seed in sorted(terms.unstable) if arm in compared]
    if unstable:
        text = f"skipped more than 0.1% of their steps: {', '.join(unstable)}; their noise is not the tier's"
        reasons.append(Reason(rule=9, text=text))
    faults = [part.invalid for part in (total, quality) if part is not None and part.invalid]
    return reasons + [Reason(rule=17, text=text) for text in dict.fromkeys(faults)]


def _repeated_runs(scores: TierScores, names: ArmNames) -> list[Reason]:
    """Return which seeds of the compared arms are one run: seed noise would be taken from copies."""
    pairs = [
        f"{arm} seeds {seed} and {other}"
        for arm in (names.arm, BASELINE, names.matched)
        if arm
        for seed, other in scores.repeated(arm)
    ]
    if not pairs:
        return []
    text = f"equal scores of every document in {', '.join(pairs)}: one run counted twice, not seeds 1..n"
    return [Reason(rule=10, text=text)]


def _control_faults(names: ArmNames, supply: Mapping[str, Supply]) -> list[Reason]:
    """Return why `random-matched` is no control of the arm: it holds far more or less text."""
    matched = supply.get(names.matched) if names.matched else None
    own = supply[names.arm]
    if matched is None or not epochs_flag(own, matched):
        return []
    text = f"{names.matched} has {matched.unique_tokens:,} unique tokens, {names.arm} {own.unique_tokens:,}: no control"
    return [Reason(rule=3, text=text)]


def _notes(names: ArmNames, supply: Mapping[str, Supply], total: Comparison, terms: Terms) -> list[Reason]:
    """Return what a reader must know beside the verdict."""
    notes = [Reason(rule=9, text=terms.noise_note)] if terms.noise_note else []
    own = supply[names.arm]
    if own.flag:
        notes.append(Reason(rule=4, text=own.flag))
    if max(own.epochs, supply[BASELINE].epochs) > MAX_EPOCHS and own.flag:
        notes.append(
            Reason(rule=4, text=f"over {MAX_EPOCHS:g} unmatched epochs: no quality claim against the baseline")
        )
    for control in (names.random, names.matched):
        other = supply.get(control) if control else None
        if other and max(own.unique_tokens, other.unique_tokens) > MAX_CONTROL_RATIO * min(
            own.unique_tokens, other.unique_tokens
        ):
            text = f"{control} has {other.unique_tokens:,} unique tokens, {names.arm} {own.unique_tokens:,}: not equal"
            notes.append(Reason(rule=3, text=text))
    out = [item.slice for item in total.slices if item.slice in terms.selected_for]
    if out:
        notes.append(Reason(rule=2, text=f"left out of the headline, something was fitted to them: {', '.join(out)}"))
    if terms.multi_factor:
        notes.append(Reason(rule=17, text="several components vary: no cause is named"))
    return notes


def _protected(total: Comparison, terms: Terms) -> tuple[SliceVerdict, ...]:
    """Judge protected and traded slices; strict kinds protect every judged slice against a severe loss."""
    floors = dict.fromkeys(terms.protect, PROTECT_FLOOR) | dict(terms.trade)
    if load_protocol(terms.kind).protect == "strict":
        for item in total.slices:
            if not item.not_judged:
                floors.setdefault(item.slice, DEFAULT_FLOOR)
    by_name = {item.slice: item for item in total.slices}
    verdicts = []
    for name, floor in sorted(floors.items()):
        found = by_name.get(name)
        state, text = _slice_state(found.delta, floor) if found else ("missing", "the panel has no such slice")
        verdicts.append(SliceVerdict(slice=name, floor=floor, state=state, text=text))
    return tuple(verdicts)


def _slice_state(delta: Delta, floor: float) -> tuple[str, str]:
    shown = f"{percent(delta.share)} bits per byte, at most {percent(floor)} allowed"
    if delta.share > floor:
        beyond = delta.low is not None and delta.low > 0
        return "worse", f"{shown}; {'beyond' if beyond else 'within'} the interval's noise"
    if delta.high is None or delta.high > 2 * floor:
        return "unclear", f"{shown}; the interval does not exclude twice that"
    return "held", shown


def _decide(
    total: Comparison, quality: Comparison | None, protect: Sequence[SliceVerdict], *, matched_epochs: bool
) -> str:
    """Return the verdict of runs that may decide; arms with unmatched epochs are judged by the control alone."""
    against_baseline = _side(total.headline)
    against_control = _side(quality.headline) if quality else against_baseline
    overall = against_baseline if matched_epochs else against_control
    if overall > 0 or against_control > 0:
        return "worse"
    if any(item.state == "worse" for item in protect):
        return "regression" if overall < 0 else "worse"
    if overall < 0:
        return "better" if against_control < 0 else "reweighting"
    return "no-difference"


def _side(delta: Delta | None) -> int:
    """-1 when the interval lies below zero (better), 1 above (worse), 0 when it holds zero or is unknown."""
    if delta is None or delta.low is None or delta.high is None:
        return 0
    return -1 if delta.high < 0 else 1 if delta.low > 0 else 0
