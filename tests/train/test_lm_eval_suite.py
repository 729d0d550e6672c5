"""Tasks of lm-eval as suites, and its own result directories imported: one child each, so most of it is slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curation.errors import RunError
from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.store import Store
from curation.suites.prompted import Prompted
from curation.tokenizers import load_tokenizer
from train.evals.import_lm_eval import Told, import_lm_eval
from train.evals.lm_eval_engine import LmEval
from train.evals.lm_eval_suite import lm_eval_node
from train.evals.models import directory_model
from train.evals.results import read_results
from train.evals.scorer import scorer_of
from train.export import _write_tokenizer, model_config
from train.readers import directory_reader
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")
TASK = """
task: own_quiz
dataset_path: json
dataset_kwargs: {{data_files: {{test: {path}}}}}
output_type: multiple_choice
test_split: test
fewshot_split: test
num_fewshot: 2
doc_to_text: "Q: {{{{question}}}}\\nA:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
process_docs: !function helper.kept
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
HELPER = "import os\n\ndef kept(docs):\n    open({mark!r}, 'w').write(str(os.getpid()))\n    return docs\n"


@pytest.fixture
def exported(tmp_path: Path, tiny: Tier) -> Path:
    import torch
    from transformers import Qwen3ForCausalLM

    out, tokenizer = tmp_path / "model", load_tokenizer("ladder-pico@1")
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = Qwen3ForCausalLM(model_config(tiny, tokenizer))
    for weight in model.parameters():
        weight.data.mul_(4)
    model.save_pretrained(out)
    _write_tokenizer(out, tiny, tokenizer)
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one task with Python of its own that leaves a mark where it ran."""
    out = tmp_path / "tasks"
    out.mkdir()
    rows = [
        {"id": f"q{n}", "question": f"cat {n}?", "choices": ["the mat", "a rain", "7"], "answer": n % 3}
        for n in range(9)
    ]
    (out / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "own_quiz.yaml").write_text(TASK.format(path=out / "test.jsonl"))
    (out / "helper.py").write_text(HELPER.format(mark=str(tmp_path / "ran")))
    return out


@pytest.mark.slow
def test_a_task_of_ones_own_runs_in_the_child_and_equals_lm_evals_own_output(
    exported: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    model = directory_model(exported, 64)
    planner = Planner(store=Store.open(tmp_path / "store"), workers=1, progress=SilentProgress())
    node = lm_eval_node(model, f"lm-eval:{folder}", limit=None, workers=1)
    ours = read_results(planner.materialise(node).path)
    assert int((tmp_path / "ran").read_text()) != os.getpid(), "code of a task never runs in this process"
    task = ours.results.tasks["own_quiz"]
    assert (task.n, task.shots, task.primary) == (9, 2, "acc_per_char")
    theirs = import_lm_eval(_own_run(exported, folder, tmp_path / "out"), Told())
    assert theirs.results.tasks["own_quiz"].digest == task.digest, "the same documents, prompts and targets"
    assert theirs.results.context == 64
    assert ours.items is not None
    assert theirs.items is not None
    for column in ("log_likelihoods", "gold", "acc_raw", "acc_per_char", "own_id"):
        left, right = ours.items[column].to_pylist(), theirs.items[column].to_pylist()
        if column == "log_likelihoods":
            np.testing.assert_allclose(left, right, atol=1e-4, rtol=0)
        else:
            assert left == right
    assert ours.results.notes == theirs.results.notes == ()


def _own_run(model: Path, folder: Path, out: Path) -> Path:
    """Run lm-eval's own command line, few-shot examples by its default seed."""
    arguments = f"pretrained={model},max_length=64,dtype=float32"
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", arguments, "--tasks",
        str(folder / "own_quiz.yaml"), "--device", "cpu", "--log_samples", "--output_path", str(out),
    ]  # fmt: skip
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.slow
def test_a_task_whose_data_is_not_here_is_named_with_a_remedy(exported: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "far"
    tasks.mkdir()
    text = TASK.format(path="x").replace("dataset_path: json", "dataset_path: nobody/has-this")
    text = "\n".join(line for line in text.splitlines() if "dataset_kwargs" not in line and "process_docs" not in line)
    (tasks / "far.yaml").write_text(text)
    node = lm_eval_node(directory_model(exported, 64), f"lm-eval:{tasks}/far.yaml", limit=None, workers=1)
    planner = Planner(store=Store.open(tmp_path / "store"), workers=1, progress=SilentProgress())
    with pytest.raises(RunError, match="data `nobody/has-this` of task `own_quiz` could not be loaded"):
        planner.materialise(node)


def test_a_suite_that_is_not_there_is_named(exported: Path, tmp_path: Path) -> None:
    model = directory_model(exported, 64)
    with pytest.raises(RunError, match="no task named"):
        lm_eval_node(model, "lm-eval:", limit=None, workers=1)
    with pytest.raises(RunError, match="is not there"):
        lm_eval_node(model, f"lm-eval:{tmp_path}/none.yaml", limit=None, workers=1)


def test_a_changed_task_file_is_another_artifact(exported: Path, folder: Path) -> None:
    model = directory_model(exported, 64)
    before = lm_eval_node(model, f"lm-eval:{folder}", limit=None, workers=1).fingerprint
    assert lm_eval_node(model, f"lm-eval:{folder}", limit=None, workers=2).fingerprint == before
    (folder / "helper.py").write_text("def kept(docs):\n    return docs.select(range(3))\n")
    assert lm_eval_node(model, f"lm-eval:{folder}", limit=None, workers=1).fingerprint != before


def test_a_changed_data_set_in_the_cache_is_another_artifact_of_lm_evals_own_tasks(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    model = directory_model(exported, 64)

    def fingerprint() -> str:
        return lm_eval_node(model, "lm-eval:arc_easy", limit=None, workers=1).fingerprint

    def cached(name: str, size: int) -> None:
        place = tmp_path / "cache" / name / "ARC-Easy" / "0.0.0" / "abc"
        place.mkdir(parents=True, exist_ok=True)
        (place / "dataset_info.json").write_text(json.dumps({"dataset_size": size}))

    empty = fingerprint()
    cached("json", 1)
    assert fingerprint() == empty, "files of someone's own are no data of lm-eval"
    cached("allenai___ai2_arc", 1)
    before = fingerprint()
    cached("allenai___ai2_arc", 2)
    assert len({empty, before, fingerprint()}) == 3


def test_the_engine_agrees_with_ours_on_every_kind_of_item(exported: Path) -> None:
    items = [
        Prompted(
            task="t", item=0, gold=1, contexts=("Q: cat?\nA:",) * 2, continuations=(" a mat", " rain"), uncond="A:"
        ),
        Prompted(task="t", item=3, gold=0, contexts=("the cat", "a rain"), continuations=(" sat on", " sat on")),
        Prompted(task="t", item=4, gold=0, contexts=("looked at",), continuations=(" the rain",)),
        Prompted(task="t", item=5, gold=0, contexts=("x",), continuations=(" rain" * 90,)),
        Prompted(task="t", item=6, gold=0, contexts=("rain " * 90 + "so",), continuations=(" the cat",)),
    ]
    reader = directory_reader(exported)
    ours = scorer_of(reader, 64, 1).score(items, lambda _: None)
    theirs = LmEval(directory=exported, reader=reader, context_tokens=64).score(items, lambda _: None)
    assert [one.excluded for one in theirs] == [one.excluded for one in ours]
    assert theirs[3].excluded == "choice-longer-than-context"
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left.log_likelihoods, right.log_likelihoods, atol=1e-4, rtol=0)
        np.testing.assert_allclose(left.uncond or (), right.uncond or (), atol=1e-4, rtol=0)
        assert (left.greedy, left.num_tokens, left.truncated) == (right.greedy, right.num_tokens, right.truncated)
