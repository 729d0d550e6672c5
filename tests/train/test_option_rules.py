"""Which options of `curate train` go together, and that those which do are all obeyed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.errors import RunError
from curation.nodes import Node
from curation.store import Artifact
from curation.store_locks import reserved
from train.option_rules import APART, NEEDS, refuse_combination
from train.tiers import Tier

Build = Callable[[Node], Artifact]
pytestmark = pytest.mark.filterwarnings("ignore")
VALUES: dict[str, str] = {
    "--seed": "2", "--seeds": "2-4", "--jobs": "1", "--budgets": "0.5,1", "--launch-script": "run.sh", "--out": "hf",
    "--track": "trackio", "--gpus": "2", "--nodes": "2", "--anneal-on": "other", "--replay-interventions": "run-1",
}  # fmt: skip


def typed(option: str) -> list[str]:
    return [option, VALUES[option]] if option in VALUES else [option]


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """Run a command with `--json`; return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out) if out else None


@pytest.fixture
def options(tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node) -> list[object]:
    """Return the words that name corpus, panel, tier and store, corpus first."""
    return [
        build(small_corpus).path, "--panel", build(small_panel).path, "--store", tmp_path / "store", "--quiet",
        "--tier", "tiny",
    ]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [(rule.option, other) for rule in APART for other in rule.others])
def test_options_that_do_not_go_together_are_refused_by_both_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, one: str, other: str
) -> None:
    words = ["train", "corpus-none", *typed(one), *typed(other), "--store", tmp_path / "store"]
    code, found = curate(capsys, *words)
    message = found["error"]["message"]
    assert (code, "no such corpus" in message) == (2, False)
    assert message.startswith(f"{one}: ")
    assert f"with {other}, expected" in message


@pytest.mark.parametrize(("option", "others"), [(need.option, need.others) for need in NEEDS])
def test_an_option_that_means_nothing_alone_is_refused(option: str, others: tuple[str, ...]) -> None:
    with pytest.raises(RunError, match=f"{option}: 2 without {others[0]}"):
        refuse_combination({option: 2, "--quiet": True, "--dry-run": False, "--seed": None})
    for other in others:
        refuse_combination({option: 2, other: True})


def test_a_dry_run_plans_every_seed(capsys: pytest.CaptureFixture[str], options: list[object]) -> None:
    code, plan = curate(capsys, "train", *options, "--seeds", "5-8", "--dry-run")
    runs = [row["step"] for row in plan if row["step"].startswith("run ")]
    assert (code, runs) == (0, [f"run tiny-1x seed {seed}" for seed in (5, 6, 7, 8)])


def test_a_dry_run_of_a_script_tells_what_it_would_start(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[object]
) -> None:
    script = tmp_path / "run.sh"
    words = ["train", *options[:-1], "1b", "--launch-script", script, "--slurm", "--gpus", 16, "--nodes", 2]
    code, plan = curate(capsys, *words, "--dry-run")
    told = {row["step"]: row["why"] for row in plan}
    assert (code, told[f"launch script {script}"]) == (0, "an sbatch script: 2 node(s), 16 process(es) in all")
    assert (plan[-1]["plan"]["gpus"], plan[-1]["plan"]["nodes"]) == (16, 2)
    assert not script.exists()


@pytest.mark.parametrize(("cards", "gpus"), [(["--gpus", 2], 2), ([], 2)])
def test_a_dry_run_plans_the_nodes_that_are_asked_for(
    capsys: pytest.CaptureFixture[str], options: list[object], cards: list[object], gpus: int
) -> None:
    _, plan = curate(capsys, "train", *options[:-1], "1b", "--dry-run", "--nodes", 2, *cards)
    assert (plan[-1]["plan"]["gpus"], plan[-1]["plan"]["nodes"]) == (gpus, 2)


@pytest.mark.parametrize(("count", "action"), [(60, "accept"), (2, "refuse")])
def test_a_dry_run_judges_the_supply_of_the_corpus_to_anneal_on(
    capsys: pytest.CaptureFixture[str], options: list[object], build: Build, make_corpus: Callable[..., Node],
    count: int, action: str,
) -> None:  # fmt: skip
    candidate = build(make_corpus({"law": ["on a mat the cat sat and looked at rain " * 12] * count}))
    code, plan = curate(capsys, "train", *options, "--anneal-on", candidate.path, "--dry-run")
    actions = {row["step"]: row["action"] for row in plan}
    assert (code, actions["supply"], actions["supply of --anneal-on"]) == (0, "accept", action)


def test_exports_of_several_runs_are_kept_on_a_rerun_and_those_of_others_refused_before_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[object]
) -> None:
    words = ["train", *options, "--budgets", "0.25,0.5", "--out", tmp_path / "hf"]
    model = tmp_path / "hf" / "tiny-0.5x" / "seed-1" / "model.safetensors"
    assert curate(capsys, *words)[0] == 0
    before = model.stat().st_mtime_ns, len(list((tmp_path / "store").glob("run-*")))
    assert curate(capsys, *words)[0] == 0
    single = ["train", *options[:-1], "tiny-0.5x", "--out", model.parent]
    assert curate(capsys, *single)[0] == 0  # the same run by itself
    code, found = curate(capsys, *single, "--seed", 2)
    assert (code, "seed-1: holds run " in found["error"]["message"]) == (2, True)
    (tmp_path / "hf" / "seed-3").mkdir()
    code, found = curate(capsys, "train", *options, "--seeds", "2,3", "--out", tmp_path / "hf")
    assert (code, "seed-3: exists and holds no exported run" in found["error"]["message"]) == (2, True)
    assert before == (model.stat().st_mtime_ns, len(list((tmp_path / "store").glob("run-*"))))


def test_every_target_is_held_before_anything_is_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[object]
) -> None:
    with reserved(tmp_path / "hf" / "seed-2"):
        code, found = curate(capsys, "train", *options, "--seeds", "1-2", "--out", tmp_path / "hf")
    assert code != 0
    assert "is building" in found["error"]["message"]
    assert not list((tmp_path / "store").glob("run-*"))
