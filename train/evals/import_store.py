"""Imported results as artifacts of kind `scores`; their fingerprint is that of what was imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from curation.files import Json, write_json
from curation.nodes import Node, NodeRun, Planner
from train.evals.results import CLOCKS, KIND, Scored, write_results
from train.evals.suite_request import Finished, published
from train.evals.suite_scores import results_summary

VERSION = "imported@1"
CURVE = "curve.json"
"""Beside `results.json`: loss by step, where the file has a curve."""


def kept(planner: Planner, scored: Scored, curve: Sequence[Mapping[str, Json]], out: Path | None) -> Finished:
    """Return the results in the store, and in the directory `out` where it is given."""
    return published(planner.materialise(import_node(scored, curve)), out)


def import_node(scored: Scored, curve: Sequence[Mapping[str, Json]]) -> Node:
    """Return the node of imported results; the model's digest is that of the files they came in."""
    described = scored.results.as_json()
    params = {name: value for name, value in described.items() if name not in (*CLOCKS, "tasks", "slices")}

    def run(context: NodeRun) -> Mapping[str, Json]:
        write_results(context.out.path, scored)
        if curve:
            write_json(context.out.path / CURVE, cast("Json", list(curve)))
        return results_summary(described)

    return Node(kind=KIND, version=VERSION, params=params, inputs={}, run=run, label=scored.results.model.name)
