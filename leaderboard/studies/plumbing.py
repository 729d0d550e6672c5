"""The machinery of a study's tiers, tried on its own tokens before anything trains (`train.plumbing`).

An artifact of kind `plumbing` for each model that the study trains, a function of the model, the recipe's version, the
token streams and the code: built once, in seconds, and reused by every budget, probe and later run of the study. Arms
that train the tier itself share it, on the baseline's tokens; an arm that trains a variant has its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any, cast

from curation.errors import CurateError
from curation.files import Json
from curation.nodes import Node, NodeRun, Planner
from curation.store import Artifact
from leaderboard.studies.decision_facts import Plumbing
from leaderboard.studies.study import BASELINE
from leaderboard.studies.training import RunPlan
from train.tiers import Tier, load_tier

VERSION = "plumbing@1"


def plumbing_node(tokens: Node, tier: Tier) -> Node:
    """Return the node that tries the machinery of a tier's model on token streams (`train.plumbing.Finding`)."""
    from train.plumbing import code_digest, plain
    from train.tiers import tier_digest

    model = plain(tier)

    def run(context: NodeRun) -> Mapping[str, Json]:
        from train.plumbing import try_plumbing

        folder = context.out.path / "tried"
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        try:
            return try_plumbing(model, context.inputs["tokens"], folder).as_json()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    params: dict[str, Json] = {
        "tier": model.name,
        "tier_digest": tier_digest(model),
        "recipe_version": model.recipe_version,
        "code": code_digest(),
    }
    return Node(
        kind="plumbing", version=VERSION, params=params, inputs={"tokens": tokens}, run=run, label="plumbing"
    )  # fmt: skip


def plumbing_of(artifact: Artifact, tier: str, arm: str) -> Plumbing:
    """Return what an artifact says of a tier of the study; `arm` is empty where every arm trains the tier itself."""
    found = cast("Mapping[str, Any]", artifact.summary)
    return Plumbing(
        tier=tier,
        loader_reproducible=found.get("order_repeats"),
        resume_exact=found.get("resume_exact"),
        every_parameter_learns=found.get("every_parameter_learns"),
        export_max_logit=found.get("export_max_logit"),
        export_nll=found.get("export_nll"),
        tokens_decode=found.get("tokens_decode"),
        arm=arm,
        tried=str(found.get("tried", "")),
        artifact=artifact.fingerprint,
    )


def try_machinery(runs: Sequence[RunPlan], planner: Planner) -> tuple[Plumbing, ...]:
    """Return what holds of the machinery of every tier of a study, tried where the store does not know it.

    Where it cannot be tried the record says why, so that the gate says it, and the next `study run` tries again.
    """
    first: dict[tuple[str, str], RunPlan] = {}
    for run in sorted(runs, key=lambda one: one.arm != BASELINE):
        own = run.arm if run.trained != run.tier else ""
        first.setdefault((run.tier, own), run)
    return tuple(_tried(run, tier, arm, planner) for (tier, arm), run in sorted(first.items()))


def _tried(run: RunPlan, tier: str, arm: str, planner: Planner) -> Plumbing:
    trained = load_tier(run.trained)
    try:
        return plumbing_of(planner.materialise(plumbing_node(run.tokens, trained)), tier, arm)
    except (CurateError, ImportError) as error:
        return Plumbing(tier=tier, arm=arm, why=f"the machinery of {trained.name} could not be tried: {error}")
