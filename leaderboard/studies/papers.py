"""Reports that the last gate asks for, each with the digest of the files that it is: what exists is named.

- `decontamination`: `contamination.json` of every arm's corpus; valid where each was searched for benchmark items.
- `provenance`: manifest of every arm's corpus: pool, recipe, licences, a SHA-256 of every file; valid where they match.
- `monitoring`: log of every run, `metrics.jsonl`; valid where each has losses and gradient norms that are numbers.
- `rollback-plan`: the study's `rollback`, else `leaderboard/data/rollback@1.yaml`.
A report whose files are not there has no record, so the gate says that it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from curation.files import Json, digest_json, read_json, sha256_file
from curation.recipe import as_json
from leaderboard.studies.decision_facts import Report
from leaderboard.studies.facts import CorpusIntegrity
from leaderboard.studies.rollback import RollbackPlan
from leaderboard.studies.run_facts import METRICS, run_facts
from leaderboard.studies.trained import BuiltArm, TrainedRun

CONTAMINATION = "contamination.json"


def reports_of(
    arms: Sequence[BuiltArm], runs: Sequence[TrainedRun], checked: Mapping[str, CorpusIntegrity], plan: RollbackPlan
) -> tuple[Report, ...]:
    """Return the reports of a study's corpora and runs, those that exist."""
    found = [_decontamination(arms, checked), _provenance(arms, checked), _monitoring(runs), _rollback(plan)]
    return tuple(one for one in found if one is not None)


def _decontamination(arms: Sequence[BuiltArm], checked: Mapping[str, CorpusIntegrity]) -> Report | None:
    files = {built.arm.name: built.corpus.path / CONTAMINATION for built in arms}
    if not files or not all(path.is_file() for path in files.values()):
        return None
    sound = all(_searched(path, checked.get(arm)) for arm, path in files.items())
    return _report("decontamination", sound, {arm: sha256_file(path) for arm, path in files.items()})


def _searched(path: Path, integrity: CorpusIntegrity | None) -> bool:
    """Whether a corpus was searched for benchmark items: by a stage of its recipe, or by the study's own check."""
    try:
        told = cast("Mapping[str, Any]", read_json(path))
        reports = told["reports"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(told.get("checked") and reports) or bool(integrity is not None and integrity.items_checked)


def _provenance(arms: Sequence[BuiltArm], checked: Mapping[str, CorpusIntegrity]) -> Report | None:
    if not arms or not all(built.arm.name in checked for built in arms):
        return None
    files: dict[str, str] = {}
    for built in arms:
        manifest = {key: value for key, value in built.corpus.manifest.items() if key != "created"}
        files[built.arm.name] = digest_json(cast("Json", manifest))
    named = all("inputs" in built.corpus.manifest for built in arms)
    return _report("provenance", named and all(checked[built.arm.name].sha256_match for built in arms), files)


def _monitoring(runs: Sequence[TrainedRun]) -> Report | None:
    logs = {run.artifact.fingerprint: run.artifact.path / METRICS for run in runs}
    if not logs or not all(path.is_file() for path in logs.values()):
        return None
    facts = [run_facts(run.artifact) for run in runs]
    sound = all(one is not None and one.finite and one.grad_norm_p99 is not None for one in facts)
    return _report("monitoring", sound, {run: sha256_file(path) for run, path in logs.items()})


def _rollback(plan: RollbackPlan) -> Report:
    words = as_json(plan)
    points = plan.early_points
    sound = all(0 < point < 1 for point in points) and list(points) == sorted(set(points))
    return Report(
        name="rollback-plan",
        state="valid" if sound else "invalid",
        digest=digest_json(words),
        early_points=points,
        prediction_interval=plan.prediction_interval,
        actions=tuple(plan.actions),
    )


def _report(name: str, sound: bool, digests: Mapping[str, str]) -> Report:
    return Report(name=name, state="valid" if sound else "invalid", digest=digest_json(dict(digests)))
