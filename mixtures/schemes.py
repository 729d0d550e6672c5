"""Shares of slices before any cap: natural, uniform, temperature, given, groups of slices, quality buckets.

A size is bytes or, with `unit: tokens`, stream tokens. `natural` weighs by size, `temperature` by size^(1/T)
(Devlin et al. 2019; T = 1 is natural, T to infinity uniform), `uniform` and `unimax` alike. In groups the weight of a
group is split by its `within`; `shift` then moves share points between slices; a slice's share is split among its
quality buckets by size times `repeat`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError, nearest, raise_faults
from curation.mix_spec import BUCKET_MARK, GroupSpec, MixSpec, QualitySpec, SchemeSpec

SHIFT_TOLERANCE = 1e-9
"""A share that a shift leaves this far below 0 is 0: sums of decimal fractions are off by less."""
Shares = dict[str, float]
Unit = Literal["bytes", "tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Which slice, and which group, every entry of the schedule belongs to; entries are slices or their buckets."""

    slices: Mapping[str, str]
    groups: Mapping[str, str]
    """By slice; empty without groups."""

    def path(self, entry: str) -> tuple[str, ...]:
        """Return the names from the outermost down to the entry: group, slice, bucket, as far as they differ."""
        name = self.slices[entry]
        return tuple(dict.fromkeys(part for part in (self.groups.get(name), name, entry) if part is not None))


def parent_of(entry: str, quality: QualitySpec | None) -> str:
    """Return the slice of which `entry` is a quality bucket; itself if the mixture has none."""
    return entry.rpartition(BUCKET_MARK)[0] or entry if quality is not None else entry


def scheme_shares(
    scheme: SchemeSpec, mix: MixSpec, counts: Mapping[str, SliceCounts], *, unit: Unit, where: str
) -> tuple[Shares, Tree]:
    """Return what every entry with text and without a budget in `tokens` weighs, and how entries hang together.

    `counts` are those with text. Raises: RecipeError that lists every weight that does not fit the slices.
    """
    owners = {entry: parent_of(entry, mix.quality) for entry in counts}
    faults = [
        f"tokens.{name}: {mix.tokens[name]:g} of a slice without text; expected a slice of the corpus; "
        f"{nearest(name, set(owners.values()))}"
        for name in sorted(mix.tokens.keys() - set(owners.values()))
    ]
    raise_faults(RecipeError, where, faults)
    free = {entry: held for entry, held in counts.items() if owners[entry] not in mix.tokens}
    sizes = _sizes(free, owners, unit)
    if not sizes:
        return {}, Tree(slices=owners, groups={})
    if scheme.groups:
        by_slice, groups = _grouped(scheme, sizes, where)
    else:
        by_slice, groups = _weighed(scheme.weights, scheme.temperature, sizes, where), {}
    if mix.shift:
        by_slice = shifted(normalised(by_slice, where), mix.shift, where)
    return _split(by_slice, free, owners, mix.quality, unit), Tree(slices=owners, groups=groups)


def normalised(values: Mapping[str, float], where: str) -> Shares:
    """Return the values over their sum. Raises: RecipeError if that is 0."""
    total = sum(values.values())
    if total <= 0:
        raise RecipeError(f"{where}: weights sum to {total:g} over slices with text, expected more than 0; raise one")
    return {name: value / total for name, value in values.items()}


def shifted(shares: Mapping[str, float], shift: Mapping[str, float], where: str) -> Shares:
    """Return the shares, which sum to 1, with share points moved between them.

    Raises: RecipeError that lists slices without text and those that would give more than they have.
    """
    faults = [
        f"shift.{name}: {points:+g} of a slice without text; expected a slice of the corpus; {nearest(name, shares)}"
        for name, points in shift.items()
        if points and name not in shares
    ]
    faults += [
        f"shift.{name}: {points:+g} of a share of {shares[name]:.4g}, which leaves less than 0; expected at most "
        f"{-shares[name]:.4g}; take the rest from another slice, or give `weights` in which it has more"
        for name, points in shift.items()
        if name in shares and shares[name] + points < -SHIFT_TOLERANCE
    ]
    raise_faults(RecipeError, where, faults)
    return {name: max(0.0, share + shift.get(name, 0.0)) for name, share in shares.items()}


def _sizes(counts: Mapping[str, SliceCounts], owners: Mapping[str, str], unit: Unit) -> Shares:
    sizes: Shares = {}
    for entry, held in counts.items():
        sizes[owners[entry]] = sizes.get(owners[entry], 0.0) + size_of(held, unit)
    return sizes


def size_of(held: SliceCounts, unit: Unit) -> float:
    """Return how much text a slice has, in the unit of shares."""
    return float(held.bytes if unit == "bytes" else held.stream_tokens)


def _weighed(weights: str | Mapping[str, float], temperature: float | None, sizes: Shares, where: str) -> Shares:
    """Return weights by name of whatever has these sizes; they need not sum to 1."""
    if weights == "natural":
        return dict(sizes)
    if weights == "temperature":
        largest = max(sizes.values())
        return {name: (size / largest) ** (1.0 / (temperature or 1.0)) for name, size in sizes.items()}
    if isinstance(weights, str):
        return dict.fromkeys(sizes, 1.0)
    _refuse_unfit(weights, sizes, where, "weights")
    return {name: float(weights[name]) for name in sizes}


def _refuse_unfit(weights: Mapping[str, float], known: Collection[str], where: str, key: str) -> None:
    faults = [
        f"{key}.{name}: {weight:g} for a slice without text; expected a slice of the corpus; {nearest(name, known)}"
        for name, weight in weights.items()
        if weight > 0 and name not in known
    ]
    faults += [
        f"{key}: no weight for slice `{name}`; expected one for every slice; give 0 to leave it out"
        for name in known
        if name not in weights
    ]
    raise_faults(RecipeError, where, faults)


def _grouped(scheme: SchemeSpec, sizes: Shares, where: str) -> tuple[Shares, dict[str, str]]:
    groups = _owners(scheme.groups, sizes, where)
    members = {
        group: {name: sizes[name] for name in sizes if groups.get(name) == group} for group in sorted(scheme.groups)
    }
    faults = [
        f"groups.{group}: weight {spec.weight:g} and no slice with text; expected one that it names; "
        f"{nearest(group, sizes)}"
        for group, spec in sorted(scheme.groups.items())
        if not members[group] and spec.weight
    ]
    raise_faults(RecipeError, where, faults)
    present = {group: sum(held.values()) for group, held in members.items() if held}
    given = {group: spec.weight for group, spec in scheme.groups.items() if spec.weight is not None}
    weights = given or scheme.weights
    outer = (
        {group: float(given[group]) for group in present}
        if given
        else _weighed(weights, scheme.temperature, present, where)
    )
    shares: Shares = {}
    for group, weight in normalised(outer, where).items():
        spec = scheme.groups[group]
        if isinstance(spec.within, dict):
            _refuse_unfit(spec.within, members[group], where, f"groups.{group}.within")
        inner = _weighed(spec.within, spec.temperature, members[group], where)
        shares |= {name: weight * share for name, share in normalised(inner, f"{where}.groups.{group}").items()}
    return shares, groups


def _owners(groups: Mapping[str, GroupSpec], known: Collection[str], where: str) -> dict[str, str]:
    """Return the group of every slice. Raises: RecipeError for slices in several or in none, and for unknown names."""
    owners: dict[str, str] = {}
    faults = []
    for group, spec in sorted(groups.items()):
        patterns = spec.slices or (tuple(spec.within) if isinstance(spec.within, dict) else (group, f"{group}/*"))
        for pattern in spec.slices:
            if not any(fnmatchcase(name, pattern) for name in known):
                faults.append(f"groups.{group}.slices: `{pattern}` is no slice with text; {nearest(pattern, known)}")
        for name in sorted(known):
            if not any(fnmatchcase(name, pattern) for pattern in patterns):
                continue
            if name in owners:
                faults.append(
                    f"slice `{name}` is in the groups `{owners[name]}` and `{group}`; expected one; narrow `slices`"
                )
            owners.setdefault(name, group)
    faults += [
        f"slice `{name}` is in no group; expected one; add a group, or name it in the `slices` of one"
        for name in sorted(known)
        if name not in owners
    ]
    raise_faults(RecipeError, where, faults)
    return owners


def _split(
    by_slice: Shares,
    counts: Mapping[str, SliceCounts],
    owners: Mapping[str, str],
    quality: QualitySpec | None,
    unit: Unit,
) -> Shares:
    """Return the share of every entry: that of its slice, among buckets by size times repeat."""
    if quality is None:
        return by_slice
    repeats = {str(number): bucket.repeat for number, bucket in enumerate(quality.buckets, start=1)}
    pulls = {
        entry: size_of(held, unit) * (repeats[entry.rpartition(BUCKET_MARK)[2]] if owners[entry] != entry else 1.0)
        for entry, held in counts.items()
    }
    totals: Shares = {}
    for entry, pull in pulls.items():
        totals[owners[entry]] = totals.get(owners[entry], 0.0) + pull
    return {entry: by_slice[owners[entry]] * pull / totals[owners[entry]] for entry, pull in pulls.items()}
