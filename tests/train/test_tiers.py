"""Tiers: names, numbers and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import RunError
from train.model import LanguageModel
from train.tier_names import number_text
from train.tiers import TIERS, evaluation_context, load_tier, tier_digest, tier_json, tier_names


@pytest.mark.parametrize("model", ["nano", "pico"])
def test_parameter_formulas_count_what_the_model_has(model: str) -> None:
    tier = TIERS[model]
    sizes = {name: parameter.numel() for name, parameter in LanguageModel(tier).named_parameters()}
    embedding, head = sizes["model.embed_tokens.weight"], sizes["lm_head.weight"]
    assert tier.shape.total_params == sum(sizes.values())
    assert tier.shape.non_embedding_params == sum(sizes.values()) - embedding - head
    assert tier.shape.matmul_params == sum(sizes.values()) - embedding


TABLE = {  # training.md of the project's reference: N_ne, N_mm, N_tot, D, batch, plateau rate, beta2, steps, C
    "nano": (0.85e6, 1.38e6, 1.90e6, 28e6, 8_192, 6e-3, 0.995, 3.4e3, 3.2e14),
    "micro": (4.82e6, 13.2e6, 21.6e6, 0.26e9, 32_768, 6e-3, 0.995, 8.1e3, 2.6e16),
    "smoke": (14.2e6, 26.7e6, 39.3e6, 0.53e9, 65_536, 4.1e-3, 0.9936, 8.2e3, 1.1e17),
    "small": (32.1e6, 48.9e6, 65.7e6, 0.98e9, 81_920, 2.7e-3, 0.992, 11.9e3, 3.5e17),
    "100m": (85.0e6, 110.1e6, 135.3e6, 2.20e9, 131_072, 1.8e-3, 0.987, 16.8e3, 2.0e18),
    "300m": (205.6e6, 239.1e6, 272.7e6, 4.78e9, 196_608, 1.2e-3, 0.981, 24.3e3, 8.8e18),
    "400m": (308.3e6, 341.9e6, 375.4e6, 6.84e9, 262_144, 1.0e-3, 0.975, 26.1e3, 1.8e19),
    "1b": (1.233e9, 1.300e9, 1.367e9, 26.0e9, 524_288, 5.6e-4, 0.95, 49.6e3, 2.3e20),
    # The reference shows these two with 50,432 entries: 17,664 x width less a matrix, twice.
    "3b": (2.538e9, 2.667e9 - 45.2e6, 2.796e9 - 90.4e6, 52.4e9, 786_432, 4.2e-4, 0.95, 66.7e3, 9.3e20),
    "7b": (6.476e9, 6.683e9 - 72.4e6, 6.889e9 - 144.7e6, 132.2e9, 1_048_576, 2.8e-4, 0.95, 126.1e3, 5.7e21),
}


@pytest.mark.parametrize("model", list(TABLE))
def test_a_ladder_tier_has_the_numbers_of_the_reference_table(model: str) -> None:
    tier = load_tier(model)
    ne, mm, total, tokens, batch, rate, beta2, steps, flops = TABLE[model]
    shape = tier.shape
    found = (shape.non_embedding_params, shape.matmul_params, shape.total_params, tier.num_tokens, tier.num_steps)
    assert found == pytest.approx((ne, mm, total, tokens, steps), rel=0.02)
    assert (tier.batch_tokens, tier.learning_rate) == (batch, rate)
    assert tier.beta2 == pytest.approx(beta2, abs=5e-4)
    assert tier.num_flops == pytest.approx(flops, rel=0.05)
    assert tier.tokens_at_1x == 20 * shape.matmul_params
    assert tier.warmup_tokens == shape.non_embedding_params
    assert (tier.weight_decay, tier.z_loss, tier.clip_norm, tier.decay_fraction) == (0.1, 1e-5, 1.0, 0.2)


@pytest.mark.parametrize(
    ("model", "published", "tokens", "warmup_steps", "rates"),
    [
        ("dclm-400m", 411_616_256, 8_232_325_120, 2_000, (3e-3, 3e-5)),
        ("dclm-1b", 1_439_795_200, 28_795_904_000, 5_000, (3e-3, 3e-5)),
        ("dclm-3b", 2_795_932_160, 55_918_643_200, 5_000, (3e-3, 3e-5)),
        ("dclm-7b", 6_889_410_560, 137_788_211_200, 5_000, (2e-3, 3e-5)),
    ],
)
def test_a_dclm_tier_has_the_published_parameters_tokens_and_rates(
    model: str, published: int, tokens: int, warmup_steps: int, rates: tuple[float, float]
) -> None:
    tier = load_tier(model)
    shape = tier.shape
    own_gains = shape.num_layers * 2 * shape.head_dim  # of QK-norm, which DCLM's count lacks
    assert (shape.total_params - own_gains, tier.tokens_at_1x) == (published, tokens)
    assert tier.tokens_at_1x == 20 * published
    assert tier.warmup_tokens == warmup_steps * tier.batch_tokens
    assert (tier.learning_rate, tier.learning_rate * tier.min_lr_fraction) == pytest.approx(rates)
    assert (tier.schedule, tier.beta2, tier.shape.vocab_size) == ("cosine", 0.95, 50_432)
    assert len(cast("list[str]", tier_json(tier)["deviations"])) >= 2


@pytest.mark.parametrize("model", [model for model in TIERS if TIERS[model].family == "ladder"])
def test_ladder_rates_and_batches_follow_step_law(model: str) -> None:
    tier = TIERS[model]
    law = 0.6 * 1.79 * tier.shape.non_embedding_params**-0.713 * tier.tokens_at_1x**0.307
    assert tier.learning_rate == pytest.approx(min(law, 6e-3), rel=0.05)
    assert tier.batch_tokens == pytest.approx(0.58 * tier.tokens_at_1x**0.571, rel=0.2)


def test_the_cosine_ends_just_above_its_end_rate() -> None:
    tier = load_tier("dclm-7b")
    warm = tier.warmup_tokens // tier.batch_tokens
    assert tier.learning_rate_at(0) == pytest.approx(2e-3 / 5_000)
    assert tier.learning_rate_at(warm) == tier.learning_rate_at(warm - 1) == 2e-3
    assert tier.learning_rate_at((warm + tier.num_steps) // 2) == pytest.approx((2e-3 + 3e-5) / 2, rel=1e-3)
    assert tier.learning_rate_at(tier.num_steps - 1) == pytest.approx(3e-5, rel=1e-3)


def test_the_bare_name_means_one_times_the_budget() -> None:
    assert load_tier("pico") == load_tier("pico-1x") == TIERS["pico"]
    assert load_tier("nano-0.10x").name == "nano-0.1x"


@given(st.sampled_from(sorted(TIERS)), st.integers(1, 16_000_000), st.integers(250_000, 4_000_000))
def test_a_tier_has_the_number_that_was_typed_and_its_name_loads_it_again(model: str, multiple: int, rate: int) -> None:
    typed = [f"{number // 10**6}.{number % 10**6:06d}" for number in (multiple, rate)]
    tier = load_tier(f"{model}-{typed[0]}x@lr{typed[1]}")
    assert (tier.multiple, tier.lr_multiplier) == (multiple / 1e6, rate / 1e6)
    assert load_tier(tier.name) == tier
    assert Fraction(tier.name.partition("@")[0].removeprefix(f"{model}-")[:-1]) == Fraction(multiple, 10**6)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_exact_and_has_no_exponent(value: float) -> None:
    text = number_text(value)
    assert float(text) == value
    assert "e" not in text.lower()


def test_a_tiny_budget_keeps_its_name() -> None:
    assert load_tier("pico-0.00001x").name == "pico-0.00001x"
    assert load_tier("7b-14.031738x").name == "7b-14.031738x"


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
        ("pico-1e-05x", "unknown tier `pico-1e-05x`"),
        ("7b-14.03173873x", "multiple 14.03173873, expected at most 6 decimals"),
        ("pico@lr0.3333333", "learning rate multiplier 0.3333333, expected at most 6 decimals"),
        ("pico@lr5", "learning rate multiplier 5, expected 0.25 to 4"),
        ("dclm", "unknown tier `dclm`"),
        ("nano@eval1024", "evaluation context 1024, expected 512 \\(rule 6\\)"),
        ("micro@eval2048", "evaluation context 2048, expected 1024 or 512"),
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


def test_a_probe_of_the_rate_says_so_in_its_name_and_digest() -> None:
    probe = load_tier("nano-0.1x@lr2.0")
    assert (probe.name, probe.learning_rate) == ("nano-0.1x@lr2", 2 * TIERS["nano"].learning_rate)
    assert load_tier("nano@lr1") == load_tier("nano")
    assert tier_digest(probe) != tier_digest(load_tier("nano-0.1x"))


def test_a_ladder_tier_beside_a_laptop_tier_says_its_shorter_context() -> None:
    tier = load_tier("micro-0.5x@eval512")
    assert (tier.name, tier.eval_context_tokens) == ("micro-0.5x@eval512", 512)
    assert load_tier("micro@eval1024") == load_tier("micro")
    assert replace(tier, name="micro-0.5x", eval_context_tokens=1_024) == load_tier("micro-0.5x")


def test_families_have_their_own_tokenizer_and_one_evaluation_context() -> None:
    families = {tier.family: (tier.eval_context_tokens, tier.evidence) for tier in TIERS.values()}
    assert families == {"laptop": (512, False), "ladder": (1_024, True), "dclm": (1_024, True)}
    assert {(tier.tokenizer, tier.shape.vocab_size) for tier in TIERS.values() if tier.evidence} == {
        ("ladder@1", 32_768),
        ("gpt-neox-20b@1", 50_432),
    }
    assert evaluation_context([TIERS["nano"], TIERS["micro"]]) == 512
    assert evaluation_context([TIERS["micro"], TIERS["7b"]]) == 1_024


def test_every_tier_of_the_design_is_listed_under_its_full_name() -> None:
    laptop, ladder = ["pico", "nano"], ["micro", "smoke", "small", "100m", "300m", "400m", "1b", "3b", "7b"]
    dclm = ["dclm-400m", "dclm-1b", "dclm-3b", "dclm-7b"]
    expected = {f"{model}-1x" for model in [*laptop, *ladder, *dclm]} | {"7b-2x", "dclm-7b-2x"}
    assert set(tier_names()) == expected
    assert all(load_tier(name).name == name for name in tier_names())


def test_numbers_never_varied_are_those_of_the_recipe() -> None:
    for tier in TIERS.values():
        assert (tier.beta1, tier.adam_eps, tier.clip_norm) == (0.9, 1e-8, 1.0)
        assert (tier.optimizer, tier.parametrization, tier.packing) == ("adamw", "standard", "eos-separated")
        assert tier.scored_checkpoint == "last"
        assert tier.batch_tokens % tier.shape.context_tokens == 0
        assert tier.batch_rows % tier.micro_batch_rows == 0
