"""Checkpoints of runs as the OLMo ladder reads them: the end of a run, and its smoothed course.

Source: Bhagia et al. 2024 (2412.04403), section 3 and the authors' code.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leaderboard.laws.law import Data, Floats, Ints

LAST = 5
"""Evaluations whose mean stands for the end of a run, and of the moving average."""
SKIPPED = 0.1
"""Of a run's steps, left out of step 2."""


def is_stepwise(data: Data) -> bool:
    """Return whether rows are checkpoints of runs."""
    return "step" in data.columns


def final_rows(data: Data) -> Data:
    """Return one row a run: the mean of its last five losses and accuracies, everything else at its last step."""
    if not is_stepwise(data):
        return data
    picked: list[int] = []
    means: dict[str, list[float]] = {"L": [], "Q": []}
    for rows in _runs(data):
        picked.append(int(rows[-1]))
        for name, values in means.items():
            values.append(float(np.mean(data.columns[name][rows[-LAST:]])))
    return _chosen(data, np.array(picked), {name: np.array(values) for name, values in means.items()})


def smoothed_rows(data: Data) -> Data:
    """Return the checkpoints after the first tenth of each run, loss and accuracy averaged over the last five."""
    if not is_stepwise(data):
        return data
    picked: list[Ints] = []
    means: dict[str, list[Floats]] = {"L": [], "Q": []}
    for rows in _runs(data):
        later = rows[data.columns["step"][rows] > SKIPPED * data.columns["step"][rows[-1]]]
        picked.append(later)
        for name, values in means.items():
            values.append(_trailing(data.columns[name][later]))
    joined = {name: np.concatenate(values) for name, values in means.items()}
    return _chosen(data, np.concatenate(picked), joined)


def _runs(data: Data) -> list[Ints]:
    """Return the rows of each run, in order of steps."""
    order = np.lexsort((data.columns["step"], data.groups))
    return np.split(order, np.flatnonzero(np.diff(data.groups[order])) + 1)


def _trailing(values: Floats) -> Floats:
    """Return the mean of up to five values, the current one last."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(1, len(values) + 1)
    first = np.maximum(0, at - LAST)
    means: Floats = (total[at] - total[first]) / (at - first)
    return means


def _chosen(data: Data, rows: Ints, changed: dict[str, Floats]) -> Data:
    columns = {name: values[rows] for name, values in data.columns.items()} | changed
    return replace(data, columns=columns, groups=data.groups[rows])
