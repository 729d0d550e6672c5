"""Any supervised fastText model as a filter: `fasttext:./my.bin?label=__label__hq&keep=0.10` or `...&min=0.018112`.

The path leads to a model file (`.bin`, `.ftz`) or to a classifier's folder (`curate classifier train`). What counts is
the model's content: a file moved or renamed gives the same fingerprint. The score is fastText's p of `label`, as
`predict` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.nodes import Node
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.judged import Scope
from filters.models.card import ChosenModel, choose_model
from filters.models.fasttext_model import FastTextModel
from filters.models.scored import ScoredSettings, ScoreSource, model_scores_node, scored_verdict
from filters.uris import FilterUri, parse_uri, settings_with

VERSION = "fasttext@1"


class FastTextSettings(ScoredSettings):
    """Which probability, of which text, and the bound."""

    label: str | None = None
    """The label whose probability is the score; a classifier with a card knows its own."""
    normalize: str | None = None
    """Normalisation (`dclm@1`, `stripped@1`, `raw@1`, ...) for a bare model file; `dclm@1` if nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTextScorer:
    """One label's probability."""

    model: FastTextModel
    chosen: ChosenModel

    @classmethod
    def load(cls, chosen: ChosenModel) -> FastTextScorer:
        """Return the scorer. Raises: PluginError if the file changed since it was chosen."""
        return cls(model=FastTextModel.load(chosen.path, chosen.sha256), chosen=chosen)

    def score(self, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return p of the label for each chosen row."""
        column = self.model.labels.index(self.chosen.label)
        found: npt.NDArray[np.float32] = self.model.probabilities(texts, self.chosen.normalisation, rows)[:, column]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTextFilter:
    """Keeps what a fastText model scores highest."""

    uri: FilterUri
    version: str = VERSION
    summary: str = "Keeps what a fastText model of your own scores highest, by value or by share."

    @property
    def name(self) -> str:
        """Scheme and file name."""
        return f"{self.uri.scheme}:{self.uri.path.name}"

    @property
    def settings(self) -> type[FilterSettings]:
        """The settings; those in the URI are filled in."""
        return settings_with(FastTextSettings, self.uri.given)

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node. Raises: PluginError or RecipeError for the model, before any work."""
        source = fasttext_source(self.uri.path, where, label=settings.label, normalize=settings.normalize)
        return scored_verdict(self.name, self.version, settings, source, inputs)


def fasttext_filter(name: str, where: str) -> FastTextFilter:
    """Return the filter `fasttext:PATH?...`. Raises: RecipeError for a URI that does not parse."""
    return FastTextFilter(uri=parse_uri(name, where))


def fasttext_source(path: Path, where: str, *, label: str | None, normalize: str | None) -> ScoreSource:
    """Return the source of a fastText model's scores. Raises: PluginError, RecipeError as `choose_model`."""
    chosen = choose_model(path, where, label=label, normalize=normalize)

    def over_pool(pool: Node, scope: Scope) -> Node:
        return model_scores_node(
            pool,
            scope,
            version=VERSION,
            params=chosen.as_params(),
            load=lambda: FastTextScorer.load(chosen),
            label=f"fasttext scores {chosen.label}",
        )

    return ScoreSource(
        name=f"fasttext:{chosen.sha256[:12]}:{chosen.label}",
        unit=f"P({chosen.label})",
        node=lambda inputs, scope: over_pool(inputs.pool, scope),
        over_pool=over_pool,
        about=chosen.as_summary(),
        selected_for=chosen.card.selected_for if chosen.card else (),
    )
