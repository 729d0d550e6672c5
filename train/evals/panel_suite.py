"""A panel as a suite of `curate eval`: one model's results on it, with marks, ready to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.panel_view import is_external, panel_name, panel_version
from curation.store import Artifact
from train.evals.panel_marks import Training, marks_of
from train.evals.panel_scores import PANEL_METRIC, PanelScores, slice_results
from train.evals.results import ModelFacts, Results, Scored, SliceResult, SuiteFacts

PANEL = "panel"
METRIC_VERSIONS: Mapping[str, str] = {PANEL: PANEL_METRIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelJob:
    """A model and what is known of it, scored on a panel at a context."""

    model: ModelFacts
    context_tokens: int
    training: Training
    software: Mapping[str, str]


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
