"""The card's words: stages with their settings, files without their folders."""

from __future__ import annotations

from typing import Any

import pytest

from curation.publishing.card import step_text
from curation.recipe import StageSpec


@pytest.mark.parametrize(
    ("step", "name", "params", "expected"),
    [
        ("filter: quality_v3", "quality_v3", {"keep": 0.1}, "filter: quality_v3 (keep=0.1)"),
        (
            "filter: fasttext:0123456789ab:hq",
            "fasttext:./some/my.bin?label=hq&keep=0.10",
            {},
            "filter: fasttext:0123456789ab:hq (label=hq, keep=0.10)",
        ),
        ("filter: word-count", "word-count", {"list": "./deep/words.txt"}, "filter: word-count (list=words.txt)"),
        ("filter: random (match x)", "random", {"match": "x", "seed": 2}, "filter: random (match x) (seed=2)"),
        ("dedup: exact", "exact", {}, "dedup: exact"),
    ],
)
def test_a_stage_of_the_card_shows_its_settings(step: str, name: str, params: dict[str, Any], expected: str) -> None:
    kind = step.partition(":")[0]
    assert step_text(step, StageSpec(kind=kind, name=name, params=params)) == expected
