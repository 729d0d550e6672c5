"""`curate train`, `curate eval`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, printable, progress_for
from curation.errors import RunError
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.nodes import Node, Planner
    from curation.store import Artifact
    from train.budgets import BudgetStep
    from train.run import Watch
    from train.tier_plan import TierPlan


def train(
    corpus: Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")],
    tier: Annotated[
        str, typer.Option("--tier", help="Model and budget: pico, nano-0.5x; see `curate tiers`.")
    ] = "pico",
    seed: Annotated[int, typer.Option("--seed", min=1, help="Index of the run, 1..n; fixed and public (rule 10).")] = 1,
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
    from curation.nodes import Planner, existing_node
    from curation.store import Store
    from train.anneal import anneal_on as annealed
    from train.branches import default_kept
    from train.budgets import Asked, parse_budgets, plan_budgets, train_budgets
    from train.live import training_view
    from train.lookup import find_artifact, panel_of
    from train.many_runs import Wanted, parse_seeds, train_runs
    from train.recovery import SKIP_ONLY, recovery_of
    from train.run import run_node
    from train.shards import tokens_node
    from train.supply import planned_supply, refuse_shortage, supply_of
    from train.tier_plan import plan_or_smallest, plan_tier
    from train.tiers import load_tier
    from train.trackers import trackers
    from train.worker import stoppable_watch

    opened = Store.open(store)
    view = training_view(quiet=quiet) if seeds is None and budgets is None else None
    progress = progress_for(quiet=quiet) if view is None else view
    followers = (*(() if view is None else (view,)), *trackers(track, progress.note))
    text = find_artifact(opened, corpus, "corpus")
    judged = panel_of(opened, text) if panel is None else find_artifact(opened, panel, "panel")
    planner = Planner(store=opened, workers=1, progress=progress)
    planner.adopt(text)
    planner.adopt(judged)
    replayed = None if replay_interventions is None else find_artifact(opened, replay_interventions, "run")
    recovery = recovery_of(recover=recover, replayed=replayed)
    if recovery != SKIP_ONLY and any(other is not None for other in (budgets, anneal_on, launch_script)):
        raise RunError(
            f"--recover, --replay-interventions: given with another way to train ({recovery.policy}), expected single "
            "runs; drop --budgets, --anneal-on or --launch-script"
        )

    if budgets is not None:
        _refuse_together(anneal_on, "--budgets")
        asked = Asked(
            planner=planner, corpus=text, panel=judged,
            tiers=parse_budgets(budgets, tier), seeds=[seed] if seeds is None else parse_seeds(seeds),
            epochs=epochs,
        )  # fmt: skip
        if dry_run:
            _give_budgets(plan_budgets(asked), as_json=json_output)
        else:
            _give_runs(train_budgets(asked, _trained, jobs=jobs, listeners=followers), out, as_json=json_output)
        return

    def node(watch: Watch | None) -> Node:
        if anneal_on is not None:
            late = find_artifact(opened, anneal_on, "corpus")
            return annealed(planner, text, late, judged, tier=tier, seed=seed, watch=watch)
        tokens = tokens_node(existing_node(text), load_tier(tier, where="--tier").tokenizer)
        return run_node(tokens, existing_node(judged), tier, seed, watch, recovery=recovery)

    if dry_run:
        enough = planned_supply(planner, node(None), text, load_tier(tier), epochs)
        _give_plan(planner, node(None), [enough], plan_or_smallest(load_tier(tier), gpus), as_json=json_output)
        return
    if launch_script is not None:
        cards = plan_tier(load_tier(tier, where="--tier"), gpus=gpus or 1, nodes=nodes)
        places = {"corpus": text.path, "panel": judged.path, "store": opened.root}
        _give_script(launch_script, cards, seed, epochs=epochs, slurm=slurm, **places, as_json=json_output)
        return
    if gpus is not None or nodes is not None or slurm:
        raise RunError("--gpus, --nodes, --slurm: without --dry-run they are for --launch-script FILE; expected it")
    if seeds is not None:
        _refuse_together(anneal_on, "--seeds")
        wanted = [Wanted(tier=tier, seed=one, recovery=recovery) for one in parse_seeds(seeds)]
        _give_runs(train_runs(planner, text, judged, wanted, jobs=jobs, epochs=epochs), out, as_json=json_output)
        return
    refuse_shortage(supply_of(planner.materialise(node(None).inputs["tokens"]), load_tier(tier)), epochs)
    watch = replace(stoppable_watch(None), listeners=followers, keep=default_kept(load_tier(tier)), epochs=epochs)
    run = _trained(planner, node(watch))
    if out is not None:
        from train.export import export_model

        export_model(run, out)
    give({"path": str(run.path), **run.manifest}, lambda console: _draw_run(console, run), as_json=json_output)


def _give_script(
    script: Path, plan: TierPlan, seed: int, *,
    epochs: float, slurm: bool, corpus: Path, panel: Path, store: Path, as_json: bool,
) -> None:  # fmt: skip
    from train.launch import Launch, write_launch_script

    launch = Launch(plan=plan, seed=seed, epochs=epochs, corpus=corpus, panel=panel, store=store, slurm=slurm)
    write_launch_script(launch, script)
    give({"path": str(script)}, lambda console: console.print(str(script)), as_json=as_json)


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
    give(scores, lambda console: _draw_bpb(console, f"Bits per byte of {model}", bpb), as_json=json_output)


def _refuse_together(anneal_on: str | None, option: str) -> None:
    if anneal_on is not None:
        raise RunError(f"--anneal-on: {anneal_on} with {option}, expected one run at a time; give --tier and --seed")


def _trained(planner: Planner, node: Node) -> Artifact:
    from train.loop import StoppedError
    from train.worker import EXIT_STOPPED

    try:
        return planner.materialise(node)
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(EXIT_STOPPED) from None


def _give_runs(runs: Sequence[Artifact], out: Path | None, *, as_json: bool) -> None:
    """Give several runs; with `out` each is exported to its `seed-<k>`, with several tiers to `<tier>/seed-<k>`."""
    from train.export import export_model

    several = len({run.summary["tier"] for run in runs}) > 1
    for run in runs if out is not None else ():
        place = cast("Path", out) / str(run.summary["tier"]) if several else cast("Path", out)
        export_model(run, place / f"seed-{run.summary['seed']}")
    found: list[Json] = [{"path": str(run.path), **run.manifest} for run in runs]

    def draw(console: Console) -> None:
        for run in runs:
            _draw_run(console, run)

    give({"runs": found}, draw, as_json=as_json)


def _give_budgets(steps: Sequence[BudgetStep], *, as_json: bool) -> None:
    from train.budgets import cost_line

    def draw(console: Console) -> None:
        for step in steps:
            line = step.as_json()
            console.print(f"{line['action']:<6} {line['step']}: {line['why']}", markup=False)
        console.print(cost_line(steps), markup=False)

    give([step.as_json() for step in steps], draw, as_json=as_json)


def _give_plan(
    planner: Planner, node: Node, remarks: Sequence[Mapping[str, Json]], tier: TierPlan, *, as_json: bool
) -> None:
    from train.tiers_command import draw_plan

    steps = planner.plan(node)
    rows: list[Json] = [{"step": s.node.name, "action": s.action, "why": s.why} for s in steps]
    rows += remarks
    rows.append({"step": f"plan {tier.tier.name}", "action": "plan", "why": "what it takes", "plan": tier.as_json()})

    def draw(console: Console) -> None:
        for step in steps:
            console.print(f"{step.action:<6} {step.node.name}: {step.why}", markup=False)
        for remark in remarks:
            console.print(f"{remark['action']:<6} {remark['step']}: {remark['why']}", markup=False)
        draw_plan(console, tier)

    give(rows, draw, as_json=as_json)


def _draw_run(console: Console, run: Artifact) -> None:
    summary = run.summary
    console.print(
        f"{run.path.name}: {summary['tier']} seed {summary['seed']}, {summary['tokens_seen']:,} tokens seen of "
        f"{summary['unique_tokens']:,} unique ({summary['epochs']:.2f} epochs), "
        f"final training loss {summary['final_train_loss']:.4f} nats a token",
        markup=False,
    )
    if summary["epochs_flag"]:
        console.print(f"Flagged: {summary['epochs_flag']}.", markup=False)
    if not summary["evidence"]:
        console.print("A laptop tier: it shows that things work, not which recipe is better (rule 18).")
    interventions = cast("list[Mapping[str, Json]]", summary["interventions"])
    if interventions:
        console.print(f"Intervened {len(interventions)} times: compares only with a run that had the same done to it.")
    if not summary["stable"]:
        steps = len(cast("list[int]", summary["skipped_steps"]))
        console.print(f"Unstable: {steps} steps were skipped, more than 0.1 %.")
    _draw_bpb(console, "Bits per byte on the panel", cast("Mapping[str, float]", summary["bpb"]))


def _draw_bpb(console: Console, title: str, bpb: Mapping[str, float]) -> None:
    from rich.table import Table

    table = Table(title=printable(title))
    table.add_column("slice")
    table.add_column("bits per byte", justify="right")
    for name, value in bpb.items():
        table.add_row(printable(name), f"{value:.4f}")
    console.print(table)
