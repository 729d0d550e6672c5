"""`curate train`, `curate eval` and `curate tiers` as a user types them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.nodes import Node
from curation.store import Artifact, Store
from train.lookup import find_panel
from train.tiers import Tier, load_tier, tier_names

Build = Callable[[Node], Artifact]
ROOT = Path(__file__).resolve().parents[2]
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


def test_what_is_printed_names_the_next_step_the_reuse_and_the_control(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: Tier, made: tuple[Artifact, Artifact],
    build: Build, small_panel: Node, make_corpus: Callable[..., Node],
) -> None:  # fmt: skip
    def printed(*words: object) -> str:
        with contextlib.suppress(SystemExit):
            main([*map(str, words), "--store", str(tmp_path / "store")])
        return capsys.readouterr().out

    corpus, panel = made
    base = ("train", corpus.path.name, "--panel", panel.path.name, "--tier", "tiny", "-q")
    late = build(make_corpus({"web": ["a law of the land " * 40] * 300}))
    alone = printed(*base, "--anneal-on", late.path.name)
    assert f"base {corpus.path.name} for 32 steps, then candidate {late.path.name}" in alone
    assert f"alone: none beside it, `curate train {corpus.path.name} --tier tiny-1x --seed 1`" in alone
    first, again = printed(*base), printed(*base)
    assert [("already in the store" in said) for said in (first, again)] == [False, True]
    run = again.split(":")[0]
    assert f"Next: curate eval {run} --suite panel --store " in again
    annealed = printed(*base, "--anneal-on", late.path.name)
    assert f"Control, the same run on the base alone: {run}." in annealed
    assert f"the base alone: {run}." in printed("show", annealed.split(":")[0])


def test_a_corpus_given_as_panel_means_its_own(
    build: Build, tmp_path: Path, small_corpus: Node, small_panel: Node
) -> None:
    panel = build(small_panel)
    corpus = build(replace(small_corpus, inputs={"panel": small_panel}))
    store = Store.open(tmp_path / "store")
    found = [find_panel(store, name) for name in (corpus.path.name, str(corpus.path), panel.path.name)]
    assert [one.fingerprint for one in found] == [panel.fingerprint] * 3


def test_an_exported_model_is_scored_without_a_word_from_its_library(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: Tier, made: tuple[Artifact, Artifact], build: Build,
    make_panel: Callable[..., Node],
) -> None:  # fmt: skip
    corpus, panel = made
    words = ["--store", str(tmp_path / "store"), "--quiet"]
    assert curate(capsys, "train", corpus.path, "--tier", "tiny", "--panel", panel.path, "--out", tmp_path / "hf",
                  *words)[0] == 0  # fmt: skip
    long = build(make_panel({"a": ["a document far longer than the model's window " * 400]}))
    script = "import sys; from curation.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "eval", str(tmp_path / "hf"), "--panel", str(long.path), *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
