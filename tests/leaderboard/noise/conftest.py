"""Runs of a baseline with a known spread, as artifacts and as a pack."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.files import Json, digest_json, write_json, write_text
from curation.randomness import generator
from curation.store import Artifact, Store
from leaderboard.noise.build import build_pack
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.read_runs import gather_runs
from leaderboard.scores import ScoredRun

SIGMA = 0.004
SLICES = {"docs": 60, "code": 60}
Level = Callable[[str, int, str], float]


def level(arm: str, seed: int, name: str) -> float:
    """Two bits per byte, seeds apart by SIGMA, half of it in common to all slices."""
    common, own = generator(7, arm, seed).normal(), generator(7, arm, seed, name).normal()
    return 2.0 * math.exp(SIGMA * math.sqrt(0.5) * float(common + own))


@pytest.fixture
def baseline(store: Store, make_run: Any, write_run: Any) -> Callable[..., list[Artifact]]:
    """Return a maker of run artifacts 1..n of the baseline, some of them unstable."""

    def make(
        num_seeds: int = 8, *, tier: str = "micro-1x", unstable: Sequence[int] = (), level: Level = level
    ) -> list[Artifact]:
        return [
            write_run(
                store,
                make_run("baseline", seed, level, SLICES, tier=tier),
                unique_tokens=10,
                stable=seed not in unstable,
            )
            for seed in range(1, num_seeds + 1)
        ]

    return make


@pytest.fixture
def noise_run(store: Store, make_run: Any, write_run: Any) -> Callable[..., Artifact]:
    """Return a maker of noise run artifacts: bits per byte by the numbers of initialisation, order and subset."""

    def make(init: int, order: int, subset: int, bpb: float) -> Artifact:
        number = 1000 + 100 * init + 10 * order + subset
        plain: ScoredRun = make_run("baseline", number, lambda *_: bpb, SLICES)
        made: Artifact = write_run(store, plain, unique_tokens=10)
        with store.building("run", digest_json({"noise": number})) as out:
            for name in ("documents.parquet", "metrics.jsonl"):
                (out.path / name).write_bytes((made.path / name).read_bytes())
            noise: Json = {"init": init, "order": order, "subset": subset}
            manifest = {key: made.manifest[key] for key in ("inputs", "params")}
            shutil.rmtree(made.path)
            return out.finish({**manifest, "summary": {**made.summary, "seed": 0, "noise": noise}})

    return make


@pytest.fixture
def make_pack(store: Store, baseline: Any) -> Callable[..., NoisePack]:
    """Return a maker of the pack of a baseline's runs."""

    def make(num_seeds: int = 8, **options: Any) -> NoisePack:
        made = baseline(num_seeds, **options)
        return build_pack(gather_runs(store, [str(one.path) for one in made], None), date="2026-01-31", device="a card")

    return make


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a table of eight finished runs of micro-0.25x, and one of smoke-0.1x, made elsewhere."""
    runs = [
        {"tier": "micro-0.25x", "seed": seed, "steps": 2000, "skipped_steps": 0, "stable": True,
         "bpb": {"docs": level("b", seed, "docs"), "code": level("b", seed, "code")}}
        for seed in range(1, 9)
    ]  # fmt: skip
    path = tmp_path / "table.json"
    other = {**runs[0], "tier": "smoke-0.1x"}
    write_json(path, {"date": "2026-01-31", "device": "a card", "corpus": "text", "runs": [*runs, other]})
    return path


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[NoisePack, Callable[[dict[str, Any]], None]], Path]:
    """Return a writer of a pack that somebody changed by hand."""

    def write(pack: NoisePack, change: Callable[[dict[str, Any]], None]) -> Path:
        value: dict[str, Any] = json.loads(json.dumps(pack.as_json()))
        change(value)
        path = tmp_path / "edited.json"
        write_text(path, json.dumps(value))
        return path

    return write
