"""The controls that a kind of study adds by itself: what the arms must beat beside the base (rule 3).

- **filter**: the arm's filter replaced by `random` and `random-matched`, which keep as many tokens as it does.
- **dedup**: the base as it is, from whose survivors documents then leave at random until as many tokens are left as
  the arm's dedup leaves, in all (`random`) or in every slice (`random-matched`). So the control has the base's copies
  and the arm's supply, and what the arm gains over it is the removal of copies. An arm that leaves more than the base
  has nothing to remove: its controls keep everything and equal the base.
- **mixture**: the base's documents at `natural` and at `uniform` weights, unless base or an arm has these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.studies.changes import Varied

RANDOM_CONTROLS = ("random", "random-matched")
WEIGHT_CONTROLS = ("natural", "uniform")
AFTER = "in_place_of_previous"


def matched_stages(varied: Varied, control: str) -> list[dict[str, Any]] | None:
    """Return the stages of a control that keeps as many tokens as the arm's changed stage; None without one."""
    if varied.place is None:
        return None
    stages: Sequence[Mapping[str, Any]] = varied.value["stages"]
    stage = stages[varied.place]
    match: str | dict[str, Any]
    if stage["kind"] == "filter":
        match = {"filter": stage["name"], **stage["params"]} if stage["params"] else stage["name"]
        before: list[Mapping[str, Any]] = []
    else:
        before = [varied.replaced] if varied.replaced is not None else []
        match = {"dedup": stage["name"], **stage["params"], **({AFTER: True} if before else {})}
    drawn = {"kind": "filter", "name": control, "params": {"match": match}}
    return [dict(item) for item in (*stages[: varied.place], *before, drawn, *stages[varied.place + 1 :])]


def matched_text(varied: Varied) -> str:
    """Return what a control of the arm matches, in words."""
    assert varied.place is not None
    stage = varied.value["stages"][varied.place]
    return ", ".join([str(stage["name"]), *(f"{key} {item}" for key, item in stage["params"].items())])


def weight_recipe(base: Mapping[str, Any], control: str) -> dict[str, Any]:
    """Return the base's recipe with a control's weights; unit and epoch caps are those of the base."""
    kept = {key: base["mix"][key] for key in ("unit", "max_epochs", "budget") if key in base["mix"]}
    return {**base, "mix": {**kept, "weights": control, "normalize": False}}
