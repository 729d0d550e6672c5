"""`curate eval --suite`: results of runs, exports and checkpoints, resumed task by task, partial ones marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from curation.cli import main
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.store import Artifact
from train import loop
from train.evals.results import CLOCKS, read_results, read_summary
from train.evals.scorer import Scorer
from train.export import export_model
from train.model import build_model
from train.run import Watch, run_node
from train.shards import tokens_node
from train.tiers import TIERS, Tier
from train.training import StoppedError

pytestmark = pytest.mark.filterwarnings("ignore")

SUITE = """
name: own
version: 1
title: tests
aggregates:
  own_bpb: {of: bits_per_byte_corr}
  all_bpb: {of: bits_per_byte_corr, tasks: [pick, say]}
tasks:
  pick: {family: knowledge, kind: mc, baselines: {v1: 50, v2: 50}, uncond: "Answer:", cluster: item}
  say: {family: reasoning, kind: lm, accuracy: acc_raw}
  gone: {family: math, kind: lm, accuracy: acc_raw}
"""
PICK = [
    {"query": f"the cat {i} sat on", "choices": ["a mat and", "rain def", "x = 日本"][: 2 + i % 2], "gold": i % 2}
    for i in range(6)
]
SAY = [{"context": "looked at the rain and " * (1 + 12 * (i == 2)), "continuation": "the cat"} for i in range(4)]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a suite file; its items lie in `evals`, but not those of its last task."""
    folder = tmp_path / "evals"
    folder.mkdir()
    for name, records in (("pick", PICK), ("say", SAY)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    monkeypatch.setenv("CURATE_EVALS", str(folder))
    path = tmp_path / "own.yaml"
    path.write_text(SUITE)
    return path


def untrained(tier: Tier, seed: int = 1) -> Node:
    """Return a node of a run of initial values."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        with replacing(context.out.path / "model.safetensors") as temporary:
            save_file(dict(build_model(tier, seed).state_dict()), temporary, metadata={"format": "pt"})
        tokens = {"tokens_seen": tier.num_tokens, "tokenizer": tier.tokenizer, "context": tier.eval_context_tokens}
        return {"tier": tier.name, "seed": seed, **tokens}

    return Node(kind="run", version="1", params={"seed": seed}, inputs={}, run=run)


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs `curate eval ... --json`: the JSON, or the message of the refusal."""

    def run(*words: object, store: str = "store") -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["eval", *map(str, words), "--store", str(tmp_path / store), "--quiet", "--json"])
        found = json.loads(capsys.readouterr().out)
        return found["error"]["message"] if ended.value.code else found

    return run


def test_a_run_and_its_export_get_the_same_results(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    run = build(untrained(tiny))
    export_model(run, tmp_path / "hf")
    ours, theirs = (
        evaluate(*model, "--suite", suite)["results"][0] for model in ([run.path], ["--model", tmp_path / "hf"])
    )
    assert ours["model"]["tier"] == theirs["model"]["tier"] == "tiny-1x"
    assert ours["model"]["digest"] != theirs["model"]["digest"]
    mine, other = (read_results(Path(one["path"])) for one in (ours, theirs))
    for name in ("log_likelihoods", "uncond"):
        for a, b in zip(mine.items[name].to_pylist(), other.items[name].to_pylist(), strict=True):  # type: ignore[index]
            assert (a is None) == (b is None)
            np.testing.assert_allclose(a or [], b or [], atol=1e-4, rtol=0)
    assert ours["suite"]["digest"] == theirs["suite"]["digest"]
    task = ours["tasks"]["say"]
    assert (task["n"], task["truncated"], ours["tasks"]["pick"]["baseline_v2"]) == (4, 1, 0.5)


def test_a_missing_file_is_said_and_its_aggregate_is_not_available(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any]
) -> None:
    found = evaluate(build(untrained(tiny)).path, "--suite", suite)["results"][0]
    assert found["missing"] == {"gone": "no file `gone` in the directory of benchmark files"}
    assert found["aggregates"]["own_bpb"]["value"] is None
    assert "gone" in found["aggregates"]["own_bpb"]["reason"]
    tasks = [found["tasks"][name]["metrics"]["bits_per_byte_corr"]["value"] for name in ("pick", "say")]
    assert found["aggregates"]["all_bpb"]["value"] == pytest.approx(sum(tasks) / 2)


def test_a_killed_evaluation_goes_on_after_its_last_task_with_the_same_bytes(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run, asked = build(untrained(tiny)).path, []
    plain = Scorer.score

    def killed(self: Scorer, items: Any, advance: Any) -> Any:
        asked.append(items[0].task)
        if asked == ["pick", "say"]:
            raise KeyboardInterrupt
        return plain(self, items, advance)

    monkeypatch.setattr(Scorer, "score", killed)
    with pytest.raises(BaseException):  # noqa: B017 - the command turns it into an exit code
        main(["eval", str(run), "--suite", str(suite), "--store", str(tmp_path / "store"), "--quiet"])
    resumed = evaluate(run, "--suite", suite)["results"][0]
    assert asked == ["pick", "say", "say"]
    whole = evaluate(run, "--suite", suite, store="other")["results"][0]
    assert asked == ["pick", "say", "say", "pick", "say"]
    evaluate(run, "--suite", suite)
    assert len(asked) == 5  # nothing is scored twice
    for name in ("items.parquet",):
        assert (Path(resumed["path"]) / name).read_bytes() == (Path(whole["path"]) / name).read_bytes()
    assert sorted(path.name for path in Path(resumed["path"]).iterdir() if path.suffix != ".lock") == [
        "items.parquet", "manifest.json", "results.json",
    ]  # fmt: skip
    different = [name for name in resumed if resumed[name] != whole[name]]
    assert set(different) <= {*CLOCKS, "path"}


def test_partial_results_are_marked_and_other_artifacts(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any]
) -> None:
    run = build(untrained(tiny)).path
    few = evaluate(run, "--suite", suite, "--limit", 2, "--tasks", "say")["results"][0]
    assert few["partial"] == {"limit": 2, "tasks": ["say"]}
    assert (list(few["tasks"]), few["tasks"]["say"]["n"]) == (["say"], 2)
    whole = evaluate(run, "--suite", suite)["results"][0]
    assert (whole["partial"], whole["path"] == few["path"]) == (None, False)
    assert "did you mean `say`" in evaluate(run, "--suite", suite, "--tasks", "sai")


def test_results_are_published_once_and_never_over_others(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    first, second = (build(untrained(tiny, seed)).path for seed in (1, 2))
    out = tmp_path / "out"
    for _ in range(2):
        evaluate(first, "--suite", suite, "--out", out)
    assert read_summary(out).model.seed == 1
    assert "holds a scores artifact of other input" in evaluate(second, "--suite", suite, "--out", out)
    evaluate(first, "--suite", suite, "--context", 32, "--out", tmp_path / "short")
    assert read_summary(tmp_path / "short").context == 32


def test_a_dry_run_loads_and_writes_nothing(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    run = build(untrained(tiny)).path
    (step,) = evaluate(run, "--suite", suite, "--dry-run")["steps"]
    assert (step["action"], step["tasks"], list(step["missing"])) == ("build", ["pick", "say"], ["gone"])
    assert not list((tmp_path / "store").glob("scores-*/results.json"))
    evaluate(run, "--suite", suite)
    assert evaluate(run, "--suite", suite, "--dry-run")["steps"][0]["action"] == "reuse"


def test_every_checkpoint_of_a_stopped_run_is_scored_and_the_last_ones_averaged(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], small_corpus: Node,
    small_panel: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setitem(TIERS, "tiny", replace(tiny, eval_context_tokens=48))  # type: ignore[arg-type]
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", 10 * tiny.batch_tokens * tiny.shape.flops_per_token)
    steps: list[int] = []
    watch = Watch(report=lambda now: steps.append(now.step), should_stop=lambda: bool(steps) and steps[-1] >= 25)
    with pytest.raises(StoppedError):
        build(run_node(tokens_node(small_corpus, tiny.tokenizer), small_panel, "tiny", 1, watch))
    (folder,) = (path for path in (tmp_path / "store").glob("run-*"))
    assert "not finished" in evaluate(folder.name, "--suite", suite)
    found = evaluate(folder.name, "--suite", suite, "--checkpoints", "all")["results"]
    done = [one["model"]["checkpoint"] for one in found]
    assert len(done) == 2
    assert done == sorted(done)
    assert [one["model"]["tokens_seen"] for one in found] == [step * tiny.batch_tokens for step in done]
    assert found[0]["tasks"]["say"]["metrics"] != found[1]["tasks"]["say"]["metrics"]
    assert f"one of: {done[0]}, {done[1]}" in evaluate(folder.name, "--suite", suite, "--checkpoints", 7)
    *single, mean = evaluate(folder.name, "--suite", suite, "--last-k", 2)["results"]
    assert mean["averaged"] == done
    value = [one["tasks"]["say"]["metrics"]["bits_per_byte_corr"]["value"] for one in (*single, mean)]
    assert value[2] == pytest.approx((value[0] + value[1]) / 2)
    assert read_results(Path(mean["path"])).results.metric_versions["averaged"] == "2"


def test_a_finished_run_is_scored_at_the_plateaus_that_it_left(
    build: Callable[[Node], Artifact], tiny: Tier, suite: Path, evaluate: Callable[..., Any], small_corpus: Node,
    small_panel: Node,
) -> None:  # fmt: skip
    tokens = tokens_node(small_corpus, tiny.tokenizer)
    run = build(run_node(tokens, small_panel, "tiny", 1, Watch(keep=(0.5, 1.0))))
    found = evaluate(run.path.name, "--suite", suite, "--checkpoints", "all")["results"]
    steps = [one["model"]["checkpoint"] for one in found]
    assert steps[-1] is None
    assert len(steps) >= 2
    assert {one["model"]["name"] for one in found} == {run.path.name}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no model"),
        (("run-1", "--model", "run-1"), "both run-1"),
        (("run-1", "--suite", "smal"), "no such suite"),
        (("run-1", "--limit", "3"), "--limit: belongs to --suite"),
        (("run-1", "--suite", "small", "--items", "x"), "--items: they are no suite"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: tuple[str, ...], told: str, evaluate: Callable[..., Any], build: Callable[[Node], Artifact], tiny: Tier
) -> None:
    run = build(untrained(tiny)).path.name
    assert told in evaluate(*(run if word == "run-1" else word for word in words)).replace(run, "run-1")
