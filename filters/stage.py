"""The recipe stage `filter`: from `{filter: name, ...settings}` to a verdict node."""

from __future__ import annotations

from curation.errors import RecipeError
from curation.nodes import Node
from curation.recipe import StageSpec, validate
from curation.stages import StageInputs
from curation.yamlio import parse_yaml
from filters.base import find_filter


def filter_node(spec: StageSpec, inputs: StageInputs, where: str) -> Node:
    """Return the verdict node of the filter that `spec` names.

    Raises: RecipeError for an unknown filter or setting, with the nearest name; PluginError if a plugin does not load.
    """
    chosen = find_filter(spec.name, where)
    settings = validate(chosen.settings, spec.params, f"{where}: filter `{spec.name}`")
    return chosen.node(settings, inputs, where)


def parse_filter(text: str, where: str) -> StageSpec:
    """Return the filter that a command's argument names: `NAME`, or `{filter: NAME, setting: value}` as in a recipe.

    Raises: RecipeError if it is neither.
    """
    if not text.lstrip().startswith("{"):
        return StageSpec(kind="filter", name=text)
    value = parse_yaml(text, f"{where}: {text}")
    name = value.pop("filter", None) if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise RecipeError(f"{where}: {text}: names no filter; expected `{{filter: NAME, setting: value}}`")
    return StageSpec(kind="filter", name=name, params=value)
