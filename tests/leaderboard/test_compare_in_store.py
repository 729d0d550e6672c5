"""`curate compare` in a store: a study with scores on a suite, a corpus as a side, an arm of a study as a side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.cli import main
from curation.errors import RunError
from curation.files import digest_json
from curation.randomness import generator
from curation.store import Store
from curation.store_locks import IN_USE
from leaderboard.compare_command import compared
from leaderboard.comparison.finding import find_side, unused_scores
from leaderboard.studies.results import RESULT_FILE, RunResult, write_result
from train.evals.results import Metric, ModelFacts, Results, Scored, SuiteFacts, TaskResult, write_results
from train.evals.score_tables import ITEMS_SCHEMA

SLICES = {"docs": 60, "code": 55}
NUM_ITEMS = 200
SHARES = {"baseline": 0.5, "mine": 0.7, "random": 0.5, "random-matched": 0.6}


def level(arm: str, seed: int, name: str) -> float:
    """The arm is 2 % better, its matched control 1 %."""
    return 2.0 * {"mine": 0.98, "random-matched": 0.99}.get(arm, 1.0) * (1 + 0.001 * seed)


def write_scores(store: Store, run: RunResult) -> None:
    """Write a scores artifact of a run as `curate eval` does: the model's digest is the run's fingerprint."""
    right = generator(1, "items").uniform(size=NUM_ITEMS) < SHARES[run.arm] + 0.01 * run.seed
    rows: list[dict[str, Any]] = []
    for item, ok in enumerate(right.tolist()):
        row: dict[str, Any] = dict.fromkeys(ITEMS_SCHEMA.names)
        row |= {"task": "quiz", "item": item, "group": str(item), "gold": 0, "log_likelihoods": [-1.0, -2.0]}
        row |= {"greedy": [False, False], "acc_raw": float(ok)}
        row |= {name: [1, 1] for name in ("num_tokens", "num_bytes", "num_chars")}
        rows.append(row)
    task = TaskResult(
        family="knowledge",
        kind="mc",
        shots=0,
        n=NUM_ITEMS,
        digest="d" * 64,
        primary="acc_raw",
        baseline_v1=0.25,
        metrics={"acc_raw": Metric(value=float(np.mean(right)), n=NUM_ITEMS)},
    )
    facts = ModelFacts(name=f"run-{run.fingerprint[:8]}", digest=run.fingerprint, tier=run.tier, seed=run.seed)
    results = Results(
        model=facts,
        suite=SuiteFacts(name="small", version="1", digest="5" * 64),
        context=512,
        metric_versions={"acc_raw": "1"},
        software={},
        tasks={"quiz": task},
    )
    with store.building("scores", digest_json({"scores": run.fingerprint})) as out:
        write_results(out.path, Scored(results=results, items=pa.Table.from_pylist(rows, schema=ITEMS_SCHEMA)))
        out.finish({"inputs": {}, "params": {}, "summary": {}})


@pytest.fixture
def study(make_result: Any, store: Store) -> Any:
    """A study whose runs were scored on a suite as well."""
    result = make_result(level, SLICES)
    write_result(store.root / "study-small" / RESULT_FILE, result)
    for run in result.runs:
        write_scores(store, run)
    return result


def test_a_studys_arms_are_compared_on_the_suites_that_their_runs_were_scored_on(study: Any, store: Store) -> None:
    (pair,) = compared(store, ["study-small"], arm="mine")
    (quiz,) = [row for row in pair.outcomes[0].rows if row.level == "task"]
    assert quiz.name == "quiz"
    assert quiz.delta == pytest.approx(0.2, abs=0.05)


def test_a_studys_matched_control_splits_loss_and_tasks(study: Any, store: Store) -> None:
    (pair,) = compared(store, ["study-small"], arm="mine")
    split = {(row.level, row.metric): (row.quality, row.rest, row.delta) for row in pair.outcomes[0].rows}
    loss, task = split["headline", "bits_per_byte"], split["task", "acc_raw"]
    assert loss[0] == pytest.approx(np.log(0.98 / 0.99))
    assert task[0] + task[1] == pytest.approx(task[2])
    assert task[0] == pytest.approx(0.1, abs=0.05)


def test_the_studys_own_verdict_and_reasons_stand(study: Any, store: Store) -> None:
    (pair,) = compared(store, ["study-small"], arm="mine")
    own = study.assessments[0]
    assert (pair.outcomes[0].verdict, pair.outcomes[0].reasons) == (own.verdict, own.reasons)


def test_two_runs_bring_the_scores_that_the_store_holds_of_them(study: Any, store: Store) -> None:
    runs = {(run.arm, run.seed): run.fingerprint[:8] for run in study.runs}
    (pair,) = compared(store, [runs["mine", 1], runs["baseline", 1]])
    assert {row.level for row in pair.outcomes[0].rows} >= {"headline", "slice", "task", "all-tasks"}
    assert pair.outcomes[0].suites == ("small 55555555",)


def test_a_corpus_is_all_seeds_that_were_trained_on_it(study: Any, store: Store) -> None:
    corpora = {arm.name: f"corpus-{arm.corpus[:8]}" for arm in study.arms}
    (pair,) = compared(store, [corpora["mine"], f"{corpora['baseline']}:pico"])
    assert pair.outcomes[0].seeds == (1, 2)


def test_an_arm_of_a_study_is_a_side(study: Any, store: Store) -> None:
    (pair,) = compared(store, ["study-small:mine", "study-small:baseline"])
    assert pair.outcomes[0].seeds == (1, 2)
    assert pair.outcomes[0].headline is not None
    assert pair.outcomes[0].headline.delta == pytest.approx(np.log(0.98))


def test_a_whole_study_is_no_side_and_its_arms_are_offered(study: Any, store: Store) -> None:
    with pytest.raises(RunError, match=r"name an arm of it as .*:ARM \(it has baseline, mine"):
        compared(store, [str(store.root / "study-small"), "study-small:baseline"])


def test_an_unknown_tier_of_a_corpus_offers_those_with_runs(study: Any, store: Store) -> None:
    corpus = next(arm.corpus for arm in study.arms if arm.name == "mine")
    with pytest.raises(RunError, match="no run at tier `picp`.*pico"):
        find_side(store, f"corpus-{corpus[:8]}:picp")


def test_scores_of_a_checkpoint_do_not_stand_for_the_finished_run(study: Any, store: Store) -> None:
    scores = next(path for path in sorted(store.root.glob("scores-*")))
    file = scores / "results.json"
    file.write_text(file.read_text().replace('"checkpoint": null', '"checkpoint": 50'))
    sides = [model for run in study.runs for model in find_side(store, run.fingerprint[:8]).models]
    assert sum(not model.suites for model in sides) == 1


def test_scores_of_items_of_ones_own_enter_no_comparison(study: Any, store: Store) -> None:
    with store.building("scores", digest_json({"own": "items"})) as out:
        out.finish({"inputs": {}, "params": {}, "summary": {}})
    (pair,) = compared(store, ["study-small"], arm="mine")
    assert pair.outcomes[0].suites == ("small 55555555",)


def test_the_store_is_not_touched_by_comparing(study: Any, store: Store) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in Path(store.root).rglob("*"))
    compared(store, ["study-small"], arm="mine")
    assert sorted((path, path.stat().st_mtime_ns) for path in Path(store.root).rglob("*")) == before


def test_scores_of_a_suite_that_a_noise_pack_leaves_out_are_named(study: Any, store: Store) -> None:
    runs = [run.fingerprint for run in study.runs if run.arm == "baseline"]
    (suite, folders), *others = unused_scores(store, frozenset(runs), measured=()).items()
    assert (suite, len(folders), others) == ("small", len(runs), [])
    assert unused_scores(store, frozenset(runs), measured=("small",)) == {}


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "study-small"),
        ("compare", "study-small:mine", "study-small:baseline"),
        ("noise", "show"),
        ("leaderboard", "show"),
        ("doctor", "--gc"),
        ("plateaus",),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_commands_that_look_make_nothing_in_the_store_not_even_its_lock(
    study: Any, store: Store, words: tuple[str, ...]
) -> None:
    (store.root / IN_USE).unlink()
    with store.building("pool", "0" * 64):  # beside a builder
        before = listing(store.root)
        with pytest.raises(SystemExit) as ended:
            main([*words, "--store", str(store.root)])
        assert not ended.value.code
        assert listing(store.root) == before


@pytest.mark.parametrize("words", [("noise", "show"), ("compare", "a", "b"), ("panel", "show", "p"), ("plateaus",)])
def test_commands_that_look_make_no_store_where_there_is_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--store", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def listing(root: Path) -> list[tuple[str, int, int]]:
    """Return everything below a folder, itself too, with its size and the time of its last change."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in [root, *sorted(root.rglob("*"))]]
