"""`--budgets` and `--anneal-on` as a user types them: plans, runs, refusals, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node
from curation.store import Artifact
from train.budgets import parse_budgets
from train.tiers import Tier

Build = Callable[[Node], Artifact]
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")

# The command with the tests' tiny tier and a checkpoint every 5 steps.
COMMAND = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("fixtures", {conftest!r})
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
from curation.cli import main
from train import loop, tiers
tier = tiers.TIERS["tiny"] = fixtures.tiny_tier()
loop.CHECKPOINT_FLOPS = 5 * tier.batch_tokens * tier.shape.flops_per_token
main(sys.argv[1:])
"""


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Run a command with `--json`; return its exit code, what it printed and what it complained of."""
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    said = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(said.out) if said.out else None, said.err


@pytest.fixture
def options(tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node) -> list[object]:
    """Return the words that name corpus, panel and store, corpus first."""
    return [
        build(small_corpus).path, "--panel", build(small_panel).path, "--store", tmp_path / "store", "--quiet"
    ]  # fmt: skip


def test_the_plan_says_what_each_budget_takes_and_what_all_of_them_cost(
    capsys: pytest.CaptureFixture[str], options: list[object]
) -> None:
    words = ["train", *options, "--tier", "tiny", "--budgets", "4,0.5,1,2", "--dry-run"]
    code, plan, _ = curate(capsys, *words)
    assert code == 0
    # 40 steps of 256 tokens at 1x; falls begin at steps 16, 32, 64, 128
    assert [(row["first_step"], row["steps"], row["branch_step"]) for row in plan] == [
        (0, 20, 16), (16, 40, 32), (32, 80, 64), (64, 160, 128),
    ]  # fmt: skip
    assert sum(row["tokens"] for row in plan) == 188 * 256
    with pytest.raises(SystemExit):
        main([str(word) for word in words])
    assert "48,128 tokens to train (4.7 D), 76,800 (7.5 D) one by one from step 0" in capsys.readouterr().out


def test_budgets_are_trained_once_each_and_the_next_plan_reuses_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[object]
) -> None:
    words = ["train", *options, "--tier", "tiny", "--budgets", "0.5,1"]
    code, found, _ = curate(capsys, *words)
    assert code == 0
    assert [run["summary"]["tier"] for run in found["runs"]] == ["tiny-0.5x", "tiny-1x"]
    code, plan, _ = curate(capsys, "train", *options, "--tier", "tiny", "--budgets", "0.5,1,2", "--dry-run")
    assert [(row["action"], row["first_step"]) for row in plan[:2]] == [("reuse", 16), ("reuse", 32)]
    assert (plan[2]["action"], plan[2]["first_step"], plan[2]["tokens"]) == ("build", 32, 48 * 256)
    store = ["--store", tmp_path / "store"]
    code, listed, _ = curate(capsys, "plateaus", *store)
    assert sorted((one["model"], one["seed"], one["step"]) for one in listed["plateaus"]) == [
        ("tiny", 1, 16), ("tiny", 1, 32),
    ]  # fmt: skip
    curate(capsys, "plateaus", *store, "--remove")
    assert curate(capsys, "plateaus", *store)[1] == {"plateaus": [], "removed": False}
    code, one, _ = curate(capsys, "train", *options, "--tier", "tiny-0.5x")
    assert one["path"] == found["runs"][0]["path"]


def test_budgets_of_several_seeds_run_side_by_side_are_the_runs_of_one(
    capsys: pytest.CaptureFixture[str], options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    import train.budgets
    from train.many_runs import Wanted

    asked: list[Sequence[Wanted]] = []
    monkeypatch.setattr(train.budgets, "train_runs", lambda *given, **_: asked.append(given[3]) or [])
    curate(capsys, "train", *options, "--tier", "tiny", "--budgets", "1,0.5", "--seeds", "1-2")
    assert asked == [[Wanted(tier=f"tiny-{m}x", seed=seed, keep=(0.5, 1.0)) for seed in (1, 2)] for m in ("0.5", "1")]


@pytest.mark.parametrize(
    ("budgets", "tier", "fault"),
    [
        ("0.5,one", "nano", "--budgets: `0.5,one`, expected multiples of 1x such as 0.5,1,2,4"),
        ("", "nano", "expected multiples of 1x"),
        ("0.5,17", "nano", "multiple 17, expected more than 0 and at most 16"),
        ("nan", "nano", "unknown tier `nano-NaNx`"),
        ("0.5,1", "nano-2x", "two budgets, expected one way to say it; give --tier nano"),
        ("0.5,1", "dclm-1b", "--budgets: tier dclm-1b-1x has a cosine schedule"),
    ],
)
def test_budgets_that_cannot_be_had_are_refused(budgets: str, tier: str, fault: str) -> None:
    with pytest.raises(RunError, match=fault):
        parse_budgets(budgets, tier)


def test_equal_budgets_are_one() -> None:
    assert [tier.name for tier in parse_budgets("1,0.5,1.0", "nano@lr2")] == ["nano-0.5x@lr2", "nano-1x@lr2"]


@pytest.mark.parametrize("other", [["--budgets", "0.5,1"], ["--seeds", "1-2"]])
def test_annealing_is_one_run_at_a_time(
    capsys: pytest.CaptureFixture[str], options: list[object], other: list[str]
) -> None:
    code, _, error = curate(capsys, "train", *options, "--tier", "tiny", "--anneal-on", options[0], *other)
    assert code == 2
    assert f"with {other[0]}, expected one run at a time; give --tier and --seed" in error


def test_a_corpus_is_annealed_on_another_and_planned_before(
    capsys: pytest.CaptureFixture[str], options: list[object], build: Build, make_corpus: Callable[..., Node]
) -> None:
    candidate = build(make_corpus({"law": ["on a mat the cat sat and looked at rain " * 12] * 60}))
    words = ["train", *options, "--tier", "tiny", "--anneal-on", candidate.path.name]
    code, plan, _ = curate(capsys, *words, "--dry-run")
    assert code == 0
    assert "run tiny-1x seed 1 annealed on another corpus" in [row["step"] for row in plan]
    code, run, _ = curate(capsys, *words)
    assert code == 0
    assert run["summary"]["anneal"]["candidate"]["corpus"] == candidate.fingerprint
    code, control, _ = curate(capsys, "train", *options, "--tier", "tiny", "--anneal-on", options[0])
    assert "anneal" not in control["summary"]


@pytest.mark.slow
def test_killed_in_the_fall_an_annealed_run_ends_with_the_same_bytes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[object], build: Build,
    make_corpus: Callable[..., Node], random_sentences: Callable[..., list[str]],
) -> None:  # fmt: skip
    candidate = build(make_corpus({"law": random_sentences("law", 200)}))
    words = [str(word) for word in ["train", *options, "--tier", "tiny-3x", "--anneal-on", candidate.path]]
    _, whole, _ = curate(capsys, *words)
    elsewhere = tmp_path / "elsewhere"
    words[words.index("--store") + 1] = str(elsewhere)
    for step in (100, 113):  # in the fall, from step 96 on
        _kill_after(words, elsewhere, step)
    ended = _start(words)
    out, _ = ended.communicate()
    assert ended.returncode == 0
    again = Path(json.loads(out)["path"])
    names = [path.name for path in Path(whole["path"]).iterdir() if path.name != "build.lock"]
    assert again.name == Path(whole["path"]).name
    assert {n: sha256_file(again / n) for n in names} == {n: sha256_file(Path(whole["path"]) / n) for n in names}


def _start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    script = COMMAND.format(conftest=str(Path(__file__).with_name("conftest.py")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *words, "--json"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )


def _kill_after(words: Sequence[str], store: Path, step: int) -> None:
    """Kill the command once a metrics row of `step` is on disk."""
    process = _start(words)
    while process.poll() is None:
        if any(f'"step": {step}' in path.read_text() for path in store.glob("run-*/metrics.jsonl")):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -9
