"""Attribution of a gain to one of several raised slices, from leave-one-out arms.

With `both`, the baseline and `both` without each raised slice: what a slice adds is `both - without it`. Of two raised
slices the arm without one raises the other alone, so `alone = without the other - baseline`, and the interaction is
what one adds to the other less what it does alone. Contrasts are of ln(bits per byte) of one slice of the panel, with
the noise of seeds pooled over all arms of the tier and families drawn for all runs alike (`paired`).

A gain (`total` better) is attributed to every raised slice of which `adds` or `alone` is better, never to one of which
`adds` is worse. Of every other raised slice it says `not tested` (no arm leaves it out), `makes it worse`, or `not
resolved`; `alone` is said only where its `adds` and `alone` lie inside ±`MARGIN`: no proof of an effect is no proof of
none. Better and worse are Holm's marks at 5 % over all contrasts of all judged slices of the tier. Where run noise was
not measured, or a rule forbids a verdict, the verdict is `insufficient`, and `by_intervals` says what single intervals
would give. Source: ours; the 2 x 2 factorial; Schuirmann 1987 (TOST).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from curation.errors import RunError
from curation.randomness import generator
from curation.significance import holm
from leaderboard.compare_arms import SEED, Rules, delta_of, shared_seeds, slice_units, why_not_judged
from leaderboard.comparison.paired import Design, Paired, paired_designs
from leaderboard.gates.statistics import neutral
from leaderboard.scores import TierScores
from leaderboard.studies.attribution_facts import (
    ADDS,
    ALONE,
    INSUFFICIENT,
    INTERACTION,
    NOT_RESOLVED,
    TOTAL,
    Attribution,
    Contrast,
    SliceAttribution,
)
from leaderboard.words import log_percent, side

MARGIN = 0.0025
"""Largest log ratio that counts as no effect. Source: the gates' `neutral.slice`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """An arm that raises several slices, and the arms that leave one of them out."""

    arm: str
    baseline: str
    raised: tuple[str, ...]
    without: Mapping[str, str]
    """Raised slice -> the arm without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    kind: str
    of: str
    text: str
    design: Design


def attribute(
    scores: TierScores, factors: Factors, rules: Rules, *, dropped: frozenset[str] = frozenset(), reason: str = ""
) -> Attribution | None:
    """Return where the arm's gain comes from, slice by slice; None if no leave-one-out arm shares a seed with it.

    `dropped` are slices whose noise was measured but too low (`noise.find`); `reason` says why nothing is decided.
    """
    asked = _contrasts(scores, factors)
    if not any(one.kind == ADDS for one in asked):
        return None
    designs = [item.design for item in asked]
    parts, own = {}, {}
    for name, one in scores.slices.items():
        prior = rules.noise.get(name)
        parts[name] = paired_designs(slice_units(one), designs, rng=generator(SEED, "families", name), prior=prior)
        own[name] = why_not_judged(one, rules.selected_for)
        if not own[name] and prior is None and name not in dropped:
            own[name] = "run noise of this slice was never measured (rule 9)"
    marks = marked({name: [part.p_value for part in of] for name, of in parts.items() if not own[name]})
    found = [
        _of_slice(name, _made(asked, of, marks.get(name)), reason or own[name], factors.raised)
        for name, of in parts.items()
    ]
    return Attribution(
        tier=scores.tier,
        arm=factors.arm,
        raised=factors.raised,
        left_out=tuple(one.of for one in asked if one.kind == ADDS),
        seeds=min(len(one.design.pairs) for one in asked),
        slices=tuple(found),
        tests=sum(one.p is not None for item in found for one in item.contrasts),
    )


def marked(p_values: Mapping[str, Sequence[float | None]]) -> dict[str, list[tuple[float | None, bool | None]]]:
    """Return every p of every slice with Holm's mark among them all; what has no p has no mark."""
    known = [p for values in p_values.values() for p in values if p is not None]
    marks = iter(holm(known))
    return {name: [(p, None if p is None else next(marks)) for p in values] for name, values in p_values.items()}


def _contrasts(scores: TierScores, factors: Factors) -> list[_Asked]:
    """Return the contrasts that the runs of the tier allow, in the order they are told."""
    arm, base = factors.arm, factors.baseline
    present = {slice_name: name for slice_name, name in factors.without.items() if scores.columns(name)}
    wanted = [(TOTAL, "", arm, base), *((ADDS, name, arm, without) for name, without in present.items())]
    two = len(factors.raised) == 2 and len(present) == 2
    if two:
        first, second = factors.raised
        wanted += [(ALONE, first, present[second], base), (ALONE, second, present[first], base)]
    asked = []
    for kind, of, left, right in wanted:
        try:
            design, _ = shared_seeds(scores.runs, left, right, scores.tier)
        except RunError:  # a training that failed: the others still say what they can
            continue
        asked.append(_Asked(kind=kind, of=of, text=f"{left} - {right}", design=design))
    if two:
        asked += _interaction(scores, factors, present)
    return asked


def _interaction(scores: TierScores, factors: Factors, present: Mapping[str, str]) -> list[_Asked]:
    """Return (both - only second) - (only first - baseline) over the seeds that all four have."""
    first, second = factors.raised
    names = (factors.arm, present[first], present[second], factors.baseline)
    columns = [scores.columns(name) for name in names]
    seeds = sorted(set.intersection(*(set(one) for one in columns)))
    if not seeds:
        return []
    both, without_first, without_second, base = columns
    design = Design(
        arms=tuple(name for name, _ in scores.runs),
        pairs=tuple((both[seed], without_first[seed]) for seed in seeds),
        against=tuple((without_second[seed], base[seed]) for seed in seeds),
    )
    text = f"({names[0]} - {names[1]}) - ({names[2]} - {names[3]})"
    return [_Asked(kind=INTERACTION, of="", text=text, design=design)]


def _made(
    asked: Sequence[_Asked], parts: Sequence[Paired], tests: Sequence[tuple[float | None, bool | None]] | None
) -> list[Contrast]:
    made = []
    for one, part, (p, mark) in zip(asked, parts, tests or [(None, None)] * len(asked), strict=True):
        delta = delta_of(part)
        made.append(
            Contrast(
                kind=one.kind, of=one.of, text=one.text, log_ratio=delta.log_ratio, low=delta.low, high=delta.high,
                se_seeds=delta.se_seeds, se_families=delta.se_families, degrees=delta.degrees,
                num_seeds=delta.num_seeds, side=side(delta) if delta.se_seeds is not None else "unknown", p=p,
                holm=mark,
            )
        )  # fmt: skip
    return made


def _of_slice(name: str, contrasts: Sequence[Contrast], why: str, raised: Sequence[str]) -> SliceAttribution:
    by_intervals, _ = _said(contrasts, raised, lambda one: one.side in ("better", "worse"))
    verdict, to = (INSUFFICIENT, ()) if why else _said(contrasts, raised, lambda one: bool(one.holm))
    found = SliceAttribution(
        slice=name,
        verdict=verdict,
        to=to,
        by_intervals=by_intervals,
        why=why or ("" if to else _why_not(contrasts)),
        sentence="",
        contrasts=tuple(contrasts),
    )
    return replace(found, sentence=_sentence(found))


def _said(
    contrasts: Sequence[Contrast], raised: Sequence[str], stands: Callable[[Contrast], bool]
) -> tuple[str, tuple[str, ...]]:
    """Return what a gain is attributed to, and to which slices, if contrasts that stand count as found."""
    total = next((one for one in contrasts if one.kind == TOTAL), None)
    if total is None or not stands(total) or total.log_ratio >= 0:
        return NOT_RESOLVED, ()
    own = {name: [one for one in contrasts if one.of == name] for name in raised}
    harm = {name for name, of in own.items() if any(c.kind == ADDS and stands(c) and c.log_ratio > 0 for c in of)}
    better = {name for name, of in own.items() if any(stands(one) and one.log_ratio < 0 for one in of)}
    to = tuple(sorted(better - harm))
    others = {name: _other(own[name], worse=name in harm) for name in sorted({*raised} - {*to})}
    return _verdict(to, others, len(raised)), to


def _other(contrasts: Sequence[Contrast], *, worse: bool) -> str:
    """Return what is known of a raised slice that a gain is not attributed to; empty where it has no effect."""
    if worse:
        return "makes it worse"
    if not any(one.kind == ADDS for one in contrasts):
        return "not tested"
    none = all(neutral(one.low, one.high, MARGIN) for one in contrasts)
    return "" if none else "not resolved"


def _verdict(to: Sequence[str], others: Mapping[str, str], num_raised: int) -> str:
    known = [f"{name} {told}" for name, told in others.items() if told]
    if not to:
        worse = [f"{name} {told}" for name, told in others.items() if told == "makes it worse"]
        return "; ".join([NOT_RESOLVED, *worse])
    names = f"both, {' and '.join(to)}" if len(to) == num_raised == 2 else " and ".join(to)
    return "; ".join([f"attributed to {names}" + (" alone" if others and not known else ""), *known])


def _why_not(contrasts: Sequence[Contrast]) -> str:
    total = next((one for one in contrasts if one.kind == TOTAL), None)
    if total is None or not total.holm:
        return "no difference from the baseline stands beyond noise, so there is no gain to attribute"
    if total.log_ratio > 0:
        return "it is worse than the baseline, so there is no gain to attribute"
    return "the gain stands beyond noise, what single slices add does not"


def _sentence(found: SliceAttribution) -> str:
    told = "; ".join(_told(one) for one in found.contrasts)
    if found.verdict == INSUFFICIENT:
        head = f"insufficient ({found.why}); by single intervals, uncorrected, {found.by_intervals}"
    else:
        head = f"{found.verdict}" + (f" ({found.why})" if found.why else "")
    return f"{found.slice}: {head}. {told}."


def _told(one: Contrast) -> str:
    name = {TOTAL: "in all", ADDS: f"{one.of} adds", ALONE: f"{one.of} alone", INTERACTION: "interaction"}[one.kind]
    bounds = "" if one.low is None else f" ({log_percent(one.low)} to {log_percent(one.high)})"
    return f"{name} {log_percent(one.log_ratio)}{bounds}"
