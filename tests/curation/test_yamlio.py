from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import RecipeError
from curation.yamlio import MAX_BYTES, apply_overrides, load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 0.0003),
        ("1e5", 100000.0),
        ("-1.5E+3", -1500.0),
        (".5", 0.5),
        ("10", 10),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", 1000),
        ("007", "007"),
        ("1.0.0", "1.0.0"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
    ],
)
def test_a_scalar_means_what_it_looks_like(text: str, value: object) -> None:
    parsed = parse_yaml(f"key: {text}", "x")["key"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "f.yaml:2:1: duplicate key `a`"),
        ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: [1", "f.yaml:1:6"),
        ("b: {[a]: 1}", "f.yaml:1:5: a list or mapping as a key"),
        ("a: !!int many", "f.yaml"),
        ("a: &x 1\nb: [" + "*x, " * 200 + "1]", "aliases"),
    ],
)
def test_a_trap_of_yaml_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match="f.yaml") as caught:
        parse_yaml(text, "f.yaml")
    assert said in str(caught.value)


def test_a_file_that_is_missing_too_large_or_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    for name in ("gone.yaml", "big.yaml", "latin.yaml"):
        with pytest.raises(RecipeError, match=name):
            load_yaml(tmp_path / name)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a.b=3", {"a": {"b": 3}, "stages": [{"filter": "x"}], "pool": {"path": "p", "text": "t"}}),
        ("stages.0.keep=0.5", {"a": {}, "stages": [{"filter": "x", "keep": 0.5}], "pool": {"path": "p", "text": "t"}}),
        ("stages.filter.keep=1", {"a": {}, "stages": [{"filter": "x", "keep": 1}], "pool": {"path": "p", "text": "t"}}),
        ("pool=q", {"a": {}, "stages": [{"filter": "x"}], "pool": {"path": "q", "text": "t"}}),
    ],
)
def test_an_override_changes_one_setting(override: str, expected: dict[str, Any]) -> None:
    before = {"a": {}, "stages": [{"filter": "x"}], "pool": {"path": "p", "text": "t"}}
    assert apply_overrides(before, (override,)) == expected
    assert before["a"] == {}


@pytest.mark.parametrize("override", ["a", "=1", "stages.dedup.x=1", "pool.path.deep=1"])
def test_an_override_that_fits_nowhere_is_refused(override: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        apply_overrides({"stages": [{"filter": "x"}], "pool": {"path": "p"}}, (override,))


def test_a_stage_is_found_by_its_name() -> None:
    stages = [{"filter": "language"}, {"filter": "quality_v3"}]
    assert apply_overrides({"stages": stages}, ("stages.language.keep=de",))["stages"][0]["keep"] == "de"


def test_a_kind_that_several_stages_have_is_refused_with_their_numbers() -> None:
    stages = [{"filter": "language"}, {"dedup": "exact"}, {"filter": "quality_v3"}]
    with pytest.raises(RecipeError, match=r"several places .* 0 \(language\), 2 \(quality_v3\)"):
        apply_overrides({"stages": stages}, ("stages.filter.keep=1",))
