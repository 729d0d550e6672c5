"""Noise runs stay apart: no seed of a corpus, no side of a comparison, whatever way they are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import RunError
from curation.files import digest_json
from curation.store import Store
from leaderboard.comparison.finding import find_side
from leaderboard.studies.assemble import scored_run
from train.evals.results import ModelFacts, Results, Scored, SuiteFacts, write_results


def test_a_noise_run_enters_no_comparison_by_its_artifact(store: Store, noise_run: Any) -> None:
    run = noise_run(1, 1, 1, 2.0)
    with pytest.raises(RunError, match="noise packs only"):
        scored_run(run, "mine")
    with pytest.raises(RunError, match="noise packs only"):
        find_side(store, str(run.path))


def test_the_seeds_of_a_corpus_are_its_ordinary_runs(store: Store, baseline: Any, noise_run: Any) -> None:
    baseline(2)
    noise_run(1, 1, 1, 2.0)
    fingerprint = digest_json({"corpus": "baseline"})
    with store.building("corpus", fingerprint) as out:
        out.finish({"inputs": {}, "params": {}, "summary": {}})
    side = find_side(store, f"corpus-{fingerprint[:8]}:micro-1x")
    assert sorted(model.seed for model in side.models if model.seed is not None) == [1, 2]
    assert len(side.models) == 2


def test_published_scores_of_a_noise_run_are_refused_and_another_trainers_seed_0_is_not(
    store: Store, tmp_path: Path
) -> None:
    for trainer in ("curate", "other"):
        facts = ModelFacts(name="m", digest="d" * 16, tier="micro-1x", seed=0, trainer=trainer)
        suite = SuiteFacts(name="small", version="1", digest="5" * 64)
        results = Results(model=facts, suite=suite, context=512, metric_versions={}, software={})
        write_results(tmp_path / trainer, Scored(results=results))
    with pytest.raises(RunError, match="scores of a noise run"):
        find_side(store, str(tmp_path / "curate"))
    assert find_side(store, str(tmp_path / "other")).models[0].seed == 0
