"""Several runs at once: the same bytes as one by one, failures named, seeds read strictly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from train import many_runs
from train.many_runs import Wanted, parse_seeds, train_runs

pytestmark = pytest.mark.filterwarnings("ignore")
FILES = ("model.safetensors", "metrics.jsonl", "documents.parquet", "run.json", "manifest.json")
TIER = "pico-0.01x"


@pytest.fixture(autouse=True)
def _children_import_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).resolve().parents[2])]))


@pytest.fixture
def corpus(make_corpus: Callable[..., Node], random_sentences: Callable[..., list[str]]) -> Node:
    """A corpus of a few dozen windows of 512 tokens."""
    return make_corpus({"code": random_sentences("code", 150), "web": random_sentences("web", 200)})


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(printed.out) if printed.out else None, printed.err


def planner_at(folder: Path) -> Planner:
    return Planner(store=Store.open(folder), workers=1, progress=SilentProgress())


def digests(run: Path) -> dict[str, str]:
    return {name: sha256_file(run / name) for name in FILES}


@pytest.mark.parametrize(
    ("text", "seeds"), [("1", [1]), ("1-4", [1, 2, 3, 4]), ("3,1", [1, 3]), ("1-2,5, 2", [1, 2, 5])]
)
def test_seeds_are_ranges_and_lists(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "2-1", "1-", "a", "1;2", "-3", "1-99999"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(RunError, match="expected seeds from 1 on"):
        parse_seeds(text)


def test_seeds_side_by_side_are_the_runs_of_one_by_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Callable[[Node], Artifact], corpus: Node,
    small_panel: Node,
) -> None:  # fmt: skip
    text, panel = build(corpus), build(small_panel)
    options = ["--tier", TIER, "--panel", panel.path, "--quiet"]
    both = ["--seeds", "1-2", "--jobs", "2", "--store", tmp_path / "both"]
    code, together, _ = curate(capsys, "train", text.path, *options, *both)
    assert code == 0
    assert [run["summary"]["seed"] for run in together["runs"]] == [1, 2]
    for run in together["runs"]:
        seed = run["summary"]["seed"]
        code, alone, _ = curate(
            capsys, "train", text.path, *options, "--seed", seed, "--store", tmp_path / f"alone-{seed}"
        )
        assert code == 0
        assert digests(Path(run["path"])) == digests(Path(alone["path"]))


def test_a_failed_run_is_named_and_the_finished_ones_stay(
    tmp_path: Path, build: Callable[[Node], Artifact], corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = planner_at(tmp_path / "other")
    text, panel = build(corpus), build(small_panel)
    planner.adopt(text)
    planner.adopt(panel)
    done = train_runs(planner, text, panel, [Wanted(tier=TIER, seed=1)], jobs=1)
    monkeypatch.setattr(many_runs, "WORKER", "no_such_module")
    wanted = [Wanted(tier=TIER, seed=1), Wanted(tier=f"{TIER}@lr2", seed=3)]
    with pytest.raises(RunError, match=rf"1 of 1 runs failed.*{TIER}@lr2 seed 3: .*no_such_module"):
        train_runs(planner, text, panel, wanted, jobs=2)
    assert train_runs(planner, text, panel, wanted[:1])[0].path == done[0].path


def test_an_impossible_request_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Callable[[Node], Artifact], corpus: Node,
    small_panel: Node,
) -> None:  # fmt: skip
    text, panel = build(corpus), build(small_panel)
    options = ["--panel", panel.path, "--store", tmp_path / "store"]
    code, said, _ = curate(capsys, "train", text.path, "--tier", TIER, "--seeds", "2-1", *options)
    assert (code, "--seeds" in said["error"]["message"]) == (2, True)
    code, said, _ = curate(capsys, "train", text.path, "--tier", TIER, "--gpus", "2", *options)
    assert (code, "without --dry-run" in said["error"]["message"]) == (2, True)
