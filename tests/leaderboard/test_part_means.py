"""Means over parts of a task: what leaves them as numbers for people and programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leaderboard.part_means import Arm, Part, Units, estimate


def test_no_p_leaves_an_estimate_whose_run_noise_was_not_measured() -> None:
    values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    arms = (Arm(columns=(0,), weight=1.0), Arm(columns=(1,), weight=-1.0))
    units = Units(values=values, clusters=np.arange(5))
    found = estimate(units, [Part(np.ones(5, np.bool_), 1.0)], arms, ("t",))
    assert found is not None
    assert found.as_json()["p_value"] is None
    assert replace(found, measured=True).as_json()["p_value"] is not None
