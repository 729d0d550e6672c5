"""`curate mix verify`: mixtures read strictly, differences by hand."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from scipy import stats

from curation.errors import LawError
from train.mix_verify import MEAN, differences, parse_mixtures, targets_of
from train.swarm_command import cost_json, cost_text
from train.tiers import load_tier

NATURAL = {"code": 0.25, "web": 0.75}


def test_natural_and_uniform_stand_beside_every_proposal(tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    file.write_text(json.dumps({"proposal": {"weights": {"weight_code": 0.6, "weight_web": 0.4}}}))
    found = parse_mixtures([f"law={file}", "mine=weight_code=1"], NATURAL)
    assert found == {
        "natural": NATURAL,
        "uniform": {"code": 0.5, "web": 0.5},
        "law": {"code": 0.6, "web": 0.4},
        "mine": {"code": 1.0, "web": 0.0},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine=code=0.5,web=0.4", r"weights sum to 0.9"),
        ("mine=code=0.5,wbe=0.5", r"no slice `wbe`; did you mean `web`"),
        ("mine=code=1.5,web=-0.5", "expected a positive number"),
        ("natural=code=1", "with a new name"),
        ("mine=nowhere.json", r"nowhere.json cannot be read"),
    ],
)
def test_other_mixtures_are_refused(text: str, said: str) -> None:
    with pytest.raises(LawError, match=said):
        parse_mixtures([text], NATURAL)


def test_a_difference_has_the_interval_of_the_pooled_t() -> None:
    """Two runs each: arms' variances 0.02, 0.02 and 0.08 with one degree each pool to 0.04 with three."""
    losses = {
        "natural": [{"web": 2.0}, {"web": 2.2}],
        "uniform": [{"web": 2.4}, {"web": 2.6}],
        "law": [{"web": 1.8}, {"web": 2.2}],
    }
    found = {(one.mixture, one.against): one for one in differences(losses) if one.slice == "web"}
    assert sorted(found) == [("law", "natural"), ("law", "uniform"), ("uniform", "natural")]
    one = found["law", "natural"]
    half = stats.t.ppf(0.975, 3) * math.sqrt(0.04 * (1 / 2 + 1 / 2))
    assert one.value == pytest.approx(-0.1)
    assert (one.interval.low, one.interval.high) == (pytest.approx(-0.1 - half), pytest.approx(-0.1 + half))
    assert one.p == pytest.approx(2 * stats.t.sf(0.1 / math.sqrt(0.04), 3))
    assert (one.resolved, one.direction) == (False, "not resolved")


def test_over_slices_it_is_the_mean_of_log_ratios() -> None:
    low, high = {"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 8.0}
    found = differences({"natural": [high, high], "uniform": [high, high], "law": [low, low]})
    mean = next(one for one in found if one.slice == MEAN and one.mixture == "law" and one.against == "natural")
    assert mean.value == pytest.approx(math.log(0.5))
    told = mean.as_json()
    assert (told["direction"], told["resolved"], told["verdict"]) == ("better", True, "insufficient")


def test_a_difference_whose_interval_leaves_zero_out_may_fall_to_holm_over_all_of_them() -> None:
    """Of 12 differences the smallest p must be below 0.05 / 12; here it is about 0.02, whatever its slice."""
    flat = [{"a": 2.0, "b": 2.0, "c": 2.0}, {"a": 2.2, "b": 2.2, "c": 2.2}]
    law = [{**run, "a": run["a"] - 0.53} for run in flat]
    found = differences({"natural": flat, "uniform": flat, "law": law})
    one = next(one for one in found if (one.mixture, one.against, one.slice) == ("law", "natural", "a"))
    assert len(found) == 12
    assert one.interval.high < 0
    assert 0.05 / 12 < one.p < 0.05
    assert not one.resolved


def test_slices_that_a_proposal_was_fitted_to_are_selected_for(tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    target = {"bpb_a": 0.5, "bpb_b": 0.0}
    file.write_text(json.dumps({"proposal": {"weights": {"weight_a": 0.6, "weight_b": 0.4}, "target": target}}))
    assert targets_of([f"law={file}", "mine=a=0.5,b=0.5"]) == {"a"}
    runs = [{"a": 2.0, "b": 2.0}, {"a": 2.1, "b": 2.1}]
    found = differences({"natural": runs, "uniform": runs}, frozenset({"a"}))
    assert {one.slice for one in found if one.selected_for} == {"a", MEAN}


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "0.5", None])
def test_a_weight_that_is_no_finite_number_is_refused_with_its_file_and_slice(tmp_path: Path, value: object) -> None:
    file = tmp_path / "weights.json"
    file.write_text(json.dumps({"code": 1.0, "web": value}))
    with pytest.raises(LawError, match=r"weights\.json: the weight of `web` is .*, expected a finite number"):
        parse_mixtures([f"mine={file}"], NATURAL)


@pytest.mark.parametrize(("tier", "unit"), [("pico-0.1x", "core"), ("micro", "H200")])
def test_a_dry_run_says_tokens_hours_and_disk(tier: str, unit: str) -> None:
    loaded = load_tier(tier)
    cost = cost_json(loaded, 6)
    assert cost["tokens"] == 6 * loaded.num_tokens
    assert cost["disk_bytes"] > 6 * 4 * loaded.shape.total_params
    hours = cost[f"{unit.lower()}_hours"]
    assert hours > 0
    assert re.fullmatch(rf"6 runs, [\d,]+ tokens, \S+ {unit} hours without scoring, [\d.,]+ MB", cost_text(cost))
