"""The recipe stage `filter`: from `{filter: name, ...settings}` to a verdict node."""

from __future__ import annotations

from curation.nodes import Node
from curation.recipe import StageSpec, validate
from curation.stages import StageInputs
from filters.base import find_filter


def filter_node(spec: StageSpec, inputs: StageInputs, where: str) -> Node:
    """Return the verdict node of the filter that `spec` names.

    Raises: RecipeError for an unknown filter or setting, with the nearest name; PluginError if a plugin does not load.
    """
    chosen = find_filter(spec.name, where)
    settings = validate(chosen.settings, spec.params, f"{where}: filter `{spec.name}`")
    return chosen.node(settings, inputs, where)
