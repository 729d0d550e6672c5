"""L1, third part: every aggregate again from the raw scores.

Bits per byte of each slice from the nats of its documents (rule 5); log ratios of every comparison from these; means,
families and aggregates of tasks from their items, with the suite's own definition where the suite is one we ship. A
task that is missing makes an aggregate N/A, never a mean of the rest. One panel serves every run (rule 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from leaderboard.entries.checks import Check, Subject, absent, guarded, verdict
from leaderboard.entries.manifest import RunRecord
from leaderboard.entries.safe_tables import TableError, document_faults

TOLERANCE = 1e-6
"""Of recomputed numbers, relative: bits per byte are sums in another order."""
AGAIN = "the numbers do not follow from the scores: `curate study run STUDY.yaml`, then submit again"


def score_checks(subject: Subject) -> list[Check]:
    """Return all checks of panel scores."""
    if not any(run.documents for run in subject.manifest.runs):
        text = "no scores of panel documents; aggregates cannot be recomputed"
        return [absent("documents", text, "published numbers stay at level 0; submit a study of your own")]
    try:
        tables = subject.documents
    except TableError as error:
        return [guarded("documents", error, AGAIN)]
    bpb = {run.fingerprint: slice_bpb(tables[run.fingerprint]) for run in subject.manifest.runs if run.documents}
    return [
        verdict("documents", _document_faults(subject), f"{len(tables)} runs, documents once each", remedy=AGAIN),
        verdict("panel", _panel_faults(subject), "one panel for every run (rule 1)", remedy=AGAIN),
        verdict("bits-per-byte", _bpb_faults(subject, bpb), "bits per byte recomputed", remedy=AGAIN),
        verdict("comparisons", _comparison_faults(subject, bpb), "log ratios recomputed", remedy=AGAIN),
    ]


def slice_bpb(table: pa.Table) -> dict[str, float]:
    """Return bits per byte by slice: Σ nats / Σ bytes / ln 2."""
    sums = table.group_by("slice").aggregate([("nats", "sum"), ("num_bytes", "sum")])
    columns = zip(*(sums[name].to_pylist() for name in ("slice", "nats_sum", "num_bytes_sum")), strict=True)
    return {name: nats / max(size, 1) / math.log(2) for name, nats, size in sorted(columns)}


def _document_faults(subject: Subject) -> Iterator[str]:
    for run in subject.manifest.runs:
        if run.documents is None:
            yield f"{run.label}: no document scores"
            continue
        yield from (f"{run.documents}: {fault}" for fault in document_faults(subject.documents[run.fingerprint]))
    yield from _copies(subject)
    fingerprints = [run.fingerprint for run in subject.manifest.runs]
    labels = [(run.arm, run.tier, run.seed) for run in subject.manifest.runs]
    if len(set(labels)) < len(labels):
        yield f"run {next(one for one in labels if labels.count(one) > 1)} stands there twice"
    if len(set(fingerprints)) < len(fingerprints):
        for one in sorted({one for one in fingerprints if fingerprints.count(one) > 1}):
            same = [run for run in subject.manifest.runs if run.fingerprint == one]
            if len({run.corpus for run in same}) > 1 or len({run.seed for run in same}) > 1:
                yield f"{' and '.join(run.label for run in same)} name one run {one[:8]}, expected runs of their own"


def _copies(subject: Subject) -> Iterator[str]:
    """Yield runs of one recipe that have each other's score of every document: one run, shown as several seeds."""
    first: dict[tuple[str, str, bytes], RunRecord] = {}
    for run in subject.manifest.runs:
        if run.documents is None:
            continue
        nats = np.asarray(subject.documents[run.fingerprint].sort_by("id")["nats"], np.float64).tobytes()
        known = first.setdefault((run.arm, run.tier, nats), run)
        if known.seed != run.seed:
            yield f"{run.label} has the scores of {known.label} to the last document: one run, not two seeds (rule 10)"


def _panel_faults(subject: Subject) -> Iterator[str]:
    panels = sorted({run.panel for run in subject.manifest.runs} | {subject.manifest.panel})
    if len(panels) > 1:
        yield f"{len(panels)} panel digests ({', '.join(panel[:16] for panel in panels)}), expected one"
    if (said := subject.result.get("panel", panels[0])) not in panels:
        yield f"results.json says panel {str(said)[:16]}, the runs {panels[0][:16]}"
    first: tuple[RunRecord, pa.Table] | None = None
    for run in subject.manifest.runs:
        if run.documents is None:
            continue
        table = subject.documents[run.fingerprint].sort_by("id").select(["id", "slice", "family", "num_bytes"])
        if first is None:
            first = run, table
        elif not table.equals(first[1]):
            yield f"{run.label} scored other documents than {first[0].label}"


def _bpb_faults(subject: Subject, found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    stated = {(one["arm"], one["tier"], one["seed"]): one for one in subject.result.get("runs", [])}
    for run in subject.manifest.runs:
        own = found.get(run.fingerprint)
        if own is None:
            continue
        both = [("entry.json", run.bpb)]
        other = stated.get((run.arm, run.tier, run.seed))
        if other is None:
            yield f"{run.label}: results.json does not know it"
        else:
            both.append(("results.json", other["bpb"]))
            if other["fingerprint"] != run.fingerprint:
                yield f"{run.label}: run {run.fingerprint[:8]}, results.json says {other['fingerprint'][:8]}"
        for where, said in both:
            for name in sorted({*own, *said}):
                if name not in own or name not in said or not math.isclose(own[name], said[name], rel_tol=TOLERANCE):
                    yield (
                        f"{run.label}, slice {name}: {_shown(own.get(name))} by its documents, {where} says "
                        + _shown(said.get(name))
                    )
    if len(stated) != len(subject.manifest.runs):
        yield f"{len(subject.manifest.runs)} runs, results.json has {len(stated)}"


def _comparison_faults(subject: Subject, found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    runs = {(run.arm, run.tier, run.seed): found.get(run.fingerprint, {}) for run in subject.manifest.runs}
    for assessment in subject.result.get("assessments", []):
        for name in ("total", "quality", "rest", "volume"):
            comparison = assessment.get(name)
            if comparison is not None:
                yield from _pair_faults(comparison, runs)


def _pair_faults(
    comparison: Mapping[str, Any], runs: Mapping[tuple[Any, Any, Any], Mapping[str, float]]
) -> Iterator[str]:
    tier, arm, other, seeds = (comparison[key] for key in ("tier", "arm", "against", "seeds"))
    where = f"{arm} against {other} at {tier}"
    sides = [[runs.get((side, tier, seed)) for seed in seeds] for side in (arm, other)]
    if not seeds or any(run is None for side in sides for run in side):
        yield f"{where}: compares seeds {seeds} that have no runs"
        return
    ratios: dict[str, float] = {}
    for one in comparison["slices"]:
        name = one["slice"]
        try:
            pairs = zip(*sides, strict=True)
            ratios[name] = float(np.mean([math.log(left[name] / right[name]) for left, right in pairs]))  # type: ignore[index]
        except KeyError:
            yield f"{where}: slice {name} is in no run"
            continue
        said = one["delta"]["log_ratio"]
        if not _close(ratios[name], said):
            yield f"{where}, slice {name}: log ratio {ratios[name]:.6f} by its runs, {said:.6f} said"
    headline = comparison.get("headline")
    averaged = comparison.get("headline_slices", [])
    if headline and averaged and all(name in ratios for name in averaged):
        mean = float(np.mean([ratios[name] for name in averaged]))
        if not _close(mean, headline["log_ratio"]):
            yield f"{where}: headline {mean:.6f} by its slices, {headline['log_ratio']:.6f} said"


def _close(found: float, said: float) -> bool:
    return math.isclose(found, said, rel_tol=TOLERANCE, abs_tol=10 * TOLERANCE)


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6f}"


def near_copy_check(subject: Subject) -> Check:
    """Check that no corpus holds near copies of the panel (rule 1)."""
    manifest = subject.manifest
    remedy = "build the corpora again from the pool: `curate study run STUDY.yaml`, then submit again"
    if manifest.near_copies is None:
        return absent("near-copies", "nobody looked for near copies of the panel in the corpora (rule 1)", remedy)
    found = manifest.near_copies.found
    corpora = sorted({run.corpus for run in manifest.runs if run.corpus})
    faults = [f"corpus {one[:8]} was not searched" for one in corpora if one not in found]
    faults += [
        f"corpus {one[:8]} holds {count:,} near copies of panel documents (rule 1)"
        for one, count in found.items()
        if count
    ]
    return verdict("near-copies", faults, f"{len(corpora)} corpora without near copies of the panel", remedy=remedy)


def contamination_check(subject: Subject) -> Check:
    """Check that every arm says whether benchmark items were looked for in its corpus."""
    told = {one.arm for one in subject.manifest.contamination}
    faults = [f"arm {arm} says nothing" for arm in sorted({run.arm for run in subject.manifest.runs} - told)]
    return verdict("contamination", faults, "every arm says what of benchmarks its corpus holds", remedy=AGAIN)
