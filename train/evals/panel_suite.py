"""A panel as a suite of `curate eval`: an artifact of kind `scores` with nats of documents and sums of slices."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from curation.errors import RunError
from curation.files import Json, read_json
from curation.nodes import Node, NodeRun
from curation.panel_view import is_external, panel_name, panel_version
from curation.store import Artifact, Store
from train.evals.models import Evaluated, opened
from train.evals.panel_marks import Training, directory_training, marks_of, run_training, tokens_training
from train.evals.panel_scores import PANEL_METRIC, PanelScores, run_scores, score_documents, slice_results
from train.evals.results import (
    KIND,
    RESULTS,
    ModelFacts,
    Results,
    Scored,
    SliceResult,
    SuiteFacts,
    clocks,
    write_results,
)
from train.evals.suite_scores import SOFTWARE, VERSION, results_summary, software

PANEL = "panel"
METRIC_VERSIONS: Mapping[str, str] = {PANEL: PANEL_METRIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelJob:
    """A model and what is known of it, scored on a panel at a context."""

    model: ModelFacts
    context_tokens: int
    training: Training
    software: Mapping[str, str]


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


def panel_facts(panel: Artifact) -> SuiteFacts:
    """Return what identifies a panel in results: own panels are one suite by version, external ones each their own."""
    name = panel_name(panel) if is_external(panel) else PANEL
    return SuiteFacts(name=name, version=panel_version(panel), digest=str(panel.summary["digest"]))


def panel_results(job: PanelJob, panel: Artifact, scores: PanelScores) -> Scored:
    """Return the model's results on the panel, without a clock's readings."""
    results = Results(
        model=job.model,
        suite=panel_facts(panel),
        context=job.context_tokens,
        metric_versions=METRIC_VERSIONS,
        software=job.software,
        slices=marked_slices(panel, scores, job.training),
    )
    return Scored(results=results, documents=scores.documents)


def marked_slices(panel: Artifact, scores: PanelScores, training: Training) -> dict[str, SliceResult]:
    """Return the results of each slice with its marks."""
    plain = slice_results(scores.documents, {})
    marks = marks_of(panel, scores, plain, training)
    return {name: one.model_copy(update={"marks": marks[name]}) for name, one in plain.items()}


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
    results = scored.results.model_copy(update=clocks(time.monotonic() - started))
    write_results(context.out.path, Scored(results=results, documents=scored.documents))


def _training(store: Store, model: Evaluated) -> Training:
    """Return what the model was trained on, as far as the store knows."""
    if model.run is not None:
        return run_training(store, model.run)
    if model.directory is not None:
        return directory_training(store, model.directory)
    return tokens_training(store, model.facts.arm)
