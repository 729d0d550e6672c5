"""One training: exact resume, order of data, skipped steps, learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.nodes import Node
from curation.store import Artifact
from train import loop
from train.engine import Engine, Gradients
from train.loop import Hooks, Report, StoppedError, Trained, Training, checkpoint_steps, run_seeds, train
from train.shards import Streams, open_streams, tokens_node
from train.tiers import TIERS, Tier, load_tier

Build = Callable[[Node], Artifact]


class Killed(Exception):
    """Stands for the end of the process."""


def quiet(stop: Callable[[], bool] = lambda: False, report: Callable[[Report], None] = lambda _: None) -> Hooks:
    return Hooks(report=lambda now, _: report(now), note=lambda _: None, should_stop=stop)


@pytest.fixture
def streams(build: Build, small_corpus: Node) -> Streams:
    return open_streams(build(tokens_node(small_corpus, "ladder-pico@1")))


@pytest.fixture(autouse=True)
def _checkpoint_every_seventh_step(monkeypatch: pytest.MonkeyPatch, tiny: Tier) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", 7 * tiny.batch_tokens * tiny.shape.flops_per_token)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return dict(trained.model.state_dict())


def assert_equal(one: Trained, two: Trained) -> None:
    assert all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())
    assert (one.metrics, one.sample_hash, one.skipped_steps) == (two.metrics, two.sample_hash, two.skipped_steps)
    assert one.final_loss == two.final_loss


def planned(tier: Tier, streams: Streams, folder: Path) -> Training:
    return Training(tier=tier, streams=streams, index=1, folder=folder, identity={"tier": tier.name})


@pytest.mark.parametrize("step", [1, 6, 7, 8, 20, 39])
def test_killed_after_any_step_and_resumed_the_weights_are_the_same_bits(
    tmp_path: Path, tiny: Tier, streams: Streams, step: int
) -> None:
    def kill(now: Report) -> None:
        if now.step == step:
            raise Killed

    with pytest.raises(Killed):
        train(planned(tiny, streams, tmp_path / "a"), quiet(report=kill))
    resumed = train(planned(tiny, streams, tmp_path / "a"), quiet())
    assert_equal(resumed, train(planned(tiny, streams, tmp_path / "b"), quiet()))


def test_asked_to_stop_a_run_checkpoints_and_goes_on_where_it_was(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    with pytest.raises(StoppedError, match="stopped after step 1 of 40"):
        train(planned(tiny, streams, tmp_path / "a"), quiet(stop=lambda: True))
    assert (tmp_path / "a" / "step-00000001").is_dir()
    resumed = train(planned(tiny, streams, tmp_path / "a"), quiet())
    assert_equal(resumed, train(planned(tiny, streams, tmp_path / "b"), quiet()))


def test_a_damaged_newest_checkpoint_costs_time_but_no_bit(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    whole = train(planned(tiny, streams, tmp_path / "a"), quiet())
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["step-00000028", "step-00000035"]
    (tmp_path / "a" / "step-00000035" / "tensors.safetensors").write_bytes(b"damaged")
    assert_equal(whole, train(planned(tiny, streams, tmp_path / "a"), quiet()))


def test_torch_threads_of_the_caller_change_nothing(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    before = torch.get_num_threads()
    runs = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        runs.append(train(planned(tiny, streams, tmp_path / str(threads)), quiet()))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert_equal(*runs)


def test_seeds_pair_arms_and_budgets_of_one_model() -> None:
    one = run_seeds(TIERS["pico"], 1)
    assert one == run_seeds(load_tier("pico-0.5x"), 1)
    seeds = {one.init, one.order, run_seeds(TIERS["pico"], 2).init, run_seeds(TIERS["nano"], 1).init}
    assert len(seeds) == 4


def test_a_longer_budget_reads_the_same_windows_first(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    longer = replace(tiny, multiple=1.5)
    short = train(planned(tiny, streams, tmp_path / "a"), quiet())
    long = train(planned(longer, streams, tmp_path / "b"), quiet())
    at_end = next(row for row in long.metrics if row["step"] == tiny.num_steps)
    assert at_end["sample_hash"] == short.sample_hash


def test_the_loss_falls_from_that_of_an_even_guess(tmp_path: Path, tiny: Tier, streams: Streams) -> None:
    trained = train(planned(tiny, streams, tmp_path), quiet())
    first = trained.metrics[0]["loss"]
    assert isinstance(first, float)
    assert first == pytest.approx(math.log(2_048), abs=0.05)
    assert trained.final_loss < first - 0.5
    assert trained.metrics[-1]["flops"] == tiny.num_tokens * tiny.shape.flops_per_token


def test_every_window_is_drawn_equally_often_from_a_natural_mixture(
    tmp_path: Path, tiny: Tier, streams: Streams
) -> None:
    trained = train(planned(tiny, streams, tmp_path), quiet())
    windows = streams.num_windows(tiny.shape.context_tokens)
    epochs = [drawn / windows[name] for name, drawn in trained.draws_by_slice.items()]
    assert sum(trained.draws_by_slice.values()) == tiny.num_steps * tiny.batch_rows
    assert max(epochs) - min(epochs) < 2 / min(windows.values()) + 0.05


def test_a_step_that_is_not_finite_leaves_the_parameters_alone(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Engine.gradients
    seen: list[torch.Tensor] = []
    calls = iter(range(tiny.num_steps))

    def poisoned(engine: Engine, rows: np.ndarray, *, measured: bool = False) -> Gradients:
        step = next(calls)
        if step in (5, 6):
            seen.append(engine.model.lm_head.weight.detach().clone())
        found = honest(engine, rows, measured=measured)
        return replace(found, loss=math.nan) if step == 5 else found

    monkeypatch.setattr(Engine, "gradients", poisoned)
    trained = train(planned(tiny, streams, tmp_path), quiet())
    assert trained.skipped_steps == (5,)
    assert torch.equal(*seen)
    assert all(bool(torch.isfinite(value).all()) for value in weights(trained).values())


@pytest.mark.parametrize(("model", "low", "high"), [("pico", 10, 40), ("nano", 10, 40)])
def test_checkpoints_come_every_half_minute_of_work(
    monkeypatch: pytest.MonkeyPatch, model: str, low: int, high: int
) -> None:
    monkeypatch.undo()
    tier = TIERS[model]
    tokens_per_second = {"pico": 18_000, "nano": 5_000}[model]
    assert low < checkpoint_steps(tier) * tier.batch_tokens / tokens_per_second < high
