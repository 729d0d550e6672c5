"""Survival checks 1 to 5: does a gain live on at scale, in order, downstream, without hidden losses, above noise.

Each says `pass`, `fail` or `insufficient`. They are read beside the conditions and decide nothing of their own.
Source: requirements 74 to 78.
"""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.gates.case import Case, Outcome, against, judged_against, share
from leaderboard.gates.evidence import TierEvidence
from leaderboard.gates.report import NamedCheck
from leaderboard.gates.run_checks import checkpoints
from leaderboard.gates.scale_checks import RankLimits, rank_stability, scales
from leaderboard.gates.slice_checks import eligible
from leaderboard.gates.statistics import quantile, sequential

SAME_SIGN = 0.67
"""Share of families that must follow the loss. Source: gate G2."""
AHEAD = 0.8
"""Share of checkpoints before the end. Source: gate G1."""
RANK = RankLimits(max_inversions=0, min_winner_kept=0.9, resolved_p=0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a kind of change is known to harm without showing it in the average."""

    label: str
    kinds: tuple[str, ...] = ()
    """Studies that it is asked of; empty for all."""
    gaining: tuple[str, ...] = ()
    """Domains that must gain before it is asked; empty: always."""
    domains: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    gap: bool = False
    """Whether the contamination gap is what is looked at."""


WATCHED = (
    Watched(
        label="filter against multilingual", kinds=("filter",), domains=("multilingual",), families=("multilingual",)
    ),
    Watched(label="quality against the long tail", kinds=("filter",), domains=("general-web", "academic", "other")),
    Watched(label="code against question answering", gaining=("code",), families=("knowledge", "qa", "knowledge-qa")),
    Watched(label="mathematics against contamination", gaining=("math",), gap=True),
    Watched(
        label="dedup against rare knowledge",
        kinds=("dedup",),
        domains=("curated", "books", "academic"),
        families=("knowledge", "qa", "knowledge-qa"),
    ),
)


def survival_checks(case: Case) -> tuple[NamedCheck, ...]:
    """Return the five checks in their order."""
    return (_same_sign(case), _rank_order(case), _downstream(case), _hidden(case), _noise(case))


def _same_sign(case: Case) -> NamedCheck:
    name = "1-same-sign-across-scales"
    found = [(item, against(case, item, judged_against(item))) for item in scales(case)]
    known = [(item, test) for item, test in found if test is not None and test.t is not None]
    cited = tuple(item.total.id for item, _ in known if item.total is not None)
    listed = ", ".join(f"{item.tier} {share(test.gain)}" for item, test in known)
    if any(test.t is not None and test.t <= -quantile(0.95, test.degrees) for _, test in known):
        return NamedCheck(name=name, state="fail", text=f"the sign turns: {listed}", evidence=cited)
    if len(known) < 2:
        return NamedCheck(
            name=name, state="insufficient", text=f"{len(known)} scales: {listed or 'none'}", evidence=cited
        )
    held = all(test.gain > 0 for _, test in known)
    state = "pass" if held else "insufficient"
    text = listed if held else f"{listed}; the loss is within noise"
    return NamedCheck(name=name, state=state, text=text, evidence=cited)


def _rank_order(case: Case) -> NamedCheck:
    return _named("2-stable-rank-order", rank_stability(case, RANK))


def _downstream(case: Case) -> NamedCheck:
    name = "3-loss-becomes-score"
    tier = case.tier
    able = eligible(tier) if tier is not None else ()
    test = against(case, tier, judged_against(tier)) if tier is not None else None
    cited = tuple(item.id for item in able)
    if test is None or not able:
        text = "no family of tasks was scored above chance"
        return NamedCheck(name=name, state="insufficient", text=text, evidence=cited)
    follow = sum((item.fact.points > 0) == (test.gain > 0) for item in able) / len(able)
    against_it = [
        item.fact.family
        for item in able
        if (test.gain > 0 and item.fact.high is not None and item.fact.high < 0)
        or (test.gain <= 0 and item.fact.low is not None and item.fact.low > 0)
    ]
    text = f"loss {share(test.gain)}; {follow:.0%} of {len(able)} families follow"
    if against_it:
        text += f"; against it beyond noise: {', '.join(against_it)}"
        return NamedCheck(name=name, state="fail", text=text, evidence=cited)
    state = "pass" if follow >= SAME_SIGN else "insufficient"
    return NamedCheck(name=name, state=state, text=text, evidence=cited)


def _hidden(case: Case) -> NamedCheck:
    name = "4-no-hidden-regressions"
    tier = case.tier
    if tier is None:
        return NamedCheck(name=name, state="insufficient", text="no tier that may decide", evidence=())
    lost = [item for item in tier.slices if item.effect.high is not None and item.effect.high < 0]
    texts = [f"{item.slice} {share(item.effect.gain)}" for item in lost]
    cited = [item.effect.id for item in lost]
    unknown = []
    for watched in WATCHED:
        if not _asked(case, tier, watched):
            continue
        seen, harmed = _harm(tier, watched)
        if not seen:
            unknown.append(watched.label)
        texts += [f"{watched.label}: {text}" for text in harmed]
        cited += seen
    if texts:
        return NamedCheck(name=name, state="fail", text="; ".join(texts), evidence=tuple(dict.fromkeys(cited)))
    if unknown or not tier.slices:
        text = f"not measured: {', '.join(unknown) or 'any slice'}"
        return NamedCheck(name=name, state="insufficient", text=text, evidence=tuple(dict.fromkeys(cited)))
    text = f"none of {len(tier.slices)} slices is worse beyond noise"
    return NamedCheck(name=name, state="pass", text=text, evidence=(tier.id,))


def _asked(case: Case, tier: TierEvidence, watched: Watched) -> bool:
    if watched.kinds and case.evidence.kind not in watched.kinds:
        return False
    ahead = {item.domain for item in tier.slices if item.effect.low is not None and item.effect.low > 0}
    return not watched.gaining or bool(ahead & set(watched.gaining))


def _harm(tier: TierEvidence, watched: Watched) -> tuple[list[str], list[str]]:
    """Return the ids of what was looked at, and what of it is worse beyond noise."""
    seen, harmed = [], []
    for one in tier.slices:
        if one.domain in watched.domains and one.effect.low is not None:
            seen.append(one.effect.id)  # a loss of it is listed with the slices
    for family in eligible(tier):
        if family.fact.family in watched.families and family.fact.high is not None:
            seen.append(family.id)
            if family.fact.high < 0:
                harmed.append(f"{family.fact.family} {family.fact.points:+.2f} points")
    if watched.gap and tier.gap is not None and tier.gap.fact.low is not None:
        seen.append(tier.gap.id)
        if tier.gap.fact.low > 0:
            harmed.append(f"suspicious items gain {tier.gap.fact.shown_points} points more than clean ones")
    return seen, harmed


def _noise(case: Case) -> NamedCheck:
    name = "5-effect-beats-run-noise"
    tier = case.tier
    test = against(case, tier, judged_against(tier)) if tier is not None else None
    if tier is None or test is None or test.t is None:
        return NamedCheck(name=name, state="insufficient", text="no gain can be tested", evidence=())
    points = checkpoints(tier)
    cited = (tier.total.id if tier.total else tier.id, *(item.id for item in points))
    text = f"t {test.t:.2f} at {test.num_seeds} seeds"
    look = sequential(test, case.looks)
    if look in ("worse", "futile", "not-found"):
        return NamedCheck(name=name, state="fail", text=f"{text}: {look.replace('-', ' ')}", evidence=cited)
    if not points:
        return NamedCheck(name=name, state="insufficient", text=f"{text}; no checkpoint before the end", evidence=cited)
    ahead = sum(item.fact.log_ratio < 0 for item in points) / len(points)
    text += f"; ahead at {ahead:.0%} of {len(points)} checkpoints"
    if ahead < AHEAD:
        return NamedCheck(name=name, state="fail", text=text, evidence=cited)
    return NamedCheck(name=name, state="pass" if look == "passes" else "insufficient", text=text, evidence=cited)


def _named(name: str, outcome: Outcome) -> NamedCheck:
    return NamedCheck(name=name, state=outcome.state, text=outcome.text, evidence=outcome.evidence)
