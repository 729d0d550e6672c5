"""`curate fit LAW`: one subcommand a law, all with the same options; `curate fit list` explains the laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from curation.console import JsonFlag, QuietFlag, give, progress_for

if TYPE_CHECKING:
    from leaderboard.laws.law import Fit, Prediction, Settings

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Table: .csv(.gz), .tsv, .parquet or .jsonl(.gz).")
]
MapOption = Annotated[
    list[str],
    typer.Option(
        "--map",
        metavar="N=col,D=col,L=col",
        help="Column (or expression, D=tokens*1e9) of each variable; run=col is what the bootstrap draws.",
    ),
]
WhereOption = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="Rows to use: \"source == 'c4' and N > 1e8\".")
]
HoldoutOption = Annotated[
    str | None, typer.Option("--holdout", metavar="EXPR", help="Rows kept out of the fit, to measure its error.")
]
PredictOption = Annotated[
    list[str], typer.Option("--predict", metavar="N=...,D=...", help="Predict there, e.g. N=70B,D=1.4T; repeatable.")
]
BootstrapOption = Annotated[
    int, typer.Option("--bootstrap", min=0, metavar="DRAWS", help="Resamples for the intervals; 0 for none.")
]
RunsOption = Annotated[
    Path | None, typer.Option("--runs", metavar="DIR", help="Use the finished runs of this store in place of FILE.")
]
LossOption = Annotated[
    str | None, typer.Option("--loss-fn", metavar="huber|lad|mse", help="Loss of residuals (default: the law's own).")
]
DeltaOption = Annotated[float | None, typer.Option("--delta", help="Where Huber's loss turns linear.")]
VariantOption = Annotated[str | None, typer.Option("--variant", help="Procedure of the law; see `curate fit list`.")]
WeightsOption = Annotated[str | None, typer.Option("--weights", help="Weights of rows; see `curate fit list`.")]
GroupOption = Annotated[
    str | None,
    typer.Option("--group", metavar="COL", help="Fit by this column, exponents apart and shared (law `by-group`)."),
]
OptionOption = Annotated[
    list[str], typer.Option("--option", metavar="NAME=VALUE", help="Another option of the law; see `curate fit list`.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw it: .svg, .png, .html (extra `report`) or .json (Vega-Lite)."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of one call."""

    file: Path | None
    mapping: list[str]
    where: str | None
    holdout: str | None
    predict: list[str]
    bootstrap: int
    runs: Path | None
    loss_fn: str | None
    delta: float | None
    options: Mapping[str, str]
    quiet: bool


def law_command(name: str) -> Callable[..., None]:
    """Return the command function of one law."""

    def run(
        file: FileArgument = None,
        mapping: MapOption = [],  # noqa: B006 - typer copies the default
        where: WhereOption = None,
        holdout: HoldoutOption = None,
        predict: PredictOption = [],  # noqa: B006
        bootstrap: BootstrapOption = 1000,
        runs: RunsOption = None,
        loss_fn: LossOption = None,
        delta: DeltaOption = None,
        variant: VariantOption = None,
        weights: WeightsOption = None,
        group: GroupOption = None,
        option: OptionOption = [],  # noqa: B006
        plot: PlotOption = None,
        json_output: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        from curation.tables import pairs
        from leaderboard.laws.plots.save import check_plot, write_plot
        from leaderboard.laws.view import draw_fit, fit_json

        chosen = {**pairs(option, "--option"), **_given(variant=variant, weights=weights)}
        asked = Asked(
            file=file,
            mapping=[*mapping, f"group={group}"] if group else mapping,
            where=where,
            holdout=holdout,
            predict=predict,
            bootstrap=bootstrap,
            runs=runs,
            loss_fn=loss_fn,
            delta=delta,
            options=chosen,
            quiet=quiet or json_output,
        )
        if plot is not None:
            check_plot(plot)
        fitted, predictions, notes = perform(_law_of(name, grouped=group is not None), asked)
        if plot is not None:
            from leaderboard.laws.plots.fitted import fit_spec

            write_plot(plot, fit_spec(fitted, predictions))
        value = fit_json(fitted, predictions, notes)
        give(
            value, lambda console: draw_fit(console, fitted, predictions=predictions, notes=notes), as_json=json_output
        )

    run.__doc__ = (
        f"Fit the law `{name}` to a table, one row a run, with intervals, checks and predictions.\n\n"
        "`curate fit list` explains each law: its formula, variables with units, parameters, options and source."
    )
    return run


def perform(name: str, asked: Asked) -> tuple[Fit, list[Prediction], list[str]]:
    """Return the fit that the options mean, its predictions, and warnings about their inputs.

    Raises: LawError and ShardError for what cannot be used.
    """
    from curation import tables
    from curation.errors import LawError
    from leaderboard.laws.families import check_one_family
    from leaderboard.laws.fit import fit, predictions
    from leaderboard.laws.registry import LAWS
    from leaderboard.laws.rows import wanted_mapping
    from leaderboard.laws.runs import OWN_MAPPING, read_runs

    law = LAWS.get(name)
    if (asked.file is None) == (asked.runs is None):
        raise LawError("fit: expected either FILE or --runs DIR; give one of them")
    source = cast("Path", asked.file or asked.runs)
    columns = read_runs(source) if asked.runs else tables.read_columns(source)
    mapping = tables.pairs(asked.mapping, "--map")
    if asked.runs:
        known = {variable.name for variable in law.card.variables}
        own = {variable: column for variable, column in OWN_MAPPING.items() if variable in known}
        mapping = {**own, **mapping}
    if not mapping:
        raise LawError(
            f"{source}: --map is missing; give --map {wanted_mapping(law.card)}; columns: {', '.join(columns)}"
        )
    wanted_inputs = [tables.inputs(text) for text in asked.predict]
    train, held_out = tables.split_rows(columns, where=asked.where, holdout=asked.holdout, name=str(source))
    if asked.runs:
        check_one_family((str(tier) for part in (train, held_out or {}) for tier in part.get("tier", ())), str(source))
    fitted = fit(
        law,
        tables.mapped(train, mapping, str(source)),
        _settings(law.card.losses, law.card.delta, asked),
        holdout=tables.mapped(held_out, mapping, str(source)) if held_out else None,
    )
    found = [predictions(fitted, values) for values in wanted_inputs]
    return fitted, [value for values, _ in found for value in values], [note for _, notes in found for note in notes]


def fit_list(json_output: JsonFlag = False) -> None:
    """Explain every law: formula, variables with units, parameters, loss functions, options, source."""
    from leaderboard.laws.registry import LAWS
    from leaderboard.laws.view import card_json, draw_cards

    cards = [LAWS.get(name).card for name in LAWS.names()]
    give({"laws": [card_json(card) for card in cards]}, lambda console: draw_cards(console, cards), as_json=json_output)


def _settings(losses: Sequence[str], own_delta: float, asked: Asked) -> Settings:
    from curation.descent import LOSS_KINDS, Loss
    from curation.errors import LawError, nearest
    from leaderboard.laws.law import Settings

    loss = None
    if asked.delta is not None and not asked.delta > 0:
        raise LawError(f"--delta is {asked.delta:g}, expected more than 0")
    if asked.loss_fn is not None and asked.loss_fn not in LOSS_KINDS:
        raise LawError(f"--loss-fn: no loss function `{asked.loss_fn}`; {nearest(asked.loss_fn, LOSS_KINDS)}")
    if asked.loss_fn is not None or asked.delta is not None:
        kind: Any = asked.loss_fn or (losses[0] if losses else "huber")
        loss = Loss(kind=kind, delta=asked.delta or own_delta)
    progress = progress_for(quiet=asked.quiet)
    return Settings(loss=loss, draws=asked.bootstrap, options=asked.options, progress=progress)


def _law_of(name: str, *, grouped: bool) -> str:
    from curation.errors import LawError

    if not grouped or name == "by-group":
        return name
    if name != "chinchilla":
        raise LawError(f"{name}: --group compares the exponents of `chinchilla`; use it there, or filter with --where")
    return "by-group"


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


fit_chinchilla = law_command("chinchilla")
fit_isoflop = law_command("isoflop")
fit_kaplan = law_command("kaplan")
fit_envelope = law_command("envelope")
fit_overtraining = law_command("overtraining")
fit_error_from_loss = law_command("error-from-loss")
fit_data_constrained = law_command("data-constrained")
fit_direct_accuracy = law_command("direct-accuracy")
fit_two_stage = law_command("two-stage")
fit_loss_curve = law_command("loss-curve")
fit_critical_batch = law_command("critical-batch")
fit_noise_scale = law_command("noise-scale")
fit_lr_batch = law_command("lr-batch")
fit_by_group = law_command("by-group")
