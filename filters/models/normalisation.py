r"""Text as a classifier reads it: named, versioned recipes that a model must be trained and applied with alike.

| name | text becomes |
|---|---|
| `dclm@1` | `" ".join(text.strip().splitlines())`, as in DCLM's `fasttext_filter.yaml` |
| `stripped@1` | `text.strip().replace("\n", " ")`, as datatrove's fastText filters do |
| `raw@1` | `text.replace("\n", " ")`: fastText reads one line, nothing else changes |
| `dclm-lower@1` | `dclm@1` of the text in lower case |
| `lower@1` | `raw@1` of the text in lower case |

Lower case is Unicode's simple mapping (one code point to one), by Arrow. Scoring applies a recipe inside the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import RecipeError, nearest

_LABEL_TOKEN = re.compile(r"(?<![^ \n\t\v\f\r\0])__label__[^ \n\t\v\f\r\0]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """One recipe: lower case first, then trimmed, then its line ends made spaces."""

    name: str
    version: int
    trim: bool
    """Without whitespace at both ends, as `str.strip`."""
    line_ends: bool
    """Every end of line of `str.splitlines` is a space; otherwise newlines alone are."""
    lower: bool = False

    @property
    def full_name(self) -> str:
        """`name@version`, what cards and fingerprints say."""
        return f"{self.name}@{self.version}"

    def column(self, texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Return what has to be done to a column of text before the kernel does the rest."""
        return pc.utf8_lower(texts) if self.lower else texts

    def apply(self, text: str) -> str:
        """Return `text` as the classifier reads it, in Python: for training and for tests."""
        if self.lower:
            text = pc.utf8_lower(pa.scalar(text, pa.large_string())).as_py()
        if self.trim:
            text = text.strip()
        return " ".join(text.splitlines()) if self.line_ends else text.replace("\n", " ")


def _table(*recipes: Normalisation) -> Mapping[str, Normalisation]:
    return {item.name: item for item in recipes}


NORMALISATIONS: Mapping[str, Normalisation] = _table(
    Normalisation(name="dclm", version=1, trim=True, line_ends=True),
    Normalisation(name="stripped", version=1, trim=True, line_ends=False),
    Normalisation(name="raw", version=1, trim=False, line_ends=False),
    Normalisation(name="dclm-lower", version=1, trim=True, line_ends=True, lower=True),
    Normalisation(name="lower", version=1, trim=False, line_ends=False, lower=True),
)
DCLM = NORMALISATIONS["dclm"]
RAW = NORMALISATIONS["raw"]


def find_normalisation(name: str, where: str) -> Normalisation:
    """Return the recipe `name` or `name@version`.

    Raises: RecipeError for an unknown name or a version that is not the installed one.
    """
    plain, _, version = name.partition("@")
    if plain not in NORMALISATIONS:
        raise RecipeError(f"{where}: unknown normalisation `{name}`; {nearest(plain, NORMALISATIONS)}")
    found = NORMALISATIONS[plain]
    if version and version != str(found.version):
        raise RecipeError(
            f"{where}: normalisation `{name}`: this installation has {found.full_name}; install the release that has it"
        )
    return found


def without_labels(text: str) -> str:
    """Return `text` without tokens that start with `__label__`: in training they would be labels, and forged ones.

    fastText passes over such tokens when it predicts, so training and scoring read the same words.
    """
    return _LABEL_TOKEN.sub("", text)


def described(recipe: Normalisation) -> dict[str, Any]:
    """Return a recipe as plain values, for cards and `--json`."""
    return {"name": recipe.full_name, "trim": recipe.trim, "line_ends": recipe.line_ends, "lower": recipe.lower}
