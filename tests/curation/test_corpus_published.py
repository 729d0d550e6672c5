"""Published retention stands beside the measured one, in the published unit, of the published whole."""

from __future__ import annotations

from typing import Any

import pytest

from curation.bundled import bundled_names
from curation.corpus import with_published
from curation.recipe import Recipe, load_recipe, validate

PUBLISHED = {"kept": 0.25, "of": "the pool", "source": "a paper"}


def recipe(**published: Any) -> Recipe:
    stages = [{"dedup": "exact"}, {"dedup": "minhash", "published": {**PUBLISHED, **published}}]
    found: Recipe = validate(Recipe, {"name": "r", "pool": "environment", "stages": stages}, "test")
    return found


def steps() -> list[dict[str, Any]]:
    sizes = {"panel split": 10, "dedup: exact": 8, "dedup: minhash": 4}
    return [{"step": name, "docs_out": docs, "tokens_out": docs * docs} for name, docs in sizes.items()]


@pytest.mark.parametrize(
    ("published", "measured"),
    [
        ({}, 0.4),
        ({"unit": "tokens"}, 0.16),
        ({"since": "dedup: exact"}, 0.5),
        ({"since": "filter: gone"}, None),
        ({"since": "dedup: minhash"}, None),
    ],
)
def test_the_measured_share_is_of_the_same_whole_in_the_same_unit(published: Any, measured: float | None) -> None:
    shown: Any = with_published(recipe(**published), steps())
    assert shown[2]["published"]["measured"] == measured
    assert "published" not in shown[1]


def test_slices_that_a_stage_left_unjudged_count_neither_in_the_whole_nor_in_what_is_left() -> None:
    beside = steps()
    for step in beside:
        step["by_slice"] = {"code": {"docs_out": 100}, "web": {"docs_out": step["docs_out"]}}
        step["docs_out"] += 100
    beside[1]["judged"] = {"docs": 10, "unjudged_slices": {"code": 100}}
    published: Any = with_published(recipe(), beside)[2]["published"]
    assert published["measured"] == 0.4  # as without code
    assert published["without_slices"] == ["code"]


def test_published_retention_is_no_setting_of_the_stage() -> None:
    assert recipe().stages[1].params == {}


@pytest.mark.parametrize("name", bundled_names("recipes"))
def test_a_shipped_recipe_measures_since_a_stage_that_comes_before(name: str) -> None:
    stages = load_recipe(base=name).stages
    for number, stage in enumerate(stages):
        if stage.published and stage.published.since:
            assert stage.published.since in [f"{item.kind}: {item.name}" for item in stages[:number]]
