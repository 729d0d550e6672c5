"""The forecast that the last gate reads: a law of the difference over the study's own scales (rule 12).

Points are the runs of arm and baseline at tiers of the ladder that may decide (rule 6); N the parameters that multiply,
D tokens seen, L the geometric mean over headline slices of bits per byte. The gain is forecast for ten times the
largest compute; its held-out error is that at the largest model, which a second fit has not seen (`leaderboard.laws`).
Ranges of scores are those of `leaderboard.gates.score_ranges` at the same target.
"""

from __future__ import annotations

import math

import numpy as np

from curation.errors import CurateError
from leaderboard.gates.evidence import Cited, Evidence, Runs, TierEvidence
from leaderboard.gates.score_ranges import score_ranges
from leaderboard.laws.difference.compare import Asked, Difference, Value, compare_recipes
from leaderboard.laws.difference.paired import Points, Rows, cells_of
from leaderboard.laws.difference.shared import fit_shared
from leaderboard.laws.levels import levels
from leaderboard.studies.decision_facts import Forecast
from leaderboard.studies.study import BASELINE
from train.tiers import load_tier

MIN_SCALES = 3
LADDER = "ladder"


def forecast_of(evidence: Evidence, *, draws: int = 1000) -> Cited[Forecast] | None:
    """Return the forecast of an arm's gain from its study's own runs; None with fewer than three models."""
    tiers = [item for item in evidence.evidence_tiers if _is_ladder(item) and item.arm.log_bpb]
    if len({item.model for item in tiers}) < MIN_SCALES:
        return None
    rows = _rows(tiers)
    found = compare_recipes(rows, Asked(baseline=BASELINE, candidate=evidence.arm, sigma=_sigma(tiers), draws=draws))
    errors = _law_errors(rows)
    low, high = _ends(found.delta)
    loss_low, loss_high = _ends(found.candidate)
    fact = Forecast(
        arm=evidence.arm,
        num_points=found.pairs.n,
        num_scales=len({item.model for item in tiers}),
        largest_tier=tiers[-1].tier,
        gain=-found.delta.value,
        gain_low=None if high is None else -high,
        gain_high=None if low is None else -low,
        held_out_error=found.gate.error,
        loss_error=errors[0],
        max_residual_sigmas=errors[1],
        final_loss=found.candidate.value if found.candidate else None,
        final_loss_low=loss_low,
        final_loss_high=loss_high,
        evaluation_ranges=score_ranges(tiers, float(np.squeeze(found.target.flops))),
    )
    return Cited(fact=fact, id=_cited(evidence, found))


def _is_ladder(tier: TierEvidence) -> bool:
    try:
        return load_tier(tier.tier).family == LADDER
    except CurateError:
        return False


def _rows(tiers: list[TierEvidence]) -> Rows:
    listed: list[tuple[TierEvidence, Runs, float]] = []
    for tier in tiers:
        listed += [(tier, tier.baseline, 0.0), (tier, tier.arm, 1.0)]
    flat = [
        (load_tier(tier.tier).shape.matmul_params, tier.num_tokens, tier.flops, math.exp(value), side, str(seed))
        for tier, runs, side in listed
        for seed, value in zip(runs.seeds, runs.log_bpb, strict=True)
    ]
    sizes, tokens, flops, loss, side = (np.array([row[column] for row in flat], np.float64) for column in range(5))
    return Rows(
        sizes=sizes,
        tokens=tokens,
        flops=flops,
        loss=loss,
        is_candidate=side,
        seeds=tuple(row[5] for row in flat),
        cells=cells_of(sizes, tokens, flops),
    )


def _sigma(tiers: list[TierEvidence]) -> float | None:
    known = [item.noise.fact.sigma for item in tiers if item.noise is not None]
    return max(known) if len(known) == len(tiers) else None


def _law_errors(rows: Rows) -> tuple[float | None, float | None]:
    """Return the largest relative error of the baseline's loss at the held-out model, and of residuals in sigmas."""
    rng = np.random.default_rng(0)  # no draws are made: only point fits count here
    base = rows.only(rows.is_candidate == 0)
    largest = levels(base.sizes) == levels(base.sizes).max()
    known, apart = base.only(~largest), base.only(largest)
    law, whole = fit_shared(known, draws=0, rng=rng), fit_shared(base, draws=0, rng=rng)
    if law is None or whole is None:
        return None, None
    predicted = np.exp(law.log_loss(law.theta[None], _points(apart))[0])
    residuals = np.log(base.loss) - whole.log_loss(whole.theta[None], _points(base))[0]
    worst = int(np.argmax(np.abs(predicted / apart.loss - 1)))
    spread = max(whole.residual_sd, 1e-12)
    return float(predicted[worst] / apart.loss[worst] - 1), float(np.max(np.abs(residuals)) / spread)


def _points(rows: Rows) -> Points:
    return Points(sizes=rows.sizes, tokens=rows.tokens, flops=rows.flops)


def _ends(value: Value | None) -> tuple[float | None, float | None]:
    return value.interval if value is not None and value.interval is not None else (None, None)


def _cited(evidence: Evidence, found: Difference) -> str:
    """Return where the forecast's numbers come from: the runs of the study, by the law that was fitted to them."""
    return f"{evidence.id}#runs[law=difference,pairs={found.pairs.n},gate={found.gate.how.replace(' ', '-')}]"
