"""Rendered items through lm-eval in its own process: equal scores, nothing of ours touched, faults by name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import RunError
from curation.progress import SilentProgress
from curation.suites.prompted import Prompted
from curation.tokenizers import load_tokenizer
from train.evals.lm_eval_pairs import Pair, score_pairs
from train.evals.lm_eval_run import INDEX, REQUEST, Request, _environment, run_lm_eval, task_file
from train.evals.scorer import scorer_of
from train.export import _write_tokenizer, model_config
from train.readers import directory_reader
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")


def asked(context: str, *choices: str) -> Prompted:
    return Prompted(task="t", item=0, gold=0, contexts=(context,) * len(choices), continuations=choices)


ITEMS = [
    asked("Question: who sat on the mat?\nAnswer:", " the cat", " a dog", " über 日本"),
    asked("", "the rain", "a"),
    asked("ends in spaces  ", "2020-01-01", "[1, 2]", "7"),
    asked("{{ cycler }} {% raw %} ", "{{ x }}"),
    asked(" ".join(["the cat looked at rain"] * 40), " and sat", "\nand sat on a mat"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an untrained model of the tiny tier, as `export_model` lays it out."""
    return make_export(tmp_path_factory.mktemp("model") / "hf")


def make_export(out: Path) -> Path:
    from transformers import Qwen3ForCausalLM

    tier, tokenizer = tiny_tier(), load_tokenizer("ladder-pico@1")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Qwen3ForCausalLM(model_config(tier, tokenizer))
        for weight in model.parameters():
            weight.data.mul_(4)  # so that choices differ
    model.save_pretrained(out)
    _write_tokenizer(out, tier, tokenizer)
    return out


def tiny_tier() -> Tier:
    from dataclasses import replace

    from train.tiers import TIERS, Shape

    shape = Shape(
        width=16, num_layers=2, num_heads=2, head_dim=8, ffn_width=32, vocab_size=2_048, context_tokens=64
    )  # fmt: skip
    return replace(TIERS["pico"], name="tiny-1x", model="tiny", shape=shape)


def pairs_of(items: list[Prompted]) -> list[Pair]:
    return [Pair(*pair) for item in items for pair in item.pairs]


def test_log_likelihoods_of_lm_eval_are_those_of_our_scorer(exported: Path) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    tasks = {"t": pairs_of(ITEMS), "a": [Pair("x", " y")], "b": [Pair("x", " z")]}
    found = score_pairs(exported, tasks, SilentProgress(), context_tokens=64)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    ours = scorer_of(directory_reader(exported), 64, 1).score(ITEMS, lambda _: None)
    expected = [value for score in ours for value in score.log_likelihoods]
    np.testing.assert_allclose([s.log_likelihood for s in found.scores["t"]], expected, atol=1e-4, rtol=0)
    assert [s.greedy for s in found.scores["t"]] == [value for score in ours for value in score.greedy]
    assert found.software["lm_eval"] == "0.4.13"
    assert len(set(found.hashes.values())) == 3, "another text has another hash"


@pytest.mark.slow
def test_a_killed_scoring_goes_on_from_its_finished_tasks(exported: Path, tmp_path: Path) -> None:
    tasks = {"one": pairs_of(ITEMS[:1]), "two": pairs_of(ITEMS[1:2])}
    whole = score_pairs(exported, tasks, SilentProgress(), context_tokens=64, work=tmp_path)
    finished = tmp_path / "curate_000.json"
    value = json.loads(finished.read_text())
    value["samples"][0]["filtered_resps"] = [[-0.25, "True"]]  # a mark that only a reused file can show
    finished.write_text(json.dumps(value))
    (tmp_path / "curate_001.json").unlink()
    again = score_pairs(exported, tasks, SilentProgress(), context_tokens=64, work=tmp_path)
    assert again.scores["one"][0].log_likelihood == -0.25
    assert again.scores["two"] == whole.scores["two"]
    assert again.hashes == whole.hashes


def test_the_child_gets_no_tokens_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HF_HOME", "/cache")
    found = _environment({"HF_DATASETS_CACHE": "/own"})
    assert "secret" not in found.values()
    assert (found["HF_HOME"], found["HF_DATASETS_CACHE"], found["HF_HUB_OFFLINE"]) == ("/cache", "/own", "1")
    assert found["HF_HUB_DISABLE_IMPLICIT_TOKEN"] == "1"


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "..", "%index", "%request", "request"])
def test_a_tasks_name_makes_a_file_of_the_folder_whatever_it_says(tmp_path: Path, name: str) -> None:
    path = task_file(tmp_path, name)
    assert path.resolve().parent == tmp_path.resolve()
    assert path.name not in (INDEX, REQUEST)


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be loaded by lm-eval"):
        score_pairs(tmp_path, {"t": [Pair("x", " y")]}, SilentProgress(), context_tokens=64)


def test_a_run_that_takes_too_long_is_ended(exported: Path) -> None:
    with pytest.raises(RunError, match="not done within 0.1 s, 0 tasks are"):
        score_pairs(exported, {"t": [Pair("x", " y")]}, SilentProgress(), context_tokens=64, timeout=0.1)


def test_a_missing_lm_eval_is_named(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.evals.lm_eval_run.find_spec", lambda name: None)
    with pytest.raises(RunError, match="pip install 'lm-eval==0.4.13'"):
        run_lm_eval(Request(model=str(exported), tasks=("t",), out=str(tmp_path)), SilentProgress(), environment={})
