"""Slices that a `mix` names: found wherever they stand, refused with the nearest before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from curation.errors import RecipeError
from curation.mix_names import explicit_slices, mentions, refuse_unknown_slices, unknown_slices
from curation.recipe import MixSpec, validate

KNOWN = ["code", "web/news", "web/forums", "math"]


def mix(**said: Any) -> MixSpec:
    spec: MixSpec = validate(MixSpec, said, "r.yaml: mix")
    return spec


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"weights": {"cod": 0.5, "math": 0.5}}, "weights"),
        ({"tokens": {"cod": "2B"}}, "tokens"),
        ({"max_epochs": {"cod": 4}}, "max_epochs"),
        ({"max_epochs": {"cod#2": 4}}, "max_epochs"),
        ({"shift": {"cod": 0.1, "math": -0.1}}, "shift"),
        ({"groups": {"a": {"slices": ["cod"]}, "web": {}}}, "groups.a.slices"),
        ({"groups": {"a": {"within": {"cod": 1.0}}, "web": {}}}, "groups.a.within"),
        ({"groups": {"cod": {}}}, "groups"),
        ({"phases": [{"until": 0.5}, {"weights": {"cod": 1.0}}]}, r"phases\[1\].weights"),
        ({"phases": [{"groups": {"cod": {}}}]}, r"phases\[0\].groups"),
        (
            {"quality": {"score": "s", "slices": ["cod"], "buckets": [{"top": 0.1, "repeat": 2}, {"repeat": 1}]}},
            "quality.slices",
        ),
    ],
)
def test_an_unknown_slice_is_refused_by_name_wherever_it_stands(said: dict[str, Any], key: str) -> None:
    expected = rf"^r: mix: {key}: the pool has no slice `cod`.*did you mean `code`\?$"
    with pytest.raises(RecipeError, match=expected):
        refuse_unknown_slices(mix(**said), KNOWN, "r: mix")


@pytest.mark.parametrize(
    "said",
    [
        {"weights": {"code": 1.0, "poetry": 0.0}},
        {"groups": {"web": {}, "rest": {"slices": ["co*", "math"]}}},
        {"groups": {"web": {"within": {"web/news": 1.0, "web/blogs": 0.0}}}},
        {"max_epochs": {"code#1": 4}},
        {"shift": {"code": 0.0}},
    ],
)
def test_patterns_buckets_and_slices_of_weight_nothing_pass(said: dict[str, Any]) -> None:
    assert unknown_slices(mix(**said), KNOWN) == []


def test_all_unknown_slices_are_listed_once_each() -> None:
    found = unknown_slices(mix(weights={"cod": 0.5, "mth": 0.5}, max_epochs={"cod": 2}), KNOWN, "vary.a.mix.")
    assert [fault.partition(":")[0] for fault in found] == [
        "vary.a.mix.weights",
        "vary.a.mix.weights",
        "vary.a.mix.max_epochs",
    ]


def test_raised_slices_have_a_share_of_their_own_and_those_that_give_have_none() -> None:
    assert explicit_slices(mix(shift={"code": 0.1, "math": -0.1}, tokens={})) == {"code"}
    assert {one.name for one in mentions(mix(shift={"code": 0.1, "math": -0.1}))} == {"code", "math"}
