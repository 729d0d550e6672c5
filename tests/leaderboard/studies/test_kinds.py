"""Protocols of kinds: what ships says what the rules ask for, and its schema is the one beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.errors import StudyError
from leaderboard.studies.kinds import json_schema, kind_names, load_ladder, load_protocol, stage_of
from train.tiers import TIERS

ROOT = Path(__file__).resolve().parents[3]


def test_the_five_kinds_ship() -> None:
    assert kind_names() == ["dedup", "filter", "mixture", "optimizer", "tokenizer"]


@pytest.mark.parametrize("kind", kind_names())
def test_a_kinds_file_is_called_what_it_says(kind: str) -> None:
    protocol = load_protocol(kind)
    assert (protocol.name, load_protocol(f"{kind}@{protocol.version}")) == (kind, protocol)


def test_only_filter_studies_protect_every_slice_unasked() -> None:
    """Rule 13."""
    assert {kind for kind in kind_names() if load_protocol(kind).protect == "strict"} == {"filter"}


def test_a_filter_claim_needs_two_budgets_and_two_controls() -> None:
    """Rules 16 and 3."""
    protocol = load_protocol("filter")
    assert protocol.budgets.min_multiples >= 2
    assert protocol.control_names == ("random", "random-matched")


def test_an_optimizer_study_has_three_rates_two_batches_and_more_seeds_than_others() -> None:
    protocol = load_protocol("optimizer")
    assert protocol.sweep is not None
    assert (protocol.sweep.min_learning_rates, protocol.sweep.min_batches) == (3, 2)
    others = [load_protocol(kind).min_seeds("small") for kind in kind_names() if kind != "optimizer"]
    assert protocol.min_seeds("small") > max(others)


def test_a_tokenizer_study_reports_what_tokens_per_loss_hide() -> None:
    names = {item.name for item in load_protocol("tokenizer").measurements}
    assert names >= {"bits-per-byte", "tokens-per-byte", "code-and-math-formatting", "throughput", "memory"}
    assert names >= {"quality-per-flop", "sequence-length"}


def test_what_is_missing_early_is_not_asked_for_early() -> None:
    asked = {item.name for item in load_protocol("filter").required("smoke")}
    assert "panel-by-slice" in asked
    assert "scaling-fit" not in asked


def test_the_ladder_narrows_from_many_candidates_to_one() -> None:
    bounds = [stage.max_candidates for stage in load_ladder().stages]
    assert bounds == [None, 50, 10, 3, 1]


def test_every_tier_is_in_one_stage() -> None:
    models = [model for stage in load_ladder().stages for model in stage.models]
    assert sorted(models) == sorted({tier.model for tier in TIERS.values()})


@pytest.mark.parametrize(
    ("tier", "stage"), [("pico", "smoke"), ("micro-0.5x@eval512", "smoke"), ("100m-1x", "small"), ("dclm-1b", "medium")]
)
def test_a_tier_belongs_to_its_models_stage(tier: str, stage: str) -> None:
    found = stage_of(tier)
    assert found is not None
    assert found.name == stage


def test_an_unknown_kind_offers_the_nearest_and_an_unknown_version_the_newest() -> None:
    with pytest.raises(StudyError, match="unknown kind `filtr`.*did you mean `filter`"):
        load_protocol("filtr")
    with pytest.raises(StudyError, match="`filter@9` is not shipped, expected `filter@1`"):
        load_protocol("filter@9")


def test_the_schema_that_ships_is_the_one_of_the_code() -> None:
    """Regenerate with: python -m leaderboard.studies.kinds > leaderboard/data/kinds.schema.json."""
    assert json.loads((ROOT / "leaderboard/data/kinds.schema.json").read_text()) == json_schema()
