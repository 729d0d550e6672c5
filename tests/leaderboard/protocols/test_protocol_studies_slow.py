"""Studies of kind tokenizer and optimizer, trained on a small pool: they run, and measure what their kind requires."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from curation.tokenizers import tokenizer_path
from leaderboard.protocols.measure import measure_study
from leaderboard.protocols.measured import Measured, of_name
from leaderboard.studies import climb
from leaderboard.studies.results import Failure, StudyResult, read_result
from leaderboard.studies.run import run_study
from leaderboard.studies.study import load_study
from leaderboard.studies.training import RunPlan
from train.tiers import load_tier

pytestmark = pytest.mark.slow
WORDS = ["def", "return", "value", "text", "and", "12", "(x)", "of", "every", "slice", "  +", "a", "zebra", "has"]


def write_study(folder: Path, words: str) -> Path:
    """Write a pool of made-up text and a study over it."""
    rng = generator(1, "protocols")
    with (folder / "pool.jsonl").open("w") as stream:
        for number in range(600):
            text = "\n    ".join(" ".join(rng.choice(WORDS, 12)) for _ in range(14))
            name = "docs" if number % 2 else "code"
            stream.write(json.dumps({"text": text, "slice": name, "site": f"{name}-{number % 40}"}) + "\n")
    path = folder / "study.yaml"
    path.write_text(
        f"hypothesis: it is better\nbase: baseline\npool: {{path: {folder / 'pool.jsonl'}, family: site}}\n"
        f"panel: {{bytes_per_slice: 8000}}\nepochs: 4\n{words}"
    )
    return path


def run_here(study: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[StudyResult, Measured, list[str]]:
    """Run a study with all trainings in this process, whose start would cost more than they do; return what trained."""
    trained: list[str] = []

    def train(plans: Sequence[RunPlan], store: Store, workers: int, progress: Any) -> list[Failure]:
        planner = Planner(store=store, workers=1, progress=progress)
        for plan in plans:
            if store.find("run", plan.node.fingerprint) is None:
                trained.append(plan.trained)
                planner.materialise(plan.node)
        return []

    monkeypatch.setattr(climb, "train_missing", train)
    quiet = SilentProgress()
    ran = run_study(load_study(study), str(study), store=store, workers=1, progress=quiet)
    result = read_result(ran.folder)
    return result, measure_study(result, store=store, workers=1, progress=quiet), trained


def test_a_tokenizer_study_measures_all_that_its_protocol_requires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "mine.json"
    own.write_bytes(tokenizer_path("ladder-nano@1").read_bytes())
    words = f"kind: tokenizer\nvary: {{mine: {{tokenizer: {own}}}}}\ntiers: {{pico: 1}}\nbudgets: [0.01, 0.02]\n"
    path = write_study(tmp_path, words)
    store = Store.open(tmp_path / "store")
    result, found, trained = run_here(path, store, monkeypatch)
    assert found.missing == ()
    assert result.facts.measurements == found.measurements
    assert {run.variant.partition("@")[2][:9] for run in result.runs if run.arm == "mine"} == {"tok=file-"}
    (base,) = of_name(found.measurements, "tokens-per-byte", arm="baseline", of="", unit="tokens per byte")
    (mine,) = of_name(found.measurements, "tokens-per-byte", arm="mine", of="", unit="tokens per byte")
    assert mine.value < base.value
    flops = of_name(found.measurements, "training-cost", arm="mine", unit="FLOPs to those of the baseline")
    assert all(one.value == pytest.approx(1, rel=0.2) for one in flops)  # whole steps of a budget of eight
    assert len(trained) == 4
    assert run_here(path, store, monkeypatch)[2] == []


def test_an_optimizer_study_trains_every_point_and_claims_on_the_second_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "kind: optimizer\nvary: {muon: {optimizer: muon}}\ntiers: {pico-0.01x: 2}\n"
    path = write_study(tmp_path, words)
    result, found, trained = run_here(path, Store.open(tmp_path / "store"), monkeypatch)
    assert len(set(trained)) == 12
    assert len(trained) == 24
    assert {load_tier(name).optimizer for name in trained} == {"adamw", "muon"}
    assert [len(sweep.points) for sweep in found.sweeps] == [6, 6]
    (claim,) = found.claims
    assert claim.fresh_seeds == (2,)
    assert claim.log_ratio is not None
    names = {row.name for row in found.measurements}
    assert {"panel-by-slice", "batch-sizes", "spikes", "wall-clock", "memory", "best-of-sweep"} <= names
    edges = {sweep.side for sweep in found.sweeps if sweep.at_edge}
    assert len([one for one in found.missing if one.name == "learning-rates"]) == len(edges)
    (own,) = of_name(found.measurements, "memory", arm="muon", unit="bytes of optimizer state")
    (base,) = of_name(found.measurements, "memory", arm="baseline", unit="bytes of optimizer state")
    assert own.value < base.value
    assert result.facts.missing == found.missing
