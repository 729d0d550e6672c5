"""`curate leaderboard replay`: the gates' rule against ranking at the small tier, on published runs of two tiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, give

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.published.replay import Replay, Replayed
    from leaderboard.published.rules import Outcome


def replay(
    board: Annotated[Path, typer.Argument(metavar="BOARD", help="Directory of a board with published runs.")],
    small: Annotated[str, typer.Option("--from", metavar="TIER", help="Small tier: 400m, 1b, 7b-1x.")],
    target: Annotated[str, typer.Option("--to", metavar="TIER", help="Target tier.")],
    metric: Annotated[str, typer.Option("--metric", help="Aggregate or task.")] = "Core_v2",
    json_output: JsonFlag = False,
) -> None:
    """Replay the gates on published runs: false scale-ups, regret, GPU-hours, and what crosses between two tiers.

    Data sets are paired by name under one training recipe a tier; each is the baseline in turn. The gates themselves
    say insufficient to published runs; the replay assumes the noise that a few repeated trainings suggest.
    """
    from curation.errors import RunError
    from leaderboard.entries.entry import ENTRIES
    from leaderboard.published.replay import replay as replayed
    from leaderboard.published.replay import replay_json
    from leaderboard.published.write import read_runs

    runs = read_runs(board) if (board / ENTRIES).is_dir() else []
    if not runs:
        raise RunError(
            f"{board}: no published runs; expected a board with some; make one with "
            f"`curate leaderboard import dclm DIR --to {board}`"
        )
    found = replayed(runs, (small, target), metric)
    give(replay_json(found), lambda console: _draw(console, found), as_json=json_output)


def _draw(console: Console, found: Replay) -> None:
    from leaderboard.published.repeats import noise_json
    from leaderboard.published.replay import CANNOT, MFU, pooled_json
    from leaderboard.published.rules import MIN_RECIPES

    def say(text: str) -> None:
        from curation.console import printable

        console.print(printable(text), markup=False, soft_wrap=True)

    first = found.blocks[0].block
    say(f"{found.limits.gates} replayed from {first.small} to {first.target}, by {found.metric}")
    lacking = found.literal["insufficient"]
    count = len(lacking) if isinstance(lacking, list) else 0
    say(f"as they are published, G1 says {found.literal['decision']}: {count} conditions insufficient (rules 8 and 9)")
    noise = noise_json(found.repeats, found.metric)
    if noise["sigma"] is not None:
        say(
            f"assumed run noise: {noise['sigma']:.4f} ({noise['low']:.4f} to {noise['high']:.4f}), "
            f"{noise['n_runs']} runs of {noise['n_groups']} data sets that were trained twice"
        )
    large = [one for one in found.blocks if len(one.block.datasets) >= MIN_RECIPES] or list(found.blocks[:1])
    for one in large:
        _draw_block(console, one)
    if len(large) < len(found.blocks):
        say(f"{len(found.blocks) - len(large)} blocks of 3 data sets: with --json")
    for name, pooled in pooled_json(found).items():
        if isinstance(pooled, dict):
            say(
                f"all blocks, a pair of data sets once: {name} scales up {pooled['scale_ups']} of "
                f"{pooled['decisions']}, {pooled['false_scale_ups']} falsely, misses {pooled['missed']} "
                f"({pooled['n']} data sets)"
            )
    say(f"GPU-hours: one H100 at {MFU:.0%} of its bf16 peak, runs at the target only, mean over baselines")
    for limit in CANNOT:
        say(f"limit: {limit}")


def _draw_block(console: Console, one: Replayed) -> None:
    from rich.table import Table
    from rich.text import Text

    from curation.console import printable

    block, pair = one.block, one.stability.pairs[0]
    console.print()
    title = f"{len(block.datasets)} data sets: {block.small_recipe} to {block.target_recipe}"
    console.print(printable(title), markup=False, style="bold", soft_wrap=True)
    accuracy, kept = pair.agreement.values["decision_accuracy"], pair.agreement.winner_kept
    regret = pair.agreement.values["regret"]
    assert accuracy is not None
    assert regret is not None
    console.print(
        f"decision accuracy {accuracy:.2f}, winner {'kept' if kept == 1 else 'lost'}, regret of the small tier's "
        f"winner {regret:.4f}; rule 11: {pair.verdict}"
    )
    table = Table(header_style="bold")
    for name in ("rule", "scale-ups", "false", "share", "missed", "regret", "GPU-hours", "saved"):
        table.add_column(name, justify="left" if name == "rule" else "right", no_wrap=name != "share")
    every = one.by_rule["all"].flops
    for name, outcome in one.by_rule.items():
        cells = _cells(outcome, every)
        table.add_row(Text(name), *(cells if name != "all" else [cells[0], "", "", *cells[3:]]))
    for factor, outcome in one.at_other_noise.items():
        table.add_row(Text(f"gate, noise x{factor:g}"), *_cells(outcome, every))
    console.print(table)
    gate = one.by_rule.get("gate")
    if gate:
        stopped = ", ".join(f"{name} {count}" for name, count in gate.blocked_by.items())
        console.print(f"of those ahead at the small tier the gate stops by: {stopped}", soft_wrap=True)
    for crossing in one.stability.crossings.found[:5]:
        names = block.datasets
        text = f"crosses: {names[crossing.ahead]} overtakes {names[crossing.behind]} at {block.target}"
        console.print(printable(text), markup=False, soft_wrap=True)
    rest = (one.stability.crossings.total or 0) - 5
    if rest > 0:
        console.print(f"… {rest} more pairs cross; all with --json")


def _cells(one: Outcome, every: float) -> list[str]:
    from leaderboard.published.replay import gpu_hours

    share = "–" if one.false_fraction is None else f"{one.false_fraction:.0%}"
    if one.false_ci95:
        share += f" ({one.false_ci95.low:.0%}–{one.false_ci95.high:.0%})"
    regret = f"{one.regret:.4f}"
    hours = [f"{gpu_hours(one.flops):,.0f}", f"{gpu_hours(every - one.flops):,.0f}"]
    return [f"{one.scale_ups} of {one.decisions}", str(one.false_scale_ups), share, str(one.missed), regret, *hours]
