"""A study's steps, and how many of its runs share a job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from curation.backends.sites import Site
from curation.errors import StudyError
from leaderboard.cluster.dag import dag_from_json, dag_json, dag_of
from leaderboard.cluster.folder import Submission
from leaderboard.cluster.packs import pack_size
from leaderboard.studies.arms import resolve_arms
from train.packing import Gpu, runs_on_gpu
from train.tier_plan import CARDS
from train.tiers import load_tier


def test_steps_follow_one_another_from_the_pool_to_the_comparison(make_submission: Callable[[], Submission]) -> None:
    steps = [(step.name, step.after, step.num_tasks) for step in make_submission().dag.steps]
    assert steps == [
        ("pool", (), 1),
        ("build", ("pool",), 4),
        ("tokens", ("build",), 4),
        ("check", ("tokens",), 1),
        ("runs-pico-0.02x", ("check",), 4),  # four arms, two seeds, two cores a job
        ("judge-pico-0.02x", ("runs-pico-0.02x",), 1),
        ("runs-pico-0.03x", ("judge-pico-0.02x",), 2),
        ("compare", ("runs-pico-0.03x",), 1),
    ]


def test_every_run_of_a_tier_is_in_one_pack_and_one_only(make_submission: Callable[[], Submission]) -> None:
    step = make_submission().dag.step("runs-pico-0.02x")
    runs = [(run.arm, run.seed) for pack in step.packs for run in pack]
    arms = ["baseline", "long", "random", "random-matched"]
    assert sorted(runs) == sorted((arm, seed) for arm in arms for seed in (1, 2))


def test_suites_add_an_evaluation_after_each_tier(make_submission: Callable[[], Submission], site: Site) -> None:
    study = make_submission().study.model_copy(update={"suites": ("small",)})
    dag = dag_of(study, resolve_arms(study, "s.yaml"), site)
    assert dag.step("judge-pico-0.02x").after == ("evaluate-pico-0.02x",)
    assert dag.step("compare").after == ("evaluate-pico-0.03x",)


def test_steps_written_and_read_are_the_same(make_submission: Callable[[], Submission]) -> None:
    dag = make_submission().dag
    assert dag_from_json(dag_json(dag)) == dag  # type: ignore[arg-type]


def test_runs_share_a_gpu_as_the_memory_plan_says(site: Site) -> None:
    card = CARDS["h200"].memory_bytes
    assert pack_size("micro-1x", site) == runs_on_gpu(
        load_tier("micro-1x"), Gpu(name="0", free_bytes=card, total_bytes=card)
    )
    assert pack_size("micro-1x", site) > 1


def test_a_tier_that_fills_a_card_has_it_alone(site: Site) -> None:
    assert pack_size("300m-1x", site) == 1


def test_an_unknown_card_is_refused_with_the_nearest_one() -> None:
    site = Site.model_validate({"gpu": {"card": "h20"}})
    with pytest.raises(StudyError, match="did you mean `h200`"):
        pack_size("micro-1x", site)


def test_a_tier_for_gpus_is_refused_where_a_site_has_none(make_submission: Callable[[], Submission]) -> None:
    study = make_submission().study.model_copy(update={"tiers": {"micro-1x": 1}})
    with pytest.raises(StudyError, match="micro-1x trains on a GPU"):
        dag_of(study, resolve_arms(study, "s.yaml"), Site())
