"""The perplexity filter keeps what its model expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from curation.errors import RecipeError
from curation.randomness import generator
from curation.sidecars import ROLE_REFERENCE, ROLE_TRAIN

GOOD = [f"good{i}" for i in range(30)]
BAD = [f"bad{i}" for i in range(30)]


def words(vocabulary: list[str], id_: str) -> str:
    return " ".join(generator(0, id_).choice(vocabulary, 30).tolist())


def doc(id_: str, text: str, slice_: str, role: int = ROLE_TRAIN) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": role}


def corpus() -> list[dict[str, Any]]:
    """`docs` has reference documents in good words; every fifth training document of `web` is in good words."""
    rows = [doc(f"ref-{i}", words(GOOD, f"ref-{i}"), "docs", ROLE_REFERENCE) for i in range(20)]
    rows += [doc(f"bad-{i}", words(BAD, f"b-{i}"), "web", ROLE_REFERENCE) for i in range(20)]
    rows += [doc(f"t-{i:02}", words(BAD if i % 5 else GOOD, f"t-{i}"), "web") for i in range(50)]
    return [*rows, doc("code", "int main() { return 0; }", "code")]


GOOD_ROWS = {f"t-{i:02}" for i in range(0, 50, 5)}


def kept(verdicts: dict[str, str | None]) -> set[str]:
    return {id_ for id_, reason in verdicts.items() if reason is None and id_.startswith("t-")}


def test_the_least_perplexing_share_is_kept(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    artifact = world.build("perplexity", keep=0.2)
    assert kept(world.verdicts(artifact)) == GOOD_ROWS
    assert artifact.summary["selected_for"] == ["docs"]
    learned, threshold = artifact.summary["notes"]
    assert learned == "learned from: slices docs (selected-for)"
    assert threshold.startswith("keep 0.2 of 50 judged: -perplexity >= -")


def test_without_a_bound_the_head_and_middle_of_ccnet_are_kept(make_world: Callable[..., Any]) -> None:
    assert len(kept(make_world(corpus()).judge("perplexity"))) == 30


def test_a_bound_in_perplexity_judges_each_document_alone(make_world: Callable[..., Any]) -> None:
    world = make_world(corpus())
    verdicts = world.judge("perplexity", max_perplexity=50)
    assert kept(verdicts) == GOOD_ROWS
    assert verdicts["t-01"] == "too-perplexing"


def test_code_is_not_judged(make_world: Callable[..., Any]) -> None:
    assert make_world(corpus()).judge("perplexity", max_perplexity=1)["code"] is None


def test_one_worker_or_two_give_the_same_bytes(make_world: Callable[..., Any]) -> None:
    built = [make_world(corpus(), workers=n, store=f"s{n}").build("perplexity", keep=0.4) for n in (1, 2)]
    assert [path.read_bytes() for path in built[0].part_paths()] == [p.read_bytes() for p in built[1].part_paths()]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learn_from": "doc"}, "no slice `doc` in the pool; did you mean `docs`"),
        ({"learn_from": "code"}, "no reference document"),
        ({"keep": 0.5, "max_perplexity": 9}, "not both"),
    ],
)
def test_a_wrong_setting_is_refused(make_world: Callable[..., Any], params: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make_world(corpus()).build("perplexity", **params)
