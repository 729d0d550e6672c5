"""What of a result a clock decided: everything else in it is a function of the study, its pool and the code.

A study that was killed at any moment and run again gives the same result but for these readings; so does another
machine of the same kind.
"""

from __future__ import annotations

from dataclasses import replace

from leaderboard.studies.results import StudyResult

CLOCK_UNITS = frozenset({"tokens per second", "bytes per second", "seconds per step", "peak bytes"})
"""Units of measurements that come from the telemetry of runs; memory depends on where a training was resumed."""
AT_EQUAL_SECONDS = "equal seconds:"


def without_clocks(result: StudyResult) -> StudyResult:
    """Return the result with every reading of a clock unknown: two results of one study are then equal."""
    costs = tuple(
        replace(cost, wall_seconds=None, cpu_hours=None, gpu_hours=None, tokens_per_second=None)
        for cost in result.facts.costs
    )
    measured = tuple(
        replace(one, value=0.0) if one.unit in CLOCK_UNITS or one.of.startswith(AT_EQUAL_SECONDS) else one
        for one in result.facts.measurements
    )
    return replace(result, seconds={}, facts=replace(result.facts, costs=costs, measurements=measured))
