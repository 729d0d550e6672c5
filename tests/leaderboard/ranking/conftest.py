"""Studies whose tier has a measured run noise, so that their arms may rank."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curation.randomness import generator
from curation.store import Store
from leaderboard.noise.build import build_pack
from leaderboard.noise.pack import NoisePack
from leaderboard.noise.read_runs import gather_runs
from leaderboard.studies.results import StudyResult

SLICES = {"docs": 60, "code": 55}
SIGMA = 0.002


def noisy(arm: str, seed: int, name: str) -> float:
    """Two bits per byte; arms `mine` are 2 % better; seeds scatter by SIGMA."""
    return 2.0 * (0.98 if arm == "mine" else 1.0) * math.exp(SIGMA * float(generator(5, arm, seed).normal()))


@pytest.fixture
def packs(tmp_path: Path, make_run: Any, write_run: Any) -> list[tuple[Path, NoisePack]]:
    """Return a measured noise pack of micro-1x, of runs that no study holds."""
    other = Store.open(tmp_path / "noise-runs")
    runs = [
        write_run(other, make_run("elsewhere", seed, noisy, SLICES, tier="micro-1x"), unique_tokens=10)
        for seed in range(1, 9)
    ]
    pack = build_pack(gather_runs(other, [str(one.path) for one in runs], None), date="2026-01-31", device="a card")
    return [(Path("micro.json"), pack)]


@pytest.fixture
def decided(make_result: Any) -> Callable[..., StudyResult]:
    """Return a maker of a study at micro-1x whose arms have verdicts, as if nothing else stood against them."""

    def make(level: Any = noisy, **changes: Any) -> StudyResult:
        result: StudyResult = make_result(level, SLICES, tier="micro-1x", **changes)
        return replace(result, assessments=tuple(replace(item, verdict="better") for item in result.assessments))

    return make
