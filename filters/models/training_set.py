"""What the quality classifier is fitted on: reference documents only, balanced, capped, in an order of their own.

Positives come from curated slices, or from descriptions of installed distributions when there are none; negatives come
from reference documents of the other judged slices. Rule 2 asks that both be disjoint from training and panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation.batches import read_table
from curation.errors import RecipeError, nearest
from curation.nodes import NodeRun
from curation.randomness import stable_hash
from curation.recipe import Strings
from curation.sidecars import ROLE_REFERENCE, map_parts, read_column
from curation.slices import CURATED_SLICES
from curation.store import Artifact
from filters.base import FilterSettings
from filters.judged import Scope, encode_slices

MIN_CLASS_DOCS = 20
MAX_EPOCHS = 100
FALLBACK_NAME = "environment/descriptions"


class ClassifierSettings(FilterSettings):
    """What the classifier is fitted on and how."""

    positives: Strings = ()
    """Slices whose reference documents are positives; none means the curated slices of the pool, else the
    descriptions of the installed distributions."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    dim: Annotated[int, Field(ge=1, le=300)] = 32
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 5
    """Fewest passes; see `num_epochs`."""
    min_fit_bytes: Annotated[int, Field(ge=0)] = 20_000_000
    """Bytes that training reads at least, over all passes, as far as 100 passes allow."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.5
    word_ngrams: Annotated[int, Field(ge=1, le=5)] = 2
    buckets: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    max_class_docs: Annotated[int, Field(ge=MIN_CLASS_DOCS)] = 5_000
    max_class_bytes: Annotated[int, Field(ge=1)] = 2_000_000
    max_fit_doc_chars: Annotated[int, Field(ge=1)] = 10_000
    """Characters of a document that are fitted on; scoring reads all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A document to fit on; examples are drawn and ordered by (draw, id)."""

    draw: int
    id: str
    slice: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """Balanced classes and where the positives come from."""

    positives: Sequence[Example]
    negatives: Sequence[Example]
    selected_for: tuple[str, ...]
    positives_from: str


def num_epochs(chosen: TrainingSet, settings: ClassifierSettings) -> int:
    """Return the passes over the training set: more than `epochs` when it is small, at most 100.

    DCLM's 5 passes at rate 0.1 are for 400,000 documents. Measured on 40: 2,979 held-out documents had 55 different
    scores, all next to one half; 100 passes at rate 0.5 gave 2,894 scores and told the two classes apart better
    (area under the curve 0.83 instead of 0.78).
    """
    size = num_bytes(chosen.positives) + num_bytes(chosen.negatives)
    return max(settings.epochs, min(MAX_EPOCHS, -(-settings.min_fit_bytes // max(1, size))))


def collect_training_set(settings: ClassifierSettings, scope: Scope, context: NodeRun, where: str) -> TrainingSet:
    """Return the documents to fit on.

    Raises: RecipeError for an unknown positive slice or fewer than 20 documents in a class.
    """
    pool, panel = context.inputs["pool"], context.inputs["panel"]
    columns = [encode_slices(read_table(path, ["slice"])["slice"]).names for path in pool.part_paths()]
    present = sorted({name for names in columns for name in names})
    unknown = [name for name in settings.positives if name not in present]
    if unknown:
        raise RecipeError(f"{where}: positives: no slice `{unknown[0]}` in the pool; {nearest(unknown[0], present)}")
    own = tuple(sorted(settings.positives)) or tuple(name for name in present if name in CURATED_SLICES)
    found = map_parts(
        context, "reference documents", pool.num_parts, lambda part: _reference(pool, panel, part, settings)
    )
    examples = [example for part in found for example in part]
    negatives = [item for item in examples if item.slice not in own and scope.judges(item.slice)]
    positives = [item for item in examples if item.slice in own] if own else _outside(settings)
    positives, negatives = _capped(positives, settings), _capped(negatives, settings)
    origin = f"slices {', '.join(own)}" if own else FALLBACK_NAME
    faults = _too_few(len(positives), len(negatives), origin)
    if faults:
        raise RecipeError(f"{where}: {faults}")
    size = min(len(positives), len(negatives))
    return TrainingSet(positives=positives[:size], negatives=negatives[:size], selected_for=own, positives_from=origin)


def _reference(pool: Artifact, panel: Artifact, part: int, settings: ClassifierSettings) -> list[Example]:
    """Return the reference documents of one part, each slice capped at what a class can use."""
    rows = np.flatnonzero(read_column(panel, part, "role") == ROLE_REFERENCE)
    if not len(rows):
        return []
    table = read_table(pool.part_paths()[part], ["id", "slice", "text"]).take(pa.array(rows))
    columns = (table[name].to_pylist() for name in ("id", "slice", "text"))
    examples = sorted(
        (_example(settings, *row) for row in zip(*columns, strict=True)), key=lambda item: (item.draw, item.id)
    )
    taken: dict[str, int] = {}
    kept: list[Example] = []
    for example in examples:
        taken[example.slice] = taken.get(example.slice, 0) + 1
        if taken[example.slice] <= settings.max_class_docs:
            kept.append(example)
    return kept


def _example(settings: ClassifierSettings, id_: str, slice_name: str, text: str) -> Example:
    draw = stable_hash("classifier", settings.seed, id_)
    return Example(draw=draw, id=id_, slice=slice_name, text=text[: settings.max_fit_doc_chars])


def _outside(settings: ClassifierSettings) -> list[Example]:
    """Return positives from outside the pool: documentation of the installed environment."""
    from curation.sources.environment import collect_descriptions

    texts = collect_descriptions(2 * settings.max_class_bytes)
    return [_example(settings, f"{FALLBACK_NAME}/{stable_hash(text)}", FALLBACK_NAME, text) for text in texts]


def _capped(examples: list[Example], settings: ClassifierSettings) -> list[Example]:
    """Return the first examples by (draw, id) within the caps of a class."""
    kept: list[Example] = []
    size = 0
    for example in sorted(examples, key=lambda item: (item.draw, item.id)):
        size += len(example.text.encode("utf-8"))
        if len(kept) >= settings.max_class_docs or (size > settings.max_class_bytes and len(kept) >= MIN_CLASS_DOCS):
            break
        kept.append(example)
    return kept


def num_bytes(examples: Sequence[Example]) -> int:
    """Return the UTF-8 bytes of the examples' texts."""
    return sum(len(example.text.encode("utf-8")) for example in examples)


def _too_few(num_positives: int, num_negatives: int, origin: str) -> str:
    if min(num_positives, num_negatives) >= MIN_CLASS_DOCS:
        return ""
    return (
        f"the quality classifier has {num_positives} positive ({origin}) and {num_negatives} negative reference "
        f"documents, expected at least {MIN_CLASS_DOCS} of each; raise `panel.reference_fraction`, give a larger pool, "
        "or name other slices with `positives`"
    )
