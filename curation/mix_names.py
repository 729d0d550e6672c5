"""Which slices a recipe's `mix` names, where, and which of them a pool does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from curation.errors import RecipeError, nearest, raise_faults
from curation.mix_spec import BUCKET_MARK, MixSpec, SchemeSpec, slice_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A slice, or a pattern of slices, at one place of a `mix`."""

    key: str
    name: str
    patterns: tuple[str, ...]
    """Any slice that one of them fits will do."""


def mentions(mix: MixSpec) -> Iterator[Mention]:
    """Yield every slice that `mix` names, those of weight 0 left out: a recipe may serve pools without them."""
    for number, scheme in enumerate(mix.schemes):
        yield from _of_scheme(scheme, f"phases[{number}]." if mix.phases else "")
    yield from (_one("tokens", name) for name in mix.tokens)
    yield from (_one("shift", name) for name, points in mix.shift.items() if points)
    if isinstance(mix.max_epochs, Mapping):
        yield from (_one("max_epochs", slice_of(name)) for name in mix.max_epochs)
    if mix.quality is not None:
        yield from (_one("quality.slices", name) for name in mix.quality.slices)


def unknown_slices(mix: MixSpec, known: Collection[str], place: str = "") -> list[str]:
    """Return one fault a slice that `mix` names and `known` lacks, each with the nearest; `place` stands before it."""
    if mix.quality is not None and (marked := like_buckets(known)):
        return [f"{place}{marked}"]  # first: the nearest name would be one that is refused
    found = {
        f"{place}{mention.key}: the pool has no slice `{mention.name}`, expected one of its slices; "
        f"{nearest(mention.name, known)}": None
        for mention in mentions(mix)
        if not any(fnmatchcase(name, pattern) for name in known for pattern in mention.patterns)
    }
    return list(found)


def like_buckets(known: Collection[str]) -> str | None:
    """Return the fault of `quality` beside a slice whose name could be a bucket's; None when there is none."""
    marked = next((name for name in known if BUCKET_MARK in name), None)
    return f"quality: slice `{marked}` has `{BUCKET_MARK}`, which marks buckets; rename it" if marked else None


def refuse_unknown_slices(mix: MixSpec, known: Collection[str], where: str) -> None:
    """Check the slices of a recipe's `mix` against its pool's, before anything is built.

    Raises: RecipeError that lists all unknown ones.
    """
    raise_faults(RecipeError, where, unknown_slices(mix, known))


def explicit_slices(mix: MixSpec) -> set[str]:
    """Return the slices that `mix` gives a share or tokens of their own by name."""
    raised = {name for name, points in mix.shift.items() if points > 0}
    return {*mix.tokens, *raised, *(name for scheme in mix.schemes for name in scheme.named_slices())}


def _of_scheme(scheme: SchemeSpec, place: str) -> Iterator[Mention]:
    if isinstance(scheme.weights, Mapping):
        yield from (_one(f"{place}weights", name) for name, share in scheme.weights.items() if share > 0)
    for group, spec in scheme.groups.items():
        key = f"{place}groups.{group}"
        yield from (_one(f"{key}.slices", name) for name in spec.slices)
        if isinstance(spec.within, Mapping):
            yield from (_one(f"{key}.within", name) for name, share in spec.within.items() if share > 0)
        elif not spec.slices:
            yield Mention(key=f"{place}groups", name=group, patterns=(group, f"{group}/*"))


def _one(key: str, name: str) -> Mention:
    return Mention(key=key, name=name, patterns=(name,))
