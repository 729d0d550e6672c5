"""Filters named by a URI (`curation.uris`): settings in a recipe's mapping go before those in the URI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import create_model, model_validator

from curation.uris import Uri as FilterUri
from curation.uris import parse_uri as parse_uri
from filters.base import FilterSettings

__all__ = ["FilterUri", "parse_uri", "settings_with"]

S = TypeVar("S", bound=FilterSettings)


def settings_with(model: type[S], given: Mapping[str, Any]) -> type[S]:
    """Return `model` with the values `given` wherever a recipe says nothing; they are checked like the recipe's own."""

    def merged(value: Any) -> Any:
        return {**given, **value} if isinstance(value, Mapping) else value

    decorated: Any = model_validator(mode="before")(merged)
    return create_model(model.__name__, __base__=model, __validators__={"merged": decorated})
