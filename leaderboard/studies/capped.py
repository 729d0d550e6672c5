"""Budgets beyond the epoch caps of a mixture, foreseen for arms without a corpus as `curate mix plan` does."""

from __future__ import annotations

from curation.errors import RecipeError, RunError
from curation.store import Store
from leaderboard.studies.arms import Arm
from train.mix_plan import Held, mix_plan
from train.mix_sources import recipe_held
from train.tiers import Tier


def held_by(arm: Arm, tier: Tier, store: Store) -> Held | None:
    """Return what the slices of an arm hold at most; None where nothing is known of an environment never read."""
    try:
        return recipe_held(store, arm.recipe, tier)
    except (RecipeError, RunError):
        return None


def beyond_caps(arm: Arm, tier: Tier, held: Held | None) -> str:
    """Return why a run of the arm would be refused for its caps; empty if it would not, or where nothing is known."""
    if held is None:
        return ""
    try:
        mix_plan(arm.recipe.mix, held, tier, where=f"{arm.name}: mix")
    except RecipeError as error:
        return f"{error} (from {held.told})" if "max_epochs" in str(error) else ""
    return ""
