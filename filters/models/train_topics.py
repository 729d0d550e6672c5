"""`curate classifier train --labelled`: documents with a label column become a fastText model of many labels.

For models of topics or formats that tag a pool. As with two classes, what is fitted depends on the documents alone:
they are distinct by their normalised text, drawn and ordered by its hash; one that stands under two labels is left
out. Classes keep their sizes unless `balance` is set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.batches import read_table, text_array
from curation.errors import RecipeError
from curation.files import Json, digest_json, sha256_file
from curation.progress import Progress
from curation.randomness import stable_hash
from curation.store import Artifact
from curation.tags.agreement import DIGITS, Agreement
from filters.models.card import CONTAINER_SUFFIX, Card, write_card
from filters.models.fasttext_model import FastTextModel
from filters.models.normalisation import find_normalisation, without_labels
from filters.models.topic_tagger import PREFIX
from filters.models.train_classifier import (
    MIN_HELD_OUT_DOCS,
    TrainSettings,
    fit_model,
    smallest_lines,
)
from filters.models.training_set import MIN_CLASS_DOCS

VERSION = 1


class TopicSettings(TrainSettings):
    """As with two classes, but classes keep their sizes."""

    balance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Lines to fit on and held out by label, and how many documents are under two labels."""

    fitted: Mapping[str, list[str]]
    held_out: Mapping[str, list[str]]
    num_in_two: int


def read_topics(pool: Artifact, settings: TopicSettings, progress: Progress) -> Topics:
    """Return the documents of each slice of `pool`, as lines in their order.

    Raises: RecipeError for fewer than two labels, one with fewer than 20 documents to fit on and 5 held out, or labels
    that are one without their blanks.
    """
    recipe = find_normalisation(settings.normalize, "--labelled")
    classes: dict[str, dict[int, str]] = {}
    with progress.task("read --labelled", pool.num_parts) as task:
        for path in pool.part_paths():
            table = read_table(path, ["slice", "text"])
            for name, text in zip(table["slice"].to_pylist(), table["text"].to_pylist(), strict=True):
                line = without_labels(recipe.apply(text))[: settings.max_doc_chars]
                if line.split():
                    classes.setdefault(name, {})[stable_hash("train-classifier", settings.seed, line)] = line
            for name, lines in classes.items():
                if len(lines) > 2 * settings.max_class_docs:
                    classes[name] = smallest_lines(lines, settings.max_class_docs)
            task.advance()
    classes = {name: smallest_lines(lines, settings.max_class_docs) for name, lines in sorted(classes.items())}
    seen = Counter(key for lines in classes.values() for key in lines)
    fitted: dict[str, list[str]] = {}
    held: dict[str, list[str]] = {}
    for name, lines in classes.items():
        own = [lines[key] for key in sorted(lines) if seen[key] == 1]
        number = max(MIN_HELD_OUT_DOCS, round(settings.held_out_fraction * len(own)))
        held[name], fitted[name] = own[:number], own[number:]
    _refuse(fitted)
    if settings.balance:
        size = min(map(len, fitted.values()))
        fitted = {name: lines[:size] for name, lines in fitted.items()}
    return Topics(fitted=fitted, held_out=held, num_in_two=sum(count > 1 for count in seen.values()))


def _refuse(fitted: Mapping[str, list[str]]) -> None:
    where = "curate classifier train: --labelled"
    if len(fitted) < 2:
        raise RecipeError(
            f"{where}: the documents have {len(fitted)} label ({', '.join(fitted)}), expected at least two; name the "
            "field that holds it with --label-field"
        )
    few = [f"{name} has {len(lines)}" for name, lines in fitted.items() if len(lines) < MIN_CLASS_DOCS]
    if few:
        raise RecipeError(
            f"{where}: too few documents to fit on: {', '.join(few)}; expected at least {MIN_CLASS_DOCS} and "
            f"{MIN_HELD_OUT_DOCS} held out of each label; give more, or leave the label out"
        )
    spelled = Counter(map(_spelled, fitted))
    same = [name for name in fitted if spelled[_spelled(name)] > 1]
    if same:
        raise RecipeError(f"{where}: labels {', '.join(map(repr, same))} are one without blanks; rename one of them")


def _spelled(label: str) -> str:
    """Return a label as fastText can hold it: blanks are underscores."""
    return PREFIX + "_".join(label.split())


def train_topics(topics: Topics, settings: TopicSettings, out: Path, progress: Progress) -> Card:
    """Fit, measure on what is held out, and write `model.bin` and `card.json`; the card last. Returns the card."""
    lines = [(line, _spelled(name)) for name, own in topics.fitted.items() for line in own]
    model, epochs = fit_model(lines, settings, out, progress, what=f"{len(topics.fitted)} labels")
    card = Card(
        name=out.resolve().name.removesuffix(CONTAINER_SUFFIX),
        version=VERSION,
        normalisation=settings.normalize,
        labels=tuple(map(_spelled, topics.fitted)),
        model_sha256=sha256_file(model),
        training=_training(topics, settings, epochs),
        held_out=_measured(model, topics, settings),
    )
    write_card(out, card)
    return card


def _training(topics: Topics, settings: TopicSettings, epochs: int) -> dict[str, Json]:
    return {
        "recipe": f"curate-topics@{VERSION}",
        "settings": settings.model_dump(mode="json"),
        "epochs": epochs,
        "in_two_classes": topics.num_in_two,
        "labels": {
            name: {"docs": len(lines), "digest": digest_json(sorted(stable_hash(line) for line in lines))}
            for name, lines in topics.fitted.items()
        },
    }


def _measured(model: Path, topics: Topics, settings: TopicSettings) -> dict[str, Json]:
    """Return accuracy, macro F1, each label's precision and recall, and the table, on held-out documents."""
    loaded, recipe = FastTextModel.load(model), find_normalisation(settings.normalize, str(model))
    truth = [_spelled(name) for name, lines in topics.held_out.items() for _ in lines]
    found = loaded.probabilities(text_array([line for lines in topics.held_out.values() for line in lines]), recipe)
    said = [loaded.labels[i] for i in found.argmax(axis=1).tolist()]
    right = np.array([a == b for a, b in zip(truth, said, strict=True)])
    labels: dict[str, Json] = {}
    scores: list[float] = []
    for label in sorted(set(truth)):
        hits = sum(a == b == label for a, b in zip(truth, said, strict=True))
        precision, recall = hits / max(1, said.count(label)), hits / truth.count(label)
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
        labels[label.removeprefix(PREFIX)] = {
            "docs": truth.count(label), "precision": round(precision, DIGITS), "recall": round(recall, DIGITS)
        }  # fmt: skip
    return {
        "num_docs": len(truth),
        "accuracy": round(float(right.mean()), DIGITS),
        "macro_f1": round(float(np.mean(scores)), DIGITS),
        "labels": labels,
        "table": Agreement.of(truth, said).as_json()["table"],
    }
