"""In-loop item scores against lm-eval on the exported directory, and against the chain rule."""

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
from curation.randomness import generator
from curation.store import Artifact
from curation.tokenizers import Tokenizer, load_tokenizer
from train.export import export_model
from train.item_scores import Item, ItemScores, score_items
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


def made_up_items(count: int) -> list[Item]:
    stream = generator(1, "items")

    def words(most: int) -> str:
        return " ".join(WORDS[i] for i in stream.integers(0, len(WORDS), int(stream.integers(1, most))))

    return [Item(context=words(90), choices=tuple(" " + words(6) for _ in range(4))) for _ in range(count)]


def lm_eval_samples(directory: Path, items: list[Item], folder: Path) -> list[dict[str, Any]]:
    """Score the items with lm-eval's own model class and task machinery on the exported directory."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    rows = [{"context": i.context, "choices": [c[1:] for c in i.choices], "answer": 0} for i in items]
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
    ours = score_items(model_reader(load_model(run.path / MODEL, tiny), tokenizer, tiny), items, context_tokens=64)
    export_model(run, tmp_path / "hf")
    samples = lm_eval_samples(tmp_path / "hf", items, tmp_path)
    theirs = [[pair[0] for pair in sample["filtered_resps"]] for sample in samples]
    greedy = [[bool(pair[1]) for pair in sample["filtered_resps"]] for sample in samples]
    assert len(samples) == 200
    assert any(len(ids_of(tokenizer, item.context)) > 64 for item in items), "some contexts must be cut"
    np.testing.assert_allclose([score.log_likelihoods for score in ours], theirs, atol=1e-4, rtol=0)
    assert [score.best for score in ours] == [int(np.argmax(values)) for values in theirs]
    assert [list(score.greedy) for score in ours] == greedy


def test_the_score_of_a_choice_is_the_sum_over_its_tokens(tiny: Tier) -> None:
    model, tokenizer = build_model(tiny, 1).eval(), load_tokenizer("ladder-pico@1")
    whole, before = ids_of(tokenizer, "the cat sat on a mat"), len(ids_of(tokenizer, "the cat"))
    with torch.no_grad():
        log_p = torch.log_softmax(model(torch.tensor([whole])), -1)[0]
    expected = sum(float(log_p[place - 1, whole[place]]) for place in range(before, len(whole)))
    item = Item(context="the cat ", choices=("sat on a mat",))  # the space moves to the choice
    score = score_items(model_reader(model, tokenizer, tiny), [item], context_tokens=64)[0]
    assert score.num_tokens == (len(whole) - before,)
    assert score.log_likelihoods[0] == pytest.approx(expected, abs=1e-5)


def test_the_best_choice_per_byte_is_not_the_shortest_one() -> None:
    score = ItemScores(log_likelihoods=(-4.0, -6.0), greedy=(False, False), num_tokens=(1, 3), num_bytes=(2, 12))
    assert (score.best, score.best_per_byte) == (0, 1)


def test_without_a_context_the_choice_follows_eos(tiny: Tier) -> None:
    model, tokenizer = build_model(tiny, 1).eval(), load_tokenizer("ladder-pico@1")
    score = score_items(model_reader(model, tokenizer, tiny), [Item(context="", choices=("a",))], context_tokens=64)[0]
    with torch.no_grad():
        log_p = torch.log_softmax(model(torch.tensor([[tokenizer.eos_id]])), -1)[0, 0]
    first = ids_of(tokenizer, "a")
    assert score.log_likelihoods[0] == pytest.approx(float(log_p[first[0]]), abs=1e-5)
    assert math.isfinite(score.log_likelihoods[0])


@pytest.mark.parametrize("choices", [(), ("a", "")])
def test_an_item_without_choices_or_with_an_empty_one_is_refused(tiny: Tier, choices: tuple[str, ...]) -> None:
    model, tokenizer = build_model(tiny, 1), load_tokenizer("ladder-pico@1")
    with pytest.raises(RunError, match="item 0"):
        score_items(model_reader(model, tokenizer, tiny), [Item(context="x", choices=choices)], context_tokens=64)


def test_a_choice_longer_than_the_window_is_refused(tiny: Tier) -> None:
    model, tokenizer = build_model(tiny, 1), load_tokenizer("ladder-pico@1")
    with pytest.raises(RunError, match="expected 1 to 8"):
        score_items(
            model_reader(model, tokenizer, tiny), [Item(context="x", choices=("rain " * 40,))], context_tokens=8
        )
