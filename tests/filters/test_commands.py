"""`curate filters list` and `show`: plain values for programs, every bound for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curation.errors import RecipeError
from curation.registry import Registry
from filters.base import FILTER_SCHEMES, FILTERS
from filters.commands import filters_list, filters_show
from filters.modifiers.base import MODIFIERS
from filters.rules import RULE_SETS
from filters.signals import SIGNAL_SETS


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    filters_list(json_output=True)
    found: dict[str, list[dict[str, Any]]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("kind", "registry"),
    [
        ("filters", FILTERS),
        ("rule_sets", RULE_SETS),
        ("modifiers", MODIFIERS),
        ("signal_sets", SIGNAL_SETS),
        ("schemes", FILTER_SCHEMES),
    ],
)
def test_list_names_everything_of_a_kind(
    kind: str, registry: Registry[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = listed(capsys)[kind]
    assert [item["name"] for item in entries] == registry.names()
    assert [item["name"] for item in entries if item["broken"] or not item["summary"]] == []
    monkeypatch.setenv("COLUMNS", "200")
    filters_list()
    shown = capsys.readouterr().out
    assert [name for name in registry.names() if name not in shown] == []


def test_list_groups_rule_sets_by_dialect(capsys: pytest.CaptureFixture[str]) -> None:
    dialects = {item["dialect"] for item in listed(capsys)["rule_sets"]}
    filters_list()
    shown = capsys.readouterr().out
    assert [name for name in dialects if f"rule set of the dialect {name}" not in shown] == []


@pytest.mark.parametrize("name", FILTERS.names())
def test_show_says_what_a_filter_is_in_both_forms(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    filters_show(name, json_output=True)
    value = json.loads(capsys.readouterr().out)
    assert value["name"] == name
    assert value["settings"] or value["rules"]
    filters_show(name)
    assert value["summary"].split()[0] in capsys.readouterr().out


def test_show_lists_the_bounds_of_quality_v1(capsys: pytest.CaptureFixture[str]) -> None:
    filters_show("quality_v1", json_output=True)
    rules = {rule["reason"]: rule for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert rules["too-few-words"] == {
        "rule_set": "gopher-quality/curate@1",
        "reason": "too-few-words",
        "signal_set": "text",
        "signal": "num_words",
        "bound": "min",
        "value": 50,
        "setting": "min_words",
        "source": "Gopher, arXiv:2112.11446, appendix A1.1",
    }


@pytest.mark.parametrize("name", RULE_SETS.names())
def test_show_says_dialect_version_and_source_of_a_rule_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = RULE_SETS.get(name)
    filters_show(name, json_output=True)
    (shown,) = json.loads(capsys.readouterr().out)["rule_sets"]
    assert (shown["name"], shown["dialect"], shown["source"]) == (found.full_name, found.dialect, found.source)
    filters_show(f"{name}@{found.version}")
    assert f"{found.dialect}@{found.version}" in capsys.readouterr().out


@pytest.mark.parametrize("name", SIGNAL_SETS.names())
def test_show_lists_the_signals_of_a_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    filters_show(name, json_output=True)
    signals = json.loads(capsys.readouterr().out)["signals"]
    assert [signal["name"] for signal in signals] == [signal.name for signal in SIGNAL_SETS.get(name).signals]
    filters_show(name)
    assert "unit" in capsys.readouterr().out


@pytest.mark.parametrize("name", MODIFIERS.names())
def test_show_says_what_a_modifier_counts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    filters_show(name, json_output=True)
    value = json.loads(capsys.readouterr().out)
    assert value["source"]
    assert value["settings"]
    filters_show(name)
    assert all(counter["name"] in capsys.readouterr().out for counter in value["counters"][:1])


def test_show_says_how_a_scheme_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    filters_show("datatrove:")
    assert "datatrove:REST" in capsys.readouterr().out
    filters_show("datatrove:RegexFilter")
    assert "regex_exp" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "meant"),
    [("finweb", "fineweb"), ("c4-page/curat", "c4-page/curate"), ("datatrov", "datatrove"), ("txt", "text")],
)
def test_show_offers_the_nearest_name_of_any_kind(name: str, meant: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean `{meant}`"):
        filters_show(name)
