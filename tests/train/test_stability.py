"""What a run does about steps that go wrong: reliability 27 and 28 of docs/reproducibility.md, and the ladder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from curation.batches import text_view
from curation.errors import RunError
from curation.randomness import generator
from curation.tokenizers import load_tokenizer
from train import loop
from train.engine import Engine, Gradients
from train.loop import train
from train.recovery import Ladder, Recovery
from train.shards import Streams
from train.spikes import Spikes
from train.steering import steering_of
from train.tiers import Tier
from train.training import Hooks, Report, Trained, Training, run_seeds

LADDER = Recovery(policy="ladder", ladder=Ladder(back=3, past=5, again_within=40))
EVERY = 7
Spoil = Callable[[Gradients], Gradients]


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _checkpoint_every_seventh_step(monkeypatch: pytest.MonkeyPatch, tiny: Tier) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", EVERY * tiny.batch_tokens * tiny.shape.flops_per_token)


@pytest.fixture
def streams() -> Streams:
    """Return 1,000 windows of 64 tokens: short words from a few, so that a model learns them soon."""
    ids = generator(1, "ids").zipf(1.5, 1_000 * 64 + 1) % 200
    return Streams(shares={"a": 1.0}, tokens={"a": ids.astype(np.uint16)})


def planned(tier: Tier, streams: Streams, folder: Path, recovery: Recovery = LADDER) -> Training:
    return Training(
        tier=tier,
        streams=streams,
        index=1,
        folder=folder / "checkpoints",
        identity={"tier": tier.name},
        companions=(Spikes(),),
        recovery=recovery,
        quarantine=folder / "quarantine.jsonl",
    )


def go(training: Training, report: Callable[[Report], None] = lambda _: None) -> Trained:
    training.folder.parent.mkdir(parents=True, exist_ok=True)
    return train(training, Hooks(report=lambda now, _: report(now), note=lambda _: None, should_stop=lambda: False))


def spoiling(monkeypatch: pytest.MonkeyPatch, training: Training, steps: Collection[int], spoil: Spoil) -> None:
    """Spoil what the batches give that an undisturbed run reads at `steps`, whenever they are read."""
    order = steering_of(training, run_seeds(training.tier, training.index).order, EVERY).order
    width = training.tier.shape.context_tokens
    bad = {
        np.stack([training.streams.window("a", w, width) for w in order.batch(step).windows.tolist()])
        .astype(np.int64)
        .tobytes()
        for step in steps
    }
    honest = Engine.gradients

    def gradients(engine: Engine, rows: np.ndarray, *, measured: bool = False) -> Gradients:
        found = honest(engine, rows, measured=measured)
        return spoil(found) if np.ascontiguousarray(rows, np.int64).tobytes() in bad else found

    monkeypatch.setattr(Engine, "gradients", gradients)


def nan(found: Gradients) -> Gradients:
    return replace(found, loss=math.nan)


def assert_equal(one: Trained, two: Trained) -> None:
    left, right = one.model.state_dict(), two.model.state_dict()
    assert all(torch.equal(value, right[name]) for name, value in left.items())
    assert (one.sample_hash, one.draws_by_slice, one.final_loss) == (
        two.sample_hash,
        two.draws_by_slice,
        two.final_loss,
    )


@pytest.mark.parametrize("spoil", [nan, lambda found: replace(found, norm=math.inf)], ids=["loss", "norm"])
def test_a_step_that_is_not_finite_equals_one_left_out_by_configuration(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
) -> None:
    wanted = go(planned(tiny, streams, tmp_path / "a", Recovery(planned_skips=(17,))))
    training = planned(tiny, streams, tmp_path / "b", Recovery())
    spoiling(monkeypatch, training, [17], spoil)
    found = go(training)
    assert found.skipped_steps == wanted.skipped_steps == (17,)
    assert all(torch.equal(v, wanted.model.state_dict()[k]) for k, v in found.model.state_dict().items())
    assert found.sample_hash == wanted.sample_hash


def test_three_in_a_row_end_a_run_without_the_ladder_and_leave_the_checkpoint_before(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = planned(tiny, streams, tmp_path, Recovery())
    spoiling(monkeypatch, training, [20, 21, 22], nan)
    with pytest.raises(RunError, match=r"step 22: loss nan.*third non-finite step in a row"):
        go(training)
    assert sorted(path.name for path in training.folder.iterdir()) == ["step-00000014", "step-00000021"]
    rows = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 21, 22]


def test_the_quarantine_names_the_windows_and_is_the_same_bytes_after_a_kill(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(now: Report) -> None:
        if now.step == 24:
            raise Killed

    trainings = [planned(tiny, streams, tmp_path / name, Recovery()) for name in ("a", "b")]
    spoiling(monkeypatch, trainings[0], [17, 23, 30], nan)
    whole = go(trainings[0])
    with pytest.raises(Killed):
        go(trainings[1], kill)
    assert_equal(whole, go(trainings[1]))
    texts = [(tmp_path / name / "quarantine.jsonl").read_bytes() for name in ("a", "b")]
    assert texts[0] == texts[1]
    rows = [json.loads(line) for line in texts[0].splitlines()]
    drawn = steering_of(trainings[0], run_seeds(tiny, 1).order, EVERY).order.batch(23)
    assert rows[1]["windows"] == [["a", w, 0] for w in drawn.windows.tolist()]
    assert [(row["step"], row["reason"], row["loss"]) for row in rows] == [
        (s, "non-finite", None) for s in (17, 23, 30)
    ]


def test_the_ladder_goes_back_and_never_reads_what_went_wrong(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = planned(tiny, streams, tmp_path)
    spoiling(monkeypatch, training, [20, 21, 22], nan)
    found = go(training)
    (entry,) = found.interventions
    assert (entry.level, entry.onset, entry.detected, entry.restart, entry.batches) == (2, 20, 22, 14, 11)
    assert found.skipped_steps == ()
    assert math.isfinite(found.final_loss)
    rows = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 21, 22]


@pytest.mark.parametrize("step", [15, 19, 28, 39])
def test_a_ladder_run_that_is_killed_ends_with_the_same_bits(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    seen: list[int] = []

    def kill(now: Report) -> None:
        seen.append(now.step)
        if seen.count(step) == (2 if step < 23 else 1):  # steps up to 22 are taken again after the rewind
            raise Killed

    trainings = [planned(tiny, streams, tmp_path / name) for name in ("a", "b")]
    spoiling(monkeypatch, trainings[0], [20, 21, 22], nan)
    whole = go(trainings[0])
    with pytest.raises(Killed):
        go(trainings[1], kill)
    resumed = go(trainings[1])
    assert_equal(resumed, whole)
    assert resumed.interventions == whole.interventions
    assert resumed.metrics == whole.metrics
    assert (tmp_path / "a" / "quarantine.jsonl").read_bytes() == (tmp_path / "b" / "quarantine.jsonl").read_bytes()


def test_the_second_rung_reorders_from_the_very_start_and_a_replay_of_the_log_is_the_same_run(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = planned(tiny, streams, tmp_path / "a")
    with monkeypatch.context() as patch:
        spoiling(patch, training, [20, 21, 22, 27, 28, 29], nan)
        found = go(training)
    assert [(item.level, item.restart) for item in found.interventions] == [(2, 14), (3, 0)]
    replay = go(planned(tiny, streams, tmp_path / "b", Recovery(policy="replay", replayed=found.interventions)))
    assert_equal(replay, found)
    plain = go(planned(tiny, streams, tmp_path / "c", Recovery()))
    assert plain.sample_hash != found.sample_hash


def test_checkpoints_that_are_gone_cost_a_rewind_time_but_no_bit(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(now: Report) -> None:
        if now.step == 19:
            for name in ("step-00000007", "step-00000014"):
                (trainings[1].folder / name / "manifest.json").unlink()

    trainings = [planned(tiny, streams, tmp_path / name) for name in ("a", "b")]
    spoiling(monkeypatch, trainings[0], [20, 21, 22], nan)
    assert_equal(go(trainings[0]), go(trainings[1], lose))


def test_with_every_step_bad_the_ladder_ends_as_unstable(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Engine.gradients
    monkeypatch.setattr(Engine, "gradients", lambda e, rows, **kw: nan(honest(e, rows, **kw)))
    with pytest.raises(RunError, match="unstable: loss or gradient norm not finite since step 0, after 3"):
        go(planned(tiny, streams, tmp_path))


def test_a_loss_that_stays_up_is_answered_at_its_onset(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = replace(tiny, multiple=4.0)
    training = planned(longer, streams, tmp_path)
    spoiling(monkeypatch, training, range(75, 140), lambda found: replace(found, loss=found.loss + 5))
    found = go(training)
    first = found.interventions[0]
    assert (first.level, first.reason) == (2, "the loss rose and stays up")
    assert first.onset in range(75, 80)
    assert first.detected == first.onset + 49
    assert first.numbers["level_nats"] > first.numbers["median_nats"] + 0.15


def test_a_poisoned_parameter_is_never_written_over_a_good_checkpoint(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Engine.update
    calls = iter(range(1_000))

    def update(engine: Engine, rate: float) -> None:
        honest(engine, rate)
        if next(calls) == 20:  # the last update before the checkpoint of step 21
            with torch.no_grad():
                engine.model.lm_head.weight[3, 3] = math.nan

    monkeypatch.setattr(Engine, "update", update)
    training = planned(tiny, streams, tmp_path / "a", Recovery())
    with pytest.raises(RunError, match=r"after step 21 lm_head.weight hold .*checkpoint of step 14 stays"):
        go(training)
    assert sorted(path.name for path in training.folder.iterdir()) == ["step-00000007", "step-00000014"]
    whole = go(planned(tiny, streams, tmp_path / "b", Recovery()))
    assert_equal(go(training), whole)  # it came from outside and does not come again


def test_sixty_four_windows_of_repeated_text_are_skipped_quarantined_and_raise_the_spike_score(
    tmp_path: Path, tiny: Tier
) -> None:
    tier = replace(tiny, multiple=3.0, learning_rate=6e-3, skip_sigmas=6.0)
    encoded = load_tokenizer(tier.tokenizer).encode(text_view(pa.chunked_array([["g4OD" * 100]]))).tokens
    others = np.setdiff1d(np.arange(1, 300), encoded)  # no other window has the tokens of the repeated text
    tokens = generator(2, "ids").choice(others, 1_000 * 64 + 1).astype(np.uint16)
    streams = Streams(shares={"a": 1.0}, tokens={"a": tokens})
    training = planned(tier, streams, tmp_path, Recovery())
    order = steering_of(training, run_seeds(tier, 1).order, EVERY).order
    bad = range(100, 116)  # 16 batches of 4 windows
    windows = [window for step in bad for window in order.batch(step).windows.tolist()]
    for window in windows:
        tokens[window * 64 : (window + 1) * 64] = np.resize(encoded[:-1], 64)
    found = go(training)
    assert found.skipped_steps == tuple(bad)
    rows = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert {row["reason"] for row in rows} == {"outlier"}
    assert sorted(window[1] for row in rows for window in row["windows"]) == sorted(windows)
    score = {row["step"]: row["spike_score"] for row in found.metrics}
    assert score[100] == 0
    assert score[116] == pytest.approx(16 / 116)
