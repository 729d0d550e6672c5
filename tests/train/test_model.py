"""The model at step 0 and what it may look at."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from train.model import build_model, truncated_normal
from train.tiers import TIERS, Tier


def test_initial_values_have_the_promised_spread_and_bound() -> None:
    model = build_model(TIERS["nano"], 7)
    values = dict(model.named_parameters())
    head = values["lm_head.weight"].detach()
    down = values["model.layers.0.mlp.down_proj.weight"].detach()
    cut_spread = 0.9866  # standard deviation of N(0, 1) cut at 3
    assert abs(float(head.std()) / (0.02 * cut_spread) - 1) < 0.01
    assert float(head.abs().max()) <= 0.06 + 1e-7
    assert abs(float(down.std()) / (0.02 * cut_spread / math.sqrt(8)) - 1) < 0.02
    assert all(bool((p == 1).all()) for name, p in values.items() if p.ndim == 1)


def test_a_parameter_depends_on_seed_and_name_only(tiny: Tier) -> None:
    deeper = replace(tiny, shape=replace(tiny.shape, num_layers=3))
    one, two = build_model(tiny, 5), build_model(deeper, 5)
    name = "model.layers.1.self_attn.q_proj.weight"
    assert torch.equal(one.get_parameter(name), two.get_parameter(name))
    assert not torch.equal(one.get_parameter(name), build_model(tiny, 6).get_parameter(name))


def test_draws_beyond_three_sigma_are_drawn_again() -> None:
    values = truncated_normal(1, "x", (400, 400))
    assert np.abs(values).max() <= 3.0
    assert not np.isclose(np.abs(values), 3.0, atol=1e-6).sum() > 2


def test_a_position_never_sees_what_comes_after_it(tiny: Tier) -> None:
    model = build_model(tiny, 1)
    tokens = torch.randint(0, 2_048, (2, 64), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[:, 40:] = 5
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])


def test_the_order_of_tokens_matters(tiny: Tier) -> None:
    model = build_model(tiny, 1)
    with torch.no_grad():
        forward, swapped = model(torch.tensor([[1, 2, 3]])), model(torch.tensor([[2, 1, 3]]))
    assert not torch.allclose(forward[:, -1], swapped[:, -1])
