"""`curate fit plan`: sizes, tokens, costs and experiments for a budget, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, StoreOption, give

if TYPE_CHECKING:
    from curation.files import Json


def fit_plan(
    flops: Annotated[str | None, typer.Option("--flops", metavar="1e23", help="Training budget, C = 6 N D.")] = None,
    law: Annotated[
        str,
        typer.Option(
            "--law",
            metavar="NAME|FILE.json",
            help="besiroglu, hoffmann, sardana, muennighoff, or what `curate fit chinchilla ... --json` wrote.",
        ),
    ] = "besiroglu",
    inference_tokens: Annotated[
        str | None,
        typer.Option("--inference-tokens", metavar="2T", help="Tokens served over the model's life, read and written."),
    ] = None,
    unique_tokens: Annotated[
        str | None, typer.Option("--unique-tokens", metavar="25B", help="Different tokens that there are.")
    ] = None,
    tokens_per_param: Annotated[
        str | None, typer.Option("--tokens-per-param", metavar="100", help="Train at this ratio; what does it cost?")
    ] = None,
    latency_ms: Annotated[
        str | None, typer.Option("--latency-ms", metavar="20", help="Milliseconds a decoded token may take.")
    ] = None,
    card: Annotated[str, typer.Option("--card", "--gpu", help="Kind of card: h200, h100, a100, b200 ...")] = "h200",
    cards: Annotated[int, typer.Option("--cards", min=1, help="Cards that decode one model together.")] = 1,
    vocab: Annotated[int, typer.Option("--vocab", min=2, help="Vocabulary of the model's shape.")] = 32_768,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", "--experiments", metavar="120gpuh", help="Experiments for so many card-hours or FLOPs."
        ),
    ] = None,
    arms: Annotated[int, typer.Option("--arms", min=1, help="Recipes to train in every cell.")] = 2,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds an arm.")] = 3,
    gain: Annotated[
        str | None,
        typer.Option("--gain", metavar="0.3%", help="Which tiers and seeds would show this gain of the loss?"),
    ] = None,
    explain_ratio: Annotated[
        bool, typer.Option("--explain-ratio", help="Why no single ratio of tokens to parameters holds.")
    ] = False,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Plan a training before it is paid for: N and D for a budget, hours, shape, serving, repetition, experiments.

    Every section says which law or measurement it rests on, and what is assumed.
    """
    from curation.store import Store
    from leaderboard.planning.plan import Wanted, amount, make_plan
    from leaderboard.planning.view import draw_plan

    plan = make_plan(
        Wanted(
            flops=amount(flops, "--flops"),
            law=law,
            served_tokens=amount(inference_tokens, "--inference-tokens"),
            unique_tokens=amount(unique_tokens, "--unique-tokens"),
            ratio=amount(tokens_per_param, "--tokens-per-param"),
            latency_ms=amount(latency_ms, "--latency-ms"),
            card=card,
            cards=cards,
            vocab_size=vocab,
            budget=budget,
            arms=arms,
            seeds=seeds,
            gain=gain,
            explain=explain_ratio,
            store=Store.open(store).root if gain else None,
        )
    )
    give(cast("Json", plan), lambda console: draw_plan(console, plan), as_json=json_output)
