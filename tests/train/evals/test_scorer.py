"""The engine's scores of items against lm-eval on the exported directory, and against the chain rule."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curation.batches import text_array, text_view
from curation.errors import RunError
from curation.nodes import Node
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Artifact
from curation.suites.prompted import Prompted
from curation.tokenizers import Tokenizer, load_tokenizer
from train.evals.own_items import read_questions, score_questions
from train.evals.scorer import scorer_of
from train.evaluate import model_subject
from train.export import export_model
from train.model import build_model
from train.readers import model_reader
from train.run import MODEL, load_model, run_node
from train.shards import tokens_node
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")
WORDS = ("cat", "mat", "rain", "über", "日本", "def", "x =", "looked", "the")
TASK = """
task: made_up
dataset_path: json
dataset_kwargs: {{data_files: {{test: {path}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{context}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
target_delimiter: " "
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text_view(text_array([text]))).tokens.tolist()
    return found


def made_up_items(count: int) -> list[Prompted]:
    stream = generator(1, "items")

    def words(most: int) -> str:
        return " ".join(WORDS[i] for i in stream.integers(0, len(WORDS), int(stream.integers(1, most))))

    return [asked(words(90), *(" " + words(6) for _ in range(4))) for _ in range(count)]


def asked(context: str, *choices: str) -> Prompted:
    return Prompted(task="t", item=0, gold=0, contexts=(context,) * len(choices), continuations=choices)


def lm_eval_samples(directory: Path, items: list[Prompted], folder: Path) -> list[dict[str, Any]]:
    """Score the items with lm-eval's own model class and task machinery on the exported directory."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    rows = [{"context": i.contexts[0], "choices": [c[1:] for c in i.continuations], "answer": 0} for i in items]
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "made_up.yaml").write_text(TASK.format(path=folder / "test.jsonl"))
    model = HFLM(pretrained=str(directory), device="cpu", batch_size=16, max_length=64, dtype="float32")
    found = simple_evaluate(
        model=model,
        tasks=["made_up"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        random_seed=None,
        numpy_random_seed=None,
        torch_random_seed=None,
        fewshot_random_seed=None,
    )
    samples: list[dict[str, Any]] = found["samples"]["made_up"]
    return sorted(samples, key=lambda sample: int(sample["doc_id"]))


def test_lm_eval_on_the_export_gives_the_scores_of_the_loop_on_200_items(
    tmp_path: Path,
    build: Callable[[Node], Artifact],
    tiny: Tier,
    small_corpus: Node,
    small_panel: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    run = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny", 1))
    items = made_up_items(200)
    tokenizer = load_tokenizer("ladder-pico@1")
    ours = scorer_of(model_reader(load_model(run.path / MODEL, tiny), tokenizer, tiny), 64, 1).score(
        items, lambda _: None
    )
    export_model(run, tmp_path / "hf")
    samples = lm_eval_samples(tmp_path / "hf", items, tmp_path)
    theirs = [[pair[0] for pair in sample["filtered_resps"]] for sample in samples]
    greedy = [[bool(pair[1]) for pair in sample["filtered_resps"]] for sample in samples]
    assert len(samples) == 200
    assert any(len(ids_of(tokenizer, item.contexts[0])) > 64 for item in items), "some contexts must be cut"
    np.testing.assert_allclose([score.log_likelihoods for score in ours], theirs, atol=1e-4, rtol=0)
    assert [int(np.argmax(score.log_likelihoods)) for score in ours] == [int(np.argmax(values)) for values in theirs]
    assert [list(score.greedy) for score in ours] == greedy


def test_the_score_of_a_choice_is_the_sum_over_its_tokens(tiny: Tier) -> None:
    model, tokenizer = build_model(tiny, 1).eval(), load_tokenizer("ladder-pico@1")
    whole, before = ids_of(tokenizer, "the cat sat on a mat"), len(ids_of(tokenizer, "the cat"))
    with torch.no_grad():
        log_p = torch.log_softmax(model(torch.tensor([whole])), -1)[0]
    expected = sum(float(log_p[place - 1, whole[place]]) for place in range(before, len(whole)))
    item = asked("the cat ", "sat on a mat")  # the space moves to the choice
    score = scorer_of(model_reader(model, tokenizer, tiny), 64, 1).score([item], lambda _: None)[0]
    assert score.num_tokens == (len(whole) - before,)
    assert score.log_likelihoods[0] == pytest.approx(expected, abs=1e-5)


def test_without_a_context_the_choice_follows_eos(tiny: Tier) -> None:
    model, tokenizer = build_model(tiny, 1).eval(), load_tokenizer("ladder-pico@1")
    score = scorer_of(model_reader(model, tokenizer, tiny), 64, 1).score([asked("", "a")], lambda _: None)[0]
    with torch.no_grad():
        log_p = torch.log_softmax(model(torch.tensor([[tokenizer.eos_id]])), -1)[0, 0]
    first = ids_of(tokenizer, "a")
    assert score.log_likelihoods[0] == pytest.approx(float(log_p[first[0]]), abs=1e-5)
    assert math.isfinite(score.log_likelihoods[0])


def test_a_choice_longer_than_the_window_is_refused_with_its_line(tiny: Tier, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"context": "x", "choices": ["a", "rain " * 40], "answer": 0}))
    subject = model_subject(build_model(tiny, 1), tiny, "m", 8)
    with pytest.raises(RunError, match=r"own.jsonl:1: choice 'rain .* expected 1 to 8"):
        score_questions(subject, read_questions(path), SilentProgress())
