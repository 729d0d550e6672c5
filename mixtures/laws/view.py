"""A fitted mixture law as JSON and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.files import Json
from mixtures.laws.command import Fitted
from mixtures.laws.judge import Errors
from mixtures.laws.proposal import Goal
from mixtures.laws.table import Floats

if TYPE_CHECKING:
    from rich.console import Console

MAX_ROWS = 30
"""Domains or losses listed on a screen; JSON has all."""


def fitted_json(found: Fitted) -> Json:
    """Return everything that was found as one object."""
    table, fit = found.fit.table, found.fit
    return {
        "method": fit.method.name,
        "formula": fit.method.formula,
        "source": fit.method.source,
        "params": {name: dict(one.params) for name, one in zip(table.losses, fit.fits, strict=True)},
        "objective": fit.objective,
        "objectives": {name: one.objective for name, one in zip(table.losses, fit.fits, strict=True)},
        "train_error": _mean_relative(found.training),
        "train_errors": _errors_json(found.training),
        "held_out_error": _mean_relative(found.held_out),
        "held_out": _errors_json(found.held_out),
        "predictions": _predictions(found),
        "spearman": {name: one.spearman for name, one in found.tested.items()} or None,
        "prediction_error": _mean_relative(found.tested),
        "prediction_errors": _errors_json(found.tested),
        "proposal": _proposal_json(found),
        "domains": list(table.domains),
        "n": len(table),
        "num_mixtures": len(np.unique(table.groups)),
        "num_duplicates": table.num_duplicates,
        "notes": list(found.notes),
    }


def _mean_relative(errors: dict[str, Errors]) -> float | None:
    return float(np.mean([one.relative for one in errors.values()])) if errors else None


def _errors_json(errors: dict[str, Errors]) -> dict[str, Json]:
    return {
        name: {
            "n": one.num_rows,
            "rmse": one.rmse,
            "mae": one.mae,
            "relative": one.relative,
            "spearman": one.spearman,
        }
        for name, one in errors.items()
    }


def _predictions(found: Fitted) -> dict[str, Json]:
    if found.predicted_NM is None:
        return {}
    values = found.predicted_NM
    return {name: [float(v) for v in values[:, place]] for place, name in enumerate(found.fit.table.losses)}


def _named(found: Fitted, values: Floats | None) -> dict[str, Json] | None:
    if values is None:
        return None
    return {name: float(value) for name, value in zip(found.fit.table.domains, values, strict=True)}


def _proposal_json(found: Fitted) -> Json:
    proposed, goal, losses = found.proposed, found.goal, found.fit.table.losses
    return {
        "weights": _named(found, proposed.weights_K),
        "low": _named(found, proposed.low_K),
        "high": _named(found, proposed.high_K),
        "predicted": {name: float(value) for name, value in zip(losses, proposed.predicted_M, strict=True)},
        "target": {name: float(value) for name, value in zip(losses, goal.target_M, strict=True)},
        "target_is": "weighted mean of ln L",
        "value": proposed.value,
        "against": goal.centre_name,
        "against_weights": _named(found, goal.centre_K),
        "against_value": proposed.centre_value,
        "gain": proposed.gain,
        "gain_low": proposed.gain_low,
        "gain_high": proposed.gain_high,
        "probability_better": proposed.better,
        "refits": proposed.num_refits,
        "failed_refits": proposed.failed_refits,
        "size": goal.size,
        "tokens": goal.tokens,
        "caps": _named(found, goal.caps_K) if np.any(goal.caps_K < 1) else None,
        "outside_seen": outside_seen(found),
    }


def outside_seen(found: Fitted) -> list[Json]:
    """Return the domains whose proposed weight no run has come up to, or gone below."""
    seen = found.fit.table.weights_NK
    low, high = seen.min(axis=0) - 1e-9, seen.max(axis=0) + 1e-9
    outside = (found.proposed.weights_K < low) | (found.proposed.weights_K > high)
    return [name for name, out in zip(found.fit.table.domains, outside, strict=True) if out]


def draw_fitted(console: Console, found: Fitted) -> None:
    """Print the proposal, how well the law predicts, and what to know beside it."""
    fit = found.fit
    console.print(f"[bold]{fit.method.name}[/bold]: {fit.method.formula}   ({fit.method.source})", highlight=False)
    mixtures = len(np.unique(fit.table.groups))
    console.print(f"{len(fit.table)} runs of {mixtures} mixtures, {len(fit.table.domains)} domains")
    _draw_errors(console, found)
    _draw_proposal(console, found, found.goal)
    for note in found.notes:
        console.print(f"note: {note}", markup=False)


def _draw_errors(console: Console, found: Fitted) -> None:
    from rich.table import Table

    table = Table(title="mean relative error, and rank correlation")
    table.add_column("loss")
    for head in ("training", "held out", "ρ held out", *(("predicted", "ρ predicted") if found.tested else ())):
        table.add_column(head, justify="right")
    for name in list(found.training)[:MAX_ROWS]:
        cells = [_percent(found.training.get(name)), _percent(found.held_out.get(name)), _rho(found.held_out.get(name))]
        if found.tested:
            cells += [_percent(found.tested.get(name)), _rho(found.tested.get(name))]
        table.add_row(name, *cells)
    console.print(table)
    if len(found.training) > MAX_ROWS:
        console.print(f"... and {len(found.training) - MAX_ROWS} losses more; --json has them")
    if not found.held_out:
        console.print("held out: too few mixtures to leave a fifth of them out")


def _percent(errors: Errors | None) -> str:
    return "-" if errors is None else f"{errors.relative:.2%}"


def _rho(errors: Errors | None) -> str:
    return "-" if errors is None or errors.spearman is None else f"{errors.spearman:.3f}"


def _draw_proposal(console: Console, found: Fitted, goal: Goal) -> None:
    from rich.table import Table

    proposed = found.proposed
    table = Table(title="proposed weights")
    table.add_column("domain")
    for head in ("weight", "95 %", goal.centre_name, *(("cap",) if np.any(goal.caps_K < 1) else ())):
        table.add_column(head, justify="right")
    outside = set(outside_seen(found))
    for place in np.argsort(-proposed.weights_K)[:MAX_ROWS]:
        name = found.fit.table.domains[place]
        cells = [f"{proposed.weights_K[place]:.3f}" + ("*" if name in outside else ""), _interval(found, int(place))]
        cells.append(f"{goal.centre_K[place]:.3f}")
        if np.any(goal.caps_K < 1):
            cells.append(f"{goal.caps_K[place]:.3f}")
        table.add_row(name, *cells)
    console.print(table)
    if outside:
        console.print("* outside of what the runs tried: extrapolated")
    ends = ""
    if proposed.gain_low is not None and proposed.gain_high is not None:
        ends = f" ({proposed.gain_low:.4f} to {proposed.gain_high:.4f} over {proposed.num_refits} refits)"
    console.print(
        f"predicted target, a weighted mean of ln L: {proposed.value:.4f}, {proposed.gain:.4f} below the "
        f"{goal.centre_name}{ends}; chosen as the lowest, so optimistic: verify it with fresh runs",
        highlight=False,
    )


def _interval(found: Fitted, place: int) -> str:
    low, high = found.proposed.low_K, found.proposed.high_K
    return "-" if low is None or high is None else f"{low[place]:.3f}–{high[place]:.3f}"
