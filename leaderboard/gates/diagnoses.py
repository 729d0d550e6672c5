"""Six diagnoses of gains that vanish: each `found`, `not-found` or `insufficient`, in plain words, with evidence.

They explain a verdict and decide nothing. Two gains differ where the one-sided p of their difference is at most 5 %.
Source: requirements 87 to 92; the criteria are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.gates.case import Case, against, judged_against, share
from leaderboard.gates.evidence import TierEvidence
from leaderboard.gates.report import NamedCheck
from leaderboard.gates.run_checks import checkpoints, half
from leaderboard.gates.scale_checks import rates, scales
from leaderboard.gates.slice_checks import eligible
from leaderboard.gates.statistics import GainTest, upper_tail

LEVEL = 0.05
MUCH_LESS = 0.5
"""A gain under half of another has shrunk. Source: ours, as rule 12 asks for half the gain."""
ALMOST_NONE = 0.25
ONE_SLICE = 0.8
"""Share of all gains in one slice that makes the metric narrow. Source: ours."""
MIN_SLICES = 3
RATES = (0.5, 1.0, 2.0)
OVER_TRAINED_FROM = 2.0
"""Multiple of the budget from which a model is over-trained: twice the compute-optimal tokens."""


def diagnose(case: Case) -> tuple[NamedCheck, ...]:
    """Return the six diagnoses in their order."""
    return (
        _capacity(case),
        _narrow(case),
        _budget(case),
        _optimisation(case),
        _overfit(case),
        _over_trained(case),
    )


def _capacity(case: Case) -> NamedCheck:
    name = "1-capacity-limited"
    pair = _two(case, scales(case))
    if pair is None:
        return _unknown(name, "fewer than two models were compared")
    (small, first), (large, last) = pair
    cited = _ids(small, large)
    text = f"{small.tier} {share(first.gain)}, {large.tier} {share(last.gain)}"
    if _is_gain(first) and _less(last, first) and last.gain < MUCH_LESS * first.gain:
        return _found(name, f"{text}: what helps the small model, the large one can do without", cited)
    return _clear(name, f"{text}: the gain does not shrink with the model", cited)


def _narrow(case: Case) -> NamedCheck:
    name = "2-narrow-metric"
    tier = case.tier
    test = against(case, tier, judged_against(tier)) if tier is not None else None
    judged = [item for item in tier.slices if item.judged] if tier is not None else []
    if tier is None or test is None or (len(judged) < MIN_SLICES and not eligible(tier)):
        return _unknown(name, f"fewer than {MIN_SLICES} slices are judged and no task was scored")
    if not _is_gain(test):
        return _clear(name, "there is no gain to be narrow", (tier.id,))
    gains = sorted((item for item in judged if item.effect.gain > 0), key=lambda item: -item.effect.gain)
    total = sum(item.effect.gain for item in gains)
    if len(judged) >= MIN_SLICES and gains and gains[0].effect.gain >= ONE_SLICE * total:
        text = f"{gains[0].effect.gain / total:.0%} of all gains lie in {gains[0].slice}"
        return _found(name, text, (gains[0].effect.id,))
    families = eligible(tier)
    if families and all(item.fact.points <= 0 for item in families):
        text = f"loss {share(test.gain)}, yet none of {len(families)} families of tasks gains"
        return _found(name, text, tuple(item.id for item in families))
    return _clear(name, f"{len(gains)} of {len(judged)} slices gain", (tier.id,))


def _budget(case: Case) -> NamedCheck:
    name = "3-token-budget"
    pair = _two(case, _budgets(case))
    if pair is None:
        return _unknown(name, "one token budget of the model was compared")
    (short, first), (long, last) = pair
    text = f"{short.tier} {share(first.gain)}, {long.tier} {share(last.gain)}"
    turns = (first.gain > 0) != (last.gain > 0) and (_less(last, first) or _less(first, last))
    if turns:
        return _found(name, f"{text}: the budget decides who wins", _ids(short, long))
    return _clear(name, f"{text}: one answer at every budget", _ids(short, long))


def _optimisation(case: Case) -> NamedCheck:
    name = "4-optimisation-only"
    probes = [(item, against(case, item, judged_against(item))) for item in rates(case, RATES)]
    tested = [(item, test) for item, test in probes if test is not None]
    points = checkpoints(case.tier) if case.tier is not None else ()
    final = against(case, case.tier, judged_against(case.tier)) if case.tier is not None else None
    own = next((test for item, test in tested if item.lr_multiplier == 1), None)
    for item, test in tested:
        if own is not None and own.gain > 0 and test.gain <= 0 and _less(test, own):
            text = (
                f"{share(own.gain)} at the tier's learning rate, {share(test.gain)} at {item.lr_multiplier:g} times it"
            )
            return _found(
                name, f"{text}: a better tuned baseline takes the gain", (item.total.id if item.total else item.id,)
            )
    early = [item for item in points if item.fact.phase == "plateau"]
    if early and final is not None:
        mean = -sum(item.fact.log_ratio for item in early) / len(early)
        cited = tuple(item.id for item in early)
        if mean > 0 and final.gain <= ALMOST_NONE * mean and not _is_gain(final):
            text = f"{share(mean)} before the decay, {share(final.gain)} at the end: it learns sooner, not more"
            return _found(name, text, cited)
        return _clear(name, f"{share(mean)} before the decay, {share(final.gain)} at the end", cited)
    if tested:
        return _clear(name, "the gain is there at every learning rate tried", tuple(item.id for item, _ in tested))
    return _unknown(name, "neither learning rates nor checkpoints were compared")


def _overfit(case: Case) -> NamedCheck:
    name = "5-proxy-overfit"
    tier = case.tier
    if tier is None:
        return _unknown(name, "no tier that may decide")
    selected, held_out, gap = half(tier, "selection"), half(tier, "held-out"), tier.gap
    if gap is not None and gap.fact.low is not None and gap.fact.low > 0:
        clean = gap.fact.clean_low
        if clean is None or clean <= 0:
            text = f"suspicious items gain {gap.fact.shown_points} points more than clean ones, which show no gain"
            return _found(name, text, (gap.id,))
    if selected is not None and held_out is not None:
        chosen, other = -selected.fact.log_ratio, -held_out.fact.log_ratio
        text = f"{share(chosen)} on the half that selects, {share(other)} on the other"
        above = selected.fact.high is not None and selected.fact.high < 0
        if above and other <= ALMOST_NONE * chosen:
            return _found(name, f"{text}: it fits the evaluation", (selected.id, held_out.id))
        if tier.confirmation is not None and tier.confirmation.fact.log_ratio >= 0 and chosen > 0:
            shown = share(-tier.confirmation.fact.log_ratio)
            return _found(name, f"{text}; {shown} on the seed of the board", (tier.confirmation.id,))
        return _clear(name, text, (selected.id, held_out.id))
    if gap is not None and gap.fact.low is not None:
        return _clear(name, f"suspicious items gain {gap.fact.shown_points} points more than clean ones", (gap.id,))
    return _unknown(name, "neither halves of the panel nor suspicious items were compared")


def _over_trained(case: Case) -> NamedCheck:
    name = "6-over-trained"
    tiers = _budgets(case)
    pair = _two(case, tiers)
    if pair is None or tiers[-1].multiple < OVER_TRAINED_FROM:
        return _unknown(name, f"no budget of {OVER_TRAINED_FROM:g}x or more beside a smaller one")
    (short, first), (long, last) = pair
    text = f"{short.tier} {share(first.gain)}, {long.tier} {share(last.gain)}"
    if _is_gain(first) and _less(last, first) and last.gain < MUCH_LESS * first.gain:
        return _found(name, f"{text}: the gain is gone in a model trained past its optimum", _ids(short, long))
    return _clear(name, f"{text}: the gain outlives more tokens", _ids(short, long))


def _budgets(case: Case) -> tuple[TierEvidence, ...]:
    """Return the tiers of the model with most budgets, the judged one's if it has several, shortest first."""
    tiers = case.evidence.evidence_tiers
    models = list(dict.fromkeys(item.model for item in tiers))
    own = case.tier.model if case.tier is not None else ""
    several = [model for model in models if sum(item.model == model for item in tiers) > 1]
    chosen = own if own in several else next(iter(several), "")
    return tuple(sorted((item for item in tiers if item.model == chosen), key=lambda item: item.multiple))


def _two(
    case: Case, tiers: Sequence[TierEvidence]
) -> tuple[tuple[TierEvidence, GainTest], tuple[TierEvidence, GainTest]] | None:
    """Return the first and last tier that have a test; None with fewer than two."""
    found = [(item, against(case, item, judged_against(item))) for item in tiers]
    known = [(item, test) for item, test in found if test is not None and test.se is not None]
    return (known[0], known[-1]) if len(known) > 1 else None


def _is_gain(test: GainTest) -> bool:
    return test.p is not None and test.gain > 0 and test.p <= LEVEL


def _less(left: GainTest, right: GainTest) -> bool:
    """Whether a gain is smaller than another beyond noise."""
    if left.se is None or right.se is None:
        return False
    se = math.hypot(left.se, right.se)
    degrees = min(left.degrees, right.degrees)
    return left.gain < right.gain and (se == 0 or upper_tail((right.gain - left.gain) / se, degrees) <= LEVEL)


def _ids(*tiers: TierEvidence) -> tuple[str, ...]:
    return tuple(item.total.id if item.total else item.id for item in tiers)


def _found(name: str, text: str, cited: tuple[str, ...]) -> NamedCheck:
    return NamedCheck(name=name, state="found", text=text, evidence=cited)


def _clear(name: str, text: str, cited: tuple[str, ...]) -> NamedCheck:
    return NamedCheck(name=name, state="not-found", text=text, evidence=cited)


def _unknown(name: str, text: str) -> NamedCheck:
    return NamedCheck(name=name, state="insufficient", text=text, evidence=())
