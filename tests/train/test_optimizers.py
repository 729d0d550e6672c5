"""Optimizers: which parameters decay."""

from __future__ import annotations

from train.model import build_model
from train.optimizers import optimizer_for
from train.tiers import Tier


def test_matrices_of_blocks_and_head_decay_the_embedding_and_the_gains_do_not(tiny: Tier) -> None:
    model = build_model(tiny, 1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay = {
        names[id(parameter)]: group["weight_decay"]
        for group in optimizer_for(tiny, model).param_groups
        for parameter in group["params"]
    }
    matrices = {f"self_attn.{part}_proj" for part in "qkvo"} | {f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    decayed = {f"model.layers.{layer}.{name}.weight" for layer in range(2) for name in matrices} | {"lm_head.weight"}
    assert tiny.weight_decay > 0
    assert {name for name, value in decay.items() if value == tiny.weight_decay} == decayed
    free = {name: value for name, value in decay.items() if name not in decayed}
    assert set(free.values()) == {0.0}
    assert "model.embed_tokens.weight" in free
    assert len(decay) == len(names)
