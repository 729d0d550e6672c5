"""The runs of a study as measurements read them: tier trained, text seen, speed, memory, bits per byte."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any, cast

from curation.errors import RunError
from curation.store import Artifact, Store
from leaderboard.studies.results import RunResult, StudyResult
from train.telemetry import telemetry_path
from train.tiers import Tier, load_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """One run of a study with what its artifacts say."""

    result: RunResult
    trained: Tier
    """The study's tier or the variant of it."""
    artifact: Artifact
    tokens: Artifact
    bytes_a_token: float
    """Bytes of text over tokens, EOS counted, as training draws them."""
    tokens_per_second: float | None
    """Median over steps, checkpoints and validation left out; None without telemetry."""
    step_seconds: float | None
    peak_bytes: int | None
    """Of the card, else of the process."""

    @property
    def bytes_seen(self) -> float:
        """Bytes of text that were read, repeats counted."""
        return self.result.tokens_seen * self.bytes_a_token

    @property
    def flops_per_byte(self) -> float:
        """Training FLOPs that a byte of text costs."""
        return self.trained.shape.flops_per_token / self.bytes_a_token


def study_runs(result: StudyResult, store: Store) -> list[MeasuredRun]:
    """Return the study's runs.

    Raises: RunError for a run that is not in the store.
    """
    return [_measured(run, store) for run in result.runs]


def of_arm(runs: Iterable[MeasuredRun], arm: str, tier: str) -> list[MeasuredRun]:
    """Return an arm's runs at one of the study's tiers, by seed."""
    return sorted(
        (run for run in runs if (run.result.arm, run.result.tier) == (arm, tier)), key=lambda run: run.result.seed
    )


def mean_log_bpb(runs: Sequence[MeasuredRun], slices: Sequence[str]) -> float:
    """Return the mean over runs and slices of ln(bits per byte)."""
    return fmean(math.log(run.result.bpb[name]) for run in runs for name in slices)


def middle(values: Iterable[float | None]) -> float | None:
    """Return the median of the values that are known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def at_equal(points: Sequence[tuple[float, float]], place: float) -> float | None:
    """Return the value at `place` on the line through the points, straight in ln x; None outside of them.

    `points` are (x, value), x above 0. Nothing is extrapolated.
    """
    ordered = sorted(points)
    for (left, low), (right, high) in pairwise(ordered):
        if left <= place <= right and left < right:
            share = math.log(place / left) / math.log(right / left)
            return low + share * (high - low)
    return next((value for x, value in ordered if math.isclose(x, place, rel_tol=1e-3)), None)


def bytes_a_token(tokens: Artifact) -> float:
    """Return bytes of text over tokens, EOS counted, in the shares in which training draws the slices."""
    summary = cast("Mapping[str, Any]", tokens.summary)
    slices, shares = summary["slices"], summary["token_shares"]
    return math.fsum(share * slices[name]["bytes"] / slices[name]["stream_tokens"] for name, share in shares.items())


def _measured(run: RunResult, store: Store) -> MeasuredRun:
    artifact = store.find("run", run.fingerprint)
    if artifact is None:
        raise RunError(
            f"{store.root}: has no run {run.fingerprint[:8]} ({run.arm} {run.tier} seed {run.seed}), which the study's "
            "result names; expected the store that the study ran in: give it with --store, or `curate study run` again"
        )
    inputs = cast("Mapping[str, str]", artifact.manifest["inputs"])
    tokens = store.find("tokens", inputs["tokens"])
    if tokens is None:
        raise RunError(f"{store.root}: has no tokens {inputs['tokens'][:8]} of {artifact.path}; run the study again")
    rows = _telemetry(store, run.fingerprint)
    return MeasuredRun(
        result=run,
        trained=load_tier(run.variant or run.tier, where=str(artifact.path)),
        artifact=artifact,
        tokens=tokens,
        bytes_a_token=bytes_a_token(tokens),
        tokens_per_second=middle(row.get("median_tokens_per_second") for row in rows),
        step_seconds=middle(row.get("step_seconds") for row in rows),
        peak_bytes=_peak(rows),
    )


def _telemetry(store: Store, fingerprint: str) -> list[Mapping[str, Any]]:
    try:
        lines = telemetry_path(store.root, fingerprint).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the last line of a process that was killed
            continue
        if row.get("kind") == "row":
            rows.append(row)
    return rows


def _peak(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the card's peak, else the most that the process held when a row was logged.

    The system's own peak of a process is no smaller than that of the process which started it.
    """
    for name in ("device_peak_bytes", "rss_bytes"):
        found = [int(row[name]) for row in rows if row.get(name)]
        if found:
            return max(found)
    return None
