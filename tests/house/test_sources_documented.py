"""Examples of pools in docs/: each is a pool that a recipe may have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curation.recipe import Recipe, validate
from curation.yamlio import parse_yaml

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Return page and text of every example; lines that begin with `pool:` are one each."""
    found = []
    for page in ("sources.md", "publishing.md", "extraction.md"):
        for block in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
            lines = block.splitlines()
            alone = all(line.startswith("pool:") for line in lines if line.strip())
            found += [(page, line) for line in lines if line.strip()] if alone else [(page, block)]
    return found


def test_there_are_examples_of_sources() -> None:
    assert len(examples()) >= 10


@pytest.mark.parametrize(("page", "text"), examples())
def test_an_example_is_a_recipe(page: str, text: str) -> None:
    value = parse_yaml(text, page)
    made: Recipe = validate(Recipe, {"name": "example", **value}, page)
    assert made.pool.path
