"""What commands share: options, and one way to give a result (a table for people, one JSON object for programs)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.files import Json
from curation.progress import Progress, default_progress

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; messages go to stderr.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what would be built or reused, and why; do nothing.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=1,
        show_default="number of cores, at most 8",
        help="Threads or processes; results never depend on it.",
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", metavar="NAME", help="Where shards are made: local, ray or slurm (default: local)."),
]
SiteOption = Annotated[
    str | None,
    typer.Option("--on", metavar="SITE", help="Profile of a cluster: in ~/.config/curate/sites, or a file."),
]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="A.B=C", help="Override one setting; repeatable. C is YAML.")
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Directory of artifacts (default: CURATE_STORE or ./.curate).")
]

DEFAULT_WORKERS = min(os.cpu_count() or 1, 8)


def progress_for(*, quiet: bool) -> Progress:
    """Return where a command reports its progress: stderr, as a bar or as log lines, or nowhere."""
    return default_progress(quiet=quiet)


def give(value: Json, render: Callable[[Console], None], *, as_json: bool) -> None:
    """Print a command's result on stdout: `value` as one JSON object, or what `render` draws."""
    if as_json:
        json.dump(value, sys.stdout, ensure_ascii=False, sort_keys=True, indent=2)
        sys.stdout.write("\n")
        return
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
    render(Console(width=width, highlight=False))


def printable(text: str) -> str:
    """Return `text` without control and direction-changing characters, safe for a terminal or a page."""
    return "".join(" " if char in "\n\t\r" else char for char in text if char.isprintable() or char in "\n\t\r")
