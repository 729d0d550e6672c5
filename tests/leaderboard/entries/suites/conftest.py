"""A made study whose runs were also asked a suite of the user's: answers made up, tables by the contract's writer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curation.files import digest_json
from curation.randomness import generator
from curation.store import Store
from curation.suites.item_metrics import METRIC_VERSIONS
from curation.suites.prompted import Prompted
from curation.suites.rendering import render_task
from curation.suites.task_data import evals_directory, suite_digest
from curation.suites.tasks import load_task_suite
from leaderboard.entries.entry import Entry, entry_folders, read_entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.places import place_of
from leaderboard.entries.study_source import find_study
from leaderboard.entries.submit import Request, submit
from leaderboard.entries.tracks import make_board
from leaderboard.studies.facts import SuiteScores
from leaderboard.studies.results import RESULT_FILE, RunResult, read_result, write_result
from train.evals.engine import ItemScores
from train.evals.models import run_model
from train.evals.results import RESULTS, Results, Scored, SuiteFacts, write_results
from train.evals.suite_scores import Asked, ask
from train.evals.task_results import TaskFacts, TaskSums, item_rows, over_tasks, task_sums

SUITE = """
name: tiny
version: 1
defaults: {primary: acc_per_char, accuracy: acc_per_char, baselines: {v2: 50}}
aggregates:
  all: {of: centred}
tasks:
  colours: {family: knowledge, kind: mc, data: [colours]}
  sums: {family: math, kind: mc, data: [sums]}
"""
TASKS = ("colours", "sums")


def write_suite(folder: Path, missing: str = "") -> Path:
    """Write the suite and its benchmark files, all but one, and return the folder of these."""
    (folder / "tiny.yaml").write_text(SUITE)
    evals = folder / "evals"
    evals.mkdir()
    for name in TASKS:
        records = [
            {"query": f"{name} {number} is", "choices": ["red as rust", "blue"], "gold": number % 2}
            for number in range(8)
        ]
        if name != missing:
            (evals / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    return evals


Answer = Callable[[str, Prompted], ItemScores]


def made_up(run: str, item: Prompted) -> ItemScores:
    """Return answers of one run to one item: seven in ten are right."""
    rng = generator(5, run, item.task, item.item)
    right = rng.random() < 0.7
    values = [-8.0 - 0.1 * float(rng.random())] * len(item.continuations)
    values[item.gold if right else 1 - item.gold] = -1.0
    return ItemScores(log_likelihoods=tuple(values), greedy=(False,) * len(values), num_tokens=(2,) * len(values))


def add_suite(folder: Path, store: Store, answer: Answer = made_up) -> None:
    """Score every run of a finished study on `tiny.yaml` in the current directory."""
    result = read_result(folder)
    asked = ask(load_task_suite("tiny.yaml"), evals_directory())
    listed = [_scored(run, asked, store, answer) for run in result.runs]
    write_result(folder / RESULT_FILE, replace(result, facts=replace(result.facts, suites=tuple(listed))))


def _scored(run: RunResult, asked: Asked, store: Store, answer: Answer) -> SuiteScores:
    artifact = store.find("run", run.fingerprint)
    assert artifact is not None
    model = run_model(artifact)
    context = model.context_tokens
    sums: dict[str, TaskSums] = {}
    tables = []
    for task in asked.tasks:
        items = render_task(task, asked.found[task.name], context)
        rows = item_rows(items, [answer(run.fingerprint, item) for item in items])
        facts = TaskFacts(digest=task.asked(asked.found[task.name].digest, context), shots=0, truncated=0)
        sums[task.name] = task_sums(task, rows, facts)
        tables.append(rows)
    families, aggregates = over_tasks(asked.suite, sums)
    results = Results(
        model=model.facts,
        suite=SuiteFacts(name="tiny", version="1", digest=suite_digest(asked.suite, asked.found, context)),
        context=context,
        metric_versions={**METRIC_VERSIONS, "scorer": "1"},
        software={},
        tasks={name: one.result for name, one in sums.items()},
        missing=asked.missing,
        families=families,
        aggregates=aggregates,
    )
    scored = Scored(results=results, items=pa.concat_tables(tables))
    with store.building("scores", digest_json(["scores", run.fingerprint])) as out:
        write_results(out.path, scored)
        done = out.finish({"inputs": {}, "params": {}, "version": "1", "summary": {}})
    return SuiteScores(
        arm=run.arm, tier=run.tier, seed=run.seed, suite="tiny", digest=results.suite.digest,
        artifact=done.fingerprint, tasks=(),
    )  # fmt: skip


def written_again(folder: Path, items: pa.Table) -> None:
    """Write other items into an entry's results and let every mean follow from them, as a clever forger does."""
    held = Results.model_validate_json((folder / RESULTS).read_bytes())
    suite = load_task_suite("tiny.yaml")
    sums = {}
    for task in suite.tasks:
        if task.name not in held.tasks:
            continue
        rows = items.filter(pc.equal(items["task"], task.name))
        told = held.tasks[task.name]
        sums[task.name] = task_sums(task, rows, TaskFacts(digest=told.digest, shots=told.shots, truncated=0))
    families, aggregates = over_tasks(suite, sums)
    results = held.model_copy(
        update={
            "tasks": {name: one.result for name, one in sums.items()},
            "families": families,
            "aggregates": aggregates,
        }
    )
    write_results(folder, Scored(results=results, items=items))


Submit = Callable[..., Submitted]


@pytest.fixture
def submit_scored(
    make_study: Callable[..., Path], store: Store, board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Submit:
    """Return a maker of entries whose runs were asked the suite; without the file of the task `missing`."""
    monkeypatch.chdir(tmp_path)

    def make(missing: str = "", **changes: Any) -> Submitted:
        monkeypatch.setenv("CURATE_EVALS", str(write_suite(tmp_path, missing)))
        study = make_study(words={"suites": ["tiny.yaml"]})
        add_suite(study, store, **changes)
        return submit(find_study(study, None), place_of(str(board)), Request())

    return make


@pytest.fixture(scope="session")
def scored_template(tmp_path_factory: pytest.TempPathFactory, study_in: Callable[..., Path]) -> Path:
    """A folder with a board of one entry whose runs were asked the suite; made once, never changed."""
    root = tmp_path_factory.mktemp("scored")
    store = Store.open(root / "store")
    make_board(root / "board", "board", [])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("CURATE_EVALS", str(write_suite(root)))
        study = study_in(store, words={"suites": ["tiny.yaml"]})
        add_suite(study, store)
        submit(find_study(study, None), place_of(str(root / "board")), Request())
    return root


@pytest.fixture
def scored(scored_template: Path, board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """An entry whose runs were asked the suite."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SUITE)
    shutil.copytree(scored_template / "board", board, dirs_exist_ok=True)
    (folder,) = entry_folders(board)
    return read_entry(folder)


@pytest.fixture
def again() -> Callable[[Path, pa.Table], None]:
    """Return what a clever forger does: other items, and every mean follows from them."""
    return written_again
