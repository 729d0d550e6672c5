"""The course of a mixture: which shares hold from which draw on, once caps and budgets are settled for a tier.

Everything that depends on a number of tokens is settled for one reference budget, `mix.budget` (1x of the tier unless
the recipe says otherwise), never for the budget of a run: so the order of a run of 0.5x is a prefix of that of 1x and
2x, and budgets share their plateau. A run that is longer than the reference may pass a cap; it is then refused
(`train.supply`), and `budget: 2` settles the recipe for 2x.

Shares under a cap: with L draws to give, weights w and caps c, slice i gets min(c_i, lambda w_i), lambda such that the
sum is L. For equal weights this is UniMax (Chung et al. 2023, 2304.09151, algorithm 1: languages from the smallest
up, each the rest divided by how many are left, or its cap). In groups and among quality buckets what one cannot take
goes to its siblings first. Caps count over the whole course: what an early phase reads is not left for a later one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError, nearest, raise_faults
from curation.mix_spec import MixSpec, extent_tokens
from mixtures.schemes import Tree
from mixtures.weights import phase_weights, token_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a course is settled for: a tier's budget and the size of what is drawn."""

    tokens_at_1x: int
    batch_tokens: int
    window_tokens: int

    def draws(self, amount: float) -> int:
        """Return the whole batches of an amount (`mix_spec.extent_tokens`), in windows; at least one batch."""
        tokens = extent_tokens(amount, self.tokens_at_1x)
        batches = max(1, -(-round(tokens) // self.batch_tokens))
        return batches * (self.batch_tokens // self.window_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Constant shares from one draw on."""

    start: int
    end: int | None
    """First draw of the next phase; None for the last."""
    shares: Mapping[str, float]
    """Of draws, by entry of the schedule; they sum to 1."""
    wanted: Mapping[str, float]
    """The same before caps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All phases of a mixture for one tier."""

    phases: tuple[Phase, ...]
    draws: int
    """Of the reference budget."""
    max_epochs: Mapping[str, float]
    """By entry; without those that have no cap."""
    parents: Mapping[str, str]
    """Slice of every entry: itself, but for quality buckets."""
    groups: Mapping[str, str]
    """Group of every slice in the first phase."""

    def windows(self, count: int) -> dict[str, float]:
        """Return the windows of every entry among the first `count` draws, by the shares."""
        found: dict[str, float] = {}
        for phase in self.phases:
            length = max(0, (count if phase.end is None else min(count, phase.end)) - phase.start)
            for name, share in phase.shares.items():
                found[name] = found.get(name, 0.0) + length * share
        return found

    @property
    def capped(self) -> tuple[str, ...]:
        """Entries that a cap took something from, in some phase."""
        return tuple(
            sorted({n for phase in self.phases for n, want in phase.wanted.items() if phase.shares[n] < want - 1e-12})
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What all phases of a course have in common."""

    where: str
    span: Span
    draws: int
    windows: Mapping[str, int]
    parents: Mapping[str, str]
    max_epochs: Mapping[str, float]
    fixed: Mapping[str, float]
    """Share of all draws of the slices with a budget in `tokens`."""


def course(
    mix: MixSpec,
    counts: Mapping[str, SliceCounts],
    windows: Mapping[str, int],
    *,
    span: Span,
    where: str,
    read: Mapping[str, SliceCounts] | None = None,
) -> Course:
    """Return the course of a mixture of entries that hold so many whole windows; those without any are never drawn.

    `counts` are by the recipe's tokenizer, `read` by the tier's (the same without it).
    Raises: RecipeError for caps and budgets that cannot be met, weights that fit no slice, phases out of order.
    """
    ends = _ends(mix, span, where)
    weighed = [phase_weights(scheme, mix, counts, where) for scheme in mix.schemes]
    tree = weighed[0][1]
    total = span.draws(mix.budget)
    terms = _Terms(
        where=where,
        span=span,
        draws=total,
        windows=windows,
        parents=tree.slices,
        max_epochs=_max_epochs(mix, tree.slices, where),
        fixed=_fixed_shares(mix, total * span.window_tokens, where),
    )
    left = {name: epochs * windows.get(name, 0) for name, epochs in terms.max_epochs.items()}
    phases, start = [], 0
    for (shares, owners), end in zip(weighed, ends, strict=True):
        byte_shares = {name: share.byte_share for name, share in shares.items()}
        weights = token_shares(byte_shares, read or counts, where)
        phase = _settled(terms, weights, owners, left, start=start, end=end)
        for name in left:
            left[name] -= _length(phase, total) * phase.shares.get(name, 0.0)
        phases.append(phase)
        start = end or start
    return Course(
        phases=tuple(phases), draws=total, max_epochs=terms.max_epochs, parents=tree.slices, groups=tree.groups
    )


def fill(amount: float, weights: Sequence[float], caps: Sequence[float]) -> list[float]:
    """Return min(cap, lambda * weight) for each, lambda such that they sum to `amount`; all caps where that is more.

    From the one that its cap binds first: the rest is divided by the weights that are left, or the cap is taken.
    """
    given = [0.0] * len(weights)
    order = sorted((i for i in range(len(weights)) if weights[i] > 0), key=lambda i: (caps[i] / weights[i], i))
    left = sum(weights[i] for i in order)
    for number, i in enumerate(order):
        if amount * weights[i] <= caps[i] * left:  # no later one is bound either
            for other in order[number:]:
                given[other] = amount * weights[other] / left
            break
        given[i] = caps[i]
        amount -= caps[i]
        left = sum(weights[other] for other in order[number + 1 :])
    return given


def _length(phase: Phase, total: int) -> int:
    return max(0, (total if phase.end is None else min(phase.end, total)) - phase.start)


def _settled(
    terms: _Terms, weights: Mapping[str, float], tree: Tree, left: Mapping[str, float], *, start: int, end: int | None
) -> Phase:
    """Return a phase with the shares that caps and budgets leave of its weights."""
    usable = {name: weight for name, weight in weights.items() if terms.windows.get(name, 0) > 0}
    free = {name: weight for name, weight in usable.items() if terms.parents[name] not in terms.fixed}
    pots = [(1.0 - sum(terms.fixed.values()), free)] if free else []
    for name, share in terms.fixed.items():
        pots.append((share, {entry: weight for entry, weight in usable.items() if terms.parents[entry] == name}))
    wanted: dict[str, float] = {}
    for share, pot in pots:
        whole = sum(pot.values())
        wanted |= {name: share * weight / whole for name, weight in pot.items()}
    length = _length(Phase(start=start, end=end, shares={}, wanted={}), terms.draws)
    whole = sum(wanted.values())
    if not whole:
        raise RecipeError(f"{terms.where}: no slice has a share and a whole window; use a larger corpus")
    wanted = {name: share / whole for name, share in wanted.items()}
    if length == 0 or not left:
        return Phase(start=start, end=end, shares=wanted, wanted=wanted)
    amounts: dict[str, float] = {}
    for _, pot in pots:
        asked = length * sum(wanted[name] for name in pot)
        caps = {name: max(0.0, left.get(name, math.inf)) for name in pot}
        _refuse_beyond(terms, pot, caps, asked, length)
        amounts |= _filled(asked, [(tree.path(name), wanted[name], caps[name]) for name in sorted(pot)], 0)
    whole = sum(amounts.values())
    return Phase(start=start, end=end, shares={name: amounts[name] / whole for name in wanted}, wanted=wanted)


_Item = tuple[tuple[str, ...], float, float]
"""Path of an entry, its weight, its cap in draws."""


def _filled(amount: float, items: Sequence[_Item], depth: int) -> dict[str, float]:
    """Return the draws of every entry: filled from the outermost names inwards."""
    inside: dict[str, list[_Item]] = {}
    for item in items:
        inside.setdefault(item[0][min(depth, len(item[0]) - 1)], []).append(item)
    caps = [sum(cap for _, weight, cap in held if weight > 0) for held in inside.values()]
    given = fill(amount, [sum(weight for _, weight, _ in held) for held in inside.values()], caps)
    found: dict[str, float] = {}
    for held, part in zip(inside.values(), given, strict=True):
        if len(held) == 1:
            found[held[0][0][-1]] = part
        else:
            found |= _filled(part, held, depth + 1)
    return found


def _refuse_beyond(
    terms: _Terms, pot: Mapping[str, float], caps: Mapping[str, float], asked: float, length: int
) -> None:
    """Raise RecipeError if the caps leave fewer draws than are asked of these entries."""
    held = sum(caps[name] for name, weight in pot.items() if weight > 0)
    if asked <= held + len(pot):  # a window each is rounding
        return
    size = terms.span.window_tokens
    unique = sum(terms.windows[name] for name, weight in pot.items() if weight > 0)
    named = ", ".join(f"`{name}`" for name in sorted(pot)[:5]) + (" ..." if len(pot) > 5 else "")
    part = "" if length == terms.draws else f" in the {length * size:,} of a phase"
    needed = math.ceil(100 * asked / max(unique, 1)) / 100
    raise RecipeError(
        f"{terms.where}: max_epochs: {asked * size:,.0f} tokens are asked of {named}{part}, the caps allow "
        f"{held * size:,.0f} of {unique * size:,} unique ones; expected a budget within the epoch caps; raise "
        f"`max_epochs` to {needed:g} or more, choose a smaller tier or budget, or add text"
    )


def _fixed_shares(mix: MixSpec, total_tokens: int, where: str) -> dict[str, float]:
    asked = sum(mix.tokens.values())
    if asked > total_tokens * (1 + 1e-9):
        raise RecipeError(
            f"{where}: tokens: {asked:,.0f} in all, the budget is {total_tokens:,}; expected at most that; ask for "
            "less, choose a larger tier, or raise `budget`"
        )
    return {name: tokens / total_tokens for name, tokens in sorted(mix.tokens.items())}


def _max_epochs(mix: MixSpec, parents: Mapping[str, str], where: str) -> dict[str, float]:
    """Return the cap of every entry that has one; one of a slice holds for each of its buckets."""
    caps = mix.max_epochs
    if caps is None:
        return {}
    if not isinstance(caps, Mapping):
        return dict.fromkeys(parents, caps)
    known = {*parents, *parents.values()}
    faults = [
        f"max_epochs.{name}: no slice of that name has text; expected one of the corpus; {nearest(name, known)}"
        for name in sorted(caps.keys() - known)
    ]
    raise_faults(RecipeError, where, faults)
    found = {entry: caps.get(entry, caps.get(parent)) for entry, parent in parents.items()}
    return {entry: cap for entry, cap in found.items() if cap is not None}


def _ends(mix: MixSpec, span: Span, where: str) -> list[int | None]:
    """Return the draw with which each phase ends, None for the last."""
    ends = [None if phase.until is None else span.draws(phase.until) for phase in mix.phases[:-1]]
    told = [end for end in ends if end is not None]
    if any(left >= right for left, right in pairwise(told)):
        shown = ", ".join(f"{end * span.window_tokens:,}" for end in told)
        raise RecipeError(f"{where}: phases end after {shown} tokens: out of order, expected rising `until`; mend them")
    return [*ends, None]
