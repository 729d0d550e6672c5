"""`curate lr-sweep` on the tiny tier: three rates, same seeds, one verdict."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curation.batches import read_table
from curation.cli import main
from curation.nodes import Node
from curation.store import Artifact, Store
from train.sweep import probe_name
from train.sweep_result import sweep_from_json
from train.tiers import load_tier

pytestmark = pytest.mark.filterwarnings("ignore")
TIER = "pico-0.005x"


@pytest.fixture(autouse=True)
def _children_import_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).resolve().parents[2])]))


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*(str(word) for word in words), "--json", "--quiet"])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out) if out else None


def test_probes_are_named_after_their_rate() -> None:
    tier = load_tier("nano-0.1x")
    assert [probe_name(tier, rate) for rate in (0.5, 1.0, 2.0)] == ["nano-0.1x@lr0.5", "nano-0.1x", "nano-0.1x@lr2"]


def test_a_sweep_trains_three_rates_with_the_same_seeds_and_stores_its_losses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Callable[[Node], Artifact],
    make_corpus: Callable[..., Node], random_sentences: Callable[..., list[str]], small_panel: Node,
) -> None:  # fmt: skip
    corpus = build(make_corpus({"code": random_sentences("code", 100), "web": random_sentences("web", 150)}))
    panel = build(small_panel)
    file = tmp_path / "pico.json"
    options = ["--tier", TIER, "--seeds", "2", "--panel", panel.path, "--store", tmp_path / "store", "--out", file]
    code, found = curate(capsys, "lr-sweep", corpus.path, *options, "--note", "made-up sentences")
    assert code == 0
    sweep = sweep_from_json(json.loads(file.read_text()), "file")
    assert found == json.loads(file.read_text())
    assert (sweep.multipliers, sweep.seeds, sweep.note) == ((0.5, 1.0, 2.0), (2,), "made-up sentences")
    store = Store.open(tmp_path / "store")
    runs = {(run["tier"], run["seed"]): path for path in store.root.glob("run-*") for run in [_summary(path)]}
    assert set(runs) == {(f"{TIER}@lr0.5", 2), (TIER, 2), (f"{TIER}@lr2", 2)}
    half = runs[f"{TIER}@lr0.5", 2]
    rows = read_table(half / "documents.parquet").to_pylist()
    by_hand = math.fsum(row["nats"] for row in rows) / sum(row["num_tokens"] for row in rows)
    assert sweep.losses[0][0] == pytest.approx(by_hand, rel=1e-12)
    assert (sweep.corpus, sweep.panel) == (corpus.fingerprint, panel.summary["digest"])


def _summary(path: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((path / "manifest.json").read_text())["summary"]
    return summary


def test_a_probe_cannot_be_swept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Callable[[Node], Artifact], small_corpus: Node,
    small_panel: Node,
) -> None:  # fmt: skip
    corpus, panel = build(small_corpus), build(small_panel)
    options = ["--tier", "pico@lr2", "--panel", panel.path, "--store", tmp_path / "store"]
    code, said = curate(capsys, "lr-sweep", corpus.path, *options)
    assert code == 2
    assert "is a probe" in said["error"]["message"]
