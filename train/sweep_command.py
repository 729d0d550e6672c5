"""`curate lr-sweep`: whether a tier's learning rate may be frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, QuietFlag, StoreOption, give, progress_for
from curation.files import write_json

if TYPE_CHECKING:
    from rich.console import Console

    from train.sweep_result import Sweep


def lr_sweep(
    corpus: Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")],
    tier: Annotated[str, typer.Option("--tier", help="Model and budget, for example nano-0.1x.")],
    seeds: Annotated[str, typer.Option("--seeds", help="The same for every rate: 1-2, or 1,3.")] = "1",
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Runs at once (default: as many as fit).")] = None,
    panel: Annotated[str | None, typer.Option("--panel", help="Panel artifact; default: the corpus' own.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the result to this JSON file.")] = None,
    note: Annotated[str, typer.Option("--note", help="What the corpus is, kept in the result.")] = "",
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Train a tier at half, once and twice its learning rate and say whether the rate may be frozen.

    It may if its loss is at most 5 mnat a token above the best. A result is stored with the tier as
    a file of train/data/lr_sweeps and shown by `curate tiers NAME`.
    """
    from curation.nodes import Planner
    from curation.store import Store
    from train.lookup import find_artifact, panel_of
    from train.many_runs import parse_seeds
    from train.sweep import sweep_tier
    from train.tiers import load_tier

    opened = Store.open(store)
    text = find_artifact(opened, corpus, "corpus")
    judged = panel_of(opened, text) if panel is None else find_artifact(opened, panel, "panel")
    planner = Planner(store=opened, workers=1, progress=progress_for(quiet=quiet))
    planner.adopt(text)
    planner.adopt(judged)
    loaded = load_tier(tier, where="--tier")
    found = sweep_tier(planner, text, judged, loaded, seeds=parse_seeds(seeds), jobs=jobs)
    found = replace(found, note=note)
    if out is not None:
        write_json(out, found.as_json())
    give(found.as_json(), lambda console: _draw(console, found), as_json=json_output)


def _draw(console: Console, sweep: Sweep) -> None:
    from rich.table import Table

    table = Table(title=f"{sweep.tier}: loss on the panel, nats a token")
    for column in ("rate", "learning rate", *(f"seed {seed}" for seed in sweep.seeds), "mean", "above best"):
        table.add_column(column, justify="right")
    best = sweep.means[sweep.best]
    for multiplier, row in zip(sweep.multipliers, sweep.losses, strict=True):
        mean = sweep.means[multiplier]
        cells = [f"x{multiplier:g}", f"{multiplier * sweep.learning_rate:.2e}", *(f"{loss:.4f}" for loss in row)]
        table.add_row(*cells, f"{mean:.4f}", f"{1e3 * (mean - best):.1f} mnat")
    console.print(table)
    console.print(sweep.said, markup=False)
