"""Filters: the reference page is the one the code makes, and the guide names every filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from filters.base import FILTERS
from filters.modifiers.base import MODIFIERS
from filters.reference import reference
from filters.signals import SIGNAL_SETS

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
GUIDE = (DOCS / "filters.md").read_text(encoding="utf-8")


def test_the_reference_page_is_up_to_date() -> None:
    page = (DOCS / "filter-reference.md").read_text(encoding="utf-8")
    assert page == reference(), "run `python -m filters.reference > docs/filter-reference.md`"


@pytest.mark.parametrize("name", sorted(FILTERS.builtin))
def test_the_guide_names_the_filter(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("name", sorted(MODIFIERS.builtin))
def test_the_page_on_modifiers_names_the_modifier(name: str) -> None:
    assert f"## `{name}`" in (DOCS / "modifiers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SIGNAL_SETS.builtin))
def test_the_page_on_signals_names_the_set(name: str) -> None:
    assert f"`{name}`" in (DOCS / "signals.md").read_text(encoding="utf-8")


def test_other_reasons_are_documented() -> None:
    from filters.controls import REASON as NOT_DRAWN
    from filters.models.quantile import REASON as LOW_SCORE

    assert all(f"`{reason}`" in GUIDE for reason in (NOT_DRAWN, LOW_SCORE))
