"""`curate mix verify`: proposed mixtures trained afresh against the natural and the uniform one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import (
    DEFAULT_WORKERS,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    StoreOption,
    WorkersOption,
    give,
    printable,
    progress_for,
)
from curation.files import Json
from train.swarm_command import (
    EpochsOption,
    PanelOption,
    SlicesOption,
    TextArgument,
    TierOption,
    cost_json,
    cost_text,
    names_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from train.mix_verify import Verified


def mix_verify(
    what: TextArgument,
    tier: TierOption,
    mixture: Annotated[
        list[str],
        typer.Option("--mixture", metavar="NAME=FILE", help="JSON of `curate mix fit`; or NAME=web=0.3,code=0.7."),
    ],
    seeds: Annotated[str, typer.Option("--seeds", help="Other seeds than the swarm's.")] = "2-4",
    slices: SlicesOption = None,
    max_epochs: EpochsOption = 1.0,
    panel: PanelOption = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train proposed mixtures afresh, beside the natural and the uniform one, and say how far they differ.

    Differences carry t intervals of pooled run noise and Holm's marks; finished runs stay, the same command goes on.
    """
    from curation.nodes import Planner
    from curation.store import Store
    from train.cpu_plan import refuse_infeasible
    from train.many_runs import parse_seeds
    from train.mix_corpus import built_corpus, held_by, natural_shares, shared_text
    from train.mix_verify import parse_mixtures, targets_of, verify
    from train.packing import visible_gpus
    from train.swarm import Swarm
    from train.tiers import load_tier

    loaded = load_tier(tier, where="--tier")
    chosen = tuple(parse_seeds(seeds))
    if dry_run:
        runs = (len(mixture) + 2) * len(chosen)
        cost = cost_json(loaded, runs)
        value: dict[str, Json] = {"tier": loaded.name, "seeds": list(chosen), "cost": dict(cost)}
        told = f"at {loaded.name}, at most {cost_text(cost)}"
        give(value, lambda console: console.print(told), as_json=json_output)
        return
    planner = Planner(store=Store.open(store), workers=workers, progress=progress_for(quiet=quiet))
    refuse_infeasible([loaded], visible_gpus)
    text = shared_text(planner, built_corpus(planner, what, overrides), loaded, panel_name=panel)
    natural = natural_shares(held_by(text.corpus, text.streams), loaded, names_of(slices))
    mixtures = parse_mixtures(mixture, natural)
    swarm = Swarm(tier=loaded, mixtures=tuple(mixtures.values()), seeds=chosen)
    found = verify(
        planner, text, swarm, list(mixtures), workers=workers, epochs=max_epochs, targets=targets_of(mixture)
    )
    give(_json(found), lambda console: _draw(console, found), as_json=json_output)


def _json(found: Verified) -> dict[str, Json]:
    return {
        "tier": found.tier.name,
        "evidence": found.tier.evidence,
        "seeds": list(found.seeds),
        "mixtures": {name: dict(weights) for name, weights in found.mixtures.items()},
        "bpb": {name: [dict(run) for run in runs] for name, runs in found.losses.items()},
        "differences": [one.as_json() for one in found.differences],
    }


def _draw(console: Console, found: Verified) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from train.mix_verify import INSUFFICIENT, MEAN

    title = f"{found.tier.name}, {len(found.seeds)} seeds each: less is better"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("mixture", "against", "slice"):
        table.add_column(column, overflow="fold")
    for column in ("difference", "95 %", "Holm"):
        table.add_column(column, justify="right")
    for one in found.differences:
        scale, digits, mark = (100.0, 1, " %") if one.slice == MEAN else (1.0, 3, "")
        low, high = one.interval.low * scale, one.interval.high * scale
        table.add_row(
            printable(one.mixture),
            printable(one.against),
            ("all slices" if one.slice == MEAN else printable(one.slice))
            + (" (selected-for)" if one.selected_for else ""),
            f"{one.value * scale:+.{digits}f}{mark}",
            f"{low:+.{digits}f} to {high:+.{digits}f}",
            one.direction,
        )
    console.print(table)
    console.print(
        f"n = {len(found.seeds)} runs a mixture; run noise pooled over {len(found.mixtures)} mixtures (rule 8), "
        f"intervals uncorrected, Holm's marks over {len(found.differences)} differences; "
        f"verdict: {INSUFFICIENT}, no noise pack is read (rule 9)"
    )
    if any(one.selected_for for one in found.differences):
        console.print("selected-for: a proposal was fitted to lower it (rule 2); it shows no gain of the search's own")
    if not found.tier.evidence:
        console.print(f"{found.tier.name} is a laptop tier: plumbing, no evidence for larger models (rule 18)")
