"""`curate mix ablate`: scalable data ablations over the slices of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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
    progress_for,
)
from train.swarm_command import EpochsOption, PanelOption, SlicesOption, TextArgument, TierOption, names_of

if TYPE_CHECKING:
    from curation.nodes import Planner
    from train.tiers import Tier


PartitionOption = Annotated[
    list[str], typer.Option("--partition", metavar="NAME=A+B", help="Slices that stay together (default: each alone).")
]
LargestOption = Annotated[
    int | None, typer.Option("--largest", min=1, help="Score unions of up to so many (default: 64 unions at most).")
]
VerifyOption = Annotated[
    str | None,
    typer.Option("--verify", metavar="A+B,A+C,...", help="Train these unions for real as well; all: every one scored."),
]
PanelShareOption = Annotated[
    float, typer.Option("--panel-share", min=0.01, max=1, help="Score averages on so much of each slice of the panel.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one call says beside the text, as it was written."""

    what: str
    tier: Tier
    partition: tuple[str, ...]
    slices: tuple[str, ...]
    seed: int
    seed_tier: Tier
    seed_run: str | None
    largest: int | None
    verify: tuple[str, ...]
    target: str
    epochs: float
    panel: str | None
    panel_share: float
    overrides: tuple[str, ...]
    workers: int


def mix_ablate(
    what: TextArgument,
    tier: TierOption,
    partition: PartitionOption = [],  # noqa: B006 - typer copies the default
    slices: SlicesOption = None,
    seed_tier: Annotated[
        str | None, typer.Option("--seed-tier", help="Budget of the shared start (default: --tier).")
    ] = None,
    seed_run: Annotated[
        str | None, typer.Option("--seed-run", help="A run of the store to start from instead.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=1, help="Of all runs alike.")] = 1,
    largest: LargestOption = None,
    verify: VerifyOption = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="SLICE=W,...", help="What is to be low (default: all alike).")
    ] = None,
    max_epochs: EpochsOption = 1.0,
    panel: PanelOption = None,
    panel_share: PanelShareOption = 1.0,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train one model a slice from one shared start and score every union of slices by averaging their parameters.

    n trainings instead of 2^n - 1. With --verify it says how well the averages rank unions that were trained for real.
    """
    from train.ablate_view import perform
    from train.tiers import load_tier

    loaded = load_tier(tier, where="--tier")
    options = Options(
        what=what,
        tier=loaded,
        partition=tuple(partition),
        slices=names_of(slices),
        seed=seed,
        seed_tier=load_tier(seed_tier, where="--seed-tier") if seed_tier else loaded,
        seed_run=seed_run,
        largest=largest,
        verify=names_of(verify),
        target=target or "",
        epochs=max_epochs,
        panel=panel,
        panel_share=panel_share,
        overrides=tuple(overrides),
        workers=workers,
    )
    planner = planner_for(store, workers, quiet=quiet, reads_only=dry_run)
    perform(planner, options, dry_run=dry_run, as_json=json_output)


def planner_for(store: Path | None, workers: int, *, quiet: bool, reads_only: bool = False) -> Planner:
    """Return the planner of a command; of a dry run one that writes nothing."""
    from curation.nodes import Planner
    from curation.store import Store

    opened = Store.reading(store) if reads_only else Store.open(store)
    return Planner(store=opened, workers=workers, progress=progress_for(quiet=quiet))
