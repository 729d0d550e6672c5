"""`curate study kinds`: what a kind of study fixes; `curate study diff`: what was edited since a study was frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, SetOption, StoreOption, give, printable
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leaderboard.studies.kinds import Protocol
    from leaderboard.studies.versions import WordChange


def study_kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="One kind in full; all in short without.")
    ] = None,
    json_output: JsonFlag = False,
) -> None:
    """Show the kinds of studies: what an arm may change, the controls, seeds, budgets and measurements.

    A measurement that a protocol asks for and a study lacks makes a gate say insufficient.
    """
    from leaderboard.studies.kinds import kind_names, load_ladder, load_protocol

    protocols = [load_protocol(name) for name in ([kind] if kind else kind_names())]
    ladder = [stage.model_dump(mode="json") for stage in load_ladder().stages]
    value: dict[str, Json] = {"kinds": [protocol.as_json() for protocol in protocols], "ladder": ladder}
    give(value, lambda console: _draw(console, protocols, full=kind is not None), as_json=json_output)


def study_diff(
    before: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="Directory of a study that was frozen.")],
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study as it is now.")],
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show what a study says otherwise than it did when it was frozen: words, arms, pool, panel.

    Equal words are the same study; any other is a study of its own, and the frozen one stays.
    """
    from curation.ingest import known_pool
    from curation.store import Store
    from leaderboard.studies.arms import resolve_arms
    from leaderboard.studies.prepared import prepare
    from leaderboard.studies.study import load_study
    from leaderboard.studies.versions import read_words_of, word_changes

    frozen = read_words_of(before)
    loaded = load_study(study, tuple(overrides))
    arms = resolve_arms(loaded, str(study))
    pool = known_pool(Store.reading(store), arms[0].recipe.pool)
    if pool is None:
        from curation.errors import StudyError

        raise StudyError(
            f"{study}: its pool was never read here, so its arms are not known; first: "
            f"`curate study plan {study} --build`"
        )
    ready = prepare(loaded, arms, pool)
    changes = word_changes(frozen, ready.identity, ready.recipes)
    value: dict[str, Json] = {
        "before": frozen.fingerprint,
        "after": ready.fingerprint,
        "same": frozen.fingerprint == ready.fingerprint,
        "changes": [{"place": one.place, "before": one.before, "after": one.after} for one in changes],
    }
    give(value, lambda console: _draw_changes(console, frozen.folder.name, changes), as_json=json_output)


def _draw_changes(console: Console, folder: str, changes: Sequence[WordChange]) -> None:
    if not changes:
        console.print(f"The same study as {printable(folder)}.", markup=False)
        return
    console.print(f"Another study than {printable(folder)}:", markup=False)
    for one in changes:
        before, after = ("nothing" if value is None else value for value in (one.before, one.after))
        console.print(f"  {printable(one.place)}: {printable(f'{before} -> {after}')}", markup=False, soft_wrap=True)


def _draw(console: Console, protocols: Sequence[Protocol], *, full: bool) -> None:
    if not full:
        _draw_list(console, protocols)
        _draw_ladder(console)
        console.print("All of one kind: curate study kinds KIND", markup=False)
        return
    for protocol in protocols:
        _draw_protocol(console, protocol)
    _draw_ladder(console)


def _draw_list(console: Console, protocols: Sequence[Protocol]) -> None:
    table = _table("Kinds of studies", ["kind", "an arm changes", "controls that are added", "seeds", "protect"])
    for one in protocols:
        seeds = f"{one.seeds.smoke}/{one.seeds.small}/{one.seeds.medium}/{one.seeds.large}"
        table.add_row(one.title, f"`{one.component}`", ", ".join(one.control_names) or "none", seeds, one.protect)
    console.print(table)
    console.print("Seeds: the fewest at smoke/small/medium/large. Protect: strict guards every judged slice unasked.")


def _draw_protocol(console: Console, protocol: Protocol) -> None:
    console.print(f"{protocol.title}: {protocol.summary}", style="bold", markup=False)
    console.print(protocol.question, markup=False)
    console.print(f"An arm changes `{protocol.component}` and nothing else (rule 17).", markup=False)
    if protocol.controls:
        table = _table("Controls that are added", ["control", "for each", "what it is", "tells apart"])
        for control in protocol.controls:
            table.add_row(control.name, control.per, control.recipe, control.separates)
        console.print(table)
    if protocol.sweep:
        rates, batches = protocol.sweep.learning_rate_multipliers, protocol.sweep.batch_multipliers
        console.print(
            f"Every side at rates x{_numbers(rates)} and batches x{_numbers(batches)} of the tier; an arm may name "
            f"others, at least {protocol.sweep.min_learning_rates} and {protocol.sweep.min_batches}.",
            markup=False,
        )
    seeds, budgets = protocol.seeds, protocol.budgets
    console.print(
        f"Seeds: at least {seeds.smoke} at smoke, {seeds.small} at small ({seeds.small_gain} for gains below 1%), "
        f"{seeds.medium} at medium, {seeds.large} at large, and {seeds.confirmation} that the board draws.",
        markup=False,
    )
    console.print(f"Budgets: at least {budgets.min_multiples}, {budgets.why}.", markup=False)
    console.print(f"Sizes: at least {protocol.tiers.min_models}, {protocol.tiers.why}.", markup=False)
    console.print(f"Protect: {protocol.protect}.", markup=False)
    table = _table("Measurements that a gate asks for", ["measurement", "from", "what", "rules"])
    for item in protocol.measurements:
        table.add_row(item.name, item.stages[0], item.what, ", ".join(map(str, item.rules)))
    console.print(table)


def _draw_ladder(console: Console) -> None:
    from leaderboard.studies.kinds import load_ladder

    table = _table("Stages of the ladder", ["stage", "parameters", "tokens", "candidates", "models"])
    for stage in load_ladder().stages:
        table.add_row(stage.name, stage.params, stage.tokens, stage.candidates, ", ".join(stage.models))
    console.print(table)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
