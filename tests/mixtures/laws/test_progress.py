"""Fitting says how far it is: a step a loss, a step a fold, a step a refit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from curation.progress import Task
from mixtures.laws.command import Asked, perform
from mixtures.laws.table import Chosen


@dataclass
class Counted:
    """Counts the steps of each task."""

    steps: dict[str, tuple[float | None, int]] = field(default_factory=dict)

    @contextlib.contextmanager
    def task(self, label: str, total: float | None, *, unit: str = "") -> Iterator[Task]:
        steps = _Steps()
        yield steps
        self.steps[label] = (total, steps.count)

    def note(self, message: str) -> None:
        """Drop it."""


@dataclass
class _Steps:
    count: int = 0

    def advance(self, amount: float = 1.0) -> None:
        self.count += 1


def test_every_loss_fold_and_refit_is_a_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = rng.dirichlet([1.0, 1.0], 20)
    losses = 3.0 - weights @ np.array([[0.5, 0.1], [0.2, 0.4]])
    lines = ["run,wa,wb,la,lb"]
    lines += [
        f"{n},{a!r},{b!r},{x!r},{y!r}"
        for n, ((a, b), (x, y)) in enumerate(zip(weights.tolist(), losses.tolist(), strict=True))
    ]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    asked = Asked(
        method="log-linear",
        files=(tmp_path / "runs.csv",),
        chosen=Chosen(weights=("wa", "wb"), losses=("la", "lb"), size=None, tokens=None, where=None),
        predict=(),
        target={},
        supply={},
        max_epochs=4.0,
        draws=3,
    )
    heard = Counted()
    perform(asked, heard)
    assert heard.steps == {"fitting log-linear": (2, 2), "held-out folds": (5, 5), "bootstrap refits": (3, 3)}
