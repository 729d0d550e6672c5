"""docs/recipes.md: every setting of a recipe with its default, and none that does not exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from curation.recipe import STAGE_KINDS, MixSpec, PanelSpec, PoolSpec, PublishedSpec, Recipe
from curation.slices import KNOWN_SLICES

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
MODELS: dict[str, type[BaseModel]] = {
    "": Recipe,
    "pool.": PoolSpec,
    "panel.": PanelSpec,
    "mix.": MixSpec,
    "published.": PublishedSpec,
}
ROW = re.compile(r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", re.MULTILINE)


def shown_default(field: FieldInfo) -> str:
    """Return a field's default as the page writes it."""
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "the defaults below"
    if field.default is None:
        return "none"
    return f"`{json.dumps(list(field.default) if isinstance(field.default, tuple) else field.default)}`"


def fields() -> dict[str, str]:
    return {
        f"{prefix}{name}": shown_default(field)
        for prefix, model in MODELS.items()
        for name, field in model.model_fields.items()
    }


def documented() -> dict[str, str]:
    return {name: default for name, default in ROW.findall(PAGE) if name not in STAGE_KINDS}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(documented()) == sorted(fields())


@pytest.mark.parametrize("name", sorted(fields()))
def test_the_page_has_the_default_of_the_code(name: str) -> None:
    assert documented()[name] == fields()[name]


@pytest.mark.parametrize("name", sorted({*STAGE_KINDS, *KNOWN_SLICES, *KNOWN_SLICES.values()}))
def test_the_page_names_every_kind_of_stage_and_of_slice(name: str) -> None:
    assert f"`{name}`" in PAGE
