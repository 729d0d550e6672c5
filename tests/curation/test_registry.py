from __future__ import annotations

import pytest

from curation.errors import PluginError
from curation.registry import Registry


def registry() -> Registry[object]:
    return Registry("filter", {"quality_v3": "math:pi", "broken": "no_such_module:x", "absent": "math:nothing"})


def test_a_builtin_is_loaded_by_its_place() -> None:
    assert registry().get("quality_v3") == pytest.approx(3.14159265)


def test_an_unknown_name_offers_the_nearest_and_says_where() -> None:
    with pytest.raises(PluginError, match=r"recipe x: unknown filter `qualty_v3`; did you mean `quality_v3`"):
        registry().get("qualty_v3", "recipe x")


@pytest.mark.parametrize("name", ["broken", "absent"])
def test_a_component_that_does_not_load_is_named_with_its_cause(name: str) -> None:
    with pytest.raises(PluginError, match="does not load"):
        registry().get(name)


def test_a_taken_name_is_refused() -> None:
    names = registry()
    names.register("mine", 1)
    with pytest.raises(PluginError, match="already registered"):
        names.register("mine", 2)
