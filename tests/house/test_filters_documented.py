"""Filters: each has its section in docs/filters.md, with every rule, bound and signal it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from filters.base import FILTERS
from filters.rules import RULE_SETS
from filters.signals import SIGNAL_SETS

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "filters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(FILTERS.builtin))
def test_a_filter_has_a_section(name: str) -> None:
    assert f"\n## `{name}`\n" in PAGE


@pytest.mark.parametrize("name", sorted(RULE_SETS))
def test_the_table_of_a_rule_set_is_the_one_in_the_code(name: str) -> None:
    section = PAGE.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    documented = [line for line in section.splitlines() if line.startswith("| `")]
    rules = RULE_SETS[name].rules
    signs = {"min": "≥", "max": "≤"}
    assert documented == [
        f"| `{rule.reason}` | `{rule.signal}` {signs[rule.bound]} {rule.value:g} | `{rule.setting}` |" for rule in rules
    ]
    assert f"Source: {RULE_SETS[name].source}." in section


@pytest.mark.parametrize("name", sorted(SIGNAL_SETS))
def test_every_signal_is_explained(name: str) -> None:
    for signal in SIGNAL_SETS[name].signals:
        assert f"| `{signal.name}` | {signal.unit} | {signal.meaning} |" in PAGE


def test_other_reasons_are_documented() -> None:
    from filters.controls import REASON as NOT_DRAWN
    from filters.quantile import REASON as LOW_SCORE

    assert all(f"`{reason}`" in PAGE for reason in (NOT_DRAWN, LOW_SCORE))
