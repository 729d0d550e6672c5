"""Scores by name, for whatever combines several: models by URI, our own classifier, any registered signal.

| written | score |
|---|---|
| `fasttext:PATH?label=...`, `transformer:DIR?...` | a model file's (without `keep` and `min`) |
| `fasttext-quality` | P(hq) of the classifier fitted on the pool's reference documents |
| `perplexity` | minus the perplexity under the n-gram model of the pool's curated slices |
| `set.signal`, `num_words` | any registered signal, more is better |
| `-set.signal` | the same, less is better |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curation.errors import RecipeError, nearest
from curation.nodes import Node
from curation.recipe import Spec, validate
from curation.stages import StageInputs
from filters.judged import Scope
from filters.models.scored import ScoreSource
from filters.signals import signal_set, signals_node
from filters.uris import FilterUri, parse_uri

MODEL_SCHEMES = ("fasttext", "transformer")
FITTED = ("fasttext-quality", "perplexity")


class _FastText(Spec):
    label: str | None = None
    normalize: str | None = None


class _Transformer(Spec):
    label: str | None = None
    max_length: int = 512
    batch_size: int = 16


def find_source(name: str, where: str) -> ScoreSource:
    """Return the source of scores called `name`.

    Raises: RecipeError for an unknown name or setting; PluginError for a model that is missing or foreign.
    """
    scheme, colon, _ = name.partition(":")
    if colon:
        if scheme not in MODEL_SCHEMES:
            known = nearest(scheme, MODEL_SCHEMES)
            raise RecipeError(f"{where}: `{name}`: `{scheme}:` is no scheme of a score; {known}")
        return model_source(parse_uri(name, where), where)
    if name in FITTED:
        return _fitted(name, where)
    return _signal(name, where)


def model_source(uri: FilterUri, where: str) -> ScoreSource:
    """Return the scores of the model that `uri` names."""
    from filters.models.fasttext_filter import fasttext_source
    from filters.models.transformer_filter import transformer_source

    if uri.scheme == "fasttext":
        chosen: Any = validate(_FastText, dict(uri.given), f"{where}: {uri.name}")
        return fasttext_source(uri.path, where, label=chosen.label, normalize=chosen.normalize)
    found: Any = validate(_Transformer, dict(uri.given), f"{where}: {uri.name}")
    return transformer_source(
        uri.path, where, label=found.label, max_length=found.max_length, batch_size=found.batch_size
    )


def source_of_path(path: Path, where: str, settings: dict[str, str]) -> ScoreSource:
    """Return the scores of the model at `path`: a transformer's folder, or else a fastText model or classifier."""
    scheme = "transformer" if (path / "config.json").is_file() else "fasttext"
    return model_source(FilterUri(name=str(path), scheme=scheme, path=path, given=settings), where)


def _fitted(name: str, where: str) -> ScoreSource:
    if name == "perplexity":
        return ScoreSource(name=name, unit="-perplexity", node=lambda inputs, scope: _perplexity(inputs, where))
    return ScoreSource(name=name, unit="P(hq)", node=lambda inputs, scope: _quality(inputs, scope, where))


def _quality(inputs: StageInputs, scope: Scope, where: str) -> Node:
    from filters.models.classifier import classifier_node, scores_node
    from filters.models.training_set import ClassifierSettings

    settings = ClassifierSettings(applies_to=scope.applies_to)
    classifier = classifier_node(settings, inputs.pool, inputs.panel, scope, where)
    return scores_node(inputs.pool, classifier, scope)


def _perplexity(inputs: StageInputs, where: str) -> Node:
    from filters.models.perplexity import PerplexitySettings, model_node, perplexity_node

    return perplexity_node(inputs.pool, model_node(PerplexitySettings(keep=1.0), inputs, where))


def _signal(name: str, where: str) -> ScoreSource:
    from filters.own_rules import find_signal

    set_name, signal = find_signal(name.removeprefix("-"), where)
    chosen = signal_set(set_name)
    unit = next(item.unit for item in chosen.signals if item.name == signal)
    return ScoreSource(
        name=f"{'-' if name.startswith('-') else ''}{set_name}.{signal}",
        unit=unit,
        node=lambda inputs, scope: signals_node(inputs.pool, chosen),
        column=signal,
        descending=name.startswith("-"),
    )
