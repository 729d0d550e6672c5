"""`curate mix swarm`: shared streams, a table that `curate mix fit` reads, resumed as if never stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.cli import main
from curation.files import sha256_file
from curation.nodes import Node, Planner, existing_node
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from mixtures.designs import Design
from train.mix_corpus import SharedText, held_by, natural_shares
from train.run import run_node
from train.shards import tokens_node
from train.swarm import Swarm, run_nodes, table_rows, train_swarm
from train.swarm_command import cost_text, time_text
from train.tiers import Tier, load_tier

pytestmark = pytest.mark.filterwarnings("ignore")
PICO = "ladder-pico@1"
TIER = "pico-0.01x"
Build = Callable[[Node], Artifact]


@pytest.fixture(autouse=True)
def _children_import_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).resolve().parents[2])]))


@pytest.fixture
def text(
    tmp_path: Path, build: Build, make_corpus: Callable[..., Node], random_sentences: Callable[..., list[str]],
    small_panel: Node,
) -> SharedText:  # fmt: skip
    """Three slices, of which law is too short for one window, in the store that tests train in."""
    docs = {"code": random_sentences("code", 150), "web": random_sentences("web", 300), "law": ["short"]}
    corpus, panel = build(make_corpus(docs)), build(small_panel)
    return SharedText(corpus=corpus, panel=panel, streams=build(tokens_node(existing_node(corpus), PICO)))


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json"])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(printed.out) if printed.out else None, printed.err


def test_natural_shares_are_of_bytes_and_name_what_cannot_be_read(text: SharedText) -> None:
    tier = load_tier(TIER)
    held = held_by(text.corpus, text.streams)
    found = natural_shares(held, tier, ("code", "web"))
    assert found["web"] / found["code"] == pytest.approx(2.0, rel=0.02)
    with pytest.raises(Exception, match=r"slice `law` holds 3 tokens.*one window of 512.*--slices"):
        natural_shares(held, tier)
    with pytest.raises(Exception, match=r"no slice `wbe`.*did you mean `web`"):
        natural_shares(held, tier, ("code", "wbe"))


def test_one_row_a_run_with_weights_and_losses(text: SharedText, build: Build, tiny: Tier) -> None:
    swarm = Swarm(tier=tiny, mixtures=({"code": 0.25, "web": 0.75}, {"code": 1.0, "web": 0.0}), seeds=(1, 2))
    runs = [build(node) for node in run_nodes(text, swarm)]
    rows = table_rows(runs, swarm)
    assert [(row["mixture"], row["seed"]) for row in rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert rows[2]["weight_code"] == 1.0
    assert rows[2]["weight_web"] == 0.0
    assert rows[3]["bpb_web"] == runs[3].summary["bpb"]["web"]  # type: ignore[index,call-overload]
    assert (rows[0]["N"], rows[0]["D"]) == (tiny.shape.matmul_params, tiny.num_tokens)


@pytest.mark.slow
def test_a_stopped_swarm_goes_on_to_the_same_bytes_and_the_table_can_be_fitted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: SharedText
) -> None:
    """Two of four runs are there already; a fresh store gives the same table; workers do not matter."""
    shared = [
        "--tier",
        TIER,
        "--slices",
        "code,web",
        "--runs",
        4,
        "--max-epochs",
        4,
        "--quiet",
        "--panel",
        text.panel.path,
    ]
    store = text.corpus.path.parent
    planner = Planner(store=Store.open(store), workers=1, progress=SilentProgress())
    code, plan, _ = curate(capsys, "mix", "swarm", text.corpus.path, *shared, "--store", store, "--dry-run")
    assert code == 0
    assert [step["action"] for step in plan["steps"]] == ["reuse", "reuse", "build"]
    first = Swarm(tier=load_tier(TIER), mixtures=tuple(plan["mixtures"][:2]), seeds=(1,))
    train_swarm(planner, text, first, Design(), workers=1, epochs=4.0)
    code, plan, _ = curate(capsys, "mix", "swarm", text.corpus.path, *shared, "--store", store, "--dry-run")
    assert [step["step"] for step in plan["steps"]][2:] == ["2 runs", "2 runs"]
    here = ["--store", store, "--out", tmp_path / "here.csv", "--workers", 2]
    code, made, _ = curate(capsys, "mix", "swarm", text.corpus.path, *shared, *here)
    assert code == 0
    code, again, _ = curate(capsys, "mix", "swarm", text.corpus.path, *shared, *here)
    assert again == made
    other = tmp_path / "other"
    other.mkdir()
    for name in (text.corpus.path.name, text.panel.path.name):
        (other / name).symlink_to(store / name)
    fresh = ["--store", other, "--out", tmp_path / "fresh.csv", "--workers", 1]
    assert curate(capsys, "mix", "swarm", text.corpus.path, *shared, *fresh)[0] == 0
    assert sha256_file(tmp_path / "here.csv") == sha256_file(tmp_path / "fresh.csv")
    columns = ["--weights", "weight_*", "--losses", "bpb_*"]
    code, fitted, _ = curate(capsys, "mix", "fit", "regmix-linear", tmp_path / "here.csv", *columns)
    assert (code, fitted["n"]) == (0, 4)
    assert sorted(fitted["params"]) == ["bpb_code", "bpb_web"]


@pytest.mark.slow
def test_a_swarm_that_was_killed_keeps_its_finished_runs_and_goes_on(
    capsys: pytest.CaptureFixture[str], text: SharedText
) -> None:
    """SIGKILL once one run is complete: its children die with it, and the same command makes only the others."""
    store = text.corpus.path.parent
    words = ["mix", "swarm", text.corpus.path, "--tier", TIER, "--slices", "code,web", "--runs", 3, "--max-epochs", 4]
    words += ["--panel", text.panel.path, "--store", store, "--workers", 1, "--quiet"]
    command = [sys.executable, "-c", "from curation.cli import main; main()", *(str(word) for word in words)]
    swarm = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not list(store.glob("run-*/manifest.json")) and time.monotonic() < until and swarm.poll() is None:
        time.sleep(0.02)
    swarm.kill()
    swarm.wait()
    finished = {path: path.stat().st_mtime_ns for path in store.glob("run-*/manifest.json")}
    assert 1 <= len(finished) < 3
    code, made, _ = curate(capsys, *words)
    assert code == 0
    assert len(made["runs"]) == 3
    assert len(list(store.glob("run-*/manifest.json"))) == 3
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items())


def test_bad_swarms_are_refused_before_training(capsys: pytest.CaptureFixture[str], text: SharedText) -> None:
    swarm = [
        "mix",
        "swarm",
        text.corpus.path,
        "--store",
        text.corpus.path.parent,
        "--tier",
        TIER,
        "--panel",
        text.panel.path,
    ]
    pair = ["--slices", "code,web"]
    code, said, _ = curate(capsys, *swarm, *pair, "--runs", 2)
    assert code == 2
    assert "expected at least 3: regmix-linear 3, log-linear 4" in said["error"]["message"]
    code, said, _ = curate(capsys, *swarm, "--slices", "code", "--runs", 9)
    assert "a mixture of 1 slice(s) (code), expected at least 2" in said["error"]["message"]
    large = [
        "mix",
        "swarm",
        text.corpus.path,
        "--store",
        text.corpus.path.parent,
        "--tier",
        "pico-0.02x",
        *pair,
        "--panel",
        text.panel.path,
    ]
    for more in ([], ["--dry-run"]):
        code, said, _ = curate(capsys, *large, "--runs", 6, *more)
        message = said["error"]["message"]
        assert "of 6 mixtures at pico-0.02x" in message
        assert "slice `code` holds" in message
        assert "--max-epochs" in message
    code, plan, _ = curate(capsys, *large, "--runs", 6, "--dry-run", "--max-epochs", 9)
    assert (code, plan["cost"]["runs"]) == (0, 6)


def test_a_pool_that_was_never_read_is_planned_without_reading_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a few words", "slice": "web"}\n')
    pool = tmp_path / "a.jsonl"
    code, plan, _ = curate(capsys, "mix", "swarm", pool, "--tier", TIER, "--dry-run", "--store", tmp_path / "store")
    assert code == 0
    assert [step["action"] for step in plan["steps"]] == ["build"] * 3
    assert plan["cost"]["runs"] == 24


def test_runs_of_the_swarm_are_not_those_of_the_recipe(text: SharedText, tiny: Tier) -> None:
    swarm = Swarm(tier=tiny, mixtures=({"code": 0.5, "web": 0.5},), seeds=(1,))
    plain = run_node(existing_node(text.streams), existing_node(text.panel), "tiny", 1)
    assert run_nodes(text, swarm)[0].fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--design", "sobol"], "--design: unknown design `sobol`"),
        (["--concentration", "0"], "--concentration: 0, expected 0.01 to 10,000"),
        (["--out", "{folder}"], "cannot be written; expected a file in a folder that exists"),
        (["--out", "{folder}/gone/table.csv"], "cannot be written; expected a file in a folder that exists"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_what_no_slices_could_mend_is_refused_before_the_pool_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: list[str], message: str, dry: list[str]
) -> None:
    (tmp_path / "docs.jsonl").write_text('{"text": "some words"}\n')
    words = [word.format(folder=tmp_path) for word in more]
    store = tmp_path / "store"
    pool = tmp_path / "docs.jsonl"
    code, told, _ = curate(capsys, "mix", "swarm", pool, "--tier", TIER, *words, *dry, "--store", store)
    assert code == 2
    assert message in told["error"]["message"]
    assert not store.exists()


def test_small_costs_are_told_in_numbers_that_are_not_nothing() -> None:
    cost = {"runs": 6, "tokens": 98_304, "flops": 2.2e11, "disk_bytes": 12e6, "core_hours": 5 / 3600}
    assert cost_text(cost) == "6 runs, 98,304 tokens, 5 core seconds without scoring, 12.0 MB"
    assert time_text({"core_hours": 0.25}) == "0.25 core hours"
    assert time_text({"h200_hours": 12.3}) == "12 H200 hours"
