"""What a mixture would draw in a tier, before any work: weights, tokens, epochs, effective tokens and shortages.

Slices come from the best that is known: the streams of the tier's tokenizer, a corpus of the recipe, a corpus of the
same stages under another mixture, the pool before its stages, or a sample of the pool's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError, raise_faults
from curation.files import Json
from curation.mix_names import explicit_slices, unknown_slices
from curation.mix_spec import MixSpec, slice_of
from mixtures.course import Course
from mixtures.draws import draws_within, worst_share_error
from mixtures.repeats import effective_tokens, repeat_warnings
from train.drawing import Mixture, course_json, course_of
from train.shards import windows_in
from train.supply import DEFAULT_EPOCHS, Supply, shortage, supply
from train.tiers import Tier

SHARE_ERROR = 0.001
"""Furthest that a realised share may be off its target at any prefix of 1 % of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the slices hold, and how that is known."""

    counts: Mapping[str, SliceCounts]
    """By the recipe's tokenizer."""
    read: Mapping[str, SliceCounts] | None
    """By the tier's, where the corpus has been tokenized."""
    told: str
    """In words: `corpus-12345678`, `pool-... before its stages`."""
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePlan:
    """One entry of the schedule in a run of the tier."""

    name: str
    group: str | None
    unique_tokens: int
    weight: float
    """Share of the run's tokens."""
    before_caps: float
    tokens: float
    epochs: float
    effective_tokens: float
    max_epochs: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixPlan:
    """A mixture in a tier."""

    tier: Tier
    spec: MixSpec
    held: Held
    course: Course
    slices: tuple[SlicePlan, ...]
    refusal: str
    """Why `curate train` would refuse the run; empty if it would not."""
    warnings: tuple[str, ...]

    @property
    def tokens(self) -> float:
        """Tokens of the run."""
        return sum(item.tokens for item in self.slices)

    @property
    def effective_tokens(self) -> float:
        """What they are worth in new text."""
        return sum(item.effective_tokens for item in self.slices)

    @property
    def share_error(self) -> float:
        """Furthest that a realised share can be off after 1 % of the run, whole steps."""
        return worst_share_error(_num_drawn(self.slices), _first_draws(self.tier))


def with_tokens(tier: Tier, tokens: float | None) -> Tier:
    """Return the tier as if its 1x budget were so many tokens, for a plan alone."""
    if tokens is None:
        return tier
    return replace(tier, name=f"{tier.model} at {tokens:,.0f} tokens", tokens_at_1x=round(tokens), multiple=1.0)


def mix_plan(spec: MixSpec, held: Held, tier: Tier, *, where: str, epochs: float = DEFAULT_EPOCHS) -> MixPlan:
    """Return what a mixture of these slices draws in a tier.

    Raises: RecipeError for weights, groups, caps, budgets or phases that do not fit the slices or the tier.
    """
    held_slices = {slice_of(name) for name in held.counts}
    faults = [one for one in unknown_slices(spec, held_slices) if one.startswith("quality.")]  # the course says others
    raise_faults(RecipeError, where, faults)
    mixture = Mixture(spec=spec, counts=held.counts, read=held.read, where=where)
    read = held.read or held.counts
    tokens = {name: found.stream_tokens for name, found in read.items()}
    windows = {name: windows_in(number, tier.shape.context_tokens) for name, number in tokens.items()}
    course = course_of(mixture, tier, windows)
    named = sorted(explicit_slices(spec))
    found = supply(
        held.told,
        tier,
        held=tokens,
        shares={name: max(phase.wanted.get(name, 0.0) for phase in course.phases) for name in tokens},
        explicit=[name for name in named if name in tokens],
        mixture=mixture,
    )
    rows = _rows(course, found, tokens)
    size = float(tier.shape.context_tokens)
    seen = {row.name: row.tokens for row in rows}
    return MixPlan(
        tier=tier,
        spec=spec,
        held=held,
        course=course,
        slices=rows,
        refusal=shortage(found, epochs),
        warnings=(
            *repeat_warnings(seen, {name: windows[name] * size for name in seen}),
            *_share_warning(tier, _num_drawn(rows)),
        ),
    )


def _first_draws(tier: Tier) -> int:
    """Return the windows of the first 1 % of a run, whole steps; at least one step."""
    return max(1, tier.num_steps // 100) * tier.batch_rows


def _num_drawn(rows: tuple[SlicePlan, ...]) -> int:
    return sum(row.tokens > 0 for row in rows)


def _share_warning(tier: Tier, num_slices: int) -> tuple[str, ...]:
    """Return what to know of a budget whose first 1 % has too few windows for shares within `SHARE_ERROR`."""
    off = worst_share_error(num_slices, _first_draws(tier))
    if off <= SHARE_ERROR:
        return ()
    needed = draws_within(num_slices, SHARE_ERROR)
    smallest = 100 * -(-needed // tier.batch_rows) * tier.batch_tokens
    return (
        f"1 % of this budget is {_first_draws(tier):,} windows: a realised share of {num_slices} slices can be off by "
        f"{100 * off:.2g} points there, not within {100 * SHARE_ERROR:g}; that holds after {needed:,} windows, and at "
        f"1 % of budgets of {smallest:,} tokens or more (at this batch and context)",
    )


def _rows(course: Course, found: Supply, tokens: Mapping[str, int]) -> tuple[SlicePlan, ...]:
    size, count = found.tier.shape.context_tokens, found.tier.num_steps * found.tier.batch_rows
    wanted = _before_caps(course, count)
    drawn = {item.name: item for item in found.slices}
    rows = []
    for name in sorted(tokens):
        item = drawn.get(name)
        seen = item.drawn_windows * size if item else 0.0
        rows.append(
            SlicePlan(
                name=name,
                group=course.groups.get(course.parents.get(name, name)),
                unique_tokens=tokens[name],
                weight=seen / (count * size),
                before_caps=wanted.get(name, 0.0),
                tokens=seen,
                epochs=item.epochs if item else 0.0,
                effective_tokens=effective_tokens(seen, float(item.windows * size)) if item else 0.0,
                max_epochs=course.max_epochs.get(name),
                notes=_notes(name, course, found),
            )
        )
    return tuple(rows)


def _before_caps(course: Course, count: int) -> dict[str, float]:
    uncapped = replace(course, phases=tuple(replace(phase, shares=phase.wanted) for phase in course.phases))
    return {name: windows / count for name, windows in uncapped.windows(count).items()}


def _notes(name: str, course: Course, found: Supply) -> tuple[str, ...]:
    item = next((item for item in found.slices if item.name == name), None)
    if name in found.too_short:
        return ("too short for a window",)
    if item is None:
        return ("not drawn",)
    if name in course.capped:
        return ("at its cap",)
    return ("runs out",) if item.epochs > 1.0 + 1e-9 else ()


def plan_json(plan: MixPlan) -> dict[str, Json]:
    """Return a plan as one object; every number is of the whole run."""
    groups = sorted({item.group for item in plan.slices if item.group is not None})
    return {
        "tier": plan.tier.name,
        "tokens": plan.tier.num_tokens,
        "source": plan.held.told,
        "exact": plan.held.exact,
        "unique_tokens": sum(item.unique_tokens for item in plan.slices if item.tokens > 0),
        "epochs": _ratio(plan.tokens, sum(item.unique_tokens for item in plan.slices if item.tokens > 0)),
        "effective_tokens": plan.effective_tokens,
        "slices": {item.name: _slice_json(item) for item in plan.slices},
        "groups": {
            group: {
                "weight": sum(item.weight for item in plan.slices if item.group == group),
                "tokens": sum(item.tokens for item in plan.slices if item.group == group),
                "unique_tokens": sum(item.unique_tokens for item in plan.slices if item.group == group),
            }
            for group in groups
        },
        "course": course_json(plan.course, plan.tier),
        "share_error_at_1_percent": plan.share_error,
        "action": "refuse" if plan.refusal else "accept",
        "why": plan.refusal or None,
        "warnings": list[Json](plan.warnings),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _slice_json(item: SlicePlan) -> dict[str, Json]:
    return {
        "group": item.group,
        "unique_tokens": item.unique_tokens,
        "weight": item.weight,
        "before_caps": item.before_caps,
        "tokens": item.tokens,
        "epochs": item.epochs,
        "repeated_tokens": max(0.0, item.tokens - item.unique_tokens),
        "effective_tokens": item.effective_tokens,
        "max_epochs": item.max_epochs,
        "notes": list[Json](item.notes),
    }
