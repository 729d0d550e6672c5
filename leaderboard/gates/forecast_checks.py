"""Conditions of the last gate: a law tried on what it had not seen, and papers that say when to stop (rule 12)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboard.gates.case import Case, Check, Limits, Outcome, decided, insufficient, share


@dataclass(frozen=True, slots=True, kw_only=True)
class FitLimits(Limits):
    """Of the fit."""

    min_points: int
    min_scales: int
    max_loss_error: float
    """Of the held-out loss, relative; it alone cannot resolve a gain."""
    max_residual_sigmas: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceLimits(Limits):
    """Of the held-out difference."""

    max_error_over_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLimits(Limits):
    """A condition that knows only yes and no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackLimits(Limits):
    """Of the plan to stop."""

    early_points: tuple[float, ...]
    prediction_interval: float
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLimits(Limits):
    """Of the papers."""

    required: tuple[str, ...]


def _fit(case: Case, limits: FitLimits) -> Outcome:
    found = case.evidence.forecast
    threshold = (
        f"≥ {limits.min_points} points, ≥ {limits.min_scales} scales, held-out loss ± {limits.max_loss_error:.0%}, "
        f"residuals ≤ {limits.max_residual_sigmas:g} sigma"
    )
    if found is None:
        return insufficient("no law was fitted to the study's runs", "law", "next-tier", threshold=threshold)
    fact, cited = found.fact, (found.id,)
    text = f"{fact.num_points} points, {fact.num_scales} scales"
    if fact.num_points < limits.min_points or fact.num_scales < limits.min_scales:
        return insufficient(text, "next-tier", evidence=cited, threshold=threshold)
    if fact.loss_error is None or fact.max_residual_sigmas is None:
        return insufficient(f"{text}; nothing was held out", "law", evidence=cited, threshold=threshold)
    held = abs(fact.loss_error) <= limits.max_loss_error and fact.max_residual_sigmas <= limits.max_residual_sigmas
    text += f", held-out loss {fact.loss_error:+.2%} off, residuals up to {fact.max_residual_sigmas:.1f} sigma"
    return decided(held, text, fact.loss_error, threshold, cited)


def _difference(case: Case, limits: DifferenceLimits) -> Outcome:
    found = case.evidence.forecast
    threshold = f"|error of X - Y| ≤ {limits.max_error_over_gain:g} x the claimed gain"
    if found is None or found.fact.held_out_error is None or found.fact.gain is None:
        cited = (found.id,) if found else ()
        text = "the difference was not forecast for a scale that the law had not seen"
        return insufficient(text, "law", "next-tier", evidence=cited, threshold=threshold)
    error, gain = abs(found.fact.held_out_error), _claimed(case, found.fact.gain)
    text = f"claimed {share(gain)}, held-out error {error * 100:.2f}% at {found.fact.largest_tier}"
    if gain <= 0:
        return decided(False, f"{text}: no gain is forecast", error, threshold, (found.id,))
    return decided(error <= limits.max_error_over_gain * gain, text, error, threshold, (found.id,))


def _claimed(case: Case, forecast: float) -> float:
    """Return the smaller of the forecast gain and the measured one: a law that grows it must not ease its own test."""
    measured = case.tier.total if case.tier is not None else None
    return forecast if measured is None else min(forecast, measured.gain)


def _prediction(case: Case, _: NoLimits) -> Outcome:
    found = case.evidence.forecast
    threshold = "final loss, ranges of scores and the gain, each with its interval"
    if found is None:
        return insufficient("nothing is predicted of the final run", "law", threshold=threshold)
    fact = found.fact
    parts = {
        "final loss": fact.final_loss,
        "its interval": fact.final_loss_low if fact.final_loss_high is not None else None,
        "the gain": fact.gain,
        "the gain's interval": fact.gain_low if fact.gain_high is not None else None,
        "ranges of scores": 1.0 if fact.evaluation_ranges else None,
    }
    missing = [name for name, value in parts.items() if value is None or not math.isfinite(value)]
    if missing:
        return insufficient(f"not predicted: {', '.join(missing)}", "law", evidence=(found.id,), threshold=threshold)
    text = f"loss {fact.final_loss:.4f} ({fact.final_loss_low:.4f} to {fact.final_loss_high:.4f})"
    return decided(True, text, fact.final_loss or 0.0, threshold, (found.id,))


def _rollback(case: Case, limits: RollbackLimits) -> Outcome:
    threshold = (
        f"looks at {', '.join(f'{value:g}' for value in limits.early_points)} of the budget, stop outside "
        f"{limits.prediction_interval:.0%}: {', '.join(limits.actions)}"
    )
    found = next((item for item in case.evidence.reports if item.fact.name == "rollback-plan"), None)
    if found is None:
        return insufficient("no rollback plan", "document", threshold=threshold)
    fact = found.fact
    points = set(limits.early_points) <= set(fact.early_points)
    held = fact.state == "valid" and points and (fact.prediction_interval or 1.0) <= limits.prediction_interval
    held = held and set(limits.actions) <= set(fact.actions)
    text = (
        f"looks at {', '.join(f'{value:g}' for value in fact.early_points)}; {', '.join(fact.actions) or 'no action'}"
    )
    return decided(held, text, held, threshold, (found.id,))


def _reports(case: Case, limits: ReportLimits) -> Outcome:
    threshold = f"valid: {', '.join(limits.required)}"
    found = {item.fact.name: item for item in case.evidence.reports}
    missing = [name for name in limits.required if name not in found]
    wrong = [name for name in limits.required if name in found and found[name].fact.state != "valid"]
    cited = tuple(found[name].id for name in limits.required if name in found)
    if wrong:
        return decided(False, f"invalid: {', '.join(wrong)}", len(wrong), threshold, cited)
    if missing:
        return insufficient(f"missing: {', '.join(missing)}", "document", evidence=cited, threshold=threshold)
    return decided(True, "all valid", len(limits.required), threshold, cited)


FORECAST_CHECKS: dict[str, Check] = {
    "scaling-fit": Check(limits=FitLimits, judge=_fit, any_tier=True),
    "forecast-difference": Check(limits=DifferenceLimits, judge=_difference, any_tier=True),
    "prediction": Check(limits=NoLimits, judge=_prediction, any_tier=True),
    "rollback-plan": Check(limits=RollbackLimits, judge=_rollback, any_tier=True),
    "reports": Check(limits=ReportLimits, judge=_reports, any_tier=True),
}
