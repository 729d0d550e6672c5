"""Rows of a comparison from paired differences: slices, tasks, families and the mean of all, with marks.

Marks are over one table of one measure: Holm (family-wise 5 %), Benjamini and Hochberg (false discovery 10 %), max-T.
They are over the judged rows whose run noise was measured: without it a mark would be a p in words (rule 9).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from curation.randomness import generator
from curation.significance import ALPHA, holm
from leaderboard.compare_arms import HEADLINE, SEED, SlicePairs
from leaderboard.comparison.multiple import benjamini_hochberg, max_t, mcnemar
from leaderboard.comparison.paired import Design, Paired, mean_of, paired_together
from leaderboard.comparison.row import (
    ALL_SLICES,
    ALL_TASKS,
    CENTRED,
    DIFFERENCE,
    LOG_RATIO,
    SEEDS_AND_UNITS,
    UNITS_ONLY,
    Row,
)
from leaderboard.comparison.tasks import BITS, LEVELS, MEANS, Measure, above_chance
from leaderboard.noise.find import Found as Noise
from leaderboard.scores import TierScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A row with the difference behind it."""

    row: Row
    paired: Paired


def slice_rows(found: SlicePairs, scores: TierScores, dropped: frozenset[str] = frozenset()) -> list[Found]:
    """Return the headline and every slice of a panel, marked over the slices that the headline averages.

    `dropped` names slices and the headline whose noise was measured but is too low, with five seeds an arm instead.
    """
    design = found.design
    rows = []
    if found.headline is not None:
        judged = found.headline_judged
        note = "" if judged else "orientation only: no slice may be judged (rule 5)"
        shown = Shown(level="headline", name=ALL_SLICES, metric="bits_per_byte", judged=judged, note=note)
        head = replace(found.headline, measured=found.headline.measured or HEADLINE in dropped)
        rows.append(_found(shown, head, design, sum(one.num_docs for one in scores.slices.values())))
    for name, part in found.slices.items():
        why = found.not_judged[name]
        part = replace(part, measured=part.measured or name in dropped)
        shown = Shown(level="slice", name=name, metric="bits_per_byte", judged=not why, note=why)
        rows.append(_found(shown, part, design, scores.slices[name].num_docs))
    marked = [item for item in rows if item.row.level == "slice" and item.row.name in found.headline_slices]
    joint = found.joint_draws
    parts = [
        replace(item.paired, draws=joint[:, number]) if joint is not None else item.paired
        for number, item in enumerate(sorted(marked, key=lambda one: found.headline_slices.index(one.row.name)))
    ]
    return _marked(rows, marked, max_t(parts, generator(SEED, "max-t", "slices")))


def task_rows(measured: Sequence[Measure], design: Design, noise: Noise) -> list[Found]:
    """Return tasks, their families and the mean of all, marked over the tasks of each measure.

    `noise` is measured run noise by `NAME/METRIC`.
    """
    rows: list[Found] = []
    by_measure: dict[str, list[Found]] = {}
    parts: dict[str, list[tuple[Measure, Paired]]] = {}
    for one, part in zip(measured, _paired_tasks(measured, design, noise), strict=True):
        if one.mean:
            own = _centred(part, one.chance) if one.mean == CENTRED and one.chance is not None else part
            parts.setdefault(one.mean, []).append((one, own))
        row = _task_row(one, part, design)
        rows.append(row)
        by_measure.setdefault(_table(one), []).append(row)
    for table, group in by_measure.items():
        adjusted = max_t([item.paired for item in group], generator(SEED, "max-t", table))
        rows = _marked(rows, group, adjusted)
    return [*_aggregates(parts, design, measured, noise), *rows]


def _paired_tasks(measured: Sequence[Measure], design: Design, noise: Noise) -> list[Paired]:
    """Return the difference of each measure; the measures of a task see the same draws of its items."""
    found: dict[int, Paired] = {}
    for task in dict.fromkeys(one.task for one in measured):
        places = [place for place, one in enumerate(measured) if one.task == task]
        own = [measured[place] for place in places]
        keys = [f"{task}/{one.metric}" for one in own]
        priors = [noise.priors.get(key) for key in keys]
        rng = generator(SEED, "items", task)
        parts = paired_together([one.units for one in own], design, rng=rng, priors=priors)
        for place, key, part in zip(places, keys, parts, strict=True):
            found[place] = replace(part, measured=part.measured or key in noise.dropped)
    return [found[place] for place in range(len(measured))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a row is called and what is said of it."""

    level: str
    name: str
    metric: str
    family: str = ""
    role: str = ""
    judged: bool = True
    note: str = ""
    trust: str = "judged"
    log: bool = True
    lower: bool = True


def _task_row(one: Measure, part: Paired, design: Design) -> Found:
    able = above_chance(one, design) if one.is_accuracy and one.chance is not None else None
    sides = {design.arms[design.left[0]], design.arms[design.right[0]]}
    notes = [f"{one.lost_items:,} items not scored on both sides"] if one.lost_items else []
    above = None if able is None else bool(sides & set(able))
    if above is False:
        notes.append("neither side is above chance by 2 standard errors")
    if one.trust.level != "judged":
        notes.append(f"{one.trust.level} at this tier: {one.trust.reason}")
    shown = Shown(
        level="task",
        name=one.task,
        metric=one.metric,
        family=one.family,
        role=one.role,
        judged=above is not False and one.trust.level == "judged",
        note="; ".join(notes),
        trust=one.trust.level,
        log=one.units.log,
        lower=one.lower_is_better,
    )
    found = _found(shown, part, design, len(one.items))
    row = replace(found.row, above_chance=above, chance=one.chance, baselines=one.baselines)
    if len(design.pairs) == 1 and one.is_binary and len(one.items) > 0:
        left, right = design.pairs[0]
        test = mcnemar(one.items[:, left] == 1, one.items[:, right] == 1)
        p = test.p if part.measured else None
        row = replace(row, mcnemar_a_only=test.left_only, mcnemar_b_only=test.right_only, mcnemar_p=p)
    return Found(row=row, paired=part)


def _aggregates(
    parts: dict[str, list[tuple[Measure, Paired]]],
    design: Design,
    measured: Sequence[Measure],
    noise: Noise,
) -> list[Found]:
    """Return the mean over all tasks and over every family: log ratios of bits per byte, then centred accuracy."""
    families = list(dict.fromkeys(one.family for one in measured))
    rows: list[Found] = []
    for metric in (mean for mean in MEANS if mean in parts):
        of_metric = parts[metric]
        rows.append(_mean_row("all-tasks", ALL_TASKS, metric, of_metric, (design, noise)))
        own = []
        for family in families:
            inside = [pair for pair in of_metric if pair[0].family == family]
            if inside:
                own.append(_mean_row("family", family, metric, inside, (design, noise)))
        rows += own
        if len(own) > 1:
            adjusted = max_t([item.paired for item in own], generator(SEED, "max-t", "families", metric))
            rows = _marked(rows, own, adjusted)
    return rows


def _mean_row(
    level: str,
    name: str,
    metric: str,
    pairs: Sequence[tuple[Measure, Paired]],
    known: tuple[Design, Noise],
) -> Found:
    design, noise = known
    key = f"{name}/{metric}"
    part = mean_of([pair for _, pair in pairs], design, noise.priors.get(key))
    part = replace(part, measured=part.measured or key in noise.dropped)
    log = metric == BITS
    sides = {design.arms[design.left[0]], design.arms[design.right[0]]}
    able = log or any(sides & set(above_chance(one, design)) for one, _ in pairs)
    versions = ", ".join(sorted({one.baselines for one, _ in pairs if one.baselines}))
    least = min((one for one, _ in pairs), key=lambda one: LEVELS.index(one.trust.level))
    doubted = sum(one.trust.level != "judged" for one, _ in pairs)
    notes = [f"{len(pairs)} task{'s' if len(pairs) > 1 else ''}"]
    notes += [f"chance by baselines {versions}"] if versions else []
    notes += [] if able else ["none above chance"]
    notes += [f"{doubted} of them not judged at this tier ({least.task}: {least.trust.reason})"] if doubted else []
    shown = Shown(
        level=level,
        name=name,
        metric=metric,
        family=name if level == "family" else "",
        judged=able and not doubted,
        note=", ".join(notes),
        trust=least.trust.level,
        log=log,
        lower=log,
    )
    found = _found(shown, part, design, sum(len(one.items) for one, _ in pairs))
    return found if log else replace(found, row=replace(found.row, above_chance=able, baselines=versions))


def _centred(part: Paired, chance: float) -> Paired:
    """Return the difference on the scale where chance is 0 and all right is 1."""
    scale = 1 / (1 - chance)
    return replace(
        part,
        delta=part.delta * scale,
        values=(part.values - chance) * scale,
        seeds=replace(part.seeds, value=part.seeds.value * scale**2) if part.seeds else None,
        units=replace(part.units, value=part.units.value * scale**2) if part.units else None,
        both=part.both * scale**2,
        draws=None if part.draws is None else part.draws * scale,
    )


def _found(shown: Shown, part: Paired, design: Design, num_items: int) -> Found:
    total, interval = part.total, part.interval
    scores = np.exp(part.values) if shown.log else part.values
    low = interval.low if interval else None
    high = interval.high if interval else None
    known = part.seeds is not None
    return Found(
        paired=part,
        row=Row(
            level=shown.level,
            name=shown.name,
            family=shown.family,
            metric=shown.metric,
            role=shown.role,
            unit=LOG_RATIO if shown.log else DIFFERENCE,
            lower_is_better=shown.lower,
            a=float(np.mean(scores[design.left])),
            b=float(np.mean(scores[design.right])),
            delta=part.delta,
            low=low,
            high=high,
            se_seeds=math.sqrt(part.seeds.value) if part.seeds else None,
            se_units=math.sqrt(part.units.value) if part.units else None,
            degrees=total.degrees if total and math.isfinite(total.degrees) else None,
            covers=(SEEDS_AND_UNITS if known else UNITS_ONLY) if interval else "nothing",
            num_seeds=part.num_pairs,
            num_units=part.num_units,
            num_items=num_items,
            side=_side(low, high, lower_is_better=shown.lower),
            judged=shown.judged,
            note=shown.note,
            trust=shown.trust,
            p=part.p_value if part.measured else None,
        ),
    )


def _side(low: float | None, high: float | None, *, lower_is_better: bool) -> str:
    if low is None or high is None:
        return "unknown"
    if low <= 0 <= high:
        return "level"
    return "better" if (high < 0) == lower_is_better else "worse"


def _table(one: Measure) -> str:
    return "bits" if one.units.log else "accuracy" if one.is_accuracy else one.metric


def _marked(rows: list[Found], group: Sequence[Found], adjusted: Sequence[float | None]) -> list[Found]:
    """Return `rows` with Holm's, Benjamini and Hochberg's and max-T's marks on those of `group` that may have any."""
    able = [
        (item, p, most)
        for item, most in zip(group, adjusted, strict=True)
        if item.row.judged and item.paired.measured and (p := item.paired.p_value) is not None
    ]
    steps = holm([p for _, p, _ in able])
    rates = benjamini_hochberg([p for _, p, _ in able])
    found = list(rows)
    places = {id(item): number for number, item in enumerate(rows)}
    for (item, _, most), step, rate in zip(able, steps, rates, strict=True):
        row = replace(item.row, holm=step, bh=rate, max_t=None if most is None else most <= ALPHA)
        found[places[id(item)]] = replace(item, row=row)
    return found
