"""A panel scored on one model: an artifact of kind `scores` with every document's nats and every slice's sums."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from curation.errors import RunError
from curation.files import Json, read_json
from curation.nodes import Node, NodeRun
from curation.store import Artifact, Store
from train.evals.models import Evaluated, opened
from train.evals.panel_marks import Training, directory_training, run_training, tokens_training
from train.evals.panel_scores import run_scores, score_documents
from train.evals.panel_suite import METRIC_VERSIONS, PanelJob, panel_facts, panel_results
from train.evals.results import KIND, RESULTS, Scored, write_results
from train.evals.suite_scores import SOFTWARE, VERSION, results_summary, software


def panel_node(store: Store, model: Evaluated, panel: Artifact) -> Node:
    """Return the node of a model's scores on a panel."""
    training = _training(store, model)
    facts = panel_facts(panel)
    params: dict[str, Json] = {
        "model": model.facts.digest,
        "suite": facts.name,
        "suite_digest": facts.digest,
        "context": model.context_tokens,
        "metric_versions": dict(METRIC_VERSIONS),
        "training": {
            "shares": dict(training.shares),
            "selected_for": sorted(training.selected_for),
            "panels": sorted(training.panels),
        },
    }

    def run(context: NodeRun) -> Mapping[str, Json]:
        if not context.out.has(RESULTS):
            _score(context, model, panel, training)
        return results_summary(cast("Mapping[str, Json]", read_json(context.out.path / RESULTS)))

    return Node(
        kind=KIND, version=VERSION, params=params, inputs={}, run=run, label=f"{model.facts.name} on {facts.name}"
    )


def _score(context: NodeRun, model: Evaluated, panel: Artifact, training: Training) -> None:
    started = time.monotonic()
    job = PanelJob(
        model=model.facts, context_tokens=model.context_tokens, training=training, software=software(SOFTWARE)
    )
    scores = run_scores(model.run, panel, model.context_tokens) if model.run is not None else None
    if scores is None:
        with opened(model) as held:
            if held.subject.context_tokens != model.context_tokens:
                raise RunError(
                    f"{model.where}: takes {held.subject.context_tokens:,} tokens, its configuration says "
                    f"{model.context_tokens:,}; score it with --context {held.subject.context_tokens}"
                )
            scores = score_documents(held.subject, panel, context.progress)
    scored = panel_results(job, panel, scores)
    clocks = {
        "duration_seconds": round(time.monotonic() - started, 3),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    results = scored.results.model_copy(update=clocks)
    write_results(context.out.path, Scored(results=results, documents=scored.documents))


def _training(store: Store, model: Evaluated) -> Training:
    """Return what the model was trained on, as far as the store knows."""
    if model.run is not None:
        return run_training(store, model.run)
    if model.directory is not None:
        return directory_training(store, model.directory)
    return tokens_training(store, model.facts.arm)
