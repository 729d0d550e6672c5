"""Confirmation: a run of every arm with the seed that the board assigns, a function of the entry's digest (rule 10).

Nobody knows the seed before the entry is fixed, so nobody can have picked it. The runs are ordinary ones of a seed from
1000 on, none of 1..n, at the largest tier that has the baseline. They are found in the store by fingerprint and added
beside the entry. It is confirmed when the arm's log ratio lies within three standard errors of what seeds 1..n gave,
or, with one seed, on the same side of zero.
"""

from __future__ import annotations

import math
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from curation.batches import write_table
from curation.files import TEMPORARY_PREFIX, sha256_file
from curation.nodes import existing_node
from curation.store import Artifact, Store
from leaderboard.entries.check_plausible import headline
from leaderboard.entries.check_scores import slice_bpb
from leaderboard.entries.checks import Subject
from leaderboard.entries.entry import EntryError
from leaderboard.entries.hashed_scores import hashed_documents
from leaderboard.entries.manifest import Checkpoint, RunRecord
from leaderboard.entries.records import (
    CONFIRMATION_FILE,
    CONFIRMATIONS,
    Confirmation,
    confirmation_seed,
    record_digest,
    record_text,
)
from leaderboard.entries.retrain import seed_deviation
from leaderboard.entries.safe_tables import DOCUMENT_COLUMNS, document_faults
from leaderboard.scores import load_documents
from train.run import run_node
from train.shards import tokens_node
from train.tiers import load_tier

MAX_ERRORS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """What the board asks for."""

    seed: int
    tier: str
    arms: tuple[str, ...]
    corpora: Mapping[str, str]
    """Arm -> corpus fingerprint."""
    tiers: Mapping[str, str]
    """Arm -> the tier that its runs train."""

    def commands(self, entry: Path, store: str) -> list[str]:
        """Return the commands that train it, and the one that adds it."""
        train = dict.fromkeys(
            f"curate train corpus-{self.corpora[arm][:8]} --tier {self.tiers[arm]} --seed {self.seed} --store {store}"
            for arm in self.arms
        )
        return [*train, f"curate leaderboard confirm {entry} --add --store {store}"]


def assigned(subject: Subject) -> Assigned:
    """Return the seed and the runs that confirm an entry.

    Raises: EntryError for published numbers, which have no runs to repeat.
    """
    runs = subject.manifest.runs
    tiers = {run.tier: run.flops or 0.0 for run in runs if run.role == "baseline" and run.seed is not None}
    if not tiers:
        raise EntryError(f"{subject.folder.name}: holds published numbers, expected a study; only a study is confirmed")
    tier = max(tiers, key=lambda name: (tiers[name], name))
    here = [run for run in subject.of(tier) if run.role in ("baseline", "arm")]
    corpora = {run.arm: run.corpus for run in here if run.corpus}
    trained = {run.arm: run.trained for run in here}
    return Assigned(
        seed=confirmation_seed(subject.digest), tier=tier, arms=tuple(corpora), corpora=corpora, tiers=trained
    )


def add_confirmation(subject: Subject, board: Path, store: Store) -> tuple[Confirmation, Path, bool]:
    """Add the runs of the assigned seed and return the record, its place, and whether it is new.

    Raises: EntryError with the commands to run if one is missing, or if they scored other documents.
    """
    wanted = assigned(subject)
    found = {arm: _run(subject, wanted, arm, store) for arm in wanted.arms}
    missing = [arm for arm, run in found.items() if run is None]
    if missing:
        steps = "\n".join(f"    {line}" for line in wanted.commands(subject.folder, str(store.root)))
        raise EntryError(
            f"{subject.folder.name}: seed {wanted.seed} of {', '.join(missing)} at {wanted.tier} is not in "
            f"{store.root}, expected the runs that the board assigned (rule 10); train them:\n{steps}"
        )
    runs = {arm: cast("Artifact", run) for arm, run in found.items()}
    tables = {arm: hashed_documents(load_documents(run.path), subject.manifest.panel) for arm, run in runs.items()}
    return _write(subject, wanted, board, runs, tables)


def agreement(subject: Subject, tier: str, log_ratios: Mapping[str, float]) -> tuple[dict[str, float], bool]:
    """Return how many standard errors each arm's new log ratio is from the old ones, and whether all agree."""
    deviation = seed_deviation(subject, tier)
    distances: dict[str, float] = {}
    agrees = True
    for arm, ratio in log_ratios.items():
        old = _old_ratios(subject, tier, arm)
        if deviation is None or not deviation or len(old) < 2:
            agrees &= bool(old) and (ratio < 0) == (float(np.mean(old)) < 0)
            continue
        error = deviation * math.sqrt(2) * math.sqrt(1 + 1 / len(old))
        distances[arm] = abs(ratio - float(np.mean(old))) / error
        agrees &= distances[arm] <= MAX_ERRORS
    return distances, agrees


def confirmation_faults(subject: Subject, folder: Path, record: Confirmation) -> list[str]:
    """Return why a confirmation is not what it says; empty when it is."""
    from leaderboard.entries.safe_tables import TableError, read_safe_table

    wanted = assigned(subject)
    faults = []
    if (record.seed, record.tier) != (wanted.seed, wanted.tier):
        faults.append(f"seed {record.seed} at {record.tier}, the board assigned {wanted.seed} at {wanted.tier}")
    if {run.arm for run in record.runs} != set(wanted.arms):
        faults.append(f"arms {', '.join(run.arm for run in record.runs)}, expected {', '.join(wanted.arms)}")
    bpb: dict[str, dict[str, float]] = {}
    for run in record.runs:
        path = folder / _file(run.arm, wanted.arms)
        try:
            if path.is_symlink() or sha256_file(path) != record.files.get(path.name):
                faults.append(f"{path.name}: its hash is not the record's")
                continue
            table = read_safe_table(path, DOCUMENT_COLUMNS)
        except (TableError, OSError) as error:
            faults.append(f"{path.name}: {error}")
            continue
        faults += [f"{path.name}: {fault}" for fault in _table_faults(subject, table)]
        bpb[run.arm] = slice_bpb(table)
    if not faults:
        ratios = _ratios(bpb, subject)
        if any(not math.isclose(ratios[arm], record.log_ratios.get(arm, math.nan), abs_tol=1e-6) for arm in ratios):
            faults.append("its log ratios do not follow from its documents")
        elif agreement(subject, record.tier, ratios)[1] != record.agrees:
            faults.append("whether it agrees does not follow from its log ratios")
    return faults


def _run(subject: Subject, wanted: Assigned, arm: str, store: Store) -> Artifact | None:
    """Return the arm's run with the assigned seed; None if the store has none."""
    corpus = store.find("corpus", wanted.corpora[arm])
    panel = store.find("panel", str(subject.frozen["identity"]["panel"]))
    if corpus is None or panel is None:
        return None
    tier = wanted.tiers[arm]
    tokens = tokens_node(existing_node(corpus), load_tier(tier).tokenizer)
    return store.find("run", run_node(tokens, existing_node(panel), tier, wanted.seed).fingerprint)


def _write(
    subject: Subject, wanted: Assigned, board: Path, runs: Mapping[str, Artifact], tables: Mapping[str, pa.Table]
) -> tuple[Confirmation, Path, bool]:
    for arm, table in tables.items():
        if faults := _table_faults(subject, table):
            raise EntryError(
                f"{subject.folder.name}: {arm}: {faults[0]}; train it from the entry's own corpus and panel"
            )
    place = board / CONFIRMATIONS / subject.folder.name
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:12]}"
    temporary.mkdir()
    try:
        for arm, table in tables.items():
            write_table(temporary / _file(arm, wanted.arms), table)
        files = {path.name: sha256_file(path) for path in sorted(temporary.iterdir())}
        ratios = _ratios({arm: slice_bpb(table) for arm, table in tables.items()}, subject)
        distances, agrees = agreement(subject, wanted.tier, ratios)
        record = Confirmation(
            schema="curate-confirmation@1",
            entry=subject.folder.name,
            digest=subject.digest,
            tier=wanted.tier,
            seed=wanted.seed,
            runs=tuple(_record(subject, wanted, arm, run, tables[arm]) for arm, run in runs.items()),
            log_ratios=ratios,
            distances=distances,
            agrees=agrees,
            files=files,
        )
        text = record_text(record)
        (temporary / CONFIRMATION_FILE).write_text(text, encoding="utf-8")
        final = place / record_digest(text)
        if final.is_dir():
            return record, final, False
        temporary.rename(final)
        return record, final, True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _record(subject: Subject, wanted: Assigned, arm: str, run: Artifact, table: pa.Table) -> RunRecord:
    summary = cast("Mapping[str, Any]", run.summary)
    like = next(one for one in subject.of(wanted.tier) if one.arm == arm)
    files = {entry["path"]: entry for entry in cast("list[dict[str, Any]]", run.manifest["files"])}
    weights = files.get("model.safetensors")
    changes = {
        "seed": wanted.seed,
        "fingerprint": run.fingerprint,
        "bpb": slice_bpb(table),
        "final_train_loss": float(summary["final_train_loss"]),
        "stable": bool(summary["stable"]),
        "skipped_steps": len(summary.get("skipped_steps", [])),
        "documents": None,
        "suites": (),
        "curve": (),
        "checkpoint": Checkpoint(sha256=weights["sha256"], bytes=weights["bytes"]) if weights else None,
    }
    return like.model_copy(update=changes)


def _table_faults(subject: Subject, table: pa.Table) -> list[str]:
    faults = document_faults(table)
    first = next(iter(subject.documents.values())).sort_by("id")
    columns = ["id", "slice", "family", "num_bytes"]
    if not faults and not table.sort_by("id").select(columns).equals(first.select(columns)):
        faults.append("scored other documents than the entry's runs")
    return faults


def _ratios(bpb: Mapping[str, Mapping[str, float]], subject: Subject) -> dict[str, float]:
    base = next(run.arm for run in subject.manifest.runs if run.role == "baseline")
    return {
        arm: float(np.mean([math.log(values[name] / bpb[base][name]) for name in values]))
        for arm, values in bpb.items()
        if arm != base
    }


def _old_ratios(subject: Subject, tier: str, arm: str) -> list[float]:
    base = {run.seed: headline(run) for run in subject.of(tier) if run.role == "baseline"}
    runs = [run for run in subject.of(tier) if run.arm == arm and run.seed in base]
    return [headline(run) - base[run.seed] for run in runs]


def _file(arm: str, arms: Sequence[str]) -> str:
    return f"documents-{sorted(arms).index(arm):03d}.parquet"
