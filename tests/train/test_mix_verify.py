"""`curate mix verify`: mixtures read strictly, differences by hand."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from scipy import stats

from curation.errors import LawError
from train.mix_verify import MEAN, differences, parse_mixtures
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
    assert one.as_json()["verdict"] == "not resolved"


def test_over_slices_it_is_the_mean_of_log_ratios() -> None:
    low, high = {"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 8.0}
    found = differences({"natural": [high, high], "uniform": [high, high], "law": [low, low]})
    mean = next(one for one in found if one.slice == MEAN and one.mixture == "law" and one.against == "natural")
    assert mean.value == pytest.approx(math.log(0.5))
    assert mean.as_json()["verdict"] == "better"


@pytest.mark.parametrize(("tier", "unit"), [("pico-0.1x", "core"), ("micro", "H200")])
def test_a_dry_run_says_tokens_hours_and_disk(tier: str, unit: str) -> None:
    loaded = load_tier(tier)
    cost = cost_json(loaded, 6)
    assert cost["tokens"] == 6 * loaded.num_tokens
    assert cost["disk_bytes"] > 6 * 4 * loaded.shape.total_params
    hours = cost[f"{unit.lower()}_hours"]
    assert hours > 0
    assert re.fullmatch(rf"6 runs, [\d.,]+M tokens, \S+ {unit} hours without scoring, [\d.,]+ MB", cost_text(cost))
