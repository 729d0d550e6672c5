"""Synthetic studies with a known truth: document scores with chosen noise and effects, put through the real functions.

A world is written as a store would hold it (corpora, token shards, runs, noise packs measured on eight further seeds of
the baseline) and assembled, frozen and judged by the code that users run. Every trap changes one thing of a world whose
honest twin passes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.gates.collect import evidence_of
from leaderboard.gates.definition import load_gates
from leaderboard.gates.judge import judge
from leaderboard.gates.report import GateReport
from leaderboard.studies.results import read_result

sys.path.insert(0, str(Path(__file__).resolve().parent))

from planted_store import Made, make
from planted_worlds import Effect, World, only


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    """Return a maker of worlds, in stores of their own or in that of a folder; none has to outlive a power cut here."""

    def maker(world: World, folder: Path | None = None) -> Made:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.fsync", lambda _: None)
            return make(world, folder or tmp_path_factory.mktemp("world"))

    return maker


def gate_report(made: Made, gate: str, arm: str | None = None) -> GateReport:
    """Return what a shipped gate says of an arm, from the study's result file as it lies on disk."""
    return judge(evidence_of(read_result(made.folder), arm), load_gates(), gate)


@pytest.fixture(scope="session")
def judged() -> Callable[..., GateReport]:
    """Return `gate_report`."""
    return gate_report


@pytest.fixture(scope="session")
def world() -> type[World]:
    """Return the description of a world."""
    return World


@pytest.fixture(scope="session")
def effect_of() -> Callable[..., Effect]:
    """Return `only`: an effect of one arm, in the named slices or in all."""
    return only
