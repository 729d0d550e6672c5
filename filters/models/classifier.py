"""The fastText quality classifier: fitted on reference documents only, then P(hq) for every judged document.

Rule 2: positives and negatives have the role `reference`, disjoint from training and panel, or come from outside the
pool (what installed distributions say of themselves, when the pool has no curated slice). It is fitted on all reference
documents, whether or not they pass a rule set, so that a study that moves a rule leaves it alone (rule 17).
DCLM's settings for a small set: word bigrams, minCount 1, at least 5 epochs (`num_epochs` says why more, and why the
learning rate is 0.5 instead of 0.1); one thread, a seed and a process of its own, because only that is bitwise
reproducible (`fasttext_worker.py` says why).
Source: DCLM, arXiv:2406.11794, appendix J.1; text as in its `fasttext_filter.yaml`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table, write_table
from curation.files import TEMPORARY_PREFIX, Json, digest_json, replacing, sha256_file
from curation.nodes import Node, NodeRun
from curation.sidecars import map_parts, part_shards
from curation.store import Artifact
from filters.judged import Scope, encode_slices
from filters.models.card import MODEL_FILE, Card, write_card
from filters.models.fasttext_model import FastTextModel
from filters.models.fasttext_training import train_apart
from filters.models.normalisation import DCLM, without_labels
from filters.models.training_set import ClassifierSettings, TrainingSet, collect_training_set, num_bytes, num_epochs

VERSION = "fasttext-quality@3"
POSITIVE, NEGATIVE = "__label__hq", "__label__cc"  # DCLM's names

CLASSIFIER_FIELDS = tuple(name for name in ClassifierSettings.model_fields if name != "applies_to")


def training_line(text: str) -> str:
    """Return text as the classifier is fitted on it: DCLM's joined lines, without tokens that would be labels."""
    return without_labels(DCLM.apply(text))


def classifier_node(settings: ClassifierSettings, pool: Node, panel: Node, scope: Scope, where: str) -> Node:
    """Return the node of the model; its identity is the settings, the pool, the panel and what is judged."""
    params: dict[str, Json] = {name: settings.model_dump(mode="json")[name] for name in CLASSIFIER_FIELDS}
    if not settings.positives:
        params["fallback"] = _fallback_identity()

    def run(context: NodeRun) -> Mapping[str, Json]:
        chosen = collect_training_set(settings, scope, context, where)
        with context.progress.task("train quality classifier", 1) as task:
            trained = train_model(chosen, settings, context.out.path)
            task.advance()
        write_card(context.out.path, _card(trained, params, chosen.selected_for))
        return {
            "num_positives": len(chosen.positives),
            "num_negatives": len(chosen.negatives),
            "positive_bytes": num_bytes(chosen.positives),
            "negative_bytes": num_bytes(chosen.negatives),
            "positives_from": chosen.positives_from,
            "negative_slices": sorted({example.slice for example in chosen.negatives}),
            "epochs": num_epochs(chosen, settings),
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

        return {
            "num_scored": sum(
                map_parts(context, "quality scores", texts.num_parts, score, shards=part_shards(context, texts))
            )
        }

    return Node(
        kind="scores",
        version=VERSION,
        params=scope.as_params(),
        inputs={"pool": pool, "classifier": classifier},
        run=run,
        label="quality scores",
    )


def _card(model: Path, params: Mapping[str, Json], selected_for: tuple[str, ...]) -> Card:
    """Return the card that lets `fasttext:` apply the artifact's model elsewhere."""
    name, _, version = VERSION.partition("@")
    return Card(
        name=name,
        version=int(version),
        normalisation=DCLM.full_name,
        label=POSITIVE,
        labels=(POSITIVE, NEGATIVE),
        model_sha256=sha256_file(model),
        training={"settings": dict(params)},
        selected_for=selected_for,
    )


def train_model(chosen: TrainingSet, settings: ClassifierSettings, folder: Path) -> Path:
    """Fit and write `model.bin` in `folder`; equal inputs give equal bytes. Returns its path.

    Raises: RunError if training fails.
    """
    labelled = [(item, POSITIVE) for item in chosen.positives] + [(item, NEGATIVE) for item in chosen.negatives]
    labelled.sort(key=lambda pair: (pair[0].draw, pair[0].id))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix=TEMPORARY_PREFIX, dir=folder) as stream:
        stream.writelines(f"{label} {training_line(item.text)}\n" for item, label in labelled)
        stream.flush()
        arguments: dict[str, str | int | float] = {
            "lr": settings.learning_rate,
            "dim": settings.dim,
            "epoch": num_epochs(chosen, settings),
            "wordNgrams": settings.word_ngrams,
            "bucket": settings.buckets,
            "minCount": 1,
            "loss": "softmax",
            "seed": settings.seed,
        }
        return train_apart(Path(stream.name), arguments, folder / MODEL_FILE)


def load_model(classifier: Artifact) -> FastTextModel:
    """Return the model of a classifier artifact."""
    return FastTextModel.load(classifier.path / MODEL_FILE)


def score_part(model: FastTextModel, path: Path, scope: Scope) -> npt.NDArray[np.float32]:
    """Return the `score` column of one part of a pool: P(hq) in [0, 1] of judged rows, NaN elsewhere."""
    table = read_table(path, ["slice", "text"])
    rows = np.flatnonzero(encode_slices(table["slice"]).rows_where(scope))
    scores = np.full(table.num_rows, np.nan, np.float32)
    column = model.label_index(POSITIVE, str(path))
    scores[rows] = np.clip(model.probabilities(table["text"], DCLM, rows)[:, column], 0.0, 1.0)
    return scores


def _fallback_identity() -> str:
    """Return a digest of what the environment's documents are a function of."""
    from curation.sources.environment import environment_versions

    return digest_json(sorted(environment_versions()))
