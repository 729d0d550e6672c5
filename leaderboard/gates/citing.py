"""Facts of a study's result under the ids of their places, so that a condition can cite what it read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from leaderboard.gates.evidence import Cited


class _OfArm(Protocol):
    @property
    def arm(self) -> str: ...


class _OfTier(Protocol):
    @property
    def tier(self) -> str: ...


class _OfBoth(_OfArm, _OfTier, Protocol): ...


Fact = TypeVar("Fact")
ArmFact = TypeVar("ArmFact", bound=_OfArm)
BothFact = TypeVar("BothFact", bound=_OfBoth)


class Citing:
    """Facts of a result under the ids of their places."""

    def __init__(self, root: str) -> None:
        self.root = root

    def at(self, path: str) -> str:
        """Return the id of a place in the result."""
        return f"{self.root}#{path}"

    def every(self, field: str, facts: Iterable[Fact], chosen: Callable[[Fact], bool]) -> tuple[Cited[Fact], ...]:
        """Return the chosen facts of a field, in its order."""
        return tuple(
            Cited(fact=fact, id=self.at(f"{field}[{number}]")) for number, fact in enumerate(facts) if chosen(fact)
        )

    def of_arm(self, field: str, facts: Iterable[ArmFact], arm: str) -> Cited[ArmFact] | None:
        """Return the first fact of an arm; None when there is none."""
        return next(iter(self.every(field, facts, lambda fact: fact.arm == arm)), None)

    def of_both(self, field: str, facts: Iterable[BothFact], arm: str, tier: str) -> tuple[Cited[BothFact], ...]:
        """Return the facts of an arm at a tier."""
        return self.every(field, facts, lambda fact: fact.arm == arm and fact.tier == tier)


def first_of(several: tuple[Cited[Fact], ...]) -> Cited[Fact] | None:
    """Return the first fact; None when there is none."""
    return several[0] if several else None
