"""Corpus stages by kind: how a recipe's stage becomes a verdict node.

A stage builder is registered by name in any package. It gets the stage's settings and the nodes before it and
returns a node of kind `verdict` (see `curation.sidecars` for the format).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from curation.nodes import Node, NodeRun
from curation.recipe import StageSpec
from curation.registry import Registry
from curation.sidecars import alive
from curation.slices import SliceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInputs:
    """The nodes a stage may build on."""

    pool: Node
    panel: Node
    token_counts: Node
    previous: tuple[Node, ...]
    """Verdicts of the stages before this one, in order; with the panel's roles they say which rows are alive."""
    slice_kinds: Mapping[str, SliceKind]

    def who_is_alive(self) -> dict[str, Node]:
        """Return the node inputs that `living` reads: the panel and the verdicts before."""
        return {"panel": self.panel, **{f"previous-{i}": node for i, node in enumerate(self.previous)}}


def living(context: NodeRun, part: int) -> npt.NDArray[np.bool_]:
    """Return which rows of a part are alive, from the inputs that `StageInputs.who_is_alive` gave the node."""
    inputs = context.inputs
    previous = [inputs[f"previous-{i}"] for i in range(sum(name.startswith("previous-") for name in inputs))]
    return alive(inputs["panel"], previous, part)


StageBuilder: TypeAlias = Callable[[StageSpec, StageInputs, str], Node]
"""(spec, inputs, where) -> verdict node; `where` is the place in the recipe, for error messages."""

STAGES: Registry[StageBuilder] = Registry(
    "stage",
    {
        "filter": "filters.stage:filter_node",
        "dedup": "curation.dedup.stage:dedup_node",
        "decontaminate": "curation.decontaminate:decontaminate_node",
    },
)
