"""Filters whose signals depend on a file or a model: the verdict node over signal sets made for the occasion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from curation.files import Json
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts, part_shards, write_verdict
from curation.stages import StageInputs
from curation.store import Artifact
from filters.base import PartCount, count_part, verdict_summary
from filters.judged import Scope, slice_codes
from filters.rules import Rule, judge_rows
from filters.signals import Columns, SignalSet, read_signals, signals_node

Tally = Callable[[Columns, npt.NDArray[np.bool_]], Mapping[str, int]]
"""(columns, judged rows) -> counts that the summary gives beside the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What decides a verdict: rules over the columns of signal sets, and columns derived from them."""

    name: str
    version: str
    rules: Sequence[Rule]
    sets: Sequence[SignalSet]
    params: Mapping[str, Json] = field(default_factory=dict)
    """What the derived columns depend on."""
    derive: Callable[[Columns], Columns] | None = None
    """From the sets' columns to further ones; keys are `set.signal`, as in `Rule.column`."""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """Summary key -> counts over the judged documents."""
    notes: Mapping[str, Json] = field(default_factory=dict)
    """What the summary says beside them."""


@runtime_checkable
class MeasuredFilter(Protocol):
    """A filter that says what decides its verdicts; what is asked of `Filter` aside."""

    def measured(self, settings: Any, where: str) -> Measured:
        """Return what decides the verdicts under `settings`. Raises: RecipeError for a list or model that fails."""


def measured_node(measured: Measured, inputs: StageInputs, scope: Scope) -> Node:
    """Return the verdict node of `measured`; each signal set is a sidecar of its own, shared by its fingerprint."""
    bounds: list[Json] = [
        {"reason": rule.reason, "signal": rule.column, rule.bound: rule.value} for rule in measured.rules
    ]

    def run(context: NodeRun) -> Mapping[str, Json]:
        pool = context.inputs["pool"]

        def judge(part: int) -> tuple[PartCount, dict[str, Counter[str]]]:
            slices = slice_codes(pool, part)
            judged = slices.rows_where(scope)
            columns = all_columns(measured, context.inputs, part)
            verdict = judge_rows(measured.rules, columns, judged)
            write_verdict(context.out, part, verdict)
            tallies = {name: Counter(tally(columns, judged)) for name, tally in measured.tallies.items()}
            return count_part(verdict, judged, slices, len(measured.rules)), tallies

        parts = map_parts(context, f"filter {measured.name}", pool.num_parts, judge, shards=part_shards(context, pool))
        summary = verdict_summary([rule.reason for rule in measured.rules], [count for count, _ in parts], scope)
        counted: dict[str, Json] = {
            name: dict(sorted(sum((found[name] for _, found in parts), Counter[str]()).items()))
            for name in measured.tallies
        }
        return {**summary, "bounds": bounds, **counted, **measured.notes}

    return Node(
        kind="verdict",
        version=measured.version,
        params={"filter": measured.name, "rules": bounds, **measured.params, **scope.as_params()},
        inputs={
            "pool": inputs.pool,
            **{f"signals-{item.name}": signals_node(inputs.pool, item) for item in measured.sets},
        },
        run=run,
        label=f"filter {measured.name}",
    )


def all_columns(measured: Measured, inputs: Mapping[str, Artifact], part: int) -> Columns:
    """Return every column of one part, those derived from others too, by `set.signal`; `inputs` hold `signals-SET`."""
    columns = {
        f"{item.name}.{signal}": values
        for item in measured.sets
        for signal, values in read_signals(
            inputs[f"signals-{item.name}"], part, [signal.name for signal in item.signals]
        ).items()
    }
    return {**columns, **measured.derive(columns)} if measured.derive else columns
