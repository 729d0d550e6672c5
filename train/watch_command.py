"""`curate watch`: follow a run that another process trains, by its files alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from train.run_state import RunFollower

POLL_SECONDS = 1.0
ENDED = ("finished", "stopped")


def watch(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN|STORE]", help="Run: directory or name; or a store: its run written to last."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show where the run is and return.")] = False,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Follow a training run live, read-only, from its metrics and telemetry; also after its end.

    Returns when the run is finished or stopped; Ctrl-C leaves the run alone.
    """
    from rich.console import Console

    from curation.store import Store
    from train.run_state import RunFollower, find_run

    root = Store.reading(store).root
    follower = RunFollower(find_run(run or root, root))
    follower.look()
    terminal = Console().is_terminal
    if not (once or json_output) and terminal and follower.status not in ENDED:
        _follow(follower)
        return
    summary = follower.summary
    shown: dict[str, Json] = {
        **follower.state.as_json(),
        "path": str(follower.path),
        "status": follower.status,
        "summary": None if summary is None else dict(summary),
    }
    give(shown, lambda console: console.print(_final(follower)), as_json=json_output)


def _follow(follower: RunFollower) -> None:
    from rich.console import Console
    from rich.live import Live

    from train.live import panel

    with Live(panel(follower.state, follower.status), console=Console(highlight=False), auto_refresh=False) as live:
        while (status := follower.status) not in ENDED:
            follower.look()
            live.update(panel(follower.state, status), refresh=True)
            time.sleep(POLL_SECONDS)
        follower.look()
        live.update(_final(follower), refresh=True)


def _final(follower: RunFollower) -> RenderableType:
    """Return the view of a run, with its score on the whole panel if it has one."""
    from rich.console import Group

    from train.live import panel

    view = panel(follower.state, follower.status)
    summary = follower.summary
    if summary is None:
        return view
    scores = "   ".join(f"{name} {value:.4f}" for name, value in summary["bpb"].items())
    return Group(view, f"Bits per byte on the whole panel: {scores}")
