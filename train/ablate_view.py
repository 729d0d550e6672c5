"""What `curate mix ablate` plans and prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from curation.console import give, printable
from curation.files import Json
from curation.nodes import Planner
from curation.store import Artifact
from curation.tables import inputs
from mixtures.unions import parse_partitions, parse_target, parse_union, score, unions_of
from train.ablate import Ablated, Ablation, ablate, refuse_repeated
from train.ablate_agreement import Agreement
from train.ablate_command import Options
from train.ablate_ranking_view import draw_overall, part_line
from train.cpu_plan import refuse_infeasible
from train.lookup import find_artifact
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
from train.mixed import refuse_other_model
from train.packing import visible_gpus
from train.swarm_command import cost_json

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 12
EVERY = "all"
"""Of `--verify`: every union that is scored."""


def perform(planner: Planner, options: Options, *, dry_run: bool, as_json: bool) -> None:
    """Do what the options say and print it.

    Raises: RunError, LawError, RecipeError and ShardError for what cannot be ablated or trained.
    """
    tier = options.tier
    start = None if options.seed_run is None else find_artifact(planner.store, options.seed_run, "run")
    if dry_run:
        corpus = find_corpus(planner, options.what, options.overrides)
        held = None if corpus is None else held_by(corpus, find_streams(planner, corpus, tier))
        if start is not None and corpus is not None:
            refuse_other_model(start, tier, chosen_panel(planner, corpus, options.panel))
        give_plan(held, options, started=start is not None, as_json=as_json)
        return
    refuse_infeasible([tier, options.seed_tier], visible_gpus)
    corpus = built_corpus(planner, options.what, options.overrides)
    text = shared_text(planner, corpus, tier, panel_name=options.panel)
    if start is not None:
        refuse_other_model(start, tier, text.panel)
    asked = ablation_of(held_by(text.corpus, text.streams), options)
    asked = replace(asked, target=parse_target(asked.target, panel_slices(text.panel)))
    found = ablate(planner, text, asked, start)
    give(_json(asked, found), lambda console: _draw(console, asked, found), as_json=as_json)


def ablation_of(held: Held, options: Options) -> Ablation:
    """Return what the options mean for slices that hold so much; the target still as it was given.

    Raises: LawError and RunError that name what is wrong with partitions, unions or slices.
    """
    partitions = parse_partitions(options.partition, natural_shares(held, options.tier, options.slices))
    names = list(partitions)
    unions = unions_of(names, options.largest)
    verify = list(dict.fromkeys(parse_union(text, names) for text in options.verify if text != EVERY or EVERY in names))
    if EVERY in options.verify and EVERY not in names:
        verify = [union for union in unions if len(union) > 1]
    return Ablation(
        tier=options.tier,
        seed_tier=options.seed_tier,
        seed=options.seed,
        partitions=partitions,
        unions=list(dict.fromkeys([*unions, *verify])),
        verify=verify,
        target=inputs(options.target, "--target") if options.target else {},
        workers=options.workers,
        epochs=options.epochs,
        panel_share=options.panel_share,
    )


def panel_slices(panel: Artifact) -> list[str]:
    """Return the slices of a panel's documents."""
    from train.score import read_panel

    return sorted(set(read_panel(panel).slices.tolist()))


def give_plan(held: Held | None, options: Options, *, started: bool, as_json: bool) -> None:
    """Print how many trainings and scorings an ablation takes, and how many training every union would."""
    tier = options.tier
    if held is None:
        value: dict[str, Json] = {"tier": tier.name, "partitions": None, "cost": None}
        told = "the corpus has not been built; one training a slice and one shared start, once it is"
        give(value, lambda console: console.print(told), as_json=as_json)
        return
    asked = ablation_of(held, options)
    refuse_repeated(held, asked)
    num = len(asked.partitions)
    start = [] if started else [f"1 start of {asked.seed_tier.num_tokens:,} tokens at {asked.seed_tier.name}"]
    value = {
        "tier": tier.name,
        "partitions": {name: dict(weights) for name, weights in asked.partitions.items()},
        "unions_scored": len(asked.unions),
        "unions_trained": sum(len(union) > 1 for union in asked.verify),
        "trainings_of_every_union": 2**num - 1,
        "cost": dict(cost_json(tier, asked.num_trainings)),
        "start_tokens": 0 if started else asked.seed_tier.num_tokens,
    }
    lines = [
        *start,
        f"{num} trainings of {tier.num_tokens:,} tokens at {tier.name}, one a partition: {', '.join(asked.partitions)}",
        *([f"{value['unions_trained']} unions trained as well (--verify)"] if asked.verify else []),
        f"{len(asked.unions)} unions scored by averages; training every union would take {2**num - 1} trainings",
    ]
    give(value, lambda console: console.print(printable_lines(lines), soft_wrap=True, markup=False), as_json=as_json)


def printable_lines(lines: list[str]) -> str:
    """Return lines as a terminal may have them."""
    return "\n".join(printable(line) for line in lines)


def _json(asked: Ablation, found: Ablated) -> dict[str, Json]:
    unions: list[Json] = []
    for union in sorted(found.scores, key=lambda one: found.scores[one]):
        own: dict[str, Json] = {"members": list(union), "score": found.scores[union]}
        own |= {key: dict(values) for key, values in found.proxies[union].items()}
        if union in found.trained:
            real = found.trained[union]
            own["trained"] = {key: dict(values) for key, values in real.items()}
            own["trained_score"] = score(real["bpb"], asked.target)
        unions.append(own)
    everything = tuple(asked.partitions)
    return {
        "tier": asked.tier.name,
        "evidence": asked.tier.evidence,
        "start": str(found.start.path),
        "partitions": {name: dict(weights) for name, weights in asked.partitions.items()},
        "members": {name: str(run.path) for name, run in found.members.items()},
        "target": dict(asked.target),
        "unions": unions,
        "best": {
            "members": list(found.best),
            "score": found.scores[found.best],
            "against_all": found.scores[found.best] - found.scores[everything],
        },
        "agreement": {name: one.as_json() for name, one in found.agreement.items()},
        "verified": len(found.trained),
        "ranking": found.overall.as_json() if found.overall is not None else None,
        "panel": found.part.as_json() if found.part is not None else None,
        "trainings": asked.num_trainings,
        "trainings_of_every_union": 2 ** len(everything) - 1,
        "source": "Na et al. 2024 (2410.15661)",
    }


def _draw(console: Console, asked: Ablation, found: Ablated) -> None:
    from rich.table import Table

    everything = found.scores[tuple(asked.partitions)]
    table = Table(title=f"unions at {asked.tier.name}, by the average of their members", title_justify="left")
    table.add_column("union", overflow="fold")
    table.add_column("against all", justify="right")
    table.add_column("trained: bpb", justify="right")
    for union in sorted(found.scores, key=lambda one: found.scores[one])[:MAX_SHOWN]:
        real = found.trained.get(union)
        told = f"{math.exp(score(real['bpb'], asked.target)):.3f}" if real is not None else "-"
        table.add_row(printable(" + ".join(union)), f"{100 * (found.scores[union] - everything):+.2f} %", told)
    console.print(table)
    if len(found.scores) > MAX_SHOWN:
        console.print(f"... and {len(found.scores) - MAX_SHOWN} unions more; --json has them")
    _draw_agreement(console, found.agreement, len(found.trained))
    if found.overall is not None:
        draw_overall(console, found.overall)
    if found.part is not None:
        console.print(part_line(found.part), markup=False, soft_wrap=True)
    console.print(f"best for the target: {printable(' + '.join(found.best))}", markup=False, soft_wrap=True)
    console.print(
        "The lowest of many proxies flatters itself, and averages compare with averages alone: train the best union "
        "and all together afresh with `curate mix verify`.", soft_wrap=True,
    )  # fmt: skip
    if not asked.tier.evidence:
        console.print(f"{asked.tier.name} is a laptop tier: plumbing, no evidence for larger models (rule 18)")


def _draw_agreement(console: Console, agreement: Mapping[str, Agreement], verified: int) -> None:
    from rich.table import Table

    if not agreement:
        return
    table = Table(title=f"perplexity of {verified} trained unions against", title_justify="left")
    table.add_column("slice", overflow="fold")
    for column in ("average: r", "ρ", "members' mean: r", "ρ"):
        table.add_column(column, justify="right")
    for name, one in agreement.items():
        values = (one.pearson, one.spearman, one.baseline_pearson, one.baseline_spearman)
        table.add_row(printable(name), *("-" if value is None else f"{value:.3f}" for value in values))
    console.print(table)
    if verified < 3:
        console.print("no correlation from fewer than 3 trained unions; name more with --verify")
