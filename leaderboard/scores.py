"""Per-document scores of runs, gathered so that runs can be compared family by family.

In a slice, bits per byte are Σ nats / Σ bytes / ln 2 over the panel's documents (rule 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table
from curation.errors import RunError

Floats = npt.NDArray[np.float64]

DOCUMENTS_FILE = "documents.parquet"
COLUMNS = ["id", "slice", "family", "nats", "num_bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """One run's scores of every panel document, in the order of ids, and what makes it comparable."""

    arm: str
    tier: str
    seed: int
    panel: str
    tokenizer: str
    context: int
    documents: pa.Table
    tier_digest: str = ""
    fingerprint: str = ""
    """Of the run artifact; empty where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceScores:
    """Sums of one slice by family: rows families; columns of `nats` the runs."""

    slice: str
    families: tuple[str, ...]
    nats: Floats
    num_bytes: Floats
    num_docs: int

    @property
    def bpb(self) -> Floats:
        """Bits per byte of every run."""
        totals: Floats = self.nats.sum(axis=0) / self.num_bytes.sum() / math.log(2)
        return totals


@dataclass(frozen=True, slots=True, kw_only=True)
class TierScores:
    """All runs of one tier on one panel; `runs[i]` is column i of every slice."""

    tier: str
    runs: tuple[tuple[str, int], ...]
    """Arm and seed of each column."""
    slices: Mapping[str, SliceScores]

    def columns(self, arm: str) -> dict[int, int]:
        """Return the column of each seed of an arm."""
        return {seed: column for column, (name, seed) in enumerate(self.runs) if name == arm}

    def repeated(self, arm: str) -> list[tuple[int, int]]:
        """Return pairs of seeds of an arm that scored every family alike: one run, counted twice.

        Two seeds never agree to the last bit; a copied, renamed or re-used run does.
        """
        columns = sorted(self.columns(arm).items())
        return [
            (seed, other)
            for place, (seed, left) in enumerate(columns)
            for other, right in columns[place + 1 :]
            if all(np.array_equal(one.nats[:, left], one.nats[:, right]) for one in self.slices.values())
        ]


def load_documents(run_path: Path) -> pa.Table:
    """Return a run's document scores sorted by id.

    Raises: RunError if the file is missing or lacks a column.
    """
    path = run_path / DOCUMENTS_FILE
    try:
        table = read_table(path, COLUMNS)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}); expected columns {', '.join(COLUMNS)}; remove the run and rerun"
        ) from None
    return table.sort_by("id")


def gather(runs: Sequence[ScoredRun], *, across_tokenizers: bool = False) -> TierScores:
    """Return the sums by slice and family of comparable runs; only a tokenizer study compares `across_tokenizers`.

    Raises: RunError if tiers, panels, tokenizers, contexts or documents differ (rules 1, 6, 7), a run is twice there,
    or a score is no number.
    """
    first = runs[0]
    for run in runs[1:]:
        _refuse_different(first, replace(run, tokenizer=first.tokenizer) if across_tokenizers else run)
    for run in runs:
        _refuse_no_numbers(run)
    labels = tuple((run.arm, run.seed) for run in runs)
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise RunError(f"comparison: arm {twice[0]} seed {twice[1]} is given twice; expected each run once")
    slices = first.documents["slice"].to_numpy(zero_copy_only=False)
    families = first.documents["family"].to_numpy(zero_copy_only=False)
    sizes = first.documents["num_bytes"].to_numpy().astype(np.float64)
    nats = np.stack([run.documents["nats"].to_numpy().astype(np.float64) for run in runs], axis=1)
    scores = {}
    for name in sorted(set(slices.tolist())):
        rows = slices == name
        scores[name] = _slice_scores(name, families[rows], sizes[rows], nats[rows])
    return TierScores(tier=first.tier, runs=labels, slices=scores)


def _slice_scores(name: str, families: npt.NDArray[np.object_], sizes: Floats, nats: Floats) -> SliceScores:
    names, codes = np.unique(families.astype(str), return_inverse=True)
    family_nats = np.zeros((len(names), nats.shape[1]))
    np.add.at(family_nats, codes, nats)
    return SliceScores(
        slice=name,
        families=tuple(names.tolist()),
        nats=family_nats,
        num_bytes=np.bincount(codes, weights=sizes, minlength=len(names)).astype(np.float64),
        num_docs=len(sizes),
    )


def _refuse_different(first: ScoredRun, other: ScoredRun) -> None:
    pair = f"comparison of {_label(first)} with {_label(other)}"
    checks = (
        ("tiers", 6, first.tier, other.tier),
        ("panel digests", 1, first.panel[:16], other.panel[:16]),
        ("tokenizers", 7, first.tokenizer, other.tokenizer),
        ("evaluation contexts", 6, first.context, other.context),
    )
    for what, rule, left, right in checks:
        if left != right:
            raise RunError(
                f"{pair}: {what} differ, {left} and {right}; expected one for all arms (rule {rule}); "
                "build and train both from one study"
            )
    if not first.documents.select(["id", "slice", "family", "num_bytes"]).equals(
        other.documents.select(["id", "slice", "family", "num_bytes"])
    ):
        raise RunError(
            f"{pair}: they scored different documents of one panel ({first.documents.num_rows:,} and "
            f"{other.documents.num_rows:,}); expected the same; score both again with `curate eval`"
        )


def _refuse_no_numbers(run: ScoredRun) -> None:
    nats = run.documents["nats"].to_numpy().astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(nats) | (nats < 0))
    if len(bad):
        first = int(bad[0])
        raise RunError(
            f"{_label(run)}: {len(bad):,} of {len(nats):,} panel documents have no score, document "
            f"{run.documents['id'][first].as_py()} has {nats[first]}; expected nats of at least 0; the "
            "training diverged or the file was damaged: remove the run and rerun `curate study run`"
        )


def _label(run: ScoredRun) -> str:
    return f"{run.arm} ({run.tier}, seed {run.seed})"
