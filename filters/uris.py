"""Filters named by a URI: `scheme:path?setting=value&setting=value`.

The path is taken as it stands (only `?` ends it) and is relative to the working directory, as a pool's is. Settings in
a recipe's mapping go before those in the URI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from pydantic import create_model, model_validator

from curation.errors import RecipeError
from filters.base import FilterSettings

S = TypeVar("S", bound=FilterSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterUri:
    """A URI in its parts."""

    name: str
    scheme: str
    path: Path
    given: Mapping[str, str]
    """Settings after the `?`, percent-decoded."""


def parse_uri(name: str, where: str) -> FilterUri:
    """Return the parts of `scheme:path?key=value&...`.

    Raises: RecipeError for a missing path, a setting without a value, or one given twice.
    """
    scheme, _, rest = name.partition(":")
    path, _, query = rest.partition("?")
    if not path:
        raise RecipeError(f"{where}: filter `{name}` names no file; expected `{scheme}:PATH?setting=value&...`")
    given: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise RecipeError(f"{where}: filter `{name}`: `{item}` is no setting; expected `setting=value`")
        if key in given:
            raise RecipeError(f"{where}: filter `{name}`: `{key}` is given twice; leave one out")
        given[key] = unquote(value)
    return FilterUri(name=name, scheme=scheme, path=Path(path).expanduser(), given=given)


def settings_with(model: type[S], given: Mapping[str, Any]) -> type[S]:
    """Return `model` with the values `given` wherever a recipe says nothing; they are checked like the recipe's own."""

    def merged(value: Any) -> Any:
        return {**given, **value} if isinstance(value, Mapping) else value

    decorated: Any = model_validator(mode="before")(merged)
    return create_model(model.__name__, __base__=model, __validators__={"merged": decorated})
