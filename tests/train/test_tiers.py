"""Tiers: names, numbers and what follows from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curation.errors import RunError
from train.model import LanguageModel
from train.tiers import TIERS, load_tier, tier_digest, tier_json, tier_names


@pytest.mark.parametrize("model", ["nano", "pico"])
def test_parameter_formulas_count_what_the_model_has(model: str) -> None:
    tier = TIERS[model]
    sizes = {name: parameter.numel() for name, parameter in LanguageModel(tier).named_parameters()}
    embedding, head = sizes["model.embed_tokens.weight"], sizes["lm_head.weight"]
    assert tier.shape.total_params == sum(sizes.values())
    assert tier.shape.non_embedding_params == sum(sizes.values()) - embedding - head
    assert tier.shape.matmul_params == sum(sizes.values()) - embedding


def test_nano_has_the_numbers_of_the_reference_table() -> None:
    nano = load_tier("nano")
    shape = nano.shape
    assert (shape.non_embedding_params, shape.matmul_params, shape.total_params) == (853_632, 1_377_920, 1_902_208)
    assert nano.num_steps == pytest.approx(3_400, rel=0.02)
    assert nano.num_tokens == pytest.approx(28e6, rel=0.02)
    assert nano.num_tokens * shape.flops_per_token == pytest.approx(3.2e14, rel=0.05)
    assert nano.beta2 == 0.995


def test_the_bare_name_means_one_times_the_budget() -> None:
    assert load_tier("pico") == load_tier("pico-1x") == TIERS["pico"]
    assert load_tier("nano-0.10x").name == "nano-0.1x"


def test_a_fractional_budget_changes_tokens_and_nothing_else() -> None:
    tenth = load_tier("nano-0.1x")
    assert tenth.num_tokens == pytest.approx(TIERS["nano"].num_tokens / 10, rel=0.01)
    assert replace(tenth, name="nano-1x", multiple=1.0) == TIERS["nano"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nan", "unknown tier `nan`; .*did you mean `nano`"),
        ("pico-2", "unknown tier `pico-2`"),
        ("pico-0x", "multiple 0, expected more than 0"),
        ("pico-99x", "multiple 99, expected"),
        ("", "unknown tier ``"),
    ],
)
def test_a_wrong_tier_is_refused_with_a_hint(name: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        load_tier(name, where="study.yaml: tiers")


def test_the_rate_warms_up_stays_and_falls_to_nothing() -> None:
    tier = load_tier("pico")
    rates = [tier.learning_rate_at(step) for step in range(tier.num_steps)]
    warm = -(-tier.warmup_tokens // tier.batch_tokens)
    decay = round(0.2 * tier.num_steps)
    assert rates[0] == pytest.approx(tier.learning_rate * tier.batch_tokens / tier.warmup_tokens)
    assert set(rates[warm:-decay]) == {tier.learning_rate}
    assert rates[-1] == pytest.approx(tier.learning_rate / decay)
    assert rates[-decay:] == sorted(rates[-decay:], reverse=True)


def test_the_digest_changes_with_any_number_and_with_the_tokenizer() -> None:
    pico = TIERS["pico"]
    others = [replace(pico, z_loss=1e-4), replace(pico, tokenizer="ladder-nano@1"), load_tier("pico-0.5x")]
    assert len({tier_digest(tier) for tier in [pico, *others]}) == 4


def test_every_tier_shares_one_evaluation_context_and_is_no_evidence() -> None:
    assert {(tier.eval_context_tokens, tier.evidence) for tier in TIERS.values()} == {(512, False)}
    assert tier_names() == ["pico-1x", "nano-1x"]
    assert tier_json(TIERS["pico"])["params_total"] == TIERS["pico"].shape.total_params
