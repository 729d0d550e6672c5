"""Things named by a URI: `scheme:path?setting=value&setting=value`.

The path is taken as it stands (only `?` ends it) and is relative to the working directory, as a pool's is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from curation.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """A URI in its parts."""

    name: str
    scheme: str
    path: Path
    given: Mapping[str, str]
    """Settings after the `?`, percent-decoded."""


def parse_uri(name: str, where: str, what: str = "filter") -> Uri:
    """Return the parts of `scheme:path?key=value&...`; `what` is named in messages.

    Raises: RecipeError for a missing path, a setting without a value, or one given twice.
    """
    scheme, _, rest = name.partition(":")
    path, _, query = rest.partition("?")
    if not path:
        raise RecipeError(f"{where}: {what} `{name}` names no file; expected `{scheme}:PATH?setting=value&...`")
    given: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise RecipeError(f"{where}: {what} `{name}`: `{item}` is no setting; expected `setting=value`")
        if key in given:
            raise RecipeError(f"{where}: {what} `{name}`: `{key}` is given twice; leave one out")
        given[key] = unquote(value)
    return Uri(name=name, scheme=scheme, path=Path(path).expanduser(), given=given)
