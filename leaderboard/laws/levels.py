"""Values that count as one: a level ends a factor above its smallest value, counted upwards from the lowest."""

from __future__ import annotations

import numpy as np

from leaderboard.laws.law import Floats, Ints

SAME_SIZE = 1.02
"""Sizes within 2 % of each other count as one."""
SAME_BUDGET = 1.05
"""Runs within 5 % of the smallest compute of a group share its budget."""


def groups_of(values: Floats, width: float = SAME_SIZE) -> list[Ints]:
    """Return the places of each level's values, ascending."""
    groups: list[list[int]] = []
    for place in np.argsort(values, kind="stable").tolist():
        if groups and values[place] <= width * values[groups[-1][0]]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [np.array(group, np.int64) for group in groups]


def levels(values: Floats, width: float = SAME_SIZE) -> Ints:
    """Return the number of each value's level, ascending from 0."""
    found = np.empty(len(values), np.int64)
    for level, places in enumerate(groups_of(values, width)):
        found[places] = level
    return found
