"""`curate mix fit`: fit a mixture law to runs, judge it on held-out mixtures, and propose weights for a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, QuietFlag, give, progress_for
from curation.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from mixtures.laws.fitted import MixFit
    from mixtures.laws.judge import Errors, Proposed
    from mixtures.laws.proposal import Goal
    from mixtures.laws.table import Chosen, Floats, MixTable

DEFAULT_DRAWS = {"regmix-lightgbm": 20}
SMOOTH_DRAWS = 100


MethodArgument = Annotated[
    str,
    typer.Argument(
        metavar="METHOD", help="regmix-lightgbm, regmix-linear, mixing-law, additive-law, joint-law or log-linear."
    ),
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Table of runs; several are joined by their first column.")
]
WeightsOption = Annotated[
    list[str],
    typer.Option(
        "--weights", metavar="COLS", help="Columns of weights: with commas, or 'train_*'. Rows sum to 1, or all to 100."
    ),
]
LossesOption = Annotated[list[str], typer.Option("--losses", metavar="COLS", help="Columns of losses, likewise.")]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size", metavar="N", help="Column of model sizes (default: N, params, ...), or the size to propose for: 7B."
    ),
]
TokensOption = Annotated[
    str | None,
    typer.Option(
        "--tokens", metavar="D", help="Column of tokens (default: D, tokens, ...), or the budget to propose for: 20B."
    ),
]
PredictOption = Annotated[
    list[Path],
    typer.Option("--predict", metavar="FILE", help="Mixtures to predict; with losses they test the law too."),
]
WhereOption = Annotated[str | None, typer.Option("--where", metavar="EXPR", help='Rows to use: "step == 30000".')]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="LOSS=W,...", help="Weights of the mean of ln L that is to be low (default: all alike)."
    ),
]
SupplyOption = Annotated[
    str | None,
    typer.Option("--supply", metavar="DOMAIN=TOKENS,...", help="Unique tokens; caps repeats at --max-epochs."),
]
EpochsOption = Annotated[
    float, typer.Option("--max-epochs", min=0.01, help="How often a domain may be read, with --supply.")
]
BootstrapOption = Annotated[
    int | None,
    typer.Option("--bootstrap", min=0, metavar="DRAWS", help="Refits for intervals (default: 100; trees 20)."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Everything that one call found."""

    fit: MixFit
    goal: Goal
    proposed: Proposed
    training: dict[str, Errors]
    held_out: dict[str, Errors]
    asked: MixTable | None
    predicted_NM: Floats | None
    tested: dict[str, Errors]
    notes: tuple[str, ...]


def mix_fit(
    method: MethodArgument,
    files: FilesArgument,
    weights: WeightsOption,
    losses: LossesOption,
    size: SizeOption = None,
    tokens: TokensOption = None,
    predict: PredictOption = [],  # noqa: B006 - typer copies the default
    where: WhereOption = None,
    target: TargetOption = None,
    supply: SupplyOption = None,
    max_epochs: EpochsOption = 4.0,
    bootstrap: BootstrapOption = None,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Fit a mixture law: which losses other weights would give, and which weights are best for a target.

    Judged by what it predicts on mixtures that it never saw (five folds); the proposal carries its uncertainty.
    """
    from curation.tables import inputs
    from mixtures.laws.table import Chosen
    from mixtures.laws.view import draw_fitted, fitted_json

    chosen = Chosen(weights=_names(weights), losses=_names(losses), size=size, tokens=tokens, where=where)
    asked = Asked(
        method=method,
        files=tuple(files),
        chosen=chosen,
        predict=tuple(predict),
        target=inputs(target, "--target") if target else {},
        supply=inputs(supply, "--supply") if supply else {},
        max_epochs=max_epochs,
        draws=DEFAULT_DRAWS.get(method, SMOOTH_DRAWS) if bootstrap is None else bootstrap,
    )
    progress = progress_for(quiet=quiet or json_output)
    found = perform(asked, progress)
    give(fitted_json(found), lambda console: draw_fitted(console, found), as_json=json_output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of one call."""

    method: str
    files: Sequence[Path]
    chosen: Chosen
    predict: Sequence[Path]
    target: dict[str, float]
    supply: dict[str, float]
    max_epochs: float
    draws: int


def perform(asked: Asked, progress: Progress | None = None) -> Fitted:
    """Return the fit that the options mean, its errors and its proposal; `progress` hears of each loss and refit.

    Raises: LawError and ShardError for what cannot be used.
    """
    from mixtures.laws.fitted import fit_all
    from mixtures.laws.folds import NUM_FOLDS
    from mixtures.laws.judge import errors_of, held_out, proposal
    from mixtures.laws.methods import method_named
    from mixtures.laws.proposal import goal_for
    from mixtures.laws.table import read_table

    method = method_named(asked.method)
    table = read_table(asked.files, asked.chosen)
    size, tokens = _goal_scale(asked.chosen.size, table.size_N), _goal_scale(asked.chosen.tokens, table.tokens_N)
    goal = goal_for(
        table, target=asked.target, supply=asked.supply, max_epochs=asked.max_epochs, size=size, tokens=tokens
    )
    new = _asked_table(asked, table, goal) if asked.predict else None
    if new is not None and _has_losses(new):
        method = method_named(asked.method, aside=new)
    progress = progress or SilentProgress()
    with progress.task(f"fitting {asked.method}", len(table.losses), unit="losses") as task:
        fit = fit_all(table, method, done=task.advance)
    predicted = fit.predict(new) if new is not None else None
    with progress.task("held-out folds", NUM_FOLDS, unit="folds") as task:
        judged = dict(held_out(fit, task.advance))
    with progress.task("bootstrap refits", asked.draws, unit="refits") as task:
        proposed = proposal(fit, goal, asked.draws, task.advance)
    return Fitted(
        fit=fit,
        goal=goal,
        proposed=proposed,
        training=errors_of(fit, table),
        held_out=judged,
        asked=new,
        predicted_NM=predicted,
        tested=errors_of(fit, new) if new is not None else {},
        notes=_notes(fit, table, new),
    )


def _names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def _goal_scale(said: str | None, values: Floats | None) -> float | None:
    """Return the size or tokens to propose for: the amount said, else the largest of the runs'."""
    from curation.tables import amount_of

    if said is not None and amount_of(said) > 0:
        return amount_of(said)
    return float(values.max()) if values is not None else None


def _asked_table(asked: Asked, table: MixTable, goal: Goal) -> MixTable:
    """Return the mixtures of `--predict`; at the goal's size and tokens where the file says none."""
    from dataclasses import replace

    import numpy as np

    from mixtures.laws.table import REST, Chosen, read_table

    domains = tuple(name for name in table.domains if name != REST)
    chosen = Chosen(weights=domains, losses=table.losses, size=asked.chosen.size, tokens=asked.chosen.tokens)
    new = read_table(asked.predict, chosen, losses_needed=False)
    if new.size_N is None and goal.size is not None:
        new = replace(new, size_N=np.full(len(new), goal.size))
    if new.tokens_N is None and goal.tokens is not None:
        new = replace(new, tokens_N=np.full(len(new), goal.tokens))
    return new


def _has_losses(table: MixTable) -> bool:
    import numpy as np

    return bool(np.isfinite(table.losses_NM).any())


def _notes(fit: MixFit, table: MixTable, asked: MixTable | None) -> tuple[str, ...]:
    import numpy as np

    notes = [note for one in fit.fits for note in one.notes]
    notes += [
        f"{one.source}: weights sum to 100 in every row, so they were read as per cents"
        for one in (table, asked)
        if one is not None and one.in_percent
    ]
    if table.num_duplicates:
        notes.append(f"{table.num_duplicates} rows repeat another row and were left out")
    for name, dropped in zip(table.losses, fit.dropped, strict=True):
        if dropped:
            notes.append(f"{name}: {dropped} rows without a value were left out")
    for values, what in ((table.size_N, "sizes"), (table.tokens_N, "token counts")):
        if not fit.method.scaled and values is not None and len(np.unique(values)) > 1:
            notes.append(
                f"runs of {len(np.unique(values))} {what} in one fit, which `{fit.method.name}` cannot tell apart: "
                "choose one with --where, or use joint-law"
            )
    return tuple(notes)
