"""From a finished study to the draft of its entry: hashes, counts and scores out of the store, nothing private.

What stands for documents and items: `hashed_scores`. What is taken out of words: `private`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import pyarrow as pa

from curation.errors import StudyError
from curation.files import Json, canonical_json
from curation.store import Artifact
from leaderboard.entries.hashed_scores import DIGITS, hashed_documents, hashed_items
from leaderboard.entries.manifest import (
    RESULT_FILE,
    ROLES,
    SCHEMA,
    STUDY_FILE,
    ArmContamination,
    ArtifactFacts,
    Checkpoint,
    CurvePoint,
    Division,
    Environment,
    FileFacts,
    Manifest,
    RunRecord,
    StudyFacts,
    SuiteScores,
)
from leaderboard.entries.private import Scrubber, counts_only, without_text
from leaderboard.entries.study_source import StudySource
from leaderboard.entries.suite_definitions import DEFINITION, own_definition
from leaderboard.entries.tracks import Track, private_track
from leaderboard.entries.write import Draft
from leaderboard.scores import load_documents
from leaderboard.studies.results import ArmResult, RunResult, as_json
from train.evals.results import ITEMS, RESULTS, read_results

SOFTWARE = ("torch", "numpy", "scipy", "pyarrow", "tokenizers", "numba")


def collected(
    source: StudySource, tracks: Mapping[str, Track], scrubber: Scrubber, *, submitter: str, with_text: bool
) -> Draft:
    """Return the draft of a study's entry.

    Raises: StudyError if the store lacks an artifact of it; ResultsError for damaged scores.
    """
    tables: dict[str, pa.Table] = {}
    texts: dict[str, str] = {}
    records = [_run_record(source, run, scrubber, tables, texts) for run in source.result.runs]
    texts[STUDY_FILE] = canonical_json(_frozen(source, scrubber)) + "\n"
    texts[RESULT_FILE] = canonical_json(_result(source, scrubber, with_text=with_text)) + "\n"
    identity = source.frozen["identity"]
    pool, panel = str(identity["pool"]), records[0].panel
    name, division = _track(pool, panel, tracks)
    result = source.result
    manifest = Manifest(
        schema=SCHEMA,
        submitter=submitter,
        track=name,
        division=division,
        study=StudyFacts(
            name=result.name,
            hypothesis=result.hypothesis,
            kind=result.kind,
            base=scrubber.clean(result.base),
            fingerprint=result.fingerprint,
            tiers=dict(result.tiers),
            multi_factor=result.multi_factor,
        ),
        pool=pool,
        panel=panel,
        artifacts=tuple(_artifacts(source, records)),
        runs=tuple(records),
        contamination=tuple(_contamination(arm) for arm in result.arms),
        environment=_environment(source, records, scrubber),
        with_text=with_text,
    )
    return Draft(manifest=manifest, texts=texts, tables=tables)


def _run_record(
    source: StudySource, run: RunResult, scrubber: Scrubber, tables: dict[str, pa.Table], texts: dict[str, str]
) -> RunRecord:
    artifact = source.artifact("run", run.fingerprint, "with its scores")
    summary = cast("Mapping[str, Any]", artifact.summary)
    inputs = cast("Mapping[str, str]", artifact.manifest["inputs"])
    arm = next(item for item in source.result.arms if item.name == run.arm)
    folder = f"scores/run-{run.fingerprint[:DIGITS]}"
    documents = f"{folder}/documents.parquet"
    tables[documents] = hashed_documents(load_documents(artifact.path), run.panel)
    files = {entry["path"]: entry for entry in cast("list[dict[str, Any]]", artifact.manifest["files"])}
    weights = files.get("model.safetensors")
    execution = cast("Mapping[str, Json]", summary.get("execution", {}))
    return RunRecord(
        arm=run.arm,
        role=cast("Any", arm.role if arm.role in ROLES else "control"),
        tier=run.tier,
        variant=run.variant,
        seed=run.seed,
        fingerprint=run.fingerprint,
        corpus=arm.corpus,
        tokens=str(inputs["tokens"]) if "tokens" in inputs else None,
        tier_digest=str(summary.get("tier_digest", "")),
        recipe_version=_recipe_version(run.variant or run.tier),
        panel=run.panel,
        tokenizer=run.tokenizer,
        context=run.context,
        tokens_seen=run.tokens_seen,
        unique_tokens=run.unique_tokens,
        epochs=run.epochs,
        steps=run.steps,
        flops=run.flops,
        params={key: int(value) for key, value in summary.get("params", {}).items()},
        final_train_loss=run.final_train_loss,
        stable=run.stable,
        skipped_steps=len(summary.get("skipped_steps", [])),
        interventions=run.interventions,
        bpb=dict(run.bpb),
        documents=documents,
        suites=tuple(_suites(source, run, folder, tables, texts, scrubber)),
        curve=tuple(CurvePoint(tokens=point.tokens, loss=point.loss) for point in run.curve),
        checkpoint=Checkpoint(sha256=weights["sha256"], bytes=weights["bytes"]) if weights else None,
        execution={key: scrubber.clean(str(value)) for key, value in sorted(execution.items())},
    )


def _recipe_version(tier: str) -> str:
    from train.tiers import load_tier

    return str(load_tier(tier).recipe_version)


def _suites(
    source: StudySource,
    run: RunResult,
    folder: str,
    tables: dict[str, pa.Table],
    texts: dict[str, str],
    scrubber: Scrubber,
) -> list[SuiteScores]:
    """Write a run's results on suites into the draft, and return their records."""
    own = [one for one in source.result.facts.suites if (one.arm, one.tier, one.seed) == (run.arm, run.tier, run.seed)]
    found = []
    for one in own:
        if one.checkpoint is not None:
            continue
        scored = read_results(source.artifact("scores", one.artifact, f"with the items of {one.suite}").path)
        if not scored.results.tasks:
            continue
        place = f"{folder}/{_safe(scored.results.suite.name)}"
        results = scored.results.model_dump(mode="json", by_alias=True)
        results.update(date=None, duration_seconds=None)
        texts[f"{place}/{RESULTS}"] = canonical_json(scrubber.clean_json(results)) + "\n"
        if scored.items is not None:
            tables[f"{place}/{ITEMS}"] = hashed_items(scored)
        if (definition := own_definition(_suites_named(source), scored.results)) is not None:
            texts[f"{place}/{DEFINITION}"] = canonical_json(definition) + "\n"
        suite = scored.results.suite
        found.append(
            SuiteScores(
                name=suite.name,
                version=suite.version,
                digest=suite.digest,
                context=scored.results.context,
                metric_versions=dict(scored.results.metric_versions),
                folder=place,
                items=scored.items is not None,
            )
        )
    return found


def _suites_named(source: StudySource) -> list[str]:
    """Return the suites that the study's words name."""
    return [str(name) for name in source.frozen["identity"]["study"].get("suites", [])]


def _frozen(source: StudySource, scrubber: Scrubber) -> dict[str, Json]:
    """Return `study.json` without private parts; its identity, which the fingerprint is taken over, stays as it is.

    Raises: StudyError if that holds something private.
    """
    identity = cast("Json", source.frozen["identity"])
    if faults := scrubber.faults(json.dumps(identity, ensure_ascii=False)):
        raise StudyError(
            f"{source.folder}: the study's words hold {faults[0]}, expected none: they are published as they stand; "
            "name files by relative paths and take names out of `hypothesis`, then `curate study run` again"
        )
    recipes = cast("Mapping[str, Mapping[str, Json]]", source.frozen.get("recipes", {}))
    pool = {"pool": "see the manifest's digest"}
    cleaned = {arm: scrubber.clean_json({**recipe, **pool}) for arm, recipe in recipes.items()}
    kept: dict[str, Json] = {key: scrubber.clean_json(item) for key, item in source.frozen.items() if key != "identity"}
    return {**kept, "identity": identity, "recipes": cleaned}


def _result(source: StudySource, scrubber: Scrubber, *, with_text: bool) -> Json:
    """Return `results.json` without private parts, and without text unless it was asked for."""
    value = dict(as_json(source.result))
    if not with_text:
        arms = cast("Sequence[Mapping[str, Json]]", value["arms"])
        value["arms"] = [
            {**arm, "funnel": without_text(arm["funnel"]), "contamination": counts_only(arm["contamination"])}
            for arm in arms
        ]
    return scrubber.clean_json(value)


def _track(pool: str, panel: str, tracks: Mapping[str, Track]) -> tuple[str, Division]:
    for track in tracks.values():
        if track.pool == pool:
            return track.name, track.division
    return private_track(pool, panel), "private"


def _artifacts(source: StudySource, runs: Sequence[RunRecord]) -> list[ArtifactFacts]:
    arms: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for kind, fingerprint in (("corpus", run.corpus), ("tokens", run.tokens)):
            if fingerprint and run.arm not in arms.setdefault((kind, fingerprint), []):
                arms[kind, fingerprint].append(run.arm)
    return [
        _facts(source.artifact(kind, fingerprint, "with its manifest"), names)
        for (kind, fingerprint), names in sorted(arms.items())
    ]


def _facts(artifact: Artifact, arms: Sequence[str]) -> ArtifactFacts:
    summary = artifact.summary
    counts = {
        key: value for key, value in summary.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    files = cast("list[dict[str, Any]]", artifact.manifest["files"])
    inputs = cast("Mapping[str, str]", artifact.manifest["inputs"])
    return ArtifactFacts(
        kind=cast("Any", artifact.kind),
        fingerprint=artifact.fingerprint,
        arms=tuple(arms),
        inputs={name: str(value) for name, value in inputs.items()},
        counts=counts,
        shards=tuple(FileFacts(path=item["path"], bytes=item["bytes"], sha256=item["sha256"]) for item in files),
    )


def _contamination(arm: ArmResult) -> ArmContamination:
    suites: dict[str, dict[str, int | float]] = {}
    for report in arm.contamination.get("reports", []):
        for one in report.get("suites", []):
            numbers = {key: value for key, value in one.items() if isinstance(value, int | float) and key != "suite"}
            suites[str(one.get("suite", "all"))] = numbers
    return ArmContamination(arm=arm.name, checked=bool(arm.contamination.get("checked", False)), suites=suites)


def _environment(source: StudySource, runs: Sequence[RunRecord], scrubber: Scrubber) -> Environment:
    return Environment(
        code=scrubber.clean(source.result.code),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        software={name: found for name in SOFTWARE if (found := _version(name))},
        devices=tuple(sorted({run.execution.get("device", "unknown") for run in runs})),
        seconds=dict(source.result.seconds),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _safe(name: str) -> str:
    kept = "".join(char if char.isalnum() or char in "._@+-" else "-" for char in name if char.isascii())
    if not kept.strip("-."):
        raise StudyError(f"suite `{name}`: no letter or digit in its name, expected one; score it under another name")
    return kept.lstrip("-.@+_")[:100]
