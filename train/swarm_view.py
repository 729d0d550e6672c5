"""What `curate mix swarm` does and prints: a plan, or the runs, their table and what can be fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.console import give, printable, progress_for
from curation.files import Json, write_bytes
from curation.nodes import Planner, existing_node
from curation.store import Artifact, Store
from mixtures.designs import design_mixtures
from train.cpu_plan import refuse_infeasible
from train.mix_corpus import (
    Held,
    built_corpus,
    chosen_panel,
    find_corpus,
    find_streams,
    held_by,
    natural_shares,
    shared_text,
)
from train.packing import visible_gpus
from train.shards import tokens_node
from train.swarm import (
    LOSS,
    TABLE,
    WEIGHT,
    Swarm,
    methods_needs,
    refuse_repeats,
    refuse_too_few,
    run_nodes,
    train_swarm,
)
from train.swarm_command import Asked, cost_json, time_text

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 40


def give_plan(asked: Asked) -> None:
    """Print what would be trained, what exists of it, and what it costs. Raises: as `give_swarm` before training."""
    planner = _planner(asked, Store.reading(asked.store))
    corpus = find_corpus(planner, asked.what, asked.overrides)
    num_runs = asked.runs * len(asked.seeds)
    value: dict[str, Json] = {
        "tier": asked.tier.name,
        "seeds": list(asked.seeds),
        "cost": dict(cost_json(asked.tier, num_runs)),
    }
    if corpus is None:
        steps: list[Json] = [
            _step("corpus", "build", f"{asked.what} has not been built; mixtures follow from its slices"),
            _step("tokens", "build", "waits for corpus"),
            _step(f"{num_runs} runs", "build", "wait for tokens"),
        ]
        value |= {"steps": steps, "mixtures": [], "natural": None, "needs": None}
    else:
        value |= _known_plan(planner, corpus, asked)
    give(value, lambda console: _draw_plan(console, value, asked), as_json=asked.json_output)


def give_swarm(asked: Asked) -> None:
    """Train what the store lacks and print the table and what to do with it.

    Raises: RunError, LawError, RecipeError and ShardError for what cannot be mixed or trained.
    """
    planner = _planner(asked, Store.open(asked.store))
    refuse_infeasible([asked.tier], visible_gpus)
    text = shared_text(planner, built_corpus(planner, asked.what, asked.overrides), asked.tier, panel_name=asked.panel)
    natural, swarm = swarm_of(held_by(text.corpus, text.streams), asked)
    made = train_swarm(planner, text, swarm, asked.design, workers=asked.workers, epochs=asked.epochs)
    table = made.path / TABLE
    if asked.out is not None:
        write_bytes(asked.out, table.read_bytes())
        table = asked.out
    runs = [planner.materialise(node) for node in run_nodes(text, swarm)]
    value = _result(asked, natural, swarm, runs) | {
        "swarm": str(made.path),
        "table": str(table),
        "next": next_step(table),
    }
    give(value, lambda console: _draw(console, value, swarm, runs), as_json=asked.json_output)


def swarm_of(held: Held, asked: Asked) -> tuple[dict[str, float], Swarm]:
    """Return the natural shares and the swarm that the options mean.

    Raises: LawError for too few mixtures or slices; RunError for slices that cannot be read.
    """
    natural = natural_shares(held, asked.tier, asked.slices)
    mixtures = design_mixtures(natural, asked.design, asked.runs)
    refuse_too_few(asked.runs, len(natural))
    return natural, Swarm(tier=asked.tier, mixtures=tuple(mixtures), seeds=asked.seeds)


def next_step(table: Path) -> str:
    """Return the command that fits a law to the table."""
    return f"curate mix fit log-linear {table} --weights '{WEIGHT}*' --losses '{LOSS}*'"


def _planner(asked: Asked, store: Store) -> Planner:
    progress = progress_for(quiet=asked.quiet)
    return Planner(store=store, workers=asked.workers, progress=progress)


def _step(name: str, action: str, why: str) -> dict[str, Json]:
    return {"step": name, "action": action, "why": why}


def _known_plan(planner: Planner, corpus: Artifact, asked: Asked) -> dict[str, Json]:
    """Return the plan for a corpus that exists: its mixtures, and how many runs the store has."""
    streams = find_streams(planner, corpus, asked.tier)
    held = held_by(corpus, streams)
    natural, swarm = swarm_of(held, asked)
    refuse_repeats(held, swarm, asked.epochs)
    tokens = tokens_node(existing_node(corpus), asked.tier.tokenizer)
    panel = existing_node(chosen_panel(planner, corpus, asked.panel))
    found = [planner.store.find("run", one.node(tokens, panel).fingerprint) is not None for one in swarm.wanted]
    made, missing = sum(found), len(found) - sum(found)
    steps: list[Json] = [
        _step("corpus", "reuse", corpus.path.name),
        _step("tokens", "reuse" if streams else "build", asked.tier.tokenizer),
    ]
    steps += [_step(f"{made} runs", "reuse", "same corpus, shares, tier and seed")] if made else []
    steps += [_step(f"{missing} runs", "build", "no such run in the store")] if missing else []
    return {
        "steps": steps,
        "natural": natural,
        "mixtures": [dict(mixture) for mixture in swarm.mixtures],
        "needs": dict(methods_needs(len(natural))),
        "cost": dict(cost_json(asked.tier, missing)),
    }


def _result(asked: Asked, natural: Mapping[str, float], swarm: Swarm, runs: Sequence[Artifact]) -> dict[str, Json]:
    listed: list[Json] = [
        {
            "mixture": number,
            "seed": seed,
            "run": str(run.path),
            "weights": dict(swarm.mixtures[number - 1]),
            "bpb": run.summary["bpb"],
            "epochs_by_slice": run.summary["epochs_by_slice"],
        }
        for (number, seed), run in zip(swarm.rows, runs, strict=True)
    ]
    return {
        "tier": asked.tier.name,
        "evidence": asked.tier.evidence,
        "design": {
            "kind": asked.design.kind,
            "concentration": asked.design.concentration,
            "seed": asked.design.seed,
        },
        "natural": dict(natural),
        "runs": listed,
        "cost": dict(cost_json(asked.tier, len(runs))),
        "needs": dict(methods_needs(len(natural))),
    }


def _draw_plan(console: Console, value: Mapping[str, Json], asked: Asked) -> None:
    from rich.table import Table

    table = Table(title=f"Swarm of {asked.runs} mixtures at {asked.tier.name}", title_justify="left")
    for column in ("step", "action", "why"):
        table.add_column(column)
    for step in cast("list[Mapping[str, str]]", value["steps"]):
        table.add_row(step["step"], step["action"], printable(step["why"]))
    console.print(table)
    mixtures = cast("list[Mapping[str, float]]", value["mixtures"])
    if mixtures:
        _draw_mixtures(console, cast("Mapping[str, float]", value["natural"]), mixtures)
        _draw_needs(console, cast("Mapping[str, int]", value["needs"]), len(mixtures))
    _draw_cost(console, cast("Mapping[str, float]", value["cost"]), "to train")


def _draw_mixtures(console: Console, natural: Mapping[str, float], mixtures: Sequence[Mapping[str, float]]) -> None:
    """Print the range of each slice's weight over the mixtures."""
    from rich.table import Table

    table = Table(title="weights tried, shares of bytes", title_justify="left")
    table.add_column("slice", overflow="fold")
    for column in ("natural", "least", "mean", "most"):
        table.add_column(column, justify="right")
    for name, share in sorted(natural.items()):
        values = [mixture[name] for mixture in mixtures]
        cells = (share, min(values), sum(values) / len(values), max(values))
        table.add_row(printable(name), *(f"{cell:.3f}" for cell in cells))
    console.print(table)


def _draw_needs(console: Console, needs: Mapping[str, int], num_mixtures: int) -> None:
    enough = [name for name, count in needs.items() if count <= num_mixtures]
    console.print(f"{num_mixtures} mixtures are enough for {', '.join(enough)}", markup=False)
    lacking = [f"{name} ({count})" for name, count in needs.items() if count > num_mixtures]
    if lacking:
        console.print(f"too few for {', '.join(lacking)}", markup=False)
    console.print("additive-law and joint-law need runs of at least two tiers as well", markup=False)


def _draw_cost(console: Console, cost: Mapping[str, float], what: str) -> None:
    told = (
        f"{cost['runs']:,} runs {what}: {cost['tokens']:,} tokens, {cost['flops']:.2e} FLOPs, about {time_text(cost)}"
    )
    console.print(f"{told}, starts and scoring aside", markup=False)


def _draw(console: Console, value: Mapping[str, Json], swarm: Swarm, runs: Sequence[Artifact]) -> None:
    """Print the best and worst run of each slice of the panel, and what comes next."""
    from rich.table import Table

    table = Table(title=f"{len(runs)} runs at {swarm.tier.name}: bits per byte of the panel", title_justify="left")
    table.add_column("slice", overflow="fold")
    for column in ("lowest", "of mixture", "mean", "highest", "of mixture"):
        table.add_column(column, justify="right")
    losses = [cast("Mapping[str, float]", run.summary["bpb"]) for run in runs]
    numbers = [number for number, _ in swarm.rows]
    for name in sorted(losses[0])[:MAX_SHOWN]:
        ranked = sorted((loss[name], number) for loss, number in zip(losses, numbers, strict=True))
        mean = sum(one for one, _ in ranked) / len(ranked)
        low, high = ranked[0], ranked[-1]
        table.add_row(printable(name), f"{low[0]:.3f}", str(low[1]), f"{mean:.3f}", f"{high[0]:.3f}", str(high[1]))
    console.print(table)
    if not swarm.tier.evidence:
        console.print(
            f"{swarm.tier.name} is a laptop tier: plumbing, no evidence of what a larger model would prefer (rule 18)"
        )
    _draw_needs(console, cast("Mapping[str, int]", value["needs"]), len(swarm.mixtures))
    console.print(f"table: {value['table']}", soft_wrap=True, markup=False)
    console.print(f"Next: {value['next']}", soft_wrap=True, markup=False)
