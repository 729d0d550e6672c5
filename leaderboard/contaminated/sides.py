"""Contamination in the scores of two sides of `curate compare`: every suite that both were scored on, tier by tier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curation.decontamination.item_lists import ItemLists, read_item_lists
from curation.errors import RunError
from curation.store import Store
from leaderboard.comparison.finding import find_side
from leaderboard.comparison.sides import Place, Side, shared_places, without_tier
from leaderboard.contaminated.scores import Contamination, Tier, UnlistedError, contamination_of
from train.evals.results import Scored


def sides_contamination(
    store: Store, names: Sequence[str], path: Path, *, detector: str | None = None
) -> list[Contamination]:
    """Return what the item lists at `path` say of sides A and B, one entry a suite.

    Raises: RunError for anything but two sides, or sides without a suite in common; ShardError for the lists.
    """
    if len(names) != 2:
        raise RunError(
            "compare: --items-list needs two sides whose items are there, but one study was given; give its arms: "
            "`curate compare STUDY:ARM STUDY:baseline --items-list PATH`"
        )
    lists = read_item_lists(path)
    a, b = (find_side(store, name) for name in names)
    if any(not place.tier for side in (a, b) for place in side.places()):
        a, b = without_tier(a), without_tier(b)
    places = [place for place in shared_places(a, b) if place.checkpoint is None] or shared_places(a, b)
    ordered = sorted(places, key=lambda place: _tokens(a, place))
    suites = dict.fromkeys(one.results.suite.name for place in ordered for one in _suites(a, place))
    found = [tiers for name in suites if (tiers := _tiers(a, b, ordered, name))]
    if not found:
        raise RunError(
            f"compare: {names[0]} and {names[1]} have no suite of tasks in common, expected scores of the same items; "
            "run `curate eval RUN --suite small` on both"
        )
    return _known(found, lists, detector)


def _known(found: Sequence[list[Tier]], lists: ItemLists, detector: str | None) -> list[Contamination]:
    """Return what the lists say of each suite; suites they say nothing about are passed over unless all are."""
    told: list[Contamination] = []
    fault: UnlistedError | None = None
    for tiers in found:
        try:
            told.append(contamination_of(tiers, lists, detector=detector))
        except UnlistedError as error:
            fault = error
    if fault is not None and not told:
        raise fault
    return told


def _tiers(a: Side, b: Side, places: Sequence[Place], suite: str) -> list[Tier]:
    tiers = []
    for place in places:
        left, right = (
            tuple(one for one in _suites(side, place) if one.results.suite.name == suite and one.results.tasks)
            for side in (a, b)
        )
        if left and right:
            tiers.append(Tier(name=place.label, candidates=left, baselines=right))
    return tiers


def _suites(side: Side, place: Place) -> list[Scored]:
    return [one for _, model in sorted(side.at(place).items()) for one in model.suites]


def _tokens(side: Side, place: Place) -> float:
    """Return the tokens that the models of a place have seen: what orders tiers."""
    seen = [model.tokens_seen or 0 for model in side.at(place).values()]
    return sum(seen) / len(seen)
