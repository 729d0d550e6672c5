"""A track of a study's own digests: what another study must share to stand in one table with it."""

from __future__ import annotations

import json

from leaderboard.entries.study_source import StudySource
from leaderboard.entries.tracks import Track
from train.evals.results import read_summary


def track_of_study(source: StudySource, name: str = "") -> Track:
    """Return the track that fixes a study's pool, panel, tokenizers, tiers and suites."""
    tiers: dict[str, str] = {}
    suites: dict[str, str] = {}
    runs = source.result.runs
    for run in runs:
        artifact = source.artifact("run", run.fingerprint, "with its tier's digest")
        tiers[run.tier] = str(artifact.summary.get("tier_digest", ""))
    for one in source.result.facts.suites:
        results = read_summary(source.artifact("scores", one.artifact, "with its digest").path)
        if results.tasks:
            suites[results.suite.name] = results.suite.digest
    value = {
        "schema": "curate-track@1",
        "name": name or source.result.name,
        "pool": str(source.frozen["identity"]["pool"]),
        "panel": runs[0].panel,
        "tokenizers": sorted({run.tokenizer for run in runs}),
        "tiers": tiers,
        "suites": suites,
    }
    return Track.model_validate_json(json.dumps(value))
