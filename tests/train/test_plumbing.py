"""Machinery of a tier: sound as it is, and each finding in a world where that part is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixtures.draws
import train.export
from curation.nodes import Node
from curation.store import Artifact
from curation.tokenizers import load_tokenizer
from train.engine import Engine
from train.plumbing import MAX_FLOPS, ROWS, decodes, finding_of, order_digest, plain, tried_tier, try_plumbing
from train.shards import tokens_node
from train.tiers import Tier, load_tier

Build = Callable[[Node], Artifact]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def tokens(build: Build, small_corpus: Node) -> Artifact:
    return build(tokens_node(small_corpus, "ladder-pico@1"))


def test_a_sound_tier_passes_everything_and_says_what_was_tried(tmp_path: Path, tiny: Tier, tokens: Artifact) -> None:
    found = try_plumbing(tiny, tokens, tmp_path)
    assert (found.order_repeats, found.resume_exact, found.every_parameter_learns, found.tokens_decode) == (True,) * 4
    assert found.export_max_logit <= 1e-4
    assert found.export_nll <= 1e-6
    assert found.tried == "tiny as it is, 4 steps of 2 windows of 64 tokens on the CPU, fp32"
    assert finding_of(found.as_json()) == found


def test_an_order_that_hangs_on_where_it_is_asked_from_does_not_repeat(
    tiny: Tier, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = mixtures.draws.draw

    def shifted(*given: Any, start: int, **rest: Any) -> Any:
        return honest(*given, start=start + (1 if start else 0), **rest)

    assert order_digest(tiny, tokens, at_once=True) == order_digest(tiny, tokens, at_once=False)
    monkeypatch.setattr(mixtures.draws, "draw", shifted)
    assert order_digest(tiny, tokens, at_once=True) != order_digest(tiny, tokens, at_once=False)


def test_a_checkpoint_that_does_not_come_back_is_found(
    tmp_path: Path, tiny: Tier, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "restore", lambda *_: None)
    found = try_plumbing(tiny, tokens, tmp_path)
    assert not found.resume_exact
    assert found.order_repeats


def test_a_parameter_without_gradient_is_named(
    tmp_path: Path, tiny: Tier, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Engine.gradients

    def frozen(engine: Engine, *given: Any, **rest: Any) -> Any:
        found = honest(engine, *given, **rest)
        engine.model.lm_head.weight.grad = None
        return found

    monkeypatch.setattr(Engine, "gradients", frozen)
    found = try_plumbing(tiny, tokens, tmp_path)
    assert not found.every_parameter_learns
    assert found.without_gradient == ("lm_head.weight",)


def test_an_export_with_another_rotation_has_other_logits(
    tmp_path: Path, tiny: Tier, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train.export.model_config
    monkeypatch.setattr(train.export, "model_config", lambda tier, own: honest(replace(tier, norm_eps=0.5), own))
    found = try_plumbing(tiny, tokens, tmp_path)
    assert found.export_max_logit > 1e-4
    assert found.export_nll > 1e-6


def test_ids_that_no_text_encodes_to_are_found() -> None:
    tokenizer = load_tokenizer("ladder-pico@1")
    letters = [tokenizer.decode([number]) for number in range(tokenizer.vocab_size)]
    apart = [letters.index(b"t"), letters.index(b"h"), letters.index(b"e"), tokenizer.eos_id]
    whole = [letters.index(b"the"), tokenizer.eos_id]
    assert decodes(np.array(whole, np.uint16), tokenizer)
    assert not decodes(np.array(apart, np.uint16), tokenizer)


@pytest.mark.parametrize("name", ["pico", "nano", "pico@muon"])
def test_small_models_are_tried_as_they_are(name: str) -> None:
    tier = load_tier(name)
    assert tried_tier(tier).shape == tier.shape
    assert tried_tier(tier).precision == tier.precision


@pytest.mark.parametrize("name", ["micro", "400m", "7b", "dclm-3b"])
def test_large_models_are_scaled_down_with_their_heads_and_recipe(name: str) -> None:
    tier = load_tier(name)
    small = tried_tier(tier)
    assert 11 * ROWS * small.shape.context_tokens * small.shape.flops_per_token < MAX_FLOPS
    assert (small.shape.head_dim, small.shape.vocab_size) == (tier.shape.head_dim, tier.shape.vocab_size)
    assert (small.optimizer, small.norm_eps, small.z_loss) == (tier.optimizer, tier.norm_eps, tier.z_loss)


def test_a_scaled_model_never_claims_to_be_the_large_one(
    tmp_path: Path, tiny: Tier, tokens: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.plumbing.MAX_FLOPS", 0)
    monkeypatch.setattr("train.plumbing.SMALL", {"num_layers": 1, "context_tokens": 32})
    found = try_plumbing(tiny, tokens, tmp_path)
    assert found.scaled_down
    assert found.tried.startswith("the architecture of tiny scaled down (layers 2 to 1, context 64 to 32)")


def test_budgets_and_probes_of_a_model_share_their_check_and_variants_do_not() -> None:
    assert plain(load_tier("pico-0.05x")) == plain(load_tier("pico-2x")) == plain(load_tier("pico-1x@lr2"))
    assert plain(load_tier("pico@muon")) != plain(load_tier("pico"))
