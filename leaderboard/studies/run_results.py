"""One finished run as results keep it: every aggregate recomputed from its document scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from curation.errors import RunError
from curation.files import digest_json
from curation.store import Artifact
from leaderboard.scores import ScoredRun, gather
from leaderboard.studies.results import CurvePoint, RunResult
from leaderboard.studies.run_facts import run_facts
from leaderboard.studies.trained import TrainedRun

CURVE_POINTS = 200
BPB_TOLERANCE = 1e-6


def run_result(run: TrainedRun, score: ScoredRun) -> RunResult:
    """Return the record of a run and its scores.

    Raises: RunError if an aggregate does not follow from its scores.
    """
    summary = cast("Mapping[str, Any]", run.artifact.summary)
    recomputed = {name: float(one.bpb[0]) for name, one in gather([score]).slices.items()}
    _check_aggregates(run, recomputed, summary["bpb"])
    return RunResult(
        arm=run.arm,
        tier=run.tier,
        seed=run.seed,
        fingerprint=run.artifact.fingerprint,
        panel=score.panel,
        tokenizer=score.tokenizer,
        context=score.context,
        tokens_seen=int(summary["tokens_seen"]),
        unique_tokens=int(summary["unique_tokens"]),
        epochs=float(summary["epochs"]),
        epochs_by_slice={str(name): float(value) for name, value in summary["epochs_by_slice"].items()},
        bpb=recomputed,
        final_train_loss=float(summary["final_train_loss"]),
        steps=int(summary["steps"]),
        flops=float(summary["flops"]),
        curve=tuple(_curve(run.artifact)),
        stable=bool(summary["stable"]),
        interventions=interventions_digest(run.artifact),
        variant="" if summary["tier"] == run.tier else str(summary["tier"]),
        facts=run_facts(run.artifact),
    )


def interventions_digest(run: Artifact) -> str:
    """Return the digest of what recovery did to a run; empty when it did nothing."""
    log = run.summary.get("interventions")
    return digest_json(log) if log else ""


def _check_aggregates(run: TrainedRun, recomputed: Mapping[str, float], stated: Mapping[str, float]) -> None:
    for name, value in recomputed.items():
        said = stated.get(name)
        if said is None or not math.isclose(value, said, rel_tol=BPB_TOLERANCE):
            raise RunError(
                f"{run.artifact.path}: bits per byte of slice {name} are {value:.6f} by the document scores, "
                f"{said} by the manifest; expected equal; remove the run and rerun"
            )


def _curve(artifact: Artifact) -> list[CurvePoint]:
    """Return the training curve, thinned to at most about `CURVE_POINTS` points."""
    lines = (artifact.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    points = [json.loads(line) for line in lines if line.strip()]
    chosen = [point for point in points if point.get("loss") is not None]
    step = max(1, -(-len(chosen) // CURVE_POINTS))
    kept = [*chosen[:-1:step], chosen[-1]] if chosen else []
    return [CurvePoint(tokens=int(point["tokens"]), loss=float(point["loss"])) for point in kept]
