"""What a noise pack is built from: run artifacts, results of suites that belong to them, or a table of finished runs.

A table is what is left of runs made elsewhere: one JSON object with `date`, `device` and `runs`, each with `tier`,
`seed`, `steps`, `skipped_steps`, `stable` and `bpb` by slice. It has no documents, so nothing is known of items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, PositiveInt, ValidationError

from curation.errors import RunError, raise_faults
from curation.files import Json, digest_json, read_json
from curation.store import Artifact, Store, load_artifact
from leaderboard.noise.checkpoints import Point
from leaderboard.noise.pack import NoiseIndex, PackRun
from leaderboard.scores import load_documents
from train.evals.results import RESULTS, Scored, read_results
from train.lookup import find_artifact
from train.metrics import METRICS, read_rows
from train.tiers import load_tier, tier_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRun:
    """A run to measure noise with."""

    where: str
    run: PackRun
    tier: str
    tier_digest: str | None
    tokenizer: str
    context: int
    panel: str | None
    corpus: str
    bpb: Mapping[str, float]
    documents: pa.Table | None = None
    device: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    """Bits per byte of each slice on the way, of the subset that is scored while a run goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything that was given: runs in order, and results of suites by the place of their run."""

    runs: tuple[NoiseRun, ...]
    results: Mapping[int, Sequence[Scored]]
    on_the_way: Mapping[int, Sequence[Scored]] = field(default_factory=dict)
    """Results of checkpoints."""
    date: str = ""
    device: str = ""
    software: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _TableRun(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    tier: str
    seed: PositiveInt
    steps: PositiveInt
    skipped_steps: NonNegativeInt
    stable: bool
    bpb: Annotated[Mapping[str, FiniteFloat], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    date: str
    device: str
    corpus: str
    torch: str = ""
    commit: str = ""
    command: str = ""
    runs: Annotated[tuple[_TableRun, ...], Field(min_length=1)]


def gather_runs(store: Store, names: Sequence[str], tier: str | None) -> Gathered:
    """Return what the names mean: runs of the store or directories, results directories, one table file.

    `tier` chooses among the tiers of a table. Raises: RunError for anything else, or results without their run.
    """
    tables = [name for name in names if Path(name).suffix == ".json"]
    if tables:
        if len(names) > 1:
            raise RunError(
                f"noise build: table {tables[0]} with {len(names) - 1} more, expected it alone; build it alone"
            )
        return _from_table(Path(tables[0]), tier)
    folders = [name for name in names if (Path(name) / RESULTS).is_file()]
    runs = [run_of(find_artifact(store, name, "run")) for name in names if name not in folders]
    wanted = [one for one in runs if tier is None or one.tier == load_tier(tier).name]
    if not wanted:
        raise RunError(
            f"noise build: no run{f' of {tier}' if tier else ''} among {len(names)} names; give runs of one tier"
        )
    placed = _placed(wanted, [read_results(Path(name)) for name in folders])
    return Gathered(
        runs=tuple(wanted),
        results=_chosen(placed, finished=True),
        on_the_way=_chosen(placed, finished=False),
    )


def runs_in(store: Store, tier: str) -> list[str]:
    """Return the directories of all finished runs of `tier` in a store, sorted by name."""
    name = load_tier(tier).name
    found = []
    for manifest in sorted(store.root.glob("run-*/manifest.json")):
        artifact = load_artifact(manifest.parent)
        ordinary = not {"recovery", "anneal"} & cast("Mapping[str, Json]", artifact.manifest["params"]).keys()
        if artifact.summary.get("tier") == name and ordinary:
            found.append(str(manifest.parent))
    return found


def run_of(artifact: Artifact) -> NoiseRun:
    """Return what a run artifact holds.

    Raises: RunError if something was done to the training beyond clipping and skipping, or its files are damaged.
    """
    summary = cast("Mapping[str, Any]", artifact.summary)
    if summary.get("interventions") or summary.get("anneal"):
        raise RunError(
            f"{artifact.path}: its training was intervened in or read another corpus, expected a plain run; drop it"
        )
    noise, execution = summary.get("noise"), summary.get("execution", {})
    skipped = summary.get("skipped_steps", [])
    inputs = cast("Mapping[str, str]", artifact.manifest["inputs"])
    return NoiseRun(
        where=str(artifact.path),
        run=PackRun(
            fingerprint=artifact.fingerprint,
            seed=None if noise else int(summary["seed"]),
            noise=NoiseIndex.model_validate(noise) if noise else None,
            steps=int(summary["steps"]),
            skipped_steps=len(skipped),
            stable=bool(summary["stable"]),
        ),
        tier=str(summary["tier"]),
        tier_digest=str(summary["tier_digest"]) if "tier_digest" in summary else None,
        tokenizer=str(summary["tokenizer"]),
        context=int(summary["context"]),
        panel=str(summary["panel_digest"]),
        corpus=str(inputs["tokens"]),
        bpb={str(name): float(value) for name, value in summary["bpb"].items()},
        documents=load_documents(artifact.path),
        device=str(execution.get("device", "")),
        software={"torch": str(execution["torch"])} if "torch" in execution else {},
        points=_points(read_rows(artifact.path / METRICS)),
    )


def _points(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for row in rows:
        scored = row.get("validation")
        if not scored:
            continue
        for name, value in scored["bpb"].items():
            if value is not None:
                found.setdefault(name, []).append(Point(tokens=float(scored["tokens"]), value=float(value)))
    return found


def _placed(runs: Sequence[NoiseRun], results: Sequence[Scored]) -> dict[int, list[Scored]]:
    """Return results by the place of the run they are of: equal tier and seed."""
    places = {(one.tier, one.run.seed): place for place, one in enumerate(runs)}
    found: dict[int, list[Scored]] = {}
    faults = []
    for scored in results:
        model = scored.results.model
        place = places.get((load_tier(model.tier).name if model.tier else "", model.seed))
        if scored.results.averaged:
            faults.append(
                f"{scored.where}: a mean of checkpoints has less noise than a run; give the runs' own results"
            )
        elif place is None or not model.seed:
            faults.append(f"{scored.where}: of {model.name}, tier {model.tier}, seed {model.seed}; give its run too")
        else:
            found.setdefault(place, []).append(scored)
    raise_faults(RunError, "noise build: results that do not belong here", faults)
    return found


def _chosen(placed: Mapping[int, Sequence[Scored]], *, finished: bool) -> dict[int, list[Scored]]:
    chosen = {
        place: [one for one in several if (one.results.model.checkpoint is None) == finished]
        for place, several in placed.items()
    }
    return {place: several for place, several in chosen.items() if several}


def _from_table(path: Path, tier: str | None) -> Gathered:
    try:
        held = read_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}), expected a JSON table of runs; correct the path") from None
    try:
        table = _Table.model_validate(held)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise_faults(RunError, f"{path}: table of runs", faults)
        raise
    tiers = sorted({run.tier for run in table.runs})
    if tier is None and len(tiers) > 1:
        raise RunError(f"{path}: holds runs of {', '.join(tiers)}, expected one tier; choose it with --tier")
    chosen = [run for run in table.runs if run.tier == (tier or tiers[0])]
    if not chosen:
        raise RunError(f"{path}: no run of {tier}; it holds {', '.join(tiers)}; choose one of them")
    return Gathered(
        runs=tuple(_table_run(run, table, path) for run in chosen),
        results={},
        date=table.date,
        device=table.device,
        software={name: text for name, text in (("torch", table.torch), ("commit", table.commit)) if text},
        notes=tuple(text for text in (table.command,) if text),
    )


def _table_run(run: _TableRun, table: _Table, path: Path) -> NoiseRun:
    tier = load_tier(run.tier, where=str(path))
    return NoiseRun(
        where=f"{path}: {run.tier} seed {run.seed}",
        run=PackRun(
            fingerprint=digest_json({"table": run.model_dump(mode="json"), "date": table.date, "device": table.device}),
            seed=run.seed,
            steps=run.steps,
            skipped_steps=run.skipped_steps,
            stable=run.stable,
        ),
        tier=tier.name,
        tier_digest=tier_digest(tier),
        tokenizer=tier.tokenizer,
        context=tier.eval_context_tokens,
        panel=None,
        corpus=table.corpus,
        bpb=run.bpb,
    )
