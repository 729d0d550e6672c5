"""A fault is told once, whole, and with the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curation import errors
from curation.errors import CurateError, RecipeError, nearest, raise_faults

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_misspelt_name_is_offered_its_nearest() -> None:
    assert nearest("qualty_v3", ["quality_v1", "quality_v3", "random"]) == "did you mean `quality_v3`?"


def test_a_name_like_no_other_gets_the_whole_list_in_order() -> None:
    assert nearest("zzz", ["random", "baseline"]) == "known: baseline, random"


def test_an_empty_registry_says_so() -> None:
    assert nearest("anything", []) == "none are registered"


def test_no_fault_raises_nothing() -> None:
    raise_faults(RecipeError, "recipe.yaml", [])


def test_one_fault_is_one_line() -> None:
    with pytest.raises(RecipeError) as caught:
        raise_faults(RecipeError, "recipe.yaml", ["mix: weights sum to 0.9"])
    assert str(caught.value) == "recipe.yaml: mix: weights sum to 0.9"


def test_every_fault_is_listed_under_one_heading() -> None:
    with pytest.raises(RecipeError) as caught:
        raise_faults(RecipeError, "recipe.yaml", ["first", "second"])
    assert str(caught.value) == "recipe.yaml: 2 faults\n  - first\n  - second"


@pytest.mark.parametrize("kind", CurateError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_a_user_can_mend_exits_2_or_3(kind: type[CurateError]) -> None:
    assert kind.exit_code in (errors.EXIT_USAGE, errors.EXIT_INCOMPLETE)


def test_the_documented_exit_codes_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert {int(row) for row in rows} == codes
