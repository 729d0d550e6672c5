"""Unions of partitions of a corpus: which there are, which is best for a target, and how well a proxy ranks them.

Scalable data ablations train one model a partition from one shared start and score a union by the uniform average of
its members' parameters: n trainings instead of 2^n - 1. The yardstick beside it is the mean of the members' own
perplexities, which needs no averaging.
Source: Na et al. 2024 (2410.15661).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

from curation.errors import LawError, nearest, raise_faults

Union: TypeAlias = tuple[str, ...]
"""Names of partitions, in the order of the partitions."""
MAX_UNIONS = 64
"""Scored unless more are asked for: 6 partitions have 63 unions."""


def parse_partitions(texts: Sequence[str], slices: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the weights of slices in each partition, by its name: `prose=books+web`, or every slice alone.

    Inside a partition slices keep their natural proportions. Slices that no partition names are left out.
    Raises: LawError that lists unknown slices, a slice in two partitions, a name given twice, fewer than two of them.
    """
    named: dict[str, list[str]] = {}
    faults = []
    for text in texts:
        name, equals, members = text.partition("=")
        wanted = [one.strip() for one in members.split("+") if one.strip()] if equals else [name]
        if not wanted or name in named:
            faults.append(f"`{text}`, expected a new NAME=slice+slice; name each partition once")
        faults += [f"{name}: no slice `{one}`; {nearest(one, slices)}" for one in wanted if one not in slices]
        taken = {one: other for other, theirs in named.items() for one in theirs}
        faults += [f"{name}: slice `{one}` is in `{taken[one]}` too; keep it in one" for one in wanted if one in taken]
        named[name] = list(dict.fromkeys(wanted))
    raise_faults(LawError, "--partition", faults)
    chosen = named or {name: [name] for name in sorted(slices)}
    if len(chosen) < 2:
        told = ", ".join(f"`{name}`" for name in chosen) or "none"
        raise LawError(
            f"--partition: {len(chosen)} partition(s) ({told}), expected at least 2 to make unions of; name more with "
            "--partition NAME=slice+slice, or use a pool with more slices"
        )
    return {name: _within(members, slices) for name, members in chosen.items()}


def union_weights(union: Union, partitions: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the weights of slices that give every member of a union the same share: as in a uniform average."""
    weights: dict[str, float] = {}
    for name in union:
        for each, share in partitions[name].items():
            weights[each] = weights.get(each, 0.0) + share / len(union)
    return weights


def unions_of(names: Sequence[str], largest: int | None = None) -> list[Union]:
    """Return unions of 1 to `largest` partitions, small ones first, and at the end that of all.

    Without `largest`, sizes as long as there are at most `MAX_UNIONS` in all.
    Raises: LawError for a size out of range.
    """
    if largest is not None and not 1 <= largest <= len(names):
        raise LawError(f"--largest: {largest}, expected 1 to {len(names)} partitions; correct it")
    found: list[Union] = []
    for size in range(1, (largest or len(names)) + 1):
        if largest is None and size > 1 and len(found) + math.comb(len(names), size) > MAX_UNIONS:
            break
        found += combinations(names, size)
    return found if found[-1] == tuple(names) else [*found, tuple(names)]


def parse_union(text: str, names: Sequence[str]) -> Union:
    """Return the union that `code+web` means. Raises: LawError for an unknown partition, or one named twice."""
    parts = [one.strip() for one in text.split("+") if one.strip()]
    strange = [one for one in parts if one not in names]
    if strange or not parts or len(set(parts)) != len(parts):
        hint = nearest(strange[0], names) if strange else "name each partition once"
        raise LawError(f"--verify: `{text}`, expected partitions joined by +; {hint}")
    return tuple(name for name in names if name in parts)


def parse_target(given: Mapping[str, float], domains: Sequence[str]) -> dict[str, float]:
    """Return the weight of each domain in the target, all alike if none is given.

    Raises: LawError for domains that the panel lacks, or weights that are not above 0.
    """
    faults = [f"no slice `{name}` in the panel; {nearest(name, domains)}" for name in given if name not in domains]
    faults += [f"{name}: weight {value:g}, expected more than 0" for name, value in given.items() if not value > 0]
    raise_faults(LawError, "--target", faults)
    total = math.fsum(given.values())
    return {name: value / total for name, value in given.items()} if given else {n: 1 / len(domains) for n in domains}


def score(losses: Mapping[str, float], target: Mapping[str, float]) -> float:
    """Return the weighted mean of ln(bits per byte): differences are mean log ratios (rule 5)."""
    return math.fsum(weight * math.log(losses[name]) for name, weight in target.items())


def best_union(scores: Mapping[Union, float]) -> Union:
    """Return the union of the lowest score; of equal ones the smallest, then the first by name."""
    return min(scores, key=lambda union: (scores[union], len(union), union))


def mean_of_members(union: Union, perplexities: Mapping[str, Mapping[str, float]], domain: str) -> float:
    """Return the mean of the members' own perplexities on a domain: the yardstick."""
    return math.fsum(perplexities[name][domain] for name in union) / len(union)


def _within(members: Sequence[str], slices: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(slices[name] for name in members)
    return {name: slices[name] / total for name in members}
