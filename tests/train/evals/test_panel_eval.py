"""`curate eval` on panels: runs, checkpoints and model directories, with every number, mark and document."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from curation.batches import read_table
from curation.cli import main
from curation.nodes import Node
from curation.store import Artifact
from train.evals.results import read_results
from train.export import export_model
from train.run import Watch, run_node
from train.shards import tokens_node
from train.tiers import Tier

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(build: Callable[[Node], Artifact], tiny: Tier, small_corpus: Node, small_panel: Node) -> Artifact:
    """Return a run of the tiny tier with the plateau that its corpus left."""
    return build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny", 1, Watch(keep=(0.5, 1.0))))


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs `curate eval ... --json`: the JSON, or the message of the refusal."""

    def call(*words: object) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["eval", *map(str, words), "--store", str(tmp_path / "store"), "--quiet", "--json"])
        found = json.loads(capsys.readouterr().out)
        return found["error"]["message"] if ended.value.code else found

    return call


def test_a_run_is_scored_on_its_own_panel_with_what_fed_it_marked(
    run: Artifact, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    (result,) = evaluate(run.path, "--suite", "panel", "--out", tmp_path / "out")["results"]
    held = read_results(tmp_path / "out").results
    assert held.slices.keys() == {"code", "web"}
    told: Any = run.summary
    for name, one in held.slices.items():
        assert one.bits_per_byte == pytest.approx(told["bpb"][name], rel=1e-12)
        share = told["tokens_by_slice"][name] / (40 * 256)
        assert f"trained-on:{share:.4f}" in one.marks
    rows = read_table(tmp_path / "out" / "documents.parquet").to_pylist()
    assert {row["id"] for row in rows} == {row["id"] for row in read_table(run.path / "documents.parquet").to_pylist()}
    assert result["slices"]["web"]["num_docs"] == sum(row["slice"] == "web" for row in rows)


def test_every_checkpoint_that_is_there_is_scored_and_the_loss_falls(
    run: Artifact, evaluate: Callable[..., Any]
) -> None:
    results = evaluate(run.path.name, "--suite", "panel", "--checkpoints", "all")["results"]
    assert len(results) >= 2
    tokens = [one["model"]["tokens_seen"] for one in results]
    assert tokens == sorted(tokens)
    first, last = (one["slices"]["web"]["bits_per_byte"] for one in (results[0], results[-1]))
    assert last < first
    assert all("trained-on" in " ".join(one["slices"]["web"]["marks"]) for one in results)


def test_a_directory_of_another_program_has_marks_that_say_what_is_not_known(
    run: Artifact, evaluate: Callable[..., Any], build: Callable[[Node], Artifact], small_panel: Node, tmp_path: Path
) -> None:
    panel = build(small_panel).path
    export_model(run, tmp_path / "hf")
    exported = evaluate("--model", tmp_path / "hf", "--panel", panel)
    (tmp_path / "hf" / "run.json").unlink()
    stranger = evaluate("--model", tmp_path / "hf", "--panel", panel)
    for name in ("code", "web"):
        ours, theirs = (found["results"][0]["slices"][name] for found in (exported, stranger))
        assert any(mark.startswith("trained-on:") for mark in ours["marks"])
        assert "not-split-off" in theirs["marks"]
        assert not any(mark.startswith("trained-on") for mark in theirs["marks"])
        assert ours["perplexity"] == pytest.approx(math.exp(ours["nats_per_token"]))


def test_the_context_of_results_is_the_one_that_was_scored_at(
    run: Artifact, evaluate: Callable[..., Any], build: Callable[[Node], Artifact], small_panel: Node, tmp_path: Path
) -> None:
    """GPT-2 calls its longest window `n_positions`."""
    export_model(run, tmp_path / "hf")
    (tmp_path / "hf" / "run.json").unlink()
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=2_048, n_embd=16, n_layer=1, n_head=2, n_positions=40))
    model.save_pretrained(tmp_path / "hf")
    found = evaluate("--model", tmp_path / "hf", "--panel", build(small_panel).path)
    assert (found["context"], found["results"][0]["context"]) == (40, 40)
    assert "takes at most 40" in evaluate(
        "--model", tmp_path / "hf", "--panel", build(small_panel).path, "--context", 41
    )


def test_a_changed_panel_or_none_is_a_named_error(
    run: Artifact, evaluate: Callable[..., Any], build: Callable[[Node], Artifact], small_panel: Node, tmp_path: Path
) -> None:
    assert "no such panel" in evaluate(run.path, "--panel", tmp_path / "gone")
    file = build(small_panel).path / "documents.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for words in (["--panel", file.parent], ["--suite", "panel"]):
        assert "the panel was changed" in evaluate(run.path, *words)
