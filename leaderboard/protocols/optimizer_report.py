"""Measurements of an optimizer study: rates, batches, seeds, spikes, clock, memory, quality per cost.

All points train on equally many tokens, so at equal FLOPs of the model; what an update costs beside them (Muon's
products) is told, and is in the seconds. At equal seconds a point is read off between two budgets of its own, straight
in the logarithm of tokens, never beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaderboard.protocols.common_rows import curve_rows, memory_rows, panel_rows, speed_rows, trained_arms
from leaderboard.protocols.measured import SideSweep, SweepClaim
from leaderboard.protocols.study_runs import MeasuredRun, at_equal, mean_log_bpb, middle, of_arm
from leaderboard.protocols.sweeps import batches_tried, rates_tried, side_sweeps, sweep_claims
from leaderboard.protocols.tokenizer_report import headline_slices, same_model
from leaderboard.studies.facts import Measurement, Missing
from leaderboard.studies.kinds import Sweep
from leaderboard.studies.results import StudyResult
from train.optimizer_names import optimizer_flops_per_step

RULE = (
    "equal tokens, so equal FLOPs of the model; a batch of another size takes more or fewer steps; products of "
    "matrices inside an optimizer are told beside it and are in the seconds"
)


def optimizer_rows(
    result: StudyResult, runs: Sequence[MeasuredRun], protocol: Sweep
) -> tuple[list[Measurement], list[Missing], list[SideSweep], list[SweepClaim]]:
    """Return measurements, what is wrong with the sweeps, the sweeps, and what they claim on fresh seeds."""
    rows = [
        *panel_rows("panel-by-slice", result, runs),
        *_spike_rows(runs),
        *speed_rows("wall-clock", result, runs),
        *memory_rows(result, runs),
        *curve_rows(result, runs),
    ]
    missing: list[Missing] = []
    sweeps: list[SideSweep] = []
    claims: list[SweepClaim] = []
    for tier in result.tiers:
        here = side_sweeps(result, runs, tier)
        if not here:
            continue
        sweeps += here
        for sweep in here:
            faults = [*_sweep_faults(sweep, protocol)]
            missing += faults
            rows += _sweep_rows(sweep, {fault.name for fault in faults})
        found = sweep_claims(result, runs, here)
        claims += found
        rows += [row for claim in found for row in _claim_rows(claim)]
        missing += [_no_claim(claim) for claim in found if claim.why]
        rows += _cost_rows(result, runs, here)
    return rows, missing, sweeps, claims


def _spike_rows(runs: Sequence[MeasuredRun]) -> Iterator[Measurement]:
    """Yield spikes and skipped steps of each run, of runs whose manifest tells them."""
    for run in runs:
        summary = run.artifact.summary
        if "spike_score" not in summary:
            continue
        skipped = summary["skipped_steps"]
        assert isinstance(skipped, list), "a run lists its skipped steps"
        told = summary["interventions"]
        found: dict[str, float] = {
            "spike score of the loss": float(str(summary["spike_score"])),
            "spikes": float(str(summary["num_spikes"])),
            "share of steps skipped": len(skipped) / max(1, run.result.steps),
            "interventions": len(told) if isinstance(told, list) else 0,
        }
        for unit, value in found.items():
            yield Measurement(name="spikes", arm=run.result.arm, value=value, unit=unit, tier=run.result.tier,
                              seed=run.result.seed, artifact=run.artifact.fingerprint)  # fmt: skip


def _sweep_faults(sweep: SideSweep, protocol: Sweep) -> Iterator[Missing]:
    """Yield why a side's rates or batches say nothing."""
    arms = tuple(point.arm for point in sweep.points)
    rates, batches = rates_tried(sweep), batches_tried(sweep)
    least = protocol.min_learning_rates
    if rates < least:
        yield Missing(
            name="learning-rates", tier=sweep.tier, arms=arms,
            why=f"{sweep.side} was trained at {rates} rate(s) of a batch, expected {least}: another rate may suit it",
            remedy=f"give it `learning_rate_multiplier: [{_listed(protocol.learning_rate_multipliers)}]` and "
            "`curate study run` again; finished runs are kept",
        )  # fmt: skip
    elif sweep.best is None:
        yield Missing(
            name="learning-rates", tier=sweep.tier, arms=arms,
            why=f"no run of {sweep.side} at seed {sweep.chosen_by_seed}, which chooses its rate, finished",
            remedy="`curate study run` again; it trains what is missing",
        )  # fmt: skip
    elif sweep.at_edge:
        yield Missing(
            name="learning-rates", tier=sweep.tier, arms=arms,
            why=f"{sweep.side} is best at {'; and at '.join(edge.partition(';')[0] for edge in sweep.at_edge)}: "
            "a rate beyond may suit it better",
            remedy=f"{'; '.join(edge.partition('; ')[2] for edge in sweep.at_edge)} to its rates and "
            "`curate study run` again",
        )  # fmt: skip
    if batches < protocol.min_batches:
        yield Missing(
            name="batch-sizes", tier=sweep.tier, arms=arms,
            why=f"{sweep.side} was trained at {batches} batch size(s), expected {protocol.min_batches}",
            remedy=f"give it `batch_multiplier: [{_listed(protocol.batch_multipliers)}]` and `curate study run` again",
        )  # fmt: skip


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _sweep_rows(sweep: SideSweep, lacking: set[str]) -> Iterator[Measurement]:
    """Yield every point under the requirements that the side meets."""
    for point in sweep.points:
        if point.loss is None:
            continue
        for name, what, value in (
            ("learning-rates", "rate", point.learning_rate_multiplier),
            ("batch-sizes", "batch", point.batch_multiplier),
        ):
            if name not in lacking:
                chosen = ", chosen" if point.arm == sweep.best else ""
                yield Measurement(name=name, arm=point.arm, value=point.loss, unit="mean ln(bits per byte)",
                                  tier=sweep.tier, seed=sweep.chosen_by_seed,
                                  of=f"{sweep.side}: {what} x{value:g}{chosen}")  # fmt: skip


def _claim_rows(claim: SweepClaim) -> Iterator[Measurement]:
    of = f"{claim.side} best of sweep against {claim.against}"
    if claim.log_ratio is not None and not claim.why:
        yield Measurement(name="best-of-sweep", arm=claim.arm, value=claim.log_ratio, unit="log ratio on fresh seeds",
                          tier=claim.tier, of=of, low=claim.low, high=claim.high)  # fmt: skip
    yield Measurement(name="best-of-sweep", arm=claim.arm, value=claim.choosing_log_ratio,
                      unit="log ratio on the seed that chose", tier=claim.tier, of=of, seed=1)  # fmt: skip


def _no_claim(claim: SweepClaim) -> Missing:
    return Missing(
        name="best-of-sweep",
        tier=claim.tier,
        arms=(claim.arm, claim.against),
        why=claim.why,
        remedy=f"train a second seed and more: --set tiers.{claim.tier}=3",
    )


def _cost_rows(result: StudyResult, runs: Sequence[MeasuredRun], sweeps: Sequence[SideSweep]) -> Iterator[Measurement]:
    """Yield each side's chosen point against the base's at equal FLOPs and at equal seconds, and what updates cost."""
    base, slices = sweeps[0], headline_slices(result, sweeps[0].tier)
    tier = base.tier
    for arm in trained_arms(runs, tier):
        own = of_arm(runs, arm, tier)[0]
        extra = optimizer_flops_per_step(own.trained) * own.result.steps / own.result.flops
        yield Measurement(name="training-cost", arm=arm, value=extra, unit="optimizer's products over model FLOPs",
                          tier=tier)  # fmt: skip
    theirs = of_arm(runs, base.best, tier) if base.best else []
    speed = middle(run.tokens_per_second for run in theirs)
    if not theirs or not slices or speed is None:
        return
    for sweep in sweeps:
        mine = of_arm(runs, sweep.best, tier) if sweep.best else []
        own_speed = middle(run.tokens_per_second for run in mine)
        if not mine or own_speed is None:
            continue
        at_seconds = {one: _at_tokens(runs, str(sweep.best), one, own_speed / speed, slices)
                      for one in same_model(runs, tier)}  # fmt: skip
        if all(value is None for value in at_seconds.values()):
            continue
        found = {
            "equal FLOPs": mean_log_bpb(mine, slices) - mean_log_bpb(theirs, slices),
            "equal seconds": None if (there := at_seconds[tier]) is None else there - mean_log_bpb(theirs, slices),
        }
        for point in sweep.points:
            for of, value in found.items():
                if value is not None:
                    yield Measurement(name="quality-per-cost", arm=point.arm, value=value, unit="log ratio to base",
                                      tier=tier, of=f"{of}: {sweep.side} at {sweep.best}")  # fmt: skip


def _at_tokens(runs: Sequence[MeasuredRun], arm: str, tier: str, share: float, slices: Sequence[str]) -> float | None:
    """Return an arm's mean ln(bits per byte) after `share` of the tokens of `tier`, between budgets of its model."""
    points = []
    place = None
    for name in same_model(runs, tier):
        own = of_arm(runs, arm, name)
        if own:
            points.append((float(own[0].result.tokens_seen), mean_log_bpb(own, slices)))
            place = own[0].result.tokens_seen * share if name == tier else place
    return None if place is None else at_equal(points, place)
