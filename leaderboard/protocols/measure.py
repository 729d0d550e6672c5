"""The required measurements of a finished study of kind `tokenizer` or `optimizer`, from its result and the store.

A function of the result and of artifacts that it names; only speed and memory come from the runs' clocks. What the
kind's protocol requires at a tier's stage of the ladder and an arm lacks is a `Missing` with the command that mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from curation.nodes import Planner
from curation.progress import Progress
from curation.store import Store
from leaderboard.protocols import optimizer_report, tokenizer_report
from leaderboard.protocols.measured import Measured
from leaderboard.protocols.study_runs import study_runs
from leaderboard.protocols.sweep_assessments import judged_by_sweeps
from leaderboard.studies.facts import Measurement, Missing
from leaderboard.studies.kinds import Protocol, load_protocol, stage_of
from leaderboard.studies.results import StudyResult
from leaderboard.studies.variants import on_own_shelf
from train.tier_changes import SETTINGS

MEASURED_KINDS = ("tokenizer", "optimizer")
SWEPT_MEASUREMENT = "best-of-sweep"
"""Of a side, not of each of its points."""
AGAIN = "`curate study run` again; finished runs are kept"
REMEDIES: Mapping[str, tuple[str, str]] = {
    "quality-per-flop": (
        "equal bytes lie between no two budgets of its model",
        f"add budgets on both sides, `budgets: [0.5, 1, 2]`, and {AGAIN}",
    ),
    "quality-per-cost": (
        "equal seconds lie between no two budgets of its model",
        f"add budgets on both sides, `budgets: [0.5, 1, 2]`, and {AGAIN}",
    ),
    "downstream": ("no suite of tasks was scored on its runs", "score one: curate eval suite RUN --suite core@1"),
    "throughput": ("its runs left no telemetry in the store", "remove the runs and train them in this store"),
    "wall-clock": ("its runs left no telemetry in the store", "remove the runs and train them in this store"),
    "memory": ("its runs left no telemetry in the store", "remove the runs and train them in this store"),
    "best-of-sweep": (
        "it is no side of its own: another rate or batch of the base, or a sweep that did not finish",
        f"name another optimizer or setting in the arm, or {AGAIN}",
    ),
    "curves": ("its runs logged fewer than two points", f"take a larger budget of the tier, and {AGAIN}"),
    "spikes": ("its runs' manifests tell of no spikes", "remove the runs and train them with this version"),
}
OTHERWISE = ("it has no finished run", AGAIN)


@on_own_shelf
def measure_study(result: StudyResult, *, store: Store, workers: int, progress: Progress) -> Measured:
    """Return everything that the study's kind asks to be measured, and what is missing.

    For other kinds the measurements are those that the result holds.
    Raises: RunError if runs of the study are not in the store.
    """
    protocol = load_protocol(result.kind)
    if result.kind not in MEASURED_KINDS:
        return Measured(
            study=result.name, kind=result.kind, protocol=protocol.title, rule="equal tokens of equal models",
            measurements=result.facts.measurements, missing=(),
        )  # fmt: skip
    runs = study_runs(result, store)
    if result.kind == "tokenizer":
        planner = Planner(store=store, workers=workers, progress=progress)
        rows, missing = tokenizer_report.tokenizer_rows(result, runs, planner)
        return Measured(
            study=result.name, kind=result.kind, protocol=protocol.title, rule=tokenizer_report.RULE,
            measurements=tuple(rows), missing=(*missing, *_lacking(result, protocol, rows, missing)),
        )  # fmt: skip
    assert protocol.sweep is not None, "the protocol of optimizers sweeps"
    rows, missing, sweeps, claims = optimizer_report.optimizer_rows(result, runs, protocol.sweep)
    return Measured(
        study=result.name, kind=result.kind, protocol=protocol.title, rule=optimizer_report.RULE,
        measurements=tuple(rows), missing=(*missing, *_lacking(result, protocol, rows, missing)),
        sweeps=tuple(sweeps), claims=tuple(claims), notes=_notes(len(sweeps), result),
    )  # fmt: skip


def _notes(num_sweeps: int, result: StudyResult) -> tuple[str, ...]:
    if num_sweeps == len(result.tiers):
        named = ", ".join(SETTINGS)
        return (f"one side only: every arm is a point of the base's sweep; another has `optimizer` or one of {named}",)
    return ()


def _lacking(
    result: StudyResult, protocol: Protocol, rows: Sequence[Measurement], told: Sequence[Missing]
) -> Iterator[Missing]:
    """Yield the required measurements that arms lack at a tier, those that were told of already left out."""
    side = {arm.name: arm.of if arm.role == "point" else arm.name for arm in result.arms}
    already = {(one.name, arm) for one in told for arm in one.arms}
    already |= {(name, side[point]) for name, point in already}
    held = {(row.name, row.arm, row.tier) for row in rows}
    held |= {(name, side[point], tier) for name, point, tier in held if name == SWEPT_MEASUREMENT}
    for tier in result.tiers:
        stage = stage_of(tier)
        for required in protocol.required(stage.name) if stage else ():
            arms = [arm.name for arm in result.arms if required.name != SWEPT_MEASUREMENT or arm.role == "arm"]
            without = tuple(
                arm
                for arm in arms
                if not {(required.name, arm, tier), (required.name, arm, "")} & held
                and (required.name, arm) not in already
            )
            if without:
                why, remedy = REMEDIES.get(required.name, OTHERWISE)
                yield Missing(name=required.name, tier=tier, arms=without, why=why, remedy=remedy)


def with_measurements(result: StudyResult, *, store: Store, workers: int, progress: Progress) -> StudyResult:
    """Return the result with the measurements of a tokenizer or optimizer study; any other as it is.

    Arms of an optimizer study are judged at the best of their sweeps (`leaderboard.protocols.sweep_assessments`).
    """
    if result.kind not in MEASURED_KINDS:
        return result
    found = measure_study(result, store=store, workers=workers, progress=progress)
    if result.kind == "optimizer":
        result = judged_by_sweeps(result, study_runs(result, store), found.claims)
    return replace(result, facts=replace(result.facts, measurements=found.measurements, missing=found.missing))
