"""When the final run is looked at and stopped: a study's `rollback`, else the plan that ships with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from curation.recipe import Spec, read_mapping, validate

DEFAULT_PLAN = Path(__file__).resolve().parent.parent / "data" / "rollback@1.yaml"
Action = Literal["pause", "check-batch-and-rate", "rewind", "swap-recipe"]


class RollbackPlan(Spec):
    """When the final run is looked at, and what is done where it leaves its prediction."""

    early_points: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1)
    """Shares of the budget."""
    prediction_interval: float = Field(gt=0.5, lt=1)
    """The run is stopped outside of it."""
    actions: tuple[Action, ...] = Field(min_length=1)


def default_plan() -> RollbackPlan:
    """Return the plan that ships with the project."""
    words = {key: value for key, value in read_mapping(DEFAULT_PLAN).items() if key not in ("schema", "name")}
    plan: RollbackPlan = validate(RollbackPlan, words, str(DEFAULT_PLAN))
    return plan
