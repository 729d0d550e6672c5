"""The shipped study on a real pool of many slices: every model has learnt more than word frequencies."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.cli import main
from leaderboard.studies.results import read_result

ROOT = Path(__file__).resolve().parents[3]
MIN_GAP = {"nano-0.1x": 0.5, "pico-1x": 0.4}
"""Bits per byte below a unigram of the same tokenizer, on every slice; what a broken trainer or scorer would miss."""


@pytest.mark.slow
def test_on_a_real_pool_every_arm_beats_a_unigram_on_every_slice(shared: Path, tmp_path: Path, full: bool) -> None:
    """Four trainings at pico; in `make test-full` at the study's own tenth of nano, about 20 minutes on two cores."""
    words = ["study", "run", str(ROOT / "studies/pool-filters.yaml"), "--set", f"pool={(shared / 'pool').resolve()}"]
    tier = "nano-0.1x" if full else "pico-1x"
    places = ("--store", str(tmp_path / "store"), "--out", str(tmp_path / "out"))
    main_exit(*words, "--set", f"tiers={{{tier}: 1}}", *places, "--workers", "2", "-q")
    result = read_result(tmp_path / "out")
    gaps = {(row.arm, name): gap for row in result.unigram for name, gap in row.gap.items()}
    assert {arm for arm, _ in gaps} == {"baseline", "quality_v3", "random", "random-matched"}
    assert len({name for _, name in gaps}) >= 8
    assert {key: gap for key, gap in gaps.items() if gap <= MIN_GAP[tier]} == {}
    assert all(row.unique_tokens > 0 and row.epochs > 0 for row in result.supply)


def main_exit(*words: str) -> None:
    """Run one command in this process; any exit code but 0 fails."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert not stop.value.code
