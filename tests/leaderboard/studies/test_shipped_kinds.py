"""The shipped studies of dedup and of a mixture: they load, plan, and run to a result on this environment's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.progress import SilentProgress
from curation.store import Store
from leaderboard.studies.arms import resolve_arms
from leaderboard.studies.run import run_study
from leaderboard.studies.study import load_study

STUDIES = Path(__file__).resolve().parents[3] / "studies"
SMALL = ("pool.max_bytes=6000000", "tiers={pico-0.01x: 1}", "panel.bytes_per_slice=20000", "protect=[]", "trade={}")


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_every_shipped_study_loads_with_all_its_arms(name: str) -> None:
    path = STUDIES / f"{name}.yaml"
    study = load_study(path)
    named = {"baseline", *study.vary}
    added = {arm.name for arm in resolve_arms(study, str(path))} - named
    assert named <= {arm.name for arm in resolve_arms(study, str(path))}
    assert bool(added) == (study.kind != "tokenizer")  # every other kind has controls, or points of a sweep


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("shipped") / "store")


@pytest.mark.slow
def test_the_dedup_study_runs_and_its_controls_hold_as_much_text_as_their_arms(shared: Store) -> None:
    study = load_study(STUDIES / "copies.yaml", SMALL)
    result = run_study(study, "copies", store=shared, workers=2, progress=SilentProgress()).result
    assert not result.failures
    tokens = {arm.name: arm.num_tokens for arm in result.arms}
    for arm in study.vary:
        assert tokens[arm] < tokens["baseline"]
        for control in ("random", "random-matched"):
            assert tokens[f"{arm}.{control}"] == pytest.approx(tokens[arm], rel=0.02)
    assert all(found.quality is not None for found in result.assessments)


@pytest.mark.slow
def test_the_mixture_study_runs_on_one_corpus_at_three_weights(shared: Store) -> None:
    study = load_study(STUDIES / "weights.yaml", (*SMALL, "epochs=1000"))
    result = run_study(study, "weights", store=shared, workers=2, progress=SilentProgress()).result
    assert [arm.role for arm in result.arms] == ["baseline", "arm", "uniform"]
    assert len({arm.num_tokens for arm in result.arms}) == 1
    assert len({arm.corpus for arm in result.arms}) == 3
    assert {found.verdict for found in result.assessments} == {"insufficient"}
