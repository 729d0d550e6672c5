"""What `curate train` is asked, and doing it: one run, several seeds, several budgets, a plan or a launch script."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from curation.console import give, progress_for
from curation.errors import RunError
from curation.nodes import Node, Planner, existing_node
from curation.store import Artifact, Store
from train.anneal import anneal_on
from train.branches import default_kept
from train.budgets import Asked, parse_budgets, plan_budgets, train_budgets
from train.export import claimed
from train.live import training_view
from train.lookup import find_artifact, panel_of
from train.many_runs import Wanted, parse_seeds, train_runs
from train.metrics import Listener
from train.recovery import SKIP_ONLY, Recovery, recovery_of
from train.run import Watch, run_node
from train.run_view import give_budgets, give_plan, give_run, give_runs
from train.shards import tokens_node
from train.supply import planned_supply, refuse_shortage, supply_of
from train.tier_plan import plan_or_smallest, plan_tier
from train.tiers import load_tier
from train.trackers import trackers
from train.worker import EXIT_STOPPED, stoppable_watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Every option of `curate train`, by its name."""

    corpus: str
    tier: str
    seed: int
    seeds: str | None
    jobs: int | None
    budgets: str | None
    anneal_on: str | None
    gpus: int | None
    nodes: int | None
    launch_script: Path | None
    slurm: bool
    panel: str | None
    out: Path | None
    epochs: float
    recover: bool
    replay_interventions: str | None
    track: str | None
    store: Path | None
    dry_run: bool
    quiet: bool
    json_output: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """The request with its artifacts found."""

    asked: Request
    planner: Planner
    corpus: Artifact
    panel: Artifact
    recovery: Recovery
    listeners: tuple[Listener, ...]

    def node(self, watch: Watch | None = None) -> Node:
        """Return the node of the one run that is asked for."""
        tier, seed = self.asked.tier, self.asked.seed
        if self.asked.anneal_on is not None:
            late = find_artifact(self.planner.store, self.asked.anneal_on, "corpus")
            return anneal_on(self.planner, self.corpus, late, self.panel, tier=tier, seed=seed, watch=watch)
        tokens = tokens_node(existing_node(self.corpus), load_tier(tier, where="--tier").tokenizer)
        return run_node(tokens, existing_node(self.panel), tier, seed, watch, recovery=self.recovery)


def fulfil(asked: Request) -> None:
    """Do what is asked and print it.

    Raises: RunError for options that do not go together, and what planning and training raise; typer.Exit when asked
    to stop.
    """
    ready = _found(asked)
    if asked.budgets is not None:
        _budgets(ready, asked.budgets)
    elif asked.dry_run:
        tier = load_tier(asked.tier)
        enough = planned_supply(ready.planner, ready.node(), ready.corpus, tier, asked.epochs)
        plan = plan_or_smallest(tier, asked.gpus)
        give_plan(ready.planner, ready.node(), [enough], plan, as_json=asked.json_output)
    elif asked.launch_script is not None:
        _script(ready, asked.launch_script)
    elif asked.gpus is not None or asked.nodes is not None or asked.slurm:
        raise RunError("--gpus, --nodes, --slurm: without --dry-run they are for --launch-script FILE; expected it")
    elif asked.seeds is not None:
        _refuse_annealing(asked, "--seeds")
        wanted = [Wanted(tier=asked.tier, seed=one, recovery=ready.recovery) for one in parse_seeds(asked.seeds)]
        runs = train_runs(ready.planner, ready.corpus, ready.panel, wanted, jobs=asked.jobs, epochs=asked.epochs)
        give_runs(runs, asked.out, as_json=asked.json_output)
    else:
        with nullcontext() if asked.out is None else claimed(asked.out):
            give_run(_one_run(ready), asked.out, as_json=asked.json_output)


def _found(asked: Request) -> _Ready:
    store = Store.open(asked.store)
    view = training_view(quiet=asked.quiet) if asked.seeds is None and asked.budgets is None else None
    progress = progress_for(quiet=asked.quiet) if view is None else view
    corpus = find_artifact(store, asked.corpus, "corpus")
    panel = panel_of(store, corpus) if asked.panel is None else find_artifact(store, asked.panel, "panel")
    planner = Planner(store=store, workers=1, progress=progress)
    planner.adopt(corpus)
    planner.adopt(panel)
    listeners = (*(() if view is None else (view,)), *trackers(asked.track, progress.note))
    return _Ready(
        asked=asked,
        planner=planner,
        corpus=corpus,
        panel=panel,
        recovery=_recovery(asked, store),
        listeners=listeners,
    )


def _recovery(asked: Request, store: Store) -> Recovery:
    """Return what is done when the loss goes wrong; anything but skipping is for single runs."""
    replayed = None
    if asked.replay_interventions is not None:
        replayed = find_artifact(store, asked.replay_interventions, "run")
    recovery = recovery_of(recover=asked.recover, replayed=replayed)
    others = (asked.budgets, asked.anneal_on, asked.launch_script)
    if recovery != SKIP_ONLY and any(other is not None for other in others):
        raise RunError(
            f"--recover, --replay-interventions: given with another way to train ({recovery.policy}), expected single "
            "runs; drop --budgets, --anneal-on or --launch-script"
        )
    return recovery


def _one_run(ready: _Ready) -> Artifact:
    tier, epochs = load_tier(ready.asked.tier), ready.asked.epochs
    tokens = ready.planner.materialise(ready.node().inputs["tokens"])
    refuse_shortage(supply_of(tokens, tier), epochs)
    watch = replace(stoppable_watch(None), listeners=ready.listeners, keep=default_kept(tier), epochs=epochs)
    return _trained(ready.planner, ready.node(watch))


def _budgets(ready: _Ready, budgets: str) -> None:
    asked = ready.asked
    _refuse_annealing(asked, "--budgets")
    wanted = Asked(
        planner=ready.planner,
        corpus=ready.corpus,
        panel=ready.panel,
        tiers=parse_budgets(budgets, asked.tier),
        seeds=[asked.seed] if asked.seeds is None else parse_seeds(asked.seeds),
        epochs=asked.epochs,
    )
    if asked.dry_run:
        give_budgets(plan_budgets(wanted), as_json=asked.json_output)
        return
    runs = train_budgets(wanted, _trained, jobs=asked.jobs, listeners=ready.listeners)
    give_runs(runs, asked.out, as_json=asked.json_output)


def _script(ready: _Ready, path: Path) -> None:
    from train.launch import Launch, write_launch_script

    asked = ready.asked
    launch = Launch(
        plan=plan_tier(load_tier(asked.tier, where="--tier"), gpus=asked.gpus or 1, nodes=asked.nodes),
        seed=asked.seed,
        epochs=asked.epochs,
        corpus=ready.corpus.path,
        panel=ready.panel.path,
        store=ready.planner.store.root,
        slurm=asked.slurm,
    )
    write_launch_script(launch, path)
    give({"path": str(path)}, lambda console: console.print(str(path)), as_json=asked.json_output)


def _refuse_annealing(asked: Request, option: str) -> None:
    if asked.anneal_on is not None:
        raise RunError(
            f"--anneal-on: {asked.anneal_on} with {option}, expected one run at a time; give --tier and --seed"
        )


def _trained(planner: Planner, node: Node) -> Artifact:
    from train.loop import StoppedError

    try:
        return planner.materialise(node)
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(EXIT_STOPPED) from None
