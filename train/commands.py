"""`curate train`, `curate eval`: the options; `train.train_request` does what the first is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, progress_for

if TYPE_CHECKING:
    from curation.progress import Progress
    from curation.store import Store


def train(
    corpus: Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")],
    tier: Annotated[
        str, typer.Option("--tier", help="Model and budget: pico, nano-0.5x; see `curate tiers`.")
    ] = "pico",
    seed: Annotated[
        int | None, typer.Option("--seed", min=1, help="Index of the run, 1..n, default 1; fixed and public (rule 10).")
    ] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="Several runs side by side: 1-4, or 1,3.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Runs at once with --seeds (default: as many as fit).")
    ] = None,
    budgets: Annotated[
        str | None, typer.Option("--budgets", help="Several budgets of the model from one plateau: 0.5,1,2,4.")
    ] = None,
    anneal_on: Annotated[
        str | None, typer.Option("--anneal-on", help="Corpus to read while the rate falls, in place of CORPUS.")
    ] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", min=1, help="Cards in all: --dry-run, --launch-script.")] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", min=1, help="Nodes, for --launch-script.")] = None,
    launch_script: Annotated[
        Path | None, typer.Option("--launch-script", help="Only write a torchrun script of this run to a file.")
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Write the script for sbatch.")] = False,
    panel: Annotated[str | None, typer.Option("--panel", help="Panel artifact; default: the corpus' own.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the model as a Hugging Face directory.")] = None,
    epochs: Annotated[
        float, typer.Option("--epochs", min=1, help="Permit so many repeats of a corpus smaller than the budget.")
    ] = 1.0,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="If the loss goes wrong rewind, skip, reorder, lower the rate: another run."),
    ] = False,
    replay_interventions: Annotated[
        str | None, typer.Option("--replay-interventions", help="Do from the start what --recover did in this run.")
    ] = None,
    track: Annotated[
        str | None, typer.Option("--track", help="Also send the metrics to trackio or wandb, if installed.")
    ] = None,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Train one tier on one corpus, score it on the panel; killed, the same command goes on.

    With --seeds every seed is a run of its own, several at once: the same runs as one by one. With --budgets the
    budgets share one plateau: the same runs for less. With --anneal-on the run reads another corpus from where its
    rate begins to fall.
    """
    asked = dict(locals())
    from train.train_request import Request, fulfil

    fulfil(Request(**asked))


def evaluate(
    model: Annotated[str, typer.Argument(help="Run in the store, or a Hugging Face model directory.")],
    panel: Annotated[
        str | None, typer.Option("--panel", help="Panel, or a corpus for its own: a directory or a name.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="JSON Lines of context, choices, answer: score these instead.")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option("--context", min=1, help="Tokens of a window (default: the run's, also of its export; else 512)."),
    ] = None,
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Score a trained model: bits per byte of a panel's slices (rule 5), or accuracy on items of your own.

    Items are plumbing until suites are scored: their numbers are no evidence and enter no comparison.
    """
    from curation.errors import RunError
    from curation.store import Store

    if (panel is None) == (items is None):
        given = "neither" if panel is None else "both"
        raise RunError(f"curate eval {model}: {given} of --panel and --items, expected one of them; give one")
    opened, progress = Store.open(store), progress_for(quiet=quiet)
    if items is not None:
        _evaluate_items(opened, model, items, context, progress, as_json=json_output)
    else:
        _evaluate_panel(opened, model, cast("str", panel), context, progress, as_json=json_output)


def _evaluate_panel(
    store: Store, model: str, panel: str, context: int | None, progress: Progress, *, as_json: bool
) -> None:
    from train.evaluate import directory_subject, score_panel, score_run
    from train.lookup import find_artifact, find_panel
    from train.run_view import draw_bpb

    judged = find_panel(store, panel)
    if _is_directory(model):
        scores = score_panel(directory_subject(Path(model), context), judged, progress)
    else:
        scores = score_run(find_artifact(store, model, "run"), judged, progress, context=context)
    bpb = cast("Mapping[str, float]", scores["bpb"])
    give(scores, lambda console: draw_bpb(console, f"Bits per byte of {model}", bpb), as_json=as_json)


def _evaluate_items(
    store: Store, model: str, items: Path, context: int | None, progress: Progress, *, as_json: bool
) -> None:
    from train.evaluate import directory_subject, run_subject, score_questions
    from train.items import draw_report, read_questions
    from train.lookup import find_artifact

    questions = read_questions(items)
    if _is_directory(model):
        subject = directory_subject(Path(model), context)
    else:
        subject = run_subject(find_artifact(store, model, "run"), context)
    found = score_questions(subject, questions, progress)
    give(found, lambda console: draw_report(console, model, found), as_json=as_json)


def _is_directory(model: str) -> bool:
    return (Path(model) / "config.json").is_file()
