"""The gates' file: shipped limits are those of the reference, every fault is told with its place, the schema agrees."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import StudyError
from curation.yamlio import load_yaml
from leaderboard.gates.definition import CHECKS, gates_schema, limits_json, load_gates, parse_gates, shipped_path

SCHEMA = shipped_path().parents[1] / "gates.schema.json"


@pytest.fixture
def words() -> Any:
    """The shipped file's words, to be changed."""
    return copy.deepcopy(load_yaml(shipped_path()))


def test_the_shipped_schema_is_that_of_the_checks() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == gates_schema()


def test_the_shipped_file_is_valid_by_its_schema_and_a_wrong_limit_is_not(words: Any) -> None:
    import jsonschema  # type: ignore[import-untyped]

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    as_file = json.loads(json.dumps(words))
    jsonschema.validate(as_file, schema)
    as_file["gates"]["G1"]["conditions"][0]["limits"]["min_degrees"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_file, schema)


@pytest.mark.parametrize(
    ("gate", "name", "limit", "value"),
    [
        ("G0", "duplicate-explosion", "max_exact_fraction", 0.30),
        ("G0", "source-shares", "max_deviation", 0.01),
        ("G0", "training", "max_final_over_initial_loss", 0.75),
        ("G1", "screening", "level", 0.10),
        ("G1", "severe-regression", "max_loss_high", 0.020),
        ("G1", "benchmark-overlap", "max_rate_ratio", 1.10),
        ("G1", "suspicious-gap", "max_high_points", 1.0),
        ("G1", "before-final", "min_points", 5),
        ("G2", "same-sign", "max_stouffer_p", 0.01),
        ("G2", "rank-stability", "min_winner_kept", 0.9),
        ("G2", "target-regression", "max_loss_high", 0.0025),
        ("G2", "learning-rate", "multipliers", [0.5, 1, 2]),
        ("G2", "cost", "max_epochs_at_target", 4),
        ("G3", "scaling-fit", "max_loss_error", 0.01),
        ("G3", "forecast-difference", "max_error_over_gain", 0.5),
        ("G3", "rollback-plan", "early_points", [0.02, 0.05, 0.10, 0.20]),
    ],
)
def test_shipped_limits_are_those_of_the_reference(gate: str, name: str, limit: str, value: Any) -> None:
    found = next(one for one in load_gates().gates[gate].conditions if one.name == name)
    assert limits_json(found.limits)[limit] == value


def test_every_check_is_asked_by_the_shipped_gates() -> None:
    asked = {one.check for gate in load_gates().gates.values() for one in gate.conditions}
    assert asked == set(CHECKS)


def test_the_digest_follows_the_words_and_not_their_layout(words: Any) -> None:
    assert parse_gates(words, "f").digest == load_gates().digest
    words["gates"]["G1"]["conditions"][0]["limits"]["min_degrees"] = 8
    assert parse_gates(words, "f").digest != load_gates().digest


def test_all_faults_are_told_with_their_places(words: Any) -> None:
    conditions = words["gates"]["G1"]["conditions"]
    conditions[0]["limits"] = {"min_degrees": "many"}
    conditions[3]["name"] = "seedz"
    words["gates"]["G2"]["again"].append("stabel")
    with pytest.raises(StudyError) as caught:
        parse_gates(words, "mine.yaml")
    told = str(caught.value)
    assert "G1.noise-measured.limits.min_degrees" in told
    assert "no check `seedz`" in told
    assert "did you mean `stable`" in told


@pytest.mark.parametrize("value", [None, [], "gates", {"schema": "gates/2"}])
def test_a_file_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(StudyError):
        parse_gates(value, "mine.yaml")


def test_a_missing_limit_is_refused_rather_than_passed(words: Any) -> None:
    words["gates"]["G0"]["conditions"][0]["limits"] = {}
    with pytest.raises(StudyError, match="min_exact_fraction"):
        parse_gates(words, "mine.yaml")


def test_another_file_is_read_by_path(tmp_path: Path) -> None:
    copy_of = tmp_path / "mine.yaml"
    copy_of.write_text(shipped_path().read_text(encoding="utf-8").replace("name: gates@1", "name: mine"))
    assert load_gates(copy_of).name == "mine"
