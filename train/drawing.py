"""What a run draws: the order of windows that a corpus' mixture gives a tier.

Most mixtures are shares that hold for every budget. One whose shares depend on a budget (caps on epochs, budgets of
slices, phases) comes with its rules, and its course is settled here for the tier (`mixtures.course`); not for the run's
own budget, so that all budgets of a model read prefixes of one order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from curation.corpus_counts import SliceCounts
from curation.files import Json
from curation.mix_spec import MixSpec
from curation.recipe import validate
from curation.store import Artifact
from mixtures.course import Course, Span, course
from mixtures.draws import Draws, Stretch, draw, draw_stretches
from mixtures.repeats import effective_tokens, repeat_warnings
from train.tiers import Tier

if TYPE_CHECKING:
    from train.shards import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """The rules of a mixture whose shares depend on a budget, and what its slices hold."""

    spec: MixSpec
    counts: Mapping[str, SliceCounts]
    """By the tokenizer of the recipe, which its weights are meant in."""
    read: Mapping[str, SliceCounts] | None
    """By the tokenizer of the streams; None before there are any."""
    where: str


def mix_of(corpus: Artifact) -> dict[str, Json] | None:
    """Return the rules of a corpus' mixture; None if its shares hold for every budget."""
    params = cast("Mapping[str, Any]", corpus.manifest.get("params") or {})
    mix = cast("dict[str, Json]", params.get("mix") or {})
    return mix if validate(MixSpec, mix, str(corpus.path)).needs_budget else None


def corpus_mixture(corpus: Artifact) -> Mixture | None:
    """Return the rules of a corpus' mixture before it is tokenized for a tier; None as `mix_of`."""
    mix = mix_of(corpus)
    return None if mix is None else _mixture(mix, corpus.summary, f"{corpus.path.name}: mix", read=None)


def streams_mixture(tokens: Artifact) -> Mixture | None:
    """Return the rules that came with token streams, or None."""
    summary = cast("Mapping[str, Any]", tokens.summary)
    if "mix" not in summary:
        return None
    read = {
        name: SliceCounts(docs=held["docs"], bytes=held["bytes"], tokens=held["stream_tokens"] - held["docs"])
        for name, held in summary["slices"].items()
    }
    return _mixture(summary["mix"], summary, f"{tokens.path.name}: mix", read=read)


def span_of(tier: Tier) -> Span:
    """Return what a course is settled for in this tier."""
    return Span(tokens_at_1x=tier.tokens_at_1x, batch_tokens=tier.batch_tokens, window_tokens=tier.shape.context_tokens)


def course_of(mixture: Mixture, tier: Tier, windows: Mapping[str, int]) -> Course:
    """Return the course of a mixture in a tier. Raises: RecipeError as `mixtures.course.course`."""
    return course(mixture.spec, mixture.counts, windows, span=span_of(tier), where=mixture.where, read=mixture.read)


def draws_of(tier: Tier, streams: Streams, seed: int, steps: int) -> Draws:
    """Return what the first `steps` steps of a run read, whatever its budget."""
    windows = streams.num_windows(tier.shape.context_tokens)
    count = steps * tier.batch_rows
    if streams.mixture is None:
        return draw(streams.shares, windows, seed=seed, start=0, count=count)
    return draw_stretches(
        stretches(course_of(streams.mixture, tier, windows)), windows, seed=seed, start=0, count=count
    )


def stretches(found: Course) -> tuple[Stretch, ...]:
    """Return a course as the order of data takes it."""
    return tuple(Stretch(shares=phase.shares, end=phase.end) for phase in found.phases)


def course_json(found: Course, tier: Tier) -> dict[str, Json]:
    """Return a course as a run's manifest holds it; steps are of the tier."""
    return {
        "settled_for_tokens": found.draws * tier.shape.context_tokens,
        "max_epochs": dict(found.max_epochs),
        "capped": list(found.capped),
        "phases": [
            {
                "first_step": phase.start // tier.batch_rows,
                "until_step": None if phase.end is None else phase.end // tier.batch_rows,
                "shares": dict(phase.shares),
                "before_caps": dict(phase.wanted),
            }
            for phase in found.phases
        ],
    }


def drawn_facts(tier: Tier, streams: Streams, draws_by_slice: Mapping[str, int]) -> dict[str, Json]:
    """Return what a run's manifest says of what it drew: unique tokens, what repeats are worth, the course."""
    size = tier.shape.context_tokens
    windows = streams.num_windows(size)
    seen = {name: float(number * size) for name, number in draws_by_slice.items()}
    unique = {name: float(windows[name] * size) for name in seen}
    facts: dict[str, Json] = {
        "unique_tokens_by_slice": {name: len(streams.tokens[name]) for name in seen},
        "effective_tokens": round(sum(effective_tokens(seen[name], unique[name]) for name in seen)),
        "repeat_warnings": list[Json](repeat_warnings(seen, unique)),
    }
    if streams.mixture is not None:
        own = {name: number for name, number in windows.items() if name in streams.shares}
        facts["mixture"] = course_json(course_of(streams.mixture, tier, own), tier)
    return facts


def _mixture(
    mix: Mapping[str, Json], summary: Mapping[str, Any], where: str, *, read: Mapping[str, SliceCounts] | None
) -> Mixture:
    counts = {
        str(entry["slice"]): SliceCounts(docs=entry["docs"], bytes=entry["bytes"], tokens=entry["tokens"])
        for entry in summary["schedule"]
    }
    return Mixture(spec=validate(MixSpec, mix, where), counts=counts, read=read, where=where)
