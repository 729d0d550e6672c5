"""`curate train`, `curate eval`: the options; `train.train_request` does what the first is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, progress_for


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
    panel: Annotated[str, typer.Option("--panel", help="Panel: a directory, or its name in the store.")],
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Score a trained model on a panel: bits per byte per slice (rule 5)."""
    from curation.store import Store
    from train.lookup import find_artifact
    from train.run_view import draw_bpb

    opened = Store.open(store)
    progress = progress_for(quiet=quiet)
    judged = find_artifact(opened, panel, "panel")
    if (Path(model) / "config.json").is_file():
        from train.evaluate import score_directory

        scores = score_directory(Path(model), judged, progress)
    else:
        from train.evaluate import score_run

        scores = score_run(opened, find_artifact(opened, model, "run"), judged, progress)
    bpb = cast("Mapping[str, float]", scores["bpb"])
    give(scores, lambda console: draw_bpb(console, f"Bits per byte of {model}", bpb), as_json=json_output)
