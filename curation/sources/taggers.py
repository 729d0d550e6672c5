"""Taggers: the slice of a document from the document itself, where no column names it (`pool.tagger`).

A tagger sees a record's text and url, never its file, so that names and sharding of the input decide nothing. Its
version is part of what a pool was made from. Plugins: entry points of group `curate.taggers`. A tagger that needs a
model is a URI, `kmeans:PATH` or `fasttext:PATH?threshold=0.5` (plugins: `curate.tag-models`); its version holds the
digest of the model, and its path is nowhere.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from curation.errors import RecipeError, nearest
from curation.files import Json
from curation.registry import Registry
from curation.uris import Uri, parse_uri

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

SAMPLE_CHARS = 4_000
"""Characters of a document that are looked at."""
MIN_LETTERS = 20
"""Fewer say nothing of a script."""

Tag: TypeAlias = "Callable[[str, str | None], str | None]"
"""(text, url) -> slice; None leaves the pool's default slice."""

OpenModel: TypeAlias = "Callable[[Uri, str], ModelTagger]"
"""(URI, where for messages) -> the model; raises CurateError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagger:
    """One way to name a document's slice."""

    version: Callable[[], str]
    """A change of it makes other pools."""
    tag: Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTagger:
    """A frozen model that tags texts; each text by itself, whatever is tagged beside it."""

    identity: str
    """Scheme, digest of the model and settings: equal ones tag alike."""
    tags: tuple[str, ...]
    column: Callable[[pa.Array], tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]
    """Strings -> (number of the tag, -1 for none; confidence)."""
    confidence: str
    """What the confidence is, in words."""
    about: Mapping[str, Json]
    """What a result says of it."""

    def tag(self, text: str, url: str | None) -> str | None:
        """Return one text's tag."""
        from curation.batches import text_array

        number = int(self.column(text_array([text]))[0][0])
        return self.tags[number] if number >= 0 else None


def script(text: str, url: str | None) -> str | None:
    """Return the script of most letters, `latin`, `cyrillic`, `cjk`; None for fewer than `MIN_LETTERS` letters."""
    counts = Counter(_script_of(char) for char in text[:SAMPLE_CHARS] if char.isalpha())
    if sum(counts.values()) < MIN_LETTERS:
        return None
    return min(counts, key=lambda name: (-counts[name], name))


@cache
def _script_of(char: str) -> str:
    return unicodedata.name(char, "other").split(" ")[0].split("-")[0].lower()


def url_host(text: str, url: str | None) -> str | None:
    """Return the host of the url without `www.`; for pools of a few sites, since every host is a slice."""
    if not url:
        return None
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname
    except ValueError:  # brackets that hold no address
        return None
    return (host or "").rstrip(".").removeprefix("www.") or None


def language(text: str, url: str | None) -> str | None:
    """Return the language by py3langid, `en`, `de`; None for fewer than `MIN_LETTERS` letters.

    Source: langid.py, Lui and Baldwin 2012 (ACL demo).
    """
    sample = text[:SAMPLE_CHARS]
    if sum(char.isalpha() for char in sample) < MIN_LETTERS:
        return None
    import py3langid

    return str(py3langid.classify(sample)[0])


def find_tagger(name: str, where: str = "pool.tagger") -> Tagger:
    """Return the tagger called `name`, or that of the model that `name` leads to.

    Raises: RecipeError for a wrong URI; PluginError for an unknown name, a missing or damaged model.
    """
    if ":" not in name:
        return TAGGERS.get(name, where)
    model = find_model(name, where)
    return Tagger(version=lambda: model.identity, tag=model.tag)


def find_model(name: str, where: str) -> ModelTagger:
    """Return the tag model that the URI `name` leads to. Raises: as `find_tagger`."""
    uri = parse_uri(name, where, "tagger")
    return TAG_MODELS.get(uri.scheme, where)(uri, where)


def tagger_identity(name: str) -> list[str]:
    """Return what a tagger is, without where its model lies: its name or scheme, and its version. Raises: as above."""
    return [name.partition(":")[0], find_tagger(name).version()]


def chosen_threshold(uri: Uri, where: str, *, most: float, others: tuple[str, ...] = ()) -> float:
    """Return the `threshold` of a URI, 0 without one. Raises: RecipeError for another setting, or not 0 to `most`."""
    known = ("threshold", *others)
    for key in uri.given:
        if key not in known:
            raise RecipeError(f"{where}: tagger `{uri.name}`: unknown setting `{key}`; {nearest(key, known)}")
    given = uri.given.get("threshold", "0")
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise RecipeError(f"{where}: tagger `{uri.name}`: threshold is `{given}`, expected a number from 0 to {most:g}")
    return value


def refuse_beside(name: str, column: str) -> None:
    """Raise ValueError, as a settings' check must, for an unknown tagger or a `column` that says the slice already."""
    scheme, colon, path = name.partition(":")
    known = [*TAGGERS.names(), *(f"{model}:PATH" for model in TAG_MODELS.names())]
    if (scheme not in TAG_MODELS.names() or not path) if colon else name not in TAGGERS.names():
        raise ValueError(f"unknown tagger `{name}`, expected one of {', '.join(known)}; {nearest(name, known)}")
    if column != "slice":
        raise ValueError(f"`tagger: {name}` and `{column}` both name the slice, expected one of them; drop the other")


SCRIPT = Tagger(version=lambda: f"1, Unicode {unicodedata.unidata_version}", tag=script)
URL_HOST = Tagger(version=lambda: "1", tag=url_host)
LANGUAGE = Tagger(version=lambda: f"1, py3langid {version('py3langid')}", tag=language)

TAGGERS: Registry[Tagger] = Registry(
    "tagger",
    {
        "script": "curation.sources.taggers:SCRIPT",
        "url-host": "curation.sources.taggers:URL_HOST",
        "language": "curation.sources.taggers:LANGUAGE",
    },
)

TAG_MODELS: Registry[OpenModel] = Registry(
    "tag-model",
    {"kmeans": "curation.tags.tagger:kmeans_tagger", "fasttext": "filters.models.topic_tagger:fasttext_tagger"},
)
