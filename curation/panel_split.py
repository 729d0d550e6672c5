"""Which families form the panel and which are set apart as reference: whole families, the same side in every slice.

Families come in the order of a hash of (panel version, name). First each slice, the one with the fewest families first,
takes one, so that a rare slice is not left without; then each, the one with the most first, takes more until it reaches
its target. A family with which any slice would pass its target by more than half is passed over. Targets:
`bytes_per_slice` of scored text, at most `max_fraction` of all text. A slice that still has nothing takes its smallest
family, if that is at most half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from curation.randomness import stable_hash
from curation.recipe import PanelSpec
from curation.sidecars import ROLE_PANEL, ROLE_REFERENCE, ROLE_TRAIN

OVERSHOOT = 1.5
LAST_RESORT_FRACTION = 0.5
REFERENCE_OVERSHOOT = 3.0
"""A family with more than this many times `reference_fraction` of a slice's bytes is never reference."""


@dataclass(slots=True, kw_only=True)
class Size:
    """How much of something there is: documents, bytes that would be scored, all bytes."""

    docs: int = 0
    scored_bytes: int = 0
    full_bytes: int = 0

    def add(self, other: Size) -> None:
        """Count `other` in."""
        self.docs += other.docs
        self.scored_bytes += other.scored_bytes
        self.full_bytes += other.full_bytes


FamilySizes = Mapping[str, Mapping[str, Size]]
"""Family -> slice -> size."""


def split_families(sizes: FamilySizes, spec: PanelSpec) -> dict[str, int]:
    """Return the role of every family; a function of the sizes and the settings only."""
    split = _Split(spec=spec, sizes=sizes, total=_totals(sizes))
    order = sorted(sizes, key=lambda name: (stable_hash("panel", spec.version, name), name))
    members = {name: [family for family in order if name in sizes[family]] for name in split.total}
    rarest_first = sorted(members, key=lambda name: (len(members[name]), name))
    for name in rarest_first:
        split.take_first(name, members[name], at_most=1)
    for name in reversed(rarest_first):
        split.take_first(name, members[name], at_most=len(members[name]))
    for name in rarest_first:
        if name not in split.taken:
            split.take_smallest(name, members[name])
    roles = {family: ROLE_PANEL if family in split.panel else ROLE_TRAIN for family in sizes}
    return roles | dict.fromkeys(_reference(sizes, split, spec), ROLE_REFERENCE)


def single_family_slices(sizes: FamilySizes) -> frozenset[str]:
    """Return the slices that can only be split by documents: one family each, which no larger slice shares."""
    families: dict[str, set[str]] = {}
    for family, by_slice in sizes.items():
        for name in by_slice:
            families.setdefault(name, set()).add(family)
    alone = {name for name, members in families.items() if len(members) == 1}
    return frozenset(name for name in alone if set(sizes[next(iter(families[name]))]) <= alone)


@dataclass(slots=True, kw_only=True)
class _Split:
    spec: PanelSpec
    sizes: FamilySizes
    total: Mapping[str, Size]
    taken: dict[str, Size] = field(default_factory=dict)
    panel: set[str] = field(default_factory=set)

    def needs(self, name: str) -> bool:
        """Whether the slice has not reached its targets."""
        held = self.taken.get(name, Size())
        enough = held.scored_bytes >= self.spec.bytes_per_slice
        return not enough and held.full_bytes < self.spec.max_fraction * self.total[name].full_bytes

    def fits(self, family: str, but: str | None = None) -> bool:
        """Whether no slice that the family touches, except `but`, would pass its target by more than half."""
        for name, size in self.sizes[family].items():
            held = self.taken.get(name, Size())
            full_limit = OVERSHOOT * self.spec.max_fraction * self.total[name].full_bytes
            too_much = held.scored_bytes + size.scored_bytes > OVERSHOOT * self.spec.bytes_per_slice
            if name != but and (too_much or held.full_bytes + size.full_bytes > full_limit):
                return False
        return True

    def take(self, family: str) -> None:
        """Put the family into the panel."""
        self.panel.add(family)
        for name, size in self.sizes[family].items():
            self.taken.setdefault(name, Size()).add(size)

    def take_first(self, name: str, members: list[str], *, at_most: int) -> None:
        """Give a slice that needs more the first families that fit, up to `at_most` of its own."""
        given = sum(family in self.panel for family in members)
        for family in members:
            if given >= at_most or not self.needs(name):
                return
            if family not in self.panel and self.fits(family):
                self.take(family)
                given += 1

    def take_smallest(self, name: str, members: list[str]) -> None:
        """Give an empty-handed slice its smallest family, if that leaves at least half of the slice."""
        candidates = [family for family in members if self.fits(family, but=name)]
        smallest = min(candidates, key=lambda family: self.sizes[family][name].full_bytes, default=None)
        if smallest is None:
            return
        if self.sizes[smallest][name].full_bytes <= LAST_RESORT_FRACTION * self.total[name].full_bytes:
            self.take(smallest)


def _reference(sizes: FamilySizes, split: _Split, spec: PanelSpec) -> list[str]:
    """Return the reference families: `reference_fraction` of each slice's families, rounded up, none of them huge."""
    if spec.reference_fraction == 0:
        return []
    members = {name: sum(name in by_slice for by_slice in sizes.values()) for name in split.total}
    wanted = {name: -int(-spec.reference_fraction * count // 1) for name, count in members.items()}
    limit = REFERENCE_OVERSHOOT * spec.reference_fraction
    chosen: list[str] = []
    held = dict.fromkeys(split.total, 0)
    order = sorted(sizes, key=lambda name: (stable_hash("reference", spec.version, name), name))
    for family in order:
        by_slice = sizes[family]
        if family in split.panel or not any(held[name] < wanted[name] for name in by_slice):
            continue
        if any(size.full_bytes > limit * split.total[name].full_bytes for name, size in by_slice.items()):
            continue
        chosen.append(family)
        for name in by_slice:
            held[name] += 1
    return chosen


def _totals(sizes: FamilySizes) -> dict[str, Size]:
    total: dict[str, Size] = {}
    for by_slice in sizes.values():
        for name, size in by_slice.items():
            total.setdefault(name, Size()).add(size)
    return total
