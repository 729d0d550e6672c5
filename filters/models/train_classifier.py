"""`curate classifier train`: two sets of documents become a fastText classifier with a card, bitwise reproducible.

What is fitted depends on the documents alone, not on their files, ids or order: documents are distinct by their
normalised text, drawn and ordered by its hash. One that stands in both classes is left out of both.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import numpy as np
from pydantic import Field, field_validator

from curation.batches import read_table, text_array
from curation.errors import RecipeError
from curation.files import TEMPORARY_PREFIX, Json, digest_json, sha256_file
from curation.progress import Progress
from curation.randomness import stable_hash
from curation.recipe import PoolSpec, Spec
from curation.store import Artifact
from filters.models.card import CARD_FILE, CONTAINER_SUFFIX, MODEL_FILE, Card, write_card
from filters.models.classifier import NEGATIVE, POSITIVE
from filters.models.fasttext_model import FastTextModel
from filters.models.fasttext_training import train_apart
from filters.models.held_out import held_out_report
from filters.models.normalisation import find_normalisation, without_labels
from filters.models.training_set import MAX_EPOCHS, MIN_CLASS_DOCS

VERSION = 1
MIN_HELD_OUT_DOCS = 5
DEFAULT_SLICE = str(PoolSpec.model_fields["default_slice"].default)


class TrainSettings(Spec):
    """How documents are read and the classifier is fitted."""

    text: str = "text"
    """Field of the records that holds the text."""
    normalize: str = "dclm@1"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    dim: Annotated[int, Field(ge=1, le=1000)] = 32
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)] = 5
    """Fewest passes; more when there is little text, see `min_fit_bytes`."""
    min_fit_bytes: Annotated[int, Field(ge=0)] = 20_000_000
    """Bytes that training reads at least, over all passes, as far as 100 passes allow."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.5
    word_ngrams: Annotated[int, Field(ge=1, le=5)] = 2
    buckets: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    min_count: Annotated[int, Field(ge=1)] = 1
    max_class_docs: Annotated[int, Field(ge=MIN_CLASS_DOCS)] = 200_000
    max_doc_chars: Annotated[int, Field(ge=1)] = 10_000
    """Characters of a normalised document that are fitted on; scoring reads all of it."""
    held_out_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    balance: bool = True
    """Whether the larger class is cut to the size of the smaller."""

    @field_validator("normalize")
    @classmethod
    def _full_name(cls, value: str) -> str:
        return find_normalisation(value, "normalize").full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Distinct documents of one class by their order value, and what was left out."""

    lines: Mapping[int, str]
    slices: tuple[str, ...]
    """Slices that the records name; none for records without the field."""
    num_read: int
    num_empty: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is fitted on and what is held out, as lines in their order."""

    positives: list[str]
    negatives: list[str]
    held_out_positives: list[str]
    held_out_negatives: list[str]
    positive_slices: tuple[str, ...]
    num_in_both: int


def read_examples(pool: Artifact, settings: TrainSettings, progress: Progress, label: str) -> Examples:
    """Return the class's documents as training lines, at most `max_class_docs` by smallest order value."""
    recipe = find_normalisation(settings.normalize, label)
    lines: dict[int, str] = {}
    num_read = num_empty = 0
    with progress.task(f"read {label}", pool.num_parts) as task:
        for path in pool.part_paths():
            for text in read_table(path, ["text"])["text"].to_pylist():
                num_read += 1
                line = without_labels(recipe.apply(text))[: settings.max_doc_chars]
                if line.split():
                    lines[stable_hash("train-classifier", settings.seed, line)] = line
                else:
                    num_empty += 1
            if len(lines) > 2 * settings.max_class_docs:
                lines = smallest_lines(lines, settings.max_class_docs)
            task.advance()
    slices = sorted(set(cast("Mapping[str, Json]", pool.summary["slices"])) - {DEFAULT_SLICE})
    return Examples(
        lines=smallest_lines(lines, settings.max_class_docs),
        slices=tuple(slices),
        num_read=num_read,
        num_empty=num_empty,
    )


def split_examples(positive: Examples, negative: Examples, settings: TrainSettings) -> Split:
    """Return the documents to fit on and to hold out.

    Raises: RecipeError for fewer than 20 documents to fit on, or 5 to hold out, in a class.
    """
    both = positive.lines.keys() & negative.lines.keys()
    fitted, held = [], []
    for examples in (positive, negative):
        order = sorted(examples.lines.keys() - both)
        number = max(MIN_HELD_OUT_DOCS, round(settings.held_out_fraction * len(order)))
        held.append([examples.lines[key] for key in order[:number]])
        fitted.append([examples.lines[key] for key in order[number:]])
    _refuse_few([len(lines) for lines in fitted], [positive, negative], len(both))
    size = min(len(lines) for lines in fitted)
    if settings.balance:
        fitted = [lines[:size] for lines in fitted]
    return Split(
        positives=fitted[0],
        negatives=fitted[1],
        held_out_positives=held[0],
        held_out_negatives=held[1],
        positive_slices=positive.slices,
        num_in_both=len(both),
    )


def epochs_for(num_bytes: int, settings: TrainSettings) -> int:
    """Return the passes over a training set of that size: at least `epochs`, at most 100."""
    return max(settings.epochs, min(MAX_EPOCHS, -(-settings.min_fit_bytes // max(1, num_bytes))))


def fit_model(
    lines: list[tuple[str, str]], settings: TrainSettings, out: Path, progress: Progress, *, what: str
) -> tuple[Path, int]:
    """Fit fastText on pairs of line and label, ordered by hash, into a folder cleared of what a killed training left.

    Returns the path of `model.bin` and the number of epochs.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = sorted(lines, key=lambda pair: (stable_hash("train-classifier", settings.seed, pair[0]), pair[1]))
    epochs = epochs_for(sum(len(line.encode("utf-8")) for line, _ in lines), settings)
    for stale in (out / CARD_FILE, *out.glob(f"{TEMPORARY_PREFIX}*")):  # of a training that was killed: its documents
        stale.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix=TEMPORARY_PREFIX, dir=out, newline="\n") as stream:
        stream.writelines(f"{label} {line}\n" for line, label in lines)
        stream.flush()
        with progress.task(f"train {what}, {epochs} epochs", 1) as task:
            model = train_apart(Path(stream.name), fasttext_arguments(settings, epochs), out / MODEL_FILE)
            task.advance()
    return model, epochs


def train_classifier(split: Split, settings: TrainSettings, out: Path, progress: Progress) -> Card:
    """Fit, measure on what is held out, and write `model.bin` and `card.json`; the card last. Returns the card."""
    lines = [(line, POSITIVE) for line in split.positives] + [(line, NEGATIVE) for line in split.negatives]
    model, epochs = fit_model(lines, settings, out, progress, what="classifier")
    card = Card(
        name=out.resolve().name.removesuffix(CONTAINER_SUFFIX),
        version=VERSION,
        normalisation=settings.normalize,
        label=POSITIVE,
        labels=(POSITIVE, NEGATIVE),
        model_sha256=sha256_file(model),
        training=_training(split, settings, epochs),
        held_out=_measured(model, split, settings),
        selected_for=split.positive_slices,
    )
    write_card(out, card)
    return card


def refuse_foreign_folder(out: Path) -> None:
    """Raise RecipeError if `out` exists and is neither empty nor a classifier."""
    if out.exists() and not (out.is_dir() and ((out / CARD_FILE).is_file() or not _visible(out))):
        raise RecipeError(f"{out}: exists and is no classifier; choose another --out")


def _visible(folder: Path) -> list[Path]:
    left_over = (TEMPORARY_PREFIX, MODEL_FILE)  # of a training that was killed
    return [path for path in folder.iterdir() if not path.name.startswith(left_over)]


def smallest_lines(lines: dict[int, str], number: int) -> dict[int, str]:
    """Return the lines with the smallest order values, at most `number`."""
    return {key: lines[key] for key in heapq.nsmallest(number, lines)} if len(lines) > number else lines


def _refuse_few(sizes: list[int], classes: list[Examples], num_both: int) -> None:
    names = ("--positive", "--negative")
    faults = [
        f"{name} has {found.num_read:,} documents ({found.num_empty:,} without a word, {len(found.lines):,} distinct, "
        f"{num_both:,} of them in both classes)"
        for name, found, size in zip(names, classes, sizes, strict=True)
        if size < MIN_CLASS_DOCS
    ]
    if faults:
        raise RecipeError(
            f"curate classifier train: too few documents: {'; '.join(faults)}; expected at least {MIN_CLASS_DOCS} to "
            f"fit on and {MIN_HELD_OUT_DOCS} held out in each class; give more paths or lower `held_out_fraction`"
        )


def fasttext_arguments(settings: TrainSettings, epochs: int) -> dict[str, str | int | float]:
    """Return fastText's own settings."""
    return {
        "lr": settings.learning_rate,
        "dim": settings.dim,
        "epoch": epochs,
        "wordNgrams": settings.word_ngrams,
        "bucket": settings.buckets,
        "minCount": settings.min_count,
        "loss": "softmax",
        "seed": settings.seed,
    }


def _training(split: Split, settings: TrainSettings, epochs: int) -> dict[str, Json]:
    classes = {"positive": split.positives, "negative": split.negatives}
    return {
        "recipe": f"curate-classifier@{VERSION}",
        "settings": settings.model_dump(mode="json"),
        "epochs": epochs,
        "in_both_classes": split.num_in_both,
        **{
            name: {"docs": len(lines), "digest": digest_json(sorted(stable_hash(line) for line in lines))}
            for name, lines in classes.items()
        },
    }


def _measured(model: Path, split: Split, settings: TrainSettings) -> dict[str, Json]:
    """Return the report on the held-out documents, cut as those fitted on."""
    loaded = FastTextModel.load(model)
    column = loaded.label_index(POSITIVE, str(model))
    recipe = find_normalisation(settings.normalize, str(model))
    positives, negatives = (
        np.clip(loaded.probabilities(text_array(lines), recipe)[:, column], 0.0, 1.0)
        for lines in (split.held_out_positives, split.held_out_negatives)
    )
    return held_out_report(positives, negatives)
