"""The fastText quality classifier: fitted on reference documents only, then P(hq) for every judged document.

Rule 2: positives and negatives have the role `reference`, disjoint from training and panel, or come from outside the
pool (the environment's `docs` slice, when the pool has no curated slice). It is fitted on all reference documents,
whether or not they pass a rule set, so that a study that moves a rule leaves the classifier alone (rule 17).
DCLM's settings with a smaller model: word bigrams, lr 0.1, 5 epochs, minCount 1; one thread and a seed, because only
that is bitwise reproducible. Source: DCLM, arXiv:2406.11794, appendix J.1; text as in its `fasttext_filter.yaml`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curation.batches import read_table, write_table
from curation.errors import RecipeError, nearest
from curation.files import TEMPORARY_PREFIX, Json, digest_json, replacing
from curation.nodes import Node, NodeRun
from curation.randomness import stable_hash
from curation.recipe import Strings
from curation.sidecars import ROLE_REFERENCE, map_parts, read_column
from curation.slices import CURATED_SLICES
from curation.store import Artifact
from filters.base import FilterSettings
from filters.judged import Scope, encode_slices

VERSION = "fasttext-quality@1"
MODEL_FILE = "model.bin"
POSITIVE, NEGATIVE = "__label__hq", "__label__cc"  # DCLM's names
MIN_CLASS_DOCS = 20
FALLBACK_SLICE = "docs"
FALLBACK_NAME = f"environment/{FALLBACK_SLICE}"
PREDICT_ROWS = 512


class ClassifierSettings(FilterSettings):
    """What the classifier is fitted on and how."""

    positives: Strings = ()
    """Slices whose reference documents are positives; none means the curated slices of the pool, else the
    environment's `docs`."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    dim: Annotated[int, Field(ge=1, le=300)] = 32
    epochs: Annotated[int, Field(ge=1, le=100)] = 5
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    word_ngrams: Annotated[int, Field(ge=1, le=5)] = 2
    buckets: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    max_class_docs: Annotated[int, Field(ge=MIN_CLASS_DOCS)] = 5_000
    max_class_bytes: Annotated[int, Field(ge=1)] = 2_000_000
    max_fit_doc_chars: Annotated[int, Field(ge=1)] = 10_000
    """Characters of a document that are fitted on; scoring reads all of it."""


CLASSIFIER_FIELDS = tuple(name for name in ClassifierSettings.model_fields if name != "applies_to")


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


def one_line(text: str) -> str:
    """Return text as the classifier reads it: DCLM's joined lines; the label marker cannot be forged."""
    return " ".join(text.strip().splitlines()).replace("__label__", "__ label__")


def classifier_node(settings: ClassifierSettings, pool: Node, panel: Node, scope: Scope, where: str) -> Node:
    """Return the node of the model; its identity is the settings, the pool, the panel and what is judged."""
    params: dict[str, Json] = {name: settings.model_dump(mode="json")[name] for name in CLASSIFIER_FIELDS}
    if not settings.positives:
        params["fallback"] = _fallback_identity()

    def run(context: NodeRun) -> Mapping[str, Json]:
        chosen = collect_training_set(settings, scope, context, where)
        train_model(chosen, settings, context.out.path)
        return {
            "num_positives": len(chosen.positives),
            "num_negatives": len(chosen.negatives),
            "positive_bytes": _num_bytes(chosen.positives),
            "negative_bytes": _num_bytes(chosen.negatives),
            "positives_from": chosen.positives_from,
            "negative_slices": sorted({example.slice for example in chosen.negatives}),
            "selected_for": list(chosen.selected_for),
        }

    return Node(
        kind="classifier",
        version=VERSION,
        params={**params, **scope.as_params()},
        inputs={"pool": pool, "panel": panel},
        run=run,
        label="train quality classifier",
    )


def scores_node(pool: Node, classifier: Node, scope: Scope) -> Node:
    """Return the node of the sidecar `score`: float32 P(hq) of judged rows, NaN elsewhere."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        texts = context.inputs["pool"]
        model = load_model(context.inputs["classifier"])

        def score(part: int) -> int:
            path = context.out.part_path(part)
            if not context.out.has(path.name):
                scores = score_part(model, texts.part_paths()[part], scope)
                with replacing(path) as temporary:
                    write_table(temporary, pa.table({"score": scores}))
            return int(np.isfinite(read_table(path)["score"].to_numpy()).sum())

        return {"num_scored": sum(map_parts(context, "quality scores", texts.num_parts, score))}

    return Node(
        kind="scores",
        version=VERSION,
        params=scope.as_params(),
        inputs={"pool": pool, "classifier": classifier},
        run=run,
        label="quality scores",
    )


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


def train_model(chosen: TrainingSet, settings: ClassifierSettings, folder: Path) -> Path:
    """Fit and write `model.bin` in `folder`; equal inputs give equal bytes. Returns its path."""
    import fasttext

    labelled = [(item, POSITIVE) for item in chosen.positives] + [(item, NEGATIVE) for item in chosen.negatives]
    labelled.sort(key=lambda pair: (pair[0].draw, pair[0].id))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix=TEMPORARY_PREFIX, dir=folder) as stream:
        stream.writelines(f"{label} {one_line(item.text)}\n" for item, label in labelled)
        stream.flush()
        model = fasttext.train_supervised(
            input=stream.name,
            lr=settings.learning_rate,
            dim=settings.dim,
            epoch=settings.epochs,
            wordNgrams=settings.word_ngrams,
            bucket=settings.buckets,
            minCount=1,
            loss="softmax",
            thread=1,
            seed=settings.seed,
            verbose=0,
        )
    with replacing(folder / MODEL_FILE) as temporary:
        model.save_model(str(temporary))
    return folder / MODEL_FILE


def load_model(classifier: Artifact) -> Any:
    """Return the fastText model of a classifier artifact (made by this store, never a stranger's file)."""
    import fasttext

    return fasttext.load_model(str(classifier.path / MODEL_FILE))


def score_texts(model: Any, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return P(hq) in [0, 1] of each text."""
    labels, chances = model.predict([one_line(text) for text in texts], k=2)
    found = [float(row[names.index(POSITIVE)]) for names, row in zip(labels, chances, strict=True)]
    return np.clip(np.array(found, np.float32), 0.0, 1.0)


def score_part(model: Any, path: Path, scope: Scope) -> npt.NDArray[np.float32]:
    """Return the `score` column of one part of a pool."""
    table = read_table(path, ["slice", "text"])
    rows = np.flatnonzero(encode_slices(table["slice"]).rows_where(scope))
    scores = np.full(table.num_rows, np.nan, np.float32)
    for start in range(0, len(rows), PREDICT_ROWS):
        chosen = rows[start : start + PREDICT_ROWS]
        scores[chosen] = score_texts(model, table["text"].take(pa.array(chosen)).to_pylist())
    return scores


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
    from curation.sources.environment import collect_slice

    texts = collect_slice(FALLBACK_SLICE, 2 * settings.max_class_bytes)
    return [_example(settings, f"{FALLBACK_NAME}/{stable_hash(text)}", FALLBACK_NAME, text) for text in texts]


def _fallback_identity() -> str:
    """Return a digest of what the environment's documents are a function of."""
    from curation.sources.environment import environment_versions

    return digest_json(sorted(environment_versions()))


def _capped(examples: list[Example], settings: ClassifierSettings) -> list[Example]:
    """Return the first examples by (draw, id) within the caps of a class."""
    kept: list[Example] = []
    num_bytes = 0
    for example in sorted(examples, key=lambda item: (item.draw, item.id)):
        num_bytes += len(example.text.encode("utf-8"))
        if len(kept) >= settings.max_class_docs or (
            num_bytes > settings.max_class_bytes and len(kept) >= MIN_CLASS_DOCS
        ):
            break
        kept.append(example)
    return kept


def _num_bytes(examples: Sequence[Example]) -> int:
    return sum(len(example.text.encode("utf-8")) for example in examples)


def _too_few(num_positives: int, num_negatives: int, origin: str) -> str:
    if min(num_positives, num_negatives) >= MIN_CLASS_DOCS:
        return ""
    return (
        f"the quality classifier has {num_positives} positive ({origin}) and {num_negatives} negative reference "
        f"documents, expected at least {MIN_CLASS_DOCS} of each; raise `panel.reference_fraction`, give a larger pool, "
        "or name other slices with `positives`"
    )
