"""DCLM's own aggregates from the raw scores of its 53 tasks: CORE, EXTENDED and categories, both tables of baselines.

centred = (accuracy - 0.01 b) / (1 - 0.01 b), b the percent that chance scores; CORE is the mean over 22 tasks, EXTENDED
over all 53. A missing task makes a mean not available, as DCLM's own file does since v2 (before, and for its
categories, it took the mean of the rest).
Source: DCLM (2406.11794), eval/aggregated_metrics.py, eval_meta_data.csv, eval_meta_data_v1.csv.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from curation.suites.aggregates import Aggregated, centred
from curation.yamlio import load_yaml

_TABLE = Path(__file__).resolve().parent.parent / "data" / "tables" / "dclm@1.yaml"
VERSIONS = ("v1", "v2")


class DclmTask(BaseModel):
    """One row of DCLM's table of tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    shots: int
    v1: float
    """Percent that chance scores."""
    v2: float


@lru_cache(maxsize=1)
def dclm_tasks() -> Mapping[str, DclmTask]:
    """Return the 53 tasks by name."""
    return {name: DclmTask(**row) for name, row in load_yaml(_TABLE)["tasks"].items()}


@lru_cache(maxsize=1)
def dclm_groups() -> Mapping[str, tuple[str, ...]]:
    """Return the groups of tasks by name: `core` (22) and `rw_small` (6)."""
    return {name: tuple(tasks) for name, tasks in load_yaml(_TABLE)["groups"].items()}


def dclm_aggregates(scores: Mapping[str, float]) -> dict[str, Aggregated]:
    """Return `Core_v1`, `Core_v2`, `Extended_v1`, `Extended_v2`, `rw_small` and each category, centred by v2.

    `scores` are raw scores by task, shares from 0 to 1; other tasks are passed over.
    """
    found = {}
    for version in VERSIONS:
        found[f"Core_{version}"] = _mean(scores, dclm_groups()["core"], version)
        found[f"Extended_{version}"] = _mean(scores, tuple(dclm_tasks()), version)
    found["rw_small"] = _mean(scores, dclm_groups()["rw_small"], None)
    for category in dict.fromkeys(task.category for task in dclm_tasks().values()):
        members = tuple(name for name, task in dclm_tasks().items() if task.category == category)
        found[category] = _mean(scores, members, "v2")
    return found


def _mean(scores: Mapping[str, float], names: Sequence[str], version: str | None) -> Aggregated:
    metric = f"centred_{version}" if version else "accuracy"
    missing = [name for name in names if name not in scores]
    if missing:
        return Aggregated(metric=metric, value=None, tasks=tuple(names), reason=f"no score of {', '.join(missing)}")
    table = dclm_tasks()
    values = [
        centred(scores[name], 0.01 * (table[name].v1 if version == "v1" else table[name].v2))
        if version
        else scores[name]
        for name in names
    ]
    return Aggregated(metric=metric, value=math.fsum(values) / len(values), tasks=tuple(names))
