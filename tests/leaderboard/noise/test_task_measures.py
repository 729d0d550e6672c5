"""Noise of tasks: spread over seeds, clustered errors of items, and results that do not belong together refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.errors import ResultsError, RunError
from curation.randomness import generator
from leaderboard.noise.build import build_pack
from leaderboard.noise.pack import ItemFacts
from leaderboard.noise.read_runs import gather_runs
from leaderboard.noise.task_measures import task_measures
from train.evals.results import Metric, ModelFacts, Results, Scored, SuiteFacts, TaskResult, write_results
from train.evals.score_tables import ITEMS_SCHEMA
from train.tiers import load_tier

Make = Callable[..., Scored]
PASSAGES, QUESTIONS = 30, 4


@pytest.fixture
def scored() -> Make:
    """Return a maker of results of one task: accuracy by item from passages, items and seeds."""

    def make(
        seed: int,
        *,
        digest: str = "d" * 64,
        tier: str = "micro-1x",
        shift: float = 0.0,
        tokens: int | None = None,
        averaged: tuple[int, ...] = (),
    ) -> Scored:
        groups = np.repeat(np.arange(PASSAGES), QUESTIONS)
        level = generator(6, "passages").normal(size=PASSAGES)[groups]
        own = generator(6, "items", seed).normal(scale=0.5, size=len(groups))
        values = 1 / (1 + np.exp(-(level + own + shift)))
        columns: dict[str, Any] = {name: [None] * len(groups) for name in ITEMS_SCHEMA.names}
        columns |= {
            "task": ["reading"] * len(groups),
            "item": list(range(len(groups))),
            "group": [f"p{group}" for group in groups],
            "gold": [0] * len(groups),
            "log_likelihoods": [[-1.0, -2.0]] * len(groups),
            "greedy": [[True, False]] * len(groups),
            "num_tokens": [[1, 1]] * len(groups),
            "num_bytes": [[4, 4]] * len(groups),
            "num_chars": [[4, 4]] * len(groups),
            "correct_prob": values,
        }
        task = TaskResult(
            family="knowledge", kind="mc", shots=0, n=len(groups), digest="t" * 16, primary="correct_prob",
            metrics={"correct_prob": Metric(value=float(values.mean()), n=len(groups))},
        )  # fmt: skip
        results = Results(
            model=ModelFacts(name=f"run {seed}", digest="m" * 16, tier=tier, seed=seed, tokens_seen=tokens,
                             checkpoint=None if tokens is None else tokens // 1000),
            suite=SuiteFacts(name="small", version="1", digest=digest),
            context=512, metric_versions={"correct_prob": "1"}, software={}, tasks={"reading": task}, averaged=averaged,
        )  # fmt: skip
        return Scored(results=results, items=pa.table(columns, schema=ITEMS_SCHEMA))

    return make


def facts(scored: Make, num_runs: int = 4) -> ItemFacts:
    (found,) = task_measures(num_runs, {place: [scored(place + 1)] for place in range(num_runs)})
    assert found.items is not None
    return found.items


def test_passages_make_the_error_larger_than_items_alone(scored: Make) -> None:
    found = facts(scored)
    assert (found.count, found.clusters) == (PASSAGES * QUESTIONS, PASSAGES)
    assert found.clustered > 1.5 * found.naive  # type: ignore[operator]


def test_two_seeds_differ_less_than_two_draws_of_items(scored: Make) -> None:
    found = facts(scored)
    assert found.pair is not None
    assert found.pair < found.clustered
    assert found.item_variance > found.seed_variance  # type: ignore[operator]


def test_a_task_is_measured_on_its_own_scale(scored: Make) -> None:
    (found,) = task_measures(3, {0: [scored(1)], 2: [scored(3)]})
    assert (found.kind, found.name, found.metric, found.scale) == ("task", "reading", "correct_prob", "plain")
    assert found.values[1] is None
    assert found.values[0] == scored(1).results.tasks["reading"].metrics["correct_prob"].value


def test_results_of_two_versions_of_a_suite_are_refused(scored: Make) -> None:
    with pytest.raises(ResultsError, match="digest"):
        task_measures(2, {0: [scored(1)], 1: [scored(2, digest="e" * 64)]})


def test_two_results_of_one_run_are_refused(scored: Make) -> None:
    with pytest.raises(RunError, match="a second result"):
        task_measures(1, {0: [scored(1), scored(1)]})


def test_results_join_the_runs_they_are_of(store: Any, baseline: Any, scored: Make, tmp_path: Path) -> None:
    names = [str(one.path) for one in baseline(8)]
    for seed in range(1, 9):
        write_results(tmp_path / str(seed), scored(seed))
        names.append(str(tmp_path / str(seed)))
    pack = build_pack(gather_runs(store, names, None), date="2026-01-31")
    measure = pack.measure("task", "reading", "correct_prob")
    assert measure is not None
    assert measure.seeds is not None
    assert measure.seeds.sigma == pytest.approx(np.std(measure.values, ddof=1))  # type: ignore[arg-type]
    assert pack.provenance.suites == {"small": "d" * 64}


def test_results_without_their_run_are_refused(store: Any, baseline: Any, scored: Make, tmp_path: Path) -> None:
    write_results(tmp_path / "r", scored(7))
    with pytest.raises(RunError, match="seed 7; give its run too"):
        gather_runs(store, [*(str(one.path) for one in baseline(2)), str(tmp_path / "r")], None)


def test_scores_of_checkpoints_give_the_noise_between_them(
    store: Any, baseline: Any, scored: Make, tmp_path: Path
) -> None:
    names = [str(one.path) for one in baseline(2)]
    decay = 0.79 * load_tier("micro").num_tokens
    for seed in (1, 2):
        write_results(tmp_path / str(seed), scored(seed))
        names.append(str(tmp_path / str(seed)))
        for part in range(2, 8):  # the last lies behind the fall of the rate
            tokens = int(decay * part / 6)
            folder = tmp_path / f"{seed}-{part}"
            write_results(folder, scored(seed, tokens=tokens, shift=0.1 * part + (0.02 if part % 2 else -0.02)))
            names.append(str(folder))
    measure = build_pack(gather_runs(store, names, None), date="").measure("task", "reading", "correct_prob")
    assert measure is not None
    assert measure.checkpoints is not None
    assert measure.checkpoints.degrees == 2 * (5 - 3)
    assert 0.001 < measure.checkpoints.sigma < 0.01  # 0.02 of a logit is 0.005 of a probability at most
    assert [value is not None for value in measure.values] == [True, True]


def test_means_of_checkpoints_are_no_runs(store: Any, baseline: Any, scored: Make, tmp_path: Path) -> None:
    write_results(tmp_path / "a", scored(1, averaged=(3, 4)))
    with pytest.raises(RunError, match="less noise than a run"):
        gather_runs(store, [*(str(one.path) for one in baseline(2)), str(tmp_path / "a")], None)
