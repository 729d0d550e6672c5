"""`curate filters list` and `show`: plain values for programs, every bound for people."""

from __future__ import annotations

import json

import pytest

from curation.errors import RecipeError
from filters.base import FILTERS
from filters.commands import filters_list, filters_show


def test_list_names_every_registered_filter(capsys: pytest.CaptureFixture[str]) -> None:
    filters_list(json_output=True)
    assert [item["name"] for item in json.loads(capsys.readouterr().out)] == FILTERS.names()
    filters_list()
    shown = capsys.readouterr().out
    assert all(name in shown for name in FILTERS.names())


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
        "signal": "num_words",
        "bound": "min",
        "value": 50,
        "setting": "min_words",
        "source": "Gopher, arXiv:2112.11446, appendix A1.1",
    }


def test_show_offers_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean `fineweb`"):
        filters_show("finweb")
