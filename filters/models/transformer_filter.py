"""Any local sequence-classification model as a filter: `transformer:./DIR?min=3` or `...?label=good&keep=0.1`.

A model with one output is a regression and its score is the output as it is (FineWeb-Edu: 0 to 5; its
`int_score >= 3` is `min=2.5`); otherwise the score is the probability of `label`. On the CPU in float32, one thread a
part, batches of documents in the pool's order: the result does not depend on workers. `max_length` tokens are read.
Source: FineWeb-Edu, arXiv:2406.17557, section 4.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curation.errors import PluginError
from curation.files import Json
from curation.nodes import Node
from curation.stages import StageInputs
from filters.base import FilterSettings
from filters.judged import Scope
from filters.models.scored import ScoredSettings, ScoreSource, model_scores_node, scored_verdict
from filters.models.transformer_files import TransformerFiles, folder_digest, inspect_folder, label_index
from filters.uris import FilterUri, parse_uri, settings_with

VERSION = "transformer@1"
LIBRARIES = ("tokenizers", "torch", "transformers")
"""Their versions are part of the fingerprint: they decide how text is cut and how sums are rounded."""
_SCORING = threading.Lock()
_scoring: list[int] = []
"""Torch's number of threads before each scoring that is under way."""


class TransformerSettings(ScoredSettings):
    """Which output, how much text, and the bound."""

    label: str | None = None
    """The label whose probability is the score; none for a regression."""
    max_length: Annotated[int, Field(ge=1)] = 512
    """Tokens of a document that are read, from its start, with the special ones."""
    batch_size: Annotated[int, Field(ge=1)] = 16


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch sum on one thread while any part is scored: the number is the process's, and sums depend on it."""
    import torch

    with _SCORING:
        _scoring.append(torch.get_num_threads() if not _scoring else _scoring[0])
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _SCORING:
            before = _scoring.pop()
            if not _scoring:
                torch.set_num_threads(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerScorer:
    """A loaded model and tokenizer."""

    model: Any
    tokenizer: Any
    files: TransformerFiles
    column: int
    max_length: int
    batch_size: int

    @classmethod
    def load(cls, files: TransformerFiles, column: int, max_length: int, batch_size: int) -> TransformerScorer:
        """Return the scorer. Raises: PluginError if the folder changed since it was planned or does not load."""
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if folder_digest(files.path) != files.digest:
            raise PluginError(f"{files.path}: changed since it was planned; leave the folder alone and rerun")
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(files.path), **local)
            model, loaded = AutoModelForSequenceClassification.from_pretrained(
                str(files.path), use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise PluginError(
                f"{files.path}: does not load as a sequence-classification model ({reason}); expected what "
                "`save_pretrained` writes for model and tokenizer"
            ) from error
        absent = sorted([*loaded["missing_keys"], *loaded["mismatched_keys"]], key=str)
        if absent:  # transformers would fill them at random
            raise PluginError(
                f"{files.path}: has no weights for {absent[0]} ({len(absent)} in all); expected a model fine-tuned for "
                "sequence classification"
            )
        return cls(
            model=model.eval(),
            tokenizer=tokenizer,
            files=files,
            column=column,
            max_length=min(max_length, int(getattr(model.config, "max_position_embeddings", max_length))),
            batch_size=batch_size,
        )

    def score(self, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the score of each chosen row. Raises: PluginError for one that is not finite."""
        scores = np.empty(len(rows), np.float32)
        with one_thread():
            for start in range(0, len(rows), self.batch_size):
                batch = texts.take(pa.array(rows[start : start + self.batch_size])).to_pylist()
                scores[start : start + self.batch_size] = self._batch(batch)
        if not np.isfinite(scores).all():
            row = int(rows[int(np.flatnonzero(~np.isfinite(scores))[0])])
            raise PluginError(f"{self.files.path}: scores row {row} as not a finite number; the weights are damaged")
        return scores

    def _batch(self, texts: list[str]) -> Any:
        import torch

        limit = self.max_length
        try:
            encoded = self.tokenizer(texts, truncation=True, max_length=limit, padding=True, return_tensors="pt")
            with torch.inference_mode():
                logits = self.model(**encoded).logits.float()
        except (ValueError, IndexError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise PluginError(
                f"{self.files.path}: fails on a batch of {len(texts)} documents ({reason}); expected a "
                f"tokenizer that pads and a model that reads {limit} tokens; mend the folder, or lower `max_length`"
            ) from error
        with torch.inference_mode():
            if logits.shape[1] > 1:
                logits = logits.sigmoid() if self.files.multi_label else logits.softmax(dim=1)
        return logits[:, self.column].numpy()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerFilter:
    """Keeps what a transformer scores highest."""

    uri: FilterUri
    version: str = VERSION
    summary: str = "Keeps what a local sequence-classification model scores highest, by value or by share."

    @property
    def name(self) -> str:
        """Scheme and folder."""
        return f"{self.uri.scheme}:{self.uri.path.name}"

    @property
    def settings(self) -> type[FilterSettings]:
        """The settings; those in the URI are filled in."""
        return settings_with(TransformerSettings, self.uri.given)

    def node(self, settings: Any, inputs: StageInputs, where: str) -> Node:
        """Return the verdict node. Raises: PluginError or RecipeError for the model, before any work."""
        source = transformer_source(
            self.uri.path,
            where,
            label=settings.label,
            max_length=settings.max_length,
            batch_size=settings.batch_size,
        )
        return scored_verdict(self.name, self.version, settings, source, inputs)


def transformer_filter(name: str, where: str) -> TransformerFilter:
    """Return the filter `transformer:DIR?...`. Raises: RecipeError for a URI that does not parse."""
    return TransformerFilter(uri=parse_uri(name, where))


def transformer_source(path: Path, where: str, *, label: str | None, max_length: int, batch_size: int) -> ScoreSource:
    """Return the source of a transformer's scores. Raises: PluginError, RecipeError for the folder or the label."""
    files = inspect_folder(path, where)
    column = label_index(files, label, where)
    identity: dict[str, Json] = {
        "model_digest": files.digest,
        "label": files.labels[column] if len(files.labels) > 1 else None,
        "max_length": max_length,
        "batch_size": batch_size,  # padding moves the last bits of float32 sums
        "libraries": {name: version(name).partition("+")[0] for name in LIBRARIES},
    }

    def over_pool(pool: Node, scope: Scope) -> Node:
        return model_scores_node(
            pool,
            scope,
            version=VERSION,
            params=identity,
            load=lambda: TransformerScorer.load(files, column, max_length, batch_size),
            label="transformer scores",
        )

    return ScoreSource(
        name=f"transformer:{files.digest[:12]}:{identity['label'] or 'value'}",
        unit=f"P({identity['label']})" if identity["label"] else "model output",
        node=lambda inputs, scope: over_pool(inputs.pool, scope),
        over_pool=over_pool,
        about=identity,
    )
