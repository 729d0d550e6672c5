"""Muon: its numbers, what it takes, and that its runs resume bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.randomness import generator
from train.loop import Hooks, train
from train.model import LanguageModel, build_model
from train.muon import COEFFICIENTS, Muon, orthogonal
from train.optimizer_names import optimizer_flops_per_step, optimizer_state_bytes
from train.optimizers import optimizer_for
from train.shards import Streams
from train.tiers import Tier
from train.training import Report, Trained, Training


@pytest.fixture
def with_muon(tiny: Tier) -> Tier:
    return replace(tiny, optimizer="muon")


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)])
def test_singular_values_are_brought_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.from_numpy(generator(1, "m").standard_normal(shape))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = torch.linalg.svdvals(orthogonal(matrix, torch.float64))
    assert ((found > 0.5) & (found < 1.5)).all()
    assert torch.trace(left.T @ orthogonal(matrix, torch.float64) @ right.T) == pytest.approx(float(found.sum()))


def test_the_newton_schulz_steps_are_the_published_polynomial_of_each_singular_value() -> None:
    values = np.array([1.0, 0.5, 0.1])
    turned = np.linalg.qr(generator(1, "q").standard_normal((3, 3)))[0]
    found = np.linalg.svd(orthogonal(torch.from_numpy(turned * values), torch.float64).numpy(), compute_uv=False)
    expected = values / np.linalg.norm(values)
    for _ in range(5):
        expected = COEFFICIENTS[0] * expected + COEFFICIENTS[1] * expected**3 + COEFFICIENTS[2] * expected**5
    assert sorted(found) == pytest.approx(sorted(expected), rel=1e-6)


def test_updates_are_those_of_the_muon_in_torch() -> None:
    first = torch.from_numpy(generator(1, "p").standard_normal((12, 20))).float()
    own, other = torch.nn.Parameter(first.clone()), torch.nn.Parameter(first.clone())
    head = torch.nn.Parameter(torch.zeros(2, 2))
    mine = Muon([own], [{"params": [head], "weight_decay": 0.0}], lr=0.02, weight_decay=0.1, adamw={},
                products=torch.bfloat16)  # fmt: skip
    twin = torch.optim.Muon([other], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(5):
        gradient = torch.from_numpy(generator(step, "g").standard_normal((12, 20))).float()
        own.grad, other.grad = gradient.clone(), gradient.clone()
        mine.step()
        twin.step()
    moved, expected = float((own - first).norm().detach()), float((other - first).norm().detach())
    assert (own - other).norm() < 0.02 * expected  # torch multiplies in bf16 in another order
    assert moved == pytest.approx(expected, rel=0.01)


def test_an_update_has_the_size_of_one_of_adamw() -> None:
    matrix = torch.from_numpy(generator(1, "m").standard_normal((64, 192)))
    rms = float((orthogonal(matrix, torch.float64) * 0.2 * 192**0.5).square().mean().sqrt())
    assert rms == pytest.approx(0.2, rel=0.2)  # 0.2 is what AdamW's updates measure, whatever the shape


def test_matrices_of_the_blocks_have_muon_and_all_else_adamw_with_one_rate(with_muon: Tier) -> None:
    model = build_model(with_muon, 1)
    optimizer = optimizer_for(with_muon, model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    own = {names[id(parameter)] for parameter in optimizer.param_groups[0]["params"]}
    assert own == {name for name, parameter in model.named_parameters() if parameter.ndim == 2 and "layers" in name}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(names)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [parameter.detach().clone() for parameter in model.parameters()]
    stepped(model, optimizer)
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))


def stepped(model: LanguageModel, optimizer: torch.optim.Optimizer) -> None:
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_bytes_of_state_are_those_that_the_optimizer_holds(tiny: Tier, name: str) -> None:
    tier = replace(tiny, optimizer=name)  # type: ignore[arg-type]
    model = build_model(tier, 1)
    optimizer = optimizer_for(tier, model)
    stepped(model, optimizer)
    held = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    assert optimizer_state_bytes(tier) == sum(value.numel() * value.element_size() for value in held)


def test_newton_schulz_flops_are_counted_by_hand_for_one_square_matrix(with_muon: Tier) -> None:
    shape = with_muon.shape  # width 16, two layers: 4 matrices of 16 x 16 and 3 of 16 x 32 in each
    square, wide = 3 * 2 * 16**3, 2 * (16 * 16 * 32) * 2 + 2 * 16**3
    assert optimizer_flops_per_step(with_muon) == 5 * shape.num_layers * (4 * square + 3 * wide)


def trained(tier: Tier, streams: Streams, folder: Path, stop: Callable[[], bool] = lambda: False) -> Trained:
    training = Training(tier=tier, streams=streams, index=1, folder=folder, identity={})
    return train(training, Hooks(report=lambda *_: None, note=lambda _: None, should_stop=stop))


def test_a_killed_run_of_muon_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path, with_muon: Tier) -> None:
    ids = {"a": generator(1, "a").zipf(1.5, 20_000).clip(0, 2_047).astype(np.uint16)}
    streams = Streams(shares={"a": 1.0}, tokens=ids)

    class Killed(Exception):
        pass

    def kill(now: Report, _row: object) -> None:
        if now.step == 20:
            raise Killed

    hooks = Hooks(report=kill, note=lambda _: None, should_stop=lambda: False)
    training = Training(tier=with_muon, streams=streams, index=1, folder=tmp_path / "a", identity={})
    with pytest.raises(Killed):
        train(training, hooks)
    resumed, whole = trained(with_muon, streams, tmp_path / "a"), trained(with_muon, streams, tmp_path / "b")
    for one, two in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert resumed.metrics == whole.metrics
    first, last = whole.metrics[0]["loss"], whole.final_loss
    assert isinstance(first, float)
    assert last < first - 1.0
