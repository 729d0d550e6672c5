"""Corpus stages by kind: how a recipe's stage becomes a verdict node, or a new text version and its verdict.

A stage builder is registered by name in any package. It gets the stage's settings and the nodes before it and
returns a node of kind `verdict` (see `curation.sidecars` for the format), or a `Rewrite` if it changes text.
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
    """The text version at this stage: rewritten by every `modify` before it."""
    panel: Node
    """Roles and families, decided on the raw text; row-aligned with every text version."""
    token_counts: Node
    """Tokens of `pool`, so of this text version."""
    previous: tuple[Node, ...]
    """Verdicts of the stages before this one, in order; with the panel's roles they say which rows are alive."""
    slice_kinds: Mapping[str, SliceKind]
    before: StageInputs | None = None
    """What the stage before this one was built on; None for the first."""

    def who_is_alive(self) -> dict[str, Node]:
        """Return the node inputs that `living` reads: the panel and the verdicts before."""
        return {"panel": self.panel, **{f"previous-{i}": node for i, node in enumerate(self.previous)}}


def living(context: NodeRun, part: int, *, without_last: bool = False) -> npt.NDArray[np.bool_]:
    """Return which rows of a part are alive, from the inputs that `StageInputs.who_is_alive` gave the node.

    `without_last` leaves out what the stage just before the node's decided.
    """
    inputs = context.inputs
    number = sum(name.startswith("previous-") for name in inputs) - without_last
    previous = [inputs[f"previous-{i}"] for i in range(number)]
    return alive(inputs["panel"], previous, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """What a stage that changes text makes; see `curation.text_versions` for the format."""

    pool: Node
    """The new text version: a node of kind `pool` with the parts, rows and ids of the one before."""
    verdict: Node
    """Drops what the rewriting left nothing of, or refused."""


StageBuilder: TypeAlias = Callable[[StageSpec, StageInputs, str], Node | Rewrite]
"""(spec, inputs, where) -> verdict node or rewrite; `where` is the place in the recipe, for error messages."""

STAGES: Registry[StageBuilder] = Registry(
    "stage",
    {
        "filter": "filters.stage:filter_node",
        "modify": "filters.modifiers.stage:modify_stage",
        "dedup": "curation.dedup.stage:dedup_node",
        "decontaminate": "curation.decontamination.stage:decontaminate_node",
    },
)
