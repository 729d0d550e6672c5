"""Averages of runs scored side by side: child processes that share the unions out, each average an artifact.

What the store has is not scored again, whoever asked for it; killed, the same call goes on with the averages that are
missing. A child reads and encodes the panel once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from curation.errors import RunError
from curation.files import Json, canonical_json
from curation.nodes import Planner, existing_node
from curation.store import MANIFEST, Artifact
from train.averaging import PanelScorer, average_node
from train.many_runs import failure_message, slots_for, stopped_by_sigterm
from train.workers import Job, run_jobs

WORKER = "train.averages_worker"
Name = TypeVar("Name")


def scored_averages(
    planner: Planner, scorer: PanelScorer, unions: Mapping[Name, Sequence[Artifact]], *, jobs: int
) -> dict[Name, Artifact]:
    """Return the scored average of each union's runs; `jobs` processes score those that the store lacks.

    Call from the main thread (see `train.child`). Raises: RunError that says which processes failed, and of what.
    """
    nodes = {name: average_node([existing_node(run) for run in runs], scorer) for name, runs in unions.items()}
    places = {name: planner.store.path_of(node.kind, node.fingerprint) for name, node in nodes.items()}
    missing = [name for name, node in nodes.items() if planner.store.find(node.kind, node.fingerprint) is None]
    if missing:
        num = min(jobs, len(missing))
        parts = [missing[first::num] for first in range(num)]
        children = [_job(planner, scorer, [unions[name] for name in part]) for part in parts]

        def done(index: int) -> float:
            return sum((places[name] / MANIFEST).is_file() for name in parts[index]) / len(parts[index])

        with stopped_by_sigterm():
            outcomes = run_jobs(
                children,
                num,
                planner.progress,
                label=f"score {len(missing)} averages",
                done_fraction=done,
                slots=slots_for(scorer.tier, jobs=num),
            )
        told = [failure_message(outcome) for outcome in outcomes if outcome.code != 0]
        if told:
            raise RunError(
                f"scoring averages: {len(told)} of {num} processes failed, expected none: {'; '.join(told)}; "
                "mend that and give the same command, what is scored is kept"
            )
    return {name: planner.materialise(node) for name, node in nodes.items()}


def _job(planner: Planner, scorer: PanelScorer, unions: Sequence[Sequence[Artifact]]) -> Job:
    asked: dict[str, Json] = {
        "store": str(planner.store.root),
        "panel": str(scorer.panel.path),
        "tier": scorer.tier.name,
        "share": scorer.share,
        "unions": [[str(run.path) for run in runs] for runs in unions],
    }
    return Job(
        label=f"{len(unions)} averages", module=WORKER, arguments=(), stdin=canonical_json(asked), weight=len(unions)
    )
