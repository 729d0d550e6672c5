"""Level 3: the smallest tier trained again, from the corpora; within three standard errors of what the entry says.

Seed 1 of the baseline and of every arm is trained in a store of its own. With the entry's run-to-run deviation s at
that tier (pooled over arms; of a noise pack with one seed an arm), the new value of ln bits per byte may lie up to
3 s sqrt(1 + 1/n) from the mean of the n seeds.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from curation.batches import read_table
from curation.errors import CurateError
from curation.nodes import Planner
from curation.numerics import pooled_variance
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from leaderboard.entries.check_plausible import headline
from leaderboard.entries.check_scores import slice_bpb
from leaderboard.entries.checks import Check, Subject, absent, verdict
from leaderboard.entries.manifest import RunRecord
from train.many_runs import Wanted, train_runs
from train.tiers import load_tier, tier_digest

SEED = 1
MAX_ERRORS = 3.0
EPOCHS = 1000.0
"""Repeats are permitted: they are part of what the entry says."""


def retrained(subject: Subject, store: Store, say: Callable[[str], None]) -> list[Check]:
    """Return the check of level 3."""
    tier = smallest_tier(subject)
    remedy = f"`curate leaderboard verify {subject.folder} --level 3 --retrain --store STORE` with the corpora"
    runs = [run for run in subject.of(tier) if run.seed == SEED and run.role in ("baseline", "arm")]
    spread = seed_deviation(subject, tier)
    if spread is None:
        text = f"{tier} has one seed an arm: its run-to-run noise is unknown, so nothing can be within 3 of it"
        return [absent("retrained", text, "submit two seeds or more an arm", level=3)]
    if any(tier_digest(load_tier(run.trained)) != run.tier_digest or run.interventions for run in runs):
        text = f"{tier} was trained otherwise than this version trains it"
        return [absent("retrained", text, "install the version that the entry names, and train there", level=3)]
    faults: list[str] = []
    for run in runs:
        say(f"train {run.label} again")
        try:
            again = _train(run, subject, store)
        except CurateError as error:
            faults.append(f"{run.label}: {error}")
            continue
        values = [headline(one) for one in subject.manifest.run_records(tier=tier, arm=run.arm)]
        error_of = spread * math.sqrt(1 + 1 / len(values))
        distance = abs(again - float(np.mean(values)))
        if distance > MAX_ERRORS * error_of:
            faults.append(
                f"{run.label}: ln bits per byte {again:.5f} now, mean {np.mean(values):.5f} of {len(values)} seeds "
                f"said: {distance / error_of if error_of else math.inf:.1f} standard errors"
            )
    return [
        verdict("retrained", faults, f"{len(runs)} runs of {tier} within 3 standard errors", level=3, remedy=remedy)
    ]


def smallest_tier(subject: Subject) -> str:
    """Return the tier of the entry that costs least to train."""
    cost = {run.tier: run.flops or math.inf for run in subject.manifest.runs}
    return min(cost, key=lambda name: (cost[name], name))


def seed_deviation(subject: Subject, tier: str) -> float | None:
    """Return the deviation of ln bits per byte between runs of one arm; None with one seed an arm."""
    arms: dict[str, list[float]] = {}
    for run in subject.of(tier):
        arms.setdefault(run.arm, []).append(headline(run))
    pooled = pooled_variance(list(arms.values()))
    return math.sqrt(pooled.value) if pooled else None


def _train(run: RunRecord, subject: Subject, store: Store) -> float:
    """Return ln bits per byte of a run trained now, in a store that goes afterwards.

    Raises: CurateError if corpus or panel are not in `store`, or training fails.
    """
    corpus = _needed(store, "corpus", run.corpus or "")
    panel = _needed(store, "panel", str(subject.frozen["identity"]["panel"]))
    with tempfile.TemporaryDirectory() as temporary:
        planner = Planner(store=Store(Path(temporary)), workers=1, progress=SilentProgress())
        for artifact in (corpus, panel):
            planner.adopt(artifact)
        wanted: Sequence[Wanted] = [Wanted(tier=run.trained, seed=SEED)]
        (artifact,) = train_runs(planner, corpus, panel, wanted, jobs=1, epochs=EPOCHS)
        bpb = slice_bpb(read_table(artifact.path / "documents.parquet", ["slice", "nats", "num_bytes"]))
    return float(np.mean([math.log(value) for value in bpb.values()]))


def _needed(store: Store, kind: str, fingerprint: str) -> Artifact:
    found = store.find(kind, fingerprint) if fingerprint else None
    if found is None:
        raise CurateError(f"{kind} {fingerprint[:8]} is not in {store.root}, expected it there; give its --store")
    return found
