"""The ladder as a function of the log and the trouble; numbers are those of the policy."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from curation.errors import RunError
from train.recovery import (
    SKIP_ONLY,
    Intervention,
    Ladder,
    Recovery,
    Trouble,
    answer,
    edits_of,
    in_effect,
    log_from_json,
    log_json,
    rate_factor,
)


def climb(*onsets: int, every: int = 50) -> tuple[Intervention, ...]:
    """Return the log of a run in trouble at these steps, each seen 49 steps later."""
    log: tuple[Intervention, ...] = ()
    for onset in onsets:
        trouble = Trouble(step=onset + 49, onset=onset, reason="the loss rose")
        log = (*log, answer(log, trouble, every=every, ladder=Ladder()))
    return log


def test_the_first_time_it_goes_back_a_hundred_steps_and_leaves_out_to_two_hundred_past_the_onset() -> None:
    (first,) = climb(1_030)
    assert (first.level, first.restart, first.batches) == (2, 900, 330)  # 1,030 - 100, down to a multiple of 50
    assert (first.edit.kind, first.edit.step, first.rate_factor) == ("skip", 900, 1.0)


def test_the_second_time_it_goes_further_back_and_reorders() -> None:
    _, second = climb(1_030, 1_500)
    assert (second.level, second.restart, second.batches) == (3, 1_300, 400)
    assert (second.edit.kind, second.edit.seed) == ("reorder", 2)


def test_going_further_back_is_at_least_one_checkpoint_more() -> None:
    _, second = climb(1_030, 1_500, every=400)  # 1,400 and 1,300 both lie after the checkpoint of 1,200
    assert second.restart == 800


def test_the_third_time_the_rate_falls_for_the_rest_of_the_run() -> None:
    log = climb(1_030, 1_500, 2_000)
    assert (log[2].level, log[2].restart, log[2].edit.kind) == (4, 1_900, "skip")
    assert [rate_factor(log, step) for step in (0, 1_899, 1_900, 9_999)] == [1.0, 1.0, 0.7, 0.7]


def test_the_fourth_time_the_run_is_unstable() -> None:
    with pytest.raises(RunError, match=r"step 2549: unstable: the loss rose since step 2500, after 3 interventions"):
        climb(1_030, 1_500, 2_000, 2_500)


def test_two_thousand_quiet_steps_lead_back_to_the_first_rung() -> None:
    assert [item.level for item in climb(1_000, 3_000, 5_001)] == [2, 3, 2]


def test_trouble_in_the_first_steps_goes_back_to_the_start() -> None:
    assert [item.restart for item in climb(40, 60, 90)] == [0, 0, 0]


def test_the_log_survives_json() -> None:
    log = climb(1_030, 1_500, 2_000)
    again = log_from_json(json.loads(json.dumps(log_json(log))))
    assert again == log
    assert edits_of(again) == edits_of(log)


def test_entries_take_effect_at_their_own_step() -> None:
    log = climb(1_030, 1_500)
    assert [in_effect(log, step) for step in (899, 900, 1_299, 1_300)] == [0, 1, 1, 2]


def test_policies_that_differ_have_other_identities() -> None:
    log = climb(1_030)
    kinds = [
        SKIP_ONLY,
        Recovery(policy="ladder"),
        Recovery(policy="ladder", ladder=Ladder(back=50)),
        Recovery(policy="replay", replayed=log),
        Recovery(policy="replay", replayed=(replace(log[0], batches=1),)),
        Recovery(planned_skips=(5,)),
    ]
    assert len({json.dumps(kind.as_json(), sort_keys=True) for kind in kinds}) == len(kinds)
