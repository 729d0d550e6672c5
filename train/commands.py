"""`curate train`, `curate eval`: the options; `train.train_request` does what the first is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation.console import DEFAULT_WORKERS, DryRunFlag, JsonFlag, QuietFlag, StoreOption, WorkersOption


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
    model: Annotated[str | None, typer.Argument(help="Run in the store, or a Hugging Face model directory.")] = None,
    directory: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="The same, as an option.", show_default=False)
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            help="Suites: core, small, panel, all, a YAML file; several: repeat, or core,small. lm-eval:TASK, "
            "lm-eval:DIR or lm-eval:DIR/task.yaml: lm-eval's tasks or your own; these are code, run in a process of "
            "their own, offline.",
        ),
    ] = None,
    panel: Annotated[
        str | None, typer.Option("--panel", help="Panel, or a corpus for its own: a directory or a name.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="JSON Lines of context, choices, answer: score these instead.")
    ] = None,
    evals: Annotated[
        Path | None, typer.Option("--evals", help="Directory of benchmark files (default: CURATE_EVALS).")
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--tasks", help="Only these tasks of the suite: partial, never compared.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first items of each task: partial, never compared.")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option("--context", min=1, help="Tokens of a window (default: the run's, also of its export; else 512)."),
    ] = None,
    checkpoints: Annotated[
        str | None, typer.Option("--checkpoints", help="`all` states of the run that still exist, or one by its step.")
    ] = None,
    last_k: Annotated[
        int | None, typer.Option("--last-k", min=2, help="Also the mean of the last K checkpoints' scores.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Who computes the log-likelihoods: curate, or lm-eval beside it.")
    ] = "curate",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the results to a directory, several below it.")
    ] = None,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Score a trained model on suites of tasks and on the panel; killed, the same command goes on after the last task.

    Results are artifacts of kind `scores`: results.json beside every item or document. Without --suite: bits per byte
    of --panel (rule 5), or accuracy on --items of your own, which are plumbing and enter no comparison.
    """
    asked = dict(locals())
    from train.evals.command import evaluate_as_asked

    evaluate_as_asked(asked)
