"""`curate eval`: a run and its exported directory get the same scores, on a panel and on items."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.cli import main
from curation.nodes import Node
from curation.store import Artifact
from train.evaluate import exported_context
from train.export import export_model
from train.run import run_node
from train.shards import tokens_node
from train.tiers import TIERS, Tier

pytestmark = pytest.mark.filterwarnings("ignore")
QUESTIONS: list[dict[str, object]] = [
    {"context": "the cat sat on", "choices": [" a mat", " rain def", " 日本"], "answer": 0, "id": "passed over"},
    {"context": "", "choices": ["über", "x = 1"], "answer": 1},
    {"context": "the rain and " * 60, "choices": ["the cat", "return x"], "answer": 0},
    {"context": "looked at the ", "choices": ["mat", "def", "on on on", "🙂"], "answer": 3},
]


@pytest.fixture
def trained(
    build: Callable[[Node], Artifact], tiny: Tier, small_corpus: Node, small_panel: Node, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Artifact:  # fmt: skip
    """Return a run whose evaluation context of 32 is neither its training windows' 64 nor 512; exported to `hf`."""
    monkeypatch.setitem(TIERS, "tiny", replace(tiny, eval_context_tokens=32))  # type: ignore[arg-type]
    run = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny", 1))
    export_model(run, tmp_path / "hf")
    return run


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs `curate eval ... --json`: the JSON, or the message of the refusal."""

    def run(*words: object) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["eval", *map(str, words), "--store", str(tmp_path / "store"), "--quiet", "--json"])
        found = json.loads(capsys.readouterr().out)
        return found["error"]["message"] if ended.value.code else found

    return run


def write_items(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_an_export_is_scored_at_the_context_of_its_run(
    trained: Artifact, evaluate: Callable[..., Any], build: Callable[[Node], Artifact], small_panel: Node,
    tmp_path: Path,
) -> None:  # fmt: skip
    panel = ["--panel", build(small_panel).path]
    ours, exported = evaluate(trained.path, *panel), evaluate(tmp_path / "hf", *panel)
    assert (ours["context"], exported["context"]) == (32, 32)
    assert exported["bpb"] == pytest.approx(ours["bpb"], rel=1e-5)
    longer, exported_longer = (evaluate(model, *panel, "--context", 48) for model in (trained.path, tmp_path / "hf"))
    assert exported_longer["bpb"] == pytest.approx(longer["bpb"], rel=1e-5)
    assert longer["bpb"] != pytest.approx(ours["bpb"], rel=1e-5)
    (tmp_path / "hf" / "run.json").unlink()
    assert evaluate(tmp_path / "hf", *panel)["context"] == 64  # 512, but the model takes 64
    for model in (trained.path, tmp_path / "hf"):
        assert "takes at most 64 tokens" in evaluate(model, *panel, "--context", 65)


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (None, None),
        ("not JSON", None),
        ("[]", None),
        ('{"kind": "corpus", "summary": {"context": 9}}', None),
        ('{"kind": "run", "summary": {}}', None),
        ('{"kind": "run", "summary": {"context": 1024}}', 1_024),
    ],
)
def test_only_an_export_of_ours_names_its_context(tmp_path: Path, text: str | None, context: int | None) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    assert exported_context(tmp_path) == context


def test_a_run_and_its_export_give_the_same_answers_and_log_likelihoods(
    trained: Artifact, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    items = write_items(tmp_path / "items.jsonl", QUESTIONS)
    ours, exported = (evaluate(model, "--items", items) for model in (trained.path, tmp_path / "hf"))
    assert (ours["n"], ours["context"], exported["context"]) == (4, 32, 32)
    assert "plumbing" in ours["note"]
    for mine, theirs in zip(ours["items"], exported["items"], strict=True):
        np.testing.assert_allclose(mine["log_likelihoods"], theirs["log_likelihoods"], atol=1e-4, rtol=0)
        same = ("where", "answer", "best", "best_per_byte", "greedy", "num_tokens", "num_bytes")
        assert [mine[name] for name in same] == [theirs[name] for name in same]
    for name in ("accuracy", "accuracy_per_byte", "standard_error", "standard_error_per_byte"):
        assert ours[name] == exported[name]
    assert exported["bits_per_byte"] == pytest.approx(ours["bits_per_byte"], abs=1e-4)
    right = [(i["log_likelihoods"][i["answer"]], i["num_bytes"][i["answer"]]) for i in ours["items"]]
    expected = -sum(value for value, _ in right) / sum(size for _, size in right) / np.log(2)
    assert ours["bits_per_byte"] == pytest.approx(expected)


def test_a_choice_longer_than_the_window_names_its_line(
    trained: Artifact, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    items = write_items(tmp_path / "items.jsonl", [QUESTIONS[0], {**QUESTIONS[1], "choices": ["a", "rain " * 60]}])
    for model in (trained.path, tmp_path / "hf"):
        assert "items.jsonl:2: choice 'rain" in evaluate(model, "--items", items)


def test_exactly_one_of_panel_and_items_is_asked_for(evaluate: Callable[..., Any]) -> None:
    assert "neither of --panel and --items" in evaluate("run-1")
    assert "both of --panel and --items" in evaluate("run-1", "--panel", "p", "--items", "i.jsonl")
