"""Variants of tiers: what a change moves, what it leaves, and names that mean the same tier again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import CurateError
from curation.nodes import Node
from curation.tokenizer_shelf import shelf, shelve
from curation.tokenizers import tokenizer_path
from train.optimizer_names import OPTIMIZERS
from train.run import run_node
from train.shards import tokens_node
from train.tier_changes import variant_name
from train.tier_names import NamedChange
from train.tiers import load_tier, tier_digest

BEFORE_VARIANTS = {  # tier digests and run fingerprints of the version before there were variants
    "pico": "ad8bffb3b1eca9d4f94ffa75ca8a5b090c934e9034d778a9deb6c0e68b74e1f0",
    "nano": "9997a3593cee8f6327a61d84927a4ddee6e2be069a78f00df9566890c3d93743",
    "micro-0.5x@eval512": "9cb61f0f276b8da38ef2dc64f59b68e75890e845a51c129b70648825526c5099",
    "pico-1x@lr2": "1d8e605f3554d7471254c66fb65a5561d378a66b920b478a085ed9369fd3855a",
    "dclm-1b": "0208a0bae29de63afe1feee3c9c8c807cdef08421f07295b61da5bb75f277d91",
    "100m": "14f799b15e0eb64f51166b4f77c16dd3ee90056d216e58df6fa1ddcb04bde2bc",
}
RUNS_BEFORE_VARIANTS = {
    "pico-0.5x": "109bff36bd07c5a86b4252c666655a0ffdb0d01f34f8acd061cc8746b96df11b",
    "pico-1x@lr2": "4601b5f1d95530b2c9531b72485d0a30cd34a227b65e72024d7d31a5138fd8d6",
    "micro-2x": "e10b03b6ee7975b4fa6c3fd5389ef3c4f198d4eba03eed86309d1ee7636c5885",
}


@pytest.mark.parametrize("name", list(BEFORE_VARIANTS))
def test_a_plain_tier_has_the_digest_that_it_had_before_there_were_variants(name: str) -> None:
    assert tier_digest(load_tier(name)) == BEFORE_VARIANTS[name]


@pytest.mark.parametrize("tier", list(RUNS_BEFORE_VARIANTS))
def test_a_plain_run_has_the_fingerprint_that_it_had_before_there_were_variants(tier: str) -> None:
    tokens, panel = tokens_node(empty("corpus"), "ladder-pico@1"), empty("panel")
    assert run_node(tokens, panel, tier, 1).fingerprint == RUNS_BEFORE_VARIANTS[tier]


def empty(kind: str) -> Node:
    return Node(kind=kind, version="1", params={}, inputs={}, run=lambda _: {})


@given(
    optimizer=st.sampled_from(["", "muon"]),
    rate=st.sampled_from([0.25, 0.5, 1.0, 1.414214, 4.0]),
    batch=st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]),
    beta2=st.one_of(st.none(), st.sampled_from([0.9, 0.95, 0.999999])),
    tokenizer=st.sampled_from(["", "ladder-nano@1", "gpt-neox-20b@1"]),
)
def test_a_variants_name_means_the_same_tier_again(
    optimizer: str, rate: float, batch: float, beta2: float | None, tokenizer: str
) -> None:
    settings = () if beta2 is None else (("beta2", beta2),)
    change = NamedChange(optimizer=optimizer, batch_multiplier=batch, settings=settings, tokenizer=tokenizer)
    tier = load_tier(variant_name("pico-0.5x", change, rate))
    assert load_tier(tier.name) == tier
    assert (tier.optimizer, tier.batch_tokens) == (optimizer or "adamw", 2_048 * batch)
    assert tier.learning_rate == pytest.approx(3e-3 * rate)
    assert (tier.variant == "") == (tier.name == "pico-0.5x")
    assert not tier.evidence


def test_every_change_has_a_digest_of_its_own() -> None:
    names = ["pico", "pico@muon", "pico@b2", "pico@weight_decay=0.05", "pico@tok=ladder-nano.1", "pico@lr2@muon"]
    assert len({tier_digest(load_tier(name)) for name in names}) == len(names)


def test_half_the_batch_sees_as_many_tokens_in_twice_the_steps_with_the_same_half_life_of_beta2() -> None:
    plain, half = load_tier("1b"), load_tier("1b@b0.5")
    assert half.batch_tokens == 262_144
    assert half.num_steps == pytest.approx(2 * plain.num_steps, abs=1)
    assert half.num_tokens == pytest.approx(plain.num_tokens, rel=1e-4)
    assert half.beta2 == pytest.approx(0.95**0.5)  # 0.95^(262,144 / 524,288)
    assert half.learning_rate == plain.learning_rate


def test_another_tokenizer_keeps_the_blocks_and_trains_for_equal_flops() -> None:
    plain, other = load_tier("100m"), load_tier("100m@tok=gpt-neox-20b.1")
    assert other.shape.vocab_size == 50_432  # 50,277 rounded up to 256s, as DCLM pads it
    assert other.shape.non_embedding_params == plain.shape.non_embedding_params
    assert other.shape.total_params - plain.shape.total_params == 2 * (50_432 - 32_768) * 768
    assert other.num_flops == pytest.approx(plain.num_flops, rel=1e-3)
    assert other.num_tokens < plain.num_tokens


def test_the_same_tokenizer_by_name_changes_no_number() -> None:
    plain, named = load_tier("nano"), load_tier("nano@tok=ladder-nano.1")
    assert (named.shape, named.num_tokens, named.warmup_tokens) == (plain.shape, plain.num_tokens, plain.warmup_tokens)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pico@muonn", "unknown optimizer `muonn`, expected one of adamw, muon; did you mean `muon`"),
        ("pico@b0.3", "makes 1.2 windows of 4, expected a whole number; take a multiple of 0.25"),
        ("pico@b32", "batch multiplier 32, expected 0.0625 to 16"),
        ("pico@decay=1", "unknown setting `decay`"),
        ("pico@beta2=1.5", "beta2 1.5, expected 0 to 0.999999"),
        ("pico@b2@b4", "names a change twice"),
        ("pico@tok=ladder-nan.1", "unknown tokenizer `ladder-nan@1`"),
        ("pico@tok=file-0123456789abcdef", "is on no shelf"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_by_name(name: str, said: str) -> None:
    with pytest.raises(CurateError, match=said.replace("?", r"\?")):
        load_tier(name)


def test_a_variant_of_a_variant_is_refused() -> None:
    with pytest.raises(CurateError, match="is a variant already"):
        variant_name("pico@muon", NamedChange(batch_multiplier=2.0))


def test_a_variant_of_a_probe_of_the_rate_multiplies_the_rates() -> None:
    assert variant_name("pico@lr2", NamedChange(optimizer="muon"), 0.5) == "pico-1x@muon"
    assert variant_name("pico@lr2", NamedChange(optimizer="muon"), 2.0) == "pico-1x@lr4@muon"


def test_an_evaluation_context_stays_last_in_a_variants_name() -> None:
    assert variant_name("micro-0.5x@eval512", NamedChange(optimizer="muon"), 2.0) == "micro-0.5x@lr2@muon@eval512"


def test_naming_the_recipes_own_optimizer_changes_nothing() -> None:
    assert load_tier("pico@adamw") == load_tier("pico")


def test_a_tokenizers_file_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(tokenizer_path("ladder-nano@1").read_bytes())
    with shelf(tmp_path / "shelf"):
        name = shelve(file)
        file.unlink()
        tier = load_tier(variant_name("pico", NamedChange(tokenizer=name)))
        assert tier.shape == load_tier("pico@tok=ladder-nano.1").shape
        (tmp_path / "shelf" / f"{name}.json").write_bytes(b"{}")
        with pytest.raises(CurateError, match="copy the file there again"):
            load_tier(tier.name)


def test_every_optimizer_that_is_named_can_be_made() -> None:
    from train.model import build_model
    from train.optimizers import optimizer_for

    for name in OPTIMIZERS:
        tier = load_tier(f"pico@{name}")
        assert optimizer_for(tier, build_model(tier, 1)).param_groups
