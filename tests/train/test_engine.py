"""The engine: what it does when memory runs out, in which precision it computes, what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import RunError
from curation.randomness import generator
from train import loop
from train.engine import Engine
from train.execution import DETERMINISTIC, MICRO_BATCH_ROWS, accelerator_of, most_rows
from train.loop import Hooks, StoppedError, Trained, Training, train
from train.model import build_model
from train.shards import Streams
from train.tiers import TIERS, Tier


@pytest.fixture
def eight(tiny: Tier) -> Tier:
    """Return the tiny tier with 8 windows a step, 4 at once."""
    return replace(tiny, batch_tokens=8 * 64, tokens_at_1x=12 * 8 * 64, micro_batch_rows=4)


@pytest.fixture
def streams() -> Streams:
    tokens = {name: generator(1, name).zipf(1.5, 6_000).clip(0, 2_047).astype(np.uint16) for name in "ab"}
    return Streams(shares={"a": 0.5, "b": 0.5}, tokens=tokens)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function after which more windows at once than that run out of memory."""
    honest = Engine._add_gradient

    def limit(most: int) -> None:
        def limited(engine: Engine, micro_BT: torch.Tensor) -> torch.Tensor:
            if len(micro_BT) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words")
            return honest(engine, micro_BT)

        monkeypatch.setattr(Engine, "_add_gradient", limited)

    return limit


def trained(tier: Tier, streams: Streams, folder: Path, notes: list[str], stop: Callable[[], bool]) -> Trained:
    training = Training(tier=tier, streams=streams, index=1, folder=folder, identity={})
    return train(training, Hooks(report=lambda *_: None, note=notes.append, should_stop=stop))


def test_out_of_memory_halves_the_micro_batch_keeps_the_batch_and_says_that_bits_differ(
    tmp_path: Path, eight: Tier, streams: Streams, small_memory: Callable[[int], None]
) -> None:
    notes: list[str] = []
    whole = trained(eight, streams, tmp_path / "a", notes, lambda: False)
    assert (whole.changes, notes) == ((), [])
    small_memory(1)
    lowered = trained(eight, streams, tmp_path / "b", notes, lambda: False)
    assert lowered.execution["micro_batch_rows"] == 1
    assert lowered.execution["accumulation"] == 8
    assert [change["what"] for change in lowered.changes] == ["micro-batch changed: not bit-exact"]
    assert notes == ["step 0: micro-batch changed: not bit-exact (micro_batch_rows 4 before, 1 now)"]
    assert lowered.sample_hash == whole.sample_hash
    assert lowered.final_loss == pytest.approx(whole.final_loss, rel=1e-5)


def test_after_a_restart_it_goes_on_with_what_fitted(
    tmp_path: Path, eight: Tier, streams: Streams, small_memory: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", 5 * eight.batch_tokens * eight.shape.flops_per_token)
    small_memory(2)
    whole = trained(eight, streams, tmp_path / "a", [], lambda: False)
    asked = iter([False] * 6 + [True])
    with pytest.raises(StoppedError):
        trained(eight, streams, tmp_path / "b", [], lambda: next(asked))
    notes: list[str] = []
    again = trained(eight, streams, tmp_path / "b", notes, lambda: False)
    assert notes == []
    assert again.changes == whole.changes
    weights = dict(whole.model.state_dict())
    assert all(torch.equal(value, weights[name]) for name, value in again.model.state_dict().items())


def test_when_one_window_does_not_fit_the_run_ends_and_says_what_would(
    tmp_path: Path, eight: Tier, streams: Streams, small_memory: Callable[[int], None]
) -> None:
    small_memory(0)
    said = r"tier tiny-1x: out of memory with micro-batches of 1 windows of 64 tokens.*2.00 GiB.*what would fit"
    with pytest.raises(RunError, match=said) as failed:
        trained(eight, streams, tmp_path, [], lambda: False)
    assert "More words" not in str(failed.value)


def test_an_update_sees_the_gradient_clipped_to_the_tier_s_norm(eight: Tier) -> None:
    """By hand: a gradient of norm n becomes clip / n of itself, and the first moment (1 - beta1) of that."""
    rows = generator(2, "rows").integers(0, 2_048, (8, 65))
    free, clipped = (replace(eight, clip_norm=norm) for norm in (1e9, 1e-3))
    whole, engine = (Engine(tier, build_model(tier, 1)) for tier in (free, clipped))
    norm = whole.gradients(rows).norm
    assert engine.gradients(rows).norm == norm > 100 * clipped.clip_norm  # a thousand times, told as it was
    engine.update(1e-3)
    huge = dict(whole.model.named_parameters())
    for name, parameter in engine.model.named_parameters():
        gradient = huge[name].grad
        assert gradient is not None
        by_hand = (1 - eight.beta1) * clipped.clip_norm / norm * gradient
        torch.testing.assert_close(engine.optimizer.state[parameter]["exp_avg"], by_hand, rtol=1e-4, atol=1e-12)


def test_moments_that_do_not_fit_end_the_run(eight: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(eight, build_model(eight, 1))

    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(engine.optimizer, "step", step)
    with pytest.raises(RunError, match=f"out of memory.*set {MICRO_BATCH_ROWS}=2"):
        engine.update(1e-3)


def test_restored_to_a_state_without_moments_it_has_none_and_goes_on_as_it_did(eight: Tier) -> None:
    rows = generator(2, "rows").integers(0, 2_048, (8, 65))
    engine = Engine(eight, build_model(eight, 1))
    start = {name: value.clone() for name, value in engine.tensors().items()}
    ends = []
    for _ in range(2):
        engine.restore(start)
        assert not engine.optimizer.state
        for _ in range(2):
            engine.gradients(rows)
            engine.update(1e-3)
            engine.discard()
        ends.append({name: value.clone() for name, value in engine.tensors().items()})
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


@pytest.mark.parametrize(("said", "rows"), [("3", 3), ("1", 1)])
def test_the_environment_may_ask_for_smaller_micro_batches_on_a_card(said: str, rows: int) -> None:
    assert most_rows({MICRO_BATCH_ROWS: said}) == rows
    assert most_rows({}) > 10**9


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5"])
def test_a_strange_micro_batch_is_refused(said: str) -> None:
    with pytest.raises(RunError, match=f"{MICRO_BATCH_ROWS}: `{said}`, expected a number of windows"):
        most_rows({MICRO_BATCH_ROWS: said})


def test_a_bf16_tier_multiplies_in_bf16_and_keeps_float32_weights_and_moments(eight: Tier) -> None:
    wide, narrow = (replace(eight, precision=precision) for precision in ("fp32", "bf16"))  # type: ignore[arg-type]
    rows = generator(2, "rows").integers(0, 2_048, (8, 65))
    engines = [Engine(tier, build_model(tier, 1), accelerator_of(tier)) for tier in (wide, narrow)]
    found = [engine.gradients(rows) for engine in engines]
    assert found[0].loss != found[1].loss
    assert found[1].loss == pytest.approx(found[0].loss, rel=2e-3)
    assert found[1].norm == pytest.approx(found[0].norm, rel=2e-2)
    engines[1].update(1e-3)
    kinds = {value.dtype for name, value in engines[1].tensors().items() if name != "rng"}
    assert kinds == {torch.float32}


@pytest.mark.parametrize(("model", "precision"), [("pico", "fp32"), ("nano", "bf16")])
def test_laptop_tiers_compute_on_the_cpu_everywhere(
    monkeypatch: pytest.MonkeyPatch, model: str, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen = accelerator_of(TIERS[model])
    assert (chosen.device.type, chosen.precision, chosen.compiled) == ("cpu", precision, False)


def test_a_cpu_is_deterministic_and_says_the_same_of_itself_whatever_is_asked(
    tmp_path: Path, eight: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DETERMINISTIC, raising=False)
    asked = iter([False] * 6 + [True])
    with pytest.raises(StoppedError):
        trained(eight, streams, tmp_path, [], lambda: next(asked))
    monkeypatch.setenv(DETERMINISTIC, "1")
    notes: list[str] = []
    again = trained(eight, streams, tmp_path, notes, lambda: False)
    assert (again.changes, notes) == ((), [])
    assert again.execution["deterministic"] is True


def test_tiers_of_the_ladder_multiply_in_bf16() -> None:
    assert accelerator_of(TIERS["1b"]).precision == "bf16"
