"""`curate mix swarm`: many small runs under sampled mixtures, as the table that `curate mix fit` reads."""

from __future__ import annotations

from collections.abc import Mapping
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
)
from curation.errors import RunError

if TYPE_CHECKING:
    from mixtures.designs import Design
    from train.tiers import Tier

SCORES_BYTES = 1_000_000
"""About what a run keeps beside its weights: document scores and log. Source: ours, pico and nano runs."""
TextArgument = Annotated[
    str, typer.Argument(metavar="RECIPE|POOL", help="Recipe.yaml; or files to mix; or a corpus of the store.")
]
TierOption = Annotated[str, typer.Option("--tier", help="Model and budget of every run: pico-0.2x, nano.")]
SeedsOption = Annotated[str, typer.Option("--seeds", help="Seeds that each mixture is trained with: 1, or 1-3.")]
SlicesOption = Annotated[str | None, typer.Option("--slices", metavar="A,B,...", help="Mix these slices alone.")]
PanelOption = Annotated[str | None, typer.Option("--panel", help="Panel artifact; default: the corpus' own.")]
EpochsOption = Annotated[
    float, typer.Option("--max-epochs", min=1, help="Permit a mixture to read a slice so many times.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of one call."""

    what: str
    runs: int
    tier: Tier
    design: Design
    seeds: tuple[int, ...]
    slices: tuple[str, ...]
    epochs: float
    overrides: tuple[str, ...]
    panel: str | None
    workers: int
    out: Path | None
    store: Path | None
    quiet: bool
    json_output: bool


def mix_swarm(
    what: TextArgument,
    tier: TierOption,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Mixtures to try.")] = 24,
    design: Annotated[str, typer.Option("--design", help="dirichlet or space-filling.")] = "dirichlet",
    concentration: Annotated[
        float, typer.Option("--concentration", help="Of dirichlet: larger stays nearer the natural shares.")
    ] = 1.0,
    design_seed: Annotated[int, typer.Option("--design-seed", min=0, help="Another number, other mixtures.")] = 1,
    seeds: SeedsOption = "1",
    slices: SlicesOption = None,
    max_epochs: EpochsOption = 1.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="Also write the table there.")] = None,
    panel: PanelOption = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train many small runs that differ in their mixture alone; the table of them is what laws are fitted to.

    One corpus, tokenized once. Finished runs stay: killed, or asked for more runs, the same command goes on.
    """
    from mixtures.designs import Design, refuse_design
    from train.many_runs import parse_seeds
    from train.swarm_view import give_plan, give_swarm
    from train.tiers import load_tier

    asked = Asked(
        what=what,
        runs=runs,
        tier=load_tier(tier, where="--tier"),
        design=Design(kind=design, concentration=concentration, seed=design_seed),
        seeds=tuple(parse_seeds(seeds)),
        slices=names_of(slices),
        epochs=max_epochs,
        overrides=tuple(overrides),
        panel=panel,
        workers=workers,
        out=out,
        store=store,
        quiet=quiet,
        json_output=json_output,
    )
    refuse_design(asked.design, runs)
    _refuse_out(out)
    if dry_run:
        give_plan(asked)
    else:
        give_swarm(asked)


def _refuse_out(out: Path | None) -> None:
    """Raise RunError for a table that could not be written, before the runs that it is of are trained."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise RunError(f"--out: {out} cannot be written; expected a file in a folder that exists; change it")


def names_of(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas, each once; none for no list."""
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def cost_json(tier: Tier, num_runs: int) -> Mapping[str, float]:
    """Return tokens, FLOPs, disk and hours (cores at laptop tiers, else one H200) of so many runs without scoring."""
    from train.cpu_plan import cpu_hours
    from train.tier_plan import CARDS, estimate_hours

    cost: dict[str, float] = {
        "runs": num_runs,
        "tokens": num_runs * tier.num_tokens,
        "flops": num_runs * tier.num_flops,
        "disk_bytes": num_runs * (4 * tier.shape.total_params + SCORES_BYTES),
    }
    if tier.family == "laptop":
        cost["core_hours"] = num_runs * cpu_hours(tier)
    else:
        cost["h200_hours"] = num_runs * estimate_hours(tier, CARDS["h200"]).hours
    return cost


def cost_text(cost: Mapping[str, float]) -> str:
    """Return tokens, time and disk of runs in words: `6 runs, 98,304 tokens, 5 core seconds without scoring, 12 MB`."""
    disk = f"{cost['disk_bytes'] / 1e6:,.1f} MB"
    return f"{cost['runs']:,} runs, {cost['tokens']:,} tokens, {time_text(cost)} without scoring, {disk}"


def time_text(cost: Mapping[str, float]) -> str:
    """Return how long runs take: `0.12 core hours`, under a hundredth in seconds, `4 core seconds`."""
    unit = "core" if "core_hours" in cost else "H200"
    hours = cost[f"{unit.lower()}_hours"]
    return f"{hours:,.2g} {unit} hours" if hours >= 0.01 else f"{3600 * hours:,.0f} {unit} seconds"
