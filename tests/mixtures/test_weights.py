"""Shares of slices from the recipe's weights."""

from __future__ import annotations

import pytest

from curation.corpus_counts import SliceCounts
from curation.errors import RecipeError
from curation.mixture import MIXTURES
from curation.recipe import MixSpec, validate
from mixtures.stage import schedule
from mixtures.weights import slice_weights, token_shares

COUNTS = {
    "code": SliceCounts(docs=10, bytes=1000, tokens=490),  # 0.5 stream tokens a byte
    "web": SliceCounts(docs=50, bytes=3000, tokens=700),  # 0.25
}


def shares(mix: MixSpec) -> dict[str, tuple[float, float]]:
    found = slice_weights(mix, COUNTS, "recipe: mix")
    return {name: (pytest.approx(s.byte_share), pytest.approx(s.token_share)) for name, s in found.items()}


def test_natural_draws_every_slice_equally_often() -> None:
    assert shares(MixSpec()) == {"code": (0.25, 500 / 1250), "web": (0.75, 750 / 1250)}


def test_uniform_bytes_weigh_tokens_by_how_many_a_byte_holds() -> None:
    assert shares(MixSpec(weights="uniform")) == {"code": (0.5, 2 / 3), "web": (0.5, 1 / 3)}


def test_uniform_tokens_weigh_bytes_the_other_way() -> None:
    assert shares(MixSpec(weights="uniform", unit="tokens")) == {"code": (1 / 3, 0.5), "web": (2 / 3, 0.5)}


def test_given_weights_are_shares_of_bytes() -> None:
    assert shares(MixSpec(weights={"code": 0.8, "web": 0.2})) == {"code": (0.8, 8 / 9), "web": (0.2, 1 / 9)}


def test_weights_that_are_normalised_keep_their_proportions() -> None:
    mix = MixSpec(weights={"code": 8, "web": 2}, normalize=True)
    assert shares(mix) == {"code": (0.8, 8 / 9), "web": (0.2, 1 / 9)}


def test_weight_zero_leaves_a_slice_out() -> None:
    assert shares(MixSpec(weights={"code": 1.0, "web": 0.0})) == {"code": (1.0, 1.0), "web": (0.0, 0.0)}


def test_every_wrong_slice_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        slice_weights(MixSpec(weights={"cod": 0.5, "web": 0.5}), COUNTS, "r.yaml: mix")
    message = str(caught.value)
    assert message.startswith("r.yaml: mix: 2 faults")
    assert "weights.cod: 0.5 for a slice without text" in message
    assert "did you mean `code`?" in message
    assert "no weight for slice `code`" in message


def test_a_slice_without_bytes_gets_no_share() -> None:
    counts = {**COUNTS, "empty": SliceCounts(docs=3, bytes=0, tokens=0)}
    assert slice_weights(MixSpec(weights="uniform"), counts, "m")["empty"].byte_share == 0.0


def test_weights_without_any_text_are_refused() -> None:
    with pytest.raises(RecipeError, match="weights sum to 0 over slices with text"):
        slice_weights(MixSpec(), {"a": SliceCounts(docs=0, bytes=0, tokens=0)}, "m")


def test_another_tokenizer_turns_the_same_byte_shares_into_its_own_token_shares() -> None:
    finer = {"code": SliceCounts(docs=0, bytes=1000, tokens=1000), "web": SliceCounts(docs=0, bytes=3000, tokens=1500)}
    assert token_shares({"code": 0.5, "web": 0.5}, finer, "t") == pytest.approx({"code": 2 / 3, "web": 1 / 3})


def test_the_schedule_is_found_by_name_and_lists_what_slices_hold() -> None:
    entries = MIXTURES.get("schedule")(MixSpec(weights={"code": 0.8, "web": 0.2}), COUNTS, "m")
    assert entries == schedule(MixSpec(weights={"code": 0.8, "web": 0.2}), COUNTS, "m")
    assert [entry["slice"] for entry in entries] == ["code", "web"]
    assert entries[0] | {"byte_share": 0, "token_share": 0} == {
        "slice": "code", "byte_share": 0, "token_share": 0, "docs": 10, "bytes": 1000, "tokens": 490
    }  # fmt: skip


def test_a_shift_moves_points_of_bytes_from_slice_to_slice() -> None:
    found = slice_weights(MixSpec(shift={"code": 0.15, "web": -0.15}), COUNTS, "m")
    assert found["code"].byte_share == pytest.approx(0.40)
    assert found["web"].byte_share == pytest.approx(0.60)
    assert found["code"].token_share == pytest.approx(0.40 * 0.5 / (0.40 * 0.5 + 0.60 * 0.25))


def test_a_shift_of_given_weights_in_tokens_moves_points_of_tokens() -> None:
    mix = MixSpec(weights={"code": 0.5, "web": 0.5}, unit="tokens", shift={"code": 0.1, "web": -0.1})
    found = slice_weights(mix, COUNTS, "m")
    assert found["code"].token_share == pytest.approx(0.6)


def test_a_slice_can_give_all_it_has_and_no_more() -> None:
    given = MixSpec(weights={"code": 0.3, "web": 0.7}, shift={"code": -0.3, "web": 0.3})
    assert slice_weights(given, COUNTS, "m")["code"].byte_share == 0.0
    with pytest.raises(RecipeError, match=r"shift\.code: -0\.31 of a share of 0\.3, which leaves less than 0"):
        slice_weights(given.model_copy(update={"shift": {"code": -0.31, "web": 0.31}}), COUNTS, "m")


@pytest.mark.parametrize(
    ("mix", "fault"),
    [
        ({"shift": {"code": 0.1, "web": -0.2}}, r"shift sums to -0\.1 .*expected 0"),
        ({"shift": {"code": float("nan"), "web": 0.1}}, "shift sums to"),
        ({"shift": {"code": 0.1, "web": -0.1}, "tokens": {"math": "2B"}}, "`shift` beside `tokens`"),
        ({"shift": {"code": 0.1, "web": -0.1}, "phases": [{}]}, "`shift` beside `phases`"),
    ],
)
def test_a_shift_that_cannot_be_meant_is_refused(mix: dict[str, object], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        validate(MixSpec, mix, "r.yaml: mix")


def test_a_recipe_without_a_shift_is_dumped_as_before() -> None:
    assert "shift" not in MixSpec().model_dump()
