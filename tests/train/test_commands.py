"""`curate train`, `curate eval` and `curate tiers` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.nodes import Node
from curation.store import Artifact
from train.tiers import Tier, load_tier, tier_names

Build = Callable[[Node], Artifact]
pytestmark = pytest.mark.filterwarnings("ignore")


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """Run a command with `--json`; return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out) if out else None


@pytest.fixture
def made(build: Build, small_corpus: Node, small_panel: Node) -> tuple[Artifact, Artifact]:
    return build(small_corpus), build(small_panel)


def test_a_corpus_is_trained_scored_exported_and_evaluated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: Tier, made: tuple[Artifact, Artifact]
) -> None:
    corpus, panel = made
    store = ["--store", tmp_path / "store", "--quiet"]
    options = ["--tier", "tiny", "--panel", panel.path.name, "--out", tmp_path / "hf", *store]
    code, run = curate(capsys, "train", corpus.path.name, *options)
    assert code == 0
    bpb = run["summary"]["bpb"]
    code, ours = curate(capsys, "eval", Path(run["path"]).name, "--panel", panel.path, *store)
    assert (code, ours["bpb"]) == (0, bpb)
    code, exported = curate(capsys, "eval", tmp_path / "hf", "--panel", panel.path, *store)
    assert code == 0
    assert exported["bpb"] == pytest.approx(bpb, rel=1e-5)


def test_a_run_is_scored_anew_on_another_panel(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: Tier, made: tuple[Artifact, Artifact], build: Build,
    make_panel: Callable[..., Node],
) -> None:  # fmt: skip
    corpus, panel = made
    store = ["--store", tmp_path / "store", "--quiet"]
    _, run = curate(capsys, "train", corpus.path, "--tier", "tiny", "--panel", panel.path, *store)
    other = build(make_panel({"new": ["the cat sat on the mat"]}))
    _, scores = curate(capsys, "eval", run["path"], "--panel", other.path, *store)
    assert set(scores["bpb"]) == {"new"}
    assert scores["panel_digest"] == other.summary["digest"]


def test_a_dry_run_plans_and_trains_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: Tier, made: tuple[Artifact, Artifact]
) -> None:
    corpus, panel = made
    options = ["--tier", "tiny", "--panel", panel.path, "--store", tmp_path / "store", "--dry-run"]
    code, plan = curate(capsys, "train", corpus.path, *options)
    actions = {step["step"]: step["action"] for step in plan}
    assert (code, actions["run tiny-1x seed 1"], actions["tokens ladder-pico@1"]) == (0, "build", "build")
    assert not list((tmp_path / "store").glob("run-*"))


@pytest.mark.parametrize("name", tier_names())
def test_a_dry_run_of_any_tier_plans_its_memory_sharding_and_steps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: tuple[Artifact, Artifact], name: str
) -> None:
    corpus, panel = made
    options = ["--tier", name, "--panel", panel.path, "--store", tmp_path / "store", "--dry-run"]
    code, steps = curate(capsys, "train", corpus.path, *options)
    assert code == 0
    assert f"run {name} seed 1" in [step["step"] for step in steps]
    plan, tier = steps[-1]["plan"], load_tier(name)
    assert (plan["tier"], plan["steps"], plan["tokens"]) == (name, tier.num_steps, tier.num_tokens)
    assert plan["gpus"] == (0 if tier.family == "laptop" else 2 if tier.model in ("7b", "dclm-7b") else 1)
    assert plan["memory_bytes"]["total"] <= plan["device_bytes"]


@pytest.mark.parametrize(("gpus", "rows", "accumulation"), [(8, 8, 8), (64, 8, 1)])
def test_a_dry_run_plans_7b_on_8_and_64_cards(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: tuple[Artifact, Artifact], gpus: int, rows: int,
    accumulation: int,
) -> None:  # fmt: skip
    corpus, panel = made
    options = ["--tier", "7b", "--panel", panel.path, "--store", tmp_path / "store", "--dry-run", "--gpus", gpus]
    _, steps = curate(capsys, "train", corpus.path, *options)
    plan = steps[-1]["plan"]
    assert (plan["sharding"], plan["micro_batch_rows"], plan["accumulation"]) == ("fsdp2", rows, accumulation)
    assert gpus * rows * accumulation * 2_048 == plan["batch_tokens"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "corpus-none", "--tier", "pico"], "no such corpus"),
        (["train", "CORPUS", "--tier", "picoo", "--panel", "PANEL"], "unknown tier `picoo`"),
        (["train", "PANEL", "--panel", "PANEL"], "holds a panel, expected a corpus"),
        (["train", "CORPUS"], "its panel"),
        (["eval", "run-none", "--panel", "PANEL"], "no such run"),
        (["tiers", "nan"], "did you mean `nano`"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: tuple[Artifact, Artifact], words: list[str], message: str
) -> None:
    paths = {"CORPUS": str(made[0].path), "PANEL": str(made[1].path)}
    store = [] if words[0] == "tiers" else ["--store", tmp_path / "store"]
    code, printed = curate(capsys, *(paths.get(word, word) for word in words), *store)
    assert code == 2
    assert message in printed["error"]["message"]


def test_tiers_are_listed_with_three_parameter_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, listed = curate(capsys, "tiers")
    assert code == 0
    assert {row["name"]: row["params_matmul"] for row in listed}["nano-1x"] == 1_377_920


@pytest.mark.parametrize(
    "module", ["train", "train.tiers", "train.run", "train.shards", "train.commands", "train.score"]
)
def test_torch_is_not_imported_before_something_trains(module: str) -> None:
    script = f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
