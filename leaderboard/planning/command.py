"""`curate fit plan`: sizes, tokens, costs and experiments for a budget, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, StoreOption, give

if TYPE_CHECKING:
    from curation.files import Json


FlopsOption = Annotated[str | None, typer.Option("--flops", metavar="1e23", help="Training budget, C = 6 N D.")]
LawOption = Annotated[
    str,
    typer.Option(
        "--law",
        metavar="NAME|FILE.json",
        help="besiroglu, hoffmann, sardana, muennighoff, or what `curate fit chinchilla ... --json` wrote.",
    ),
]
ServedOption = Annotated[
    str | None,
    typer.Option("--inference-tokens", metavar="2T", help="Tokens served over the model's life, read and written."),
]
UniqueOption = Annotated[
    str | None, typer.Option("--unique-tokens", metavar="25B", help="Different tokens that there are.")
]
RatioOption = Annotated[
    str | None, typer.Option("--tokens-per-param", metavar="100", help="Train at this ratio; what does it cost?")
]
LatencyOption = Annotated[
    str | None, typer.Option("--latency-ms", metavar="20", help="Milliseconds a decoded token may take.")
]
CardOption = Annotated[str, typer.Option("--card", "--gpu", help="Kind of card: h200, h100, a100, b200 ...")]
CardsOption = Annotated[int, typer.Option("--cards", min=1, help="Cards that decode one model together.")]
VocabOption = Annotated[int, typer.Option("--vocab", min=2, help="Vocabulary of the model's shape.")]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", "--experiments", metavar="120gpuh", help="Experiments for so many card-hours or FLOPs."),
]
ArmsOption = Annotated[int, typer.Option("--arms", min=1, help="Recipes to train in every cell.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Seeds an arm.")]
GainOption = Annotated[
    str | None,
    typer.Option("--gain", metavar="0.3%", help="Which tiers and seeds would show this gain of the loss?"),
]
ExplainFlag = Annotated[
    bool, typer.Option("--explain-ratio", help="Why no single ratio of tokens to parameters holds.")
]


def fit_plan(
    flops: FlopsOption = None,
    law: LawOption = "besiroglu",
    inference_tokens: ServedOption = None,
    unique_tokens: UniqueOption = None,
    tokens_per_param: RatioOption = None,
    latency_ms: LatencyOption = None,
    card: CardOption = "h200",
    cards: CardsOption = 1,
    vocab: VocabOption = 32_768,
    budget: BudgetOption = None,
    arms: ArmsOption = 2,
    seeds: SeedsOption = 3,
    gain: GainOption = None,
    explain_ratio: ExplainFlag = False,
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
            store=Store.reading(store).root if gain else None,
        )
    )
    give(cast("Json", plan), lambda console: draw_plan(console, plan), as_json=json_output)
