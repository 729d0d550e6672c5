"""`curate study measure`: what a kind of study must measure beside bits per byte, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation.console import DEFAULT_WORKERS, JsonFlag, QuietFlag, StoreOption, WorkersOption, give, progress_for


def study_measure(
    study: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="Study directory in its store.")],
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what the kind of a finished study must measure, arm by arm, and what is missing with its remedy.

    A tokenizer study: tokens per byte by slice and language, formatting of code and math, length, use of the
    vocabulary, speed, memory, quality at equal FLOPs and bytes. An optimizer study: its sweeps, the best of each side
    on seeds that chose nothing, spikes, speed, memory, quality at equal FLOPs and seconds. Nothing is trained.
    """
    from curation.store import Store
    from leaderboard.protocols.measure import measure_study
    from leaderboard.protocols.view import draw_measured
    from leaderboard.studies.results import read_result

    result = read_result(study)
    root = store or (study if study.is_dir() else study.parent).resolve().parent
    progress = progress_for(quiet=quiet or json_output)
    found = measure_study(result, store=Store.open(root), workers=workers, progress=progress)
    give(found.as_json(), lambda console: draw_measured(console, found), as_json=json_output)
