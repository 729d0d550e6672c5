"""`curate mix plan`: what a mixture would draw in a tier, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, SetOption, StoreOption, give, printable

if TYPE_CHECKING:
    from rich.console import Console

    from train.mix_plan import MixPlan, SlicePlan

MAX_ROWS = 40
"""Slices listed on a screen; JSON has all."""


def mix_plan(
    what: Annotated[
        str, typer.Argument(metavar="RECIPE|CORPUS", help="Recipe file, shipped recipe, corpus directory or name.")
    ],
    tier: Annotated[str, typer.Option("--tier", metavar="T", help="Tier whose budget is drawn (`curate tiers`).")],
    tokens: Annotated[
        str | None, typer.Option("--tokens", metavar="D", help="As if the tier's 1x budget were so many: 20B.")
    ] = None,
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    pool: Annotated[
        str | None, typer.Option(metavar="PATH", help="Files, directory or glob to read instead, for a recipe.")
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Preview a mixture: weights, tokens, epochs, what repeats are worth, shortages. Nothing is built or ingested.

    Slices are counted from a built corpus, else from the pool, else from the first records of its files.
    """
    from curation.errors import RunError
    from curation.recipe import load_recipe
    from curation.store import Store
    from curation.tables import amount_of
    from train.mix_plan import mix_plan as planned
    from train.mix_plan import plan_json, with_tokens
    from train.mix_sources import corpus_held, mixture_json, recipe_held
    from train.tiers import load_tier

    asked = None if tokens is None else amount_of(tokens)
    if asked is not None and not 0 < asked < float("inf"):
        raise RunError(f"--tokens: `{tokens}`, expected a number of tokens such as 20B; correct it")
    chosen, opened = with_tokens(load_tier(tier), asked), Store.reading(store)
    recipe_file = Path(what) if what.endswith((".yaml", ".yml")) else None
    tier_word = tier if asked is None else chosen.model
    if recipe_file is None and (Path(what).is_dir() or what.startswith("corpus-") or _hex(what)):
        if pool is not None:
            raise RunError(f"--pool: {what} is a corpus, which has its text; give a recipe")
        spec, held = corpus_held(opened, what, chosen, tuple(overrides))
        where = f"{held.told}: mix"
        step = (
            f"curate train {what} --tier {tier_word}"
            if not overrides
            else "put this `mix` into its recipe and build it"
        )
    else:
        base = None if recipe_file is not None else what
        recipe = load_recipe(recipe_file, base=base, pool=pool, overrides=tuple(overrides))
        spec, where = recipe.mix, f"{what}: mix"
        held = recipe_held(opened, recipe, chosen)
        step = f"curate build {what}, then curate train CORPUS --tier {tier_word}"
    plan = planned(spec, held, chosen, where=where)
    give(
        {**plan_json(plan), "mix": mixture_json(spec)},
        lambda console: _draw(console, plan, what, step),
        as_json=json_output,
    )


def _hex(name: str) -> bool:
    return len(name) >= 6 and all(char in "0123456789abcdef" for char in name)


def _draw(console: Console, plan: MixPlan, what: str, step: str) -> None:
    tier = plan.tier
    about = "" if plan.held.exact else "about, "
    console.print(
        f"{printable(what)} in {tier.name}: {tier.num_tokens:,} tokens, {tier.num_steps:,} steps "
        f"({about}from {plan.held.told})",
        markup=False,
        soft_wrap=True,
    )
    _draw_slices(console, plan)
    _draw_groups(console, plan)
    _draw_phases(console, plan)
    worth = plan.effective_tokens
    console.print(
        f"{plan.tokens:,.0f} tokens seen are worth {worth:,.0f} new ones ({worth / plan.tokens:.1%}); realised shares "
        f"are within {100 * plan.share_error:.2g} points of these from 1 % of the run on",
        soft_wrap=True,
    )
    for warning in plan.warnings:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)
    if plan.refusal:
        console.print(f"`curate train` would refuse: {plan.refusal}", markup=False, soft_wrap=True)
    else:
        console.print(f"next: {printable(step)}", markup=False, soft_wrap=True)


def _draw_slices(console: Console, plan: MixPlan) -> None:
    from rich.table import Table

    table = Table()
    table.add_column("slice", overflow="fold")
    for head in ("weight", "unique", "tokens", "epochs", "worth"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    ranked = sorted(plan.slices, key=lambda item: (-item.tokens, item.name))
    for item in ranked[:MAX_ROWS]:
        table.add_row(
            printable(item.name),
            f"{item.weight:.2%}",
            _short(item.unique_tokens),
            _short(item.tokens),
            f"{item.epochs:.2f}",
            _short(item.effective_tokens),
            _told(item),
        )
    console.print(table)
    if len(ranked) > MAX_ROWS:
        console.print(f"... and {len(ranked) - MAX_ROWS} slices more; --json has them")


def _told(item: SlicePlan) -> str:
    notes = list(item.notes)
    if "at its cap" in notes:
        notes[notes.index("at its cap")] = f"capped, {item.before_caps:.2%} wanted"
    return ", ".join(notes)


def _draw_groups(console: Console, plan: MixPlan) -> None:
    groups: dict[str, list[SlicePlan]] = {}
    for item in plan.slices:
        if item.group is not None:
            groups.setdefault(item.group, []).append(item)
    for name, items in sorted(groups.items()):
        unique, tokens = sum(item.unique_tokens for item in items), sum(item.tokens for item in items)
        console.print(
            f"group {printable(name)}: {tokens / plan.tokens:.2%}, {_short(tokens)} tokens of {_short(unique)} in "
            f"{len(items)} slices",
            markup=False,
        )


def _draw_phases(console: Console, plan: MixPlan) -> None:
    if len(plan.course.phases) < 2:
        return
    size = plan.tier.shape.context_tokens
    for phase in plan.course.phases:
        until = "the end" if phase.end is None else f"{_short(phase.end * size)} tokens"
        shares = sorted(phase.shares.items(), key=lambda pair: (-pair[1], pair[0]))
        told = ", ".join(f"{name} {share:.1%}" for name, share in shares[:8])
        console.print(f"from {_short(phase.start * size)} to {until}: {told}", markup=False, soft_wrap=True)


def _short(tokens: float) -> str:
    for factor, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if tokens >= factor:
            return f"{tokens / factor:,.2f}{unit}"
    return f"{tokens:,.0f}"
