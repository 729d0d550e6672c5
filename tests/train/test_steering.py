"""Steering: a state kept in the middle of trouble."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train.recovery import Ladder, Recovery
from train.shards import Streams
from train.steering import steering_of
from train.tiers import Tier
from train.training import Training


@pytest.mark.parametrize("kept_after", [100, 101, 120, 148])
def test_resumed_in_the_middle_of_a_rise_the_ladder_answers_as_if_it_had_not_been(
    tmp_path: Path, tiny: Tier, kept_after: int
) -> None:
    """100 steps at 2 nats, then 5: seen at the 50th raised step, with the first as onset, killed in between or not."""

    def answered(stop: int | None) -> tuple[int, Recovery]:
        steering = steering_of(training, 1, 7)
        for step in range(200):
            if step == stop:
                kept = json.loads(json.dumps(steering.state()))
                steering = steering_of(training, 1, 7)
                steering.restore(kept)
            steering.judge(step, steering.order.batch(step), 2.0 if step < 100 else 5.0, 1.0)
            if steering.trouble is not None:
                steering.respond(lambda _: None)
                return step, Recovery(policy="replay", replayed=steering.log)
        raise AssertionError("no trouble was seen")

    streams = Streams(shares={"a": 1.0}, tokens={"a": np.ones(1_000 * 64 + 1, np.uint16)})
    training = Training(
        tier=replace(tiny, multiple=8.0), streams=streams, index=1, folder=tmp_path, identity={},
        recovery=Recovery(policy="ladder", ladder=Ladder(back=3, past=5, again_within=40)),
    )  # fmt: skip
    seen, log = answered(kept_after)
    assert (seen, log.replayed[0].onset) == (149, 100)
    assert (seen, log) == answered(None)
