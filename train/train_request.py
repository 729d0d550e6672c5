"""What `curate train` is asked, and doing it: one run, several seeds, several budgets, a plan or a launch script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import typer

from curation.console import give, progress_for
from curation.nodes import Node, Planner, existing_node
from curation.store import Artifact, Store
from train.anneal import anneal_on, decay_tier
from train.branches import default_kept
from train.budgets import Asked, parse_budgets, plan_budgets, train_budgets
from train.cpu_plan import CpuPlan, infeasible, plan_cpu, refuse_infeasible
from train.export import claimed, export_model
from train.launch import Launch, write_launch_script
from train.live import training_view
from train.lookup import find_artifact, panel_of
from train.many_runs import Wanted, parse_seeds, train_runs
from train.metrics import Listener
from train.option_rules import refuse_combination
from train.orders import ANNEAL_TOKENS
from train.packing import visible_gpus
from train.recovery import Recovery, recovery_of
from train.run import Watch, run_node
from train.run_view import Told, give_budgets, give_plan, give_run, give_runs
from train.shards import tokens_node
from train.supply import planned_supply, refuse_shortage, supply_of
from train.tier_plan import TierPlan, plan_or_smallest, plan_tier
from train.tiers import Tier, load_tier
from train.trackers import trackers
from train.worker import stoppable_watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Every option of `curate train`, by its name."""

    corpus: str
    tier: str
    seed: int | None
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
    late: Artifact | None
    """The corpus of `--anneal-on`."""
    recovery: Recovery
    listeners: tuple[Listener, ...]

    @property
    def tiers(self) -> Sequence[Tier]:
        """The budgets that are asked for, smallest first."""
        if self.asked.budgets is not None:
            return parse_budgets(self.asked.budgets, self.asked.tier)
        return [load_tier(self.asked.tier, where="--tier")]

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds that are asked for."""
        return [self.asked.seed or 1] if self.asked.seeds is None else parse_seeds(self.asked.seeds)

    def node(self, tier: Tier, seed: int, watch: Watch | None = None) -> Node:
        """Return the node of one run."""
        if self.late is not None:
            return anneal_on(
                self.planner, self.corpus, self.late, self.panel, tier=tier.name, seed=seed, watch=watch
            )  # fmt: skip
        tokens = tokens_node(existing_node(self.corpus), tier.tokenizer)
        return run_node(tokens, existing_node(self.panel), tier.name, seed, watch, recovery=self.recovery)

    @property
    def targets(self) -> dict[Path, Node]:
        """Where models go, and of which run: `out`, of several seeds `seed-<k>` in it, of budgets `<tier>/seed-<k>`."""
        out, tiers = self.asked.out, self.tiers
        if out is None:
            return {}
        if self.asked.seeds is None and self.asked.budgets is None:
            return {out: self.node(tiers[0], self.seeds[0])}
        return {
            (out / tier.name if len(tiers) > 1 else out) / f"seed-{seed}": self.node(tier, seed)
            for tier in tiers
            for seed in self.seeds
        }


def fulfil(asked: Request) -> None:
    """Do what is asked and print it.

    Raises: RunError for options that do not go together, and what planning and training raise; typer.Exit when asked
    to stop.
    """
    refuse_combination({f"--{field.name.replace('_', '-')}": getattr(asked, field.name) for field in fields(asked)})
    ready = _found(asked)
    if asked.dry_run:
        _plan(ready)
        return
    if asked.launch_script is not None:
        _script(ready, asked.launch_script)
        return
    refuse_infeasible(_missing_tiers(ready), visible_gpus)
    targets = ready.targets
    told = _told(ready)
    with claimed({place: node.fingerprint for place, node in targets.items()}):
        runs = _trained_runs(ready)
        made = {run.fingerprint: run for run in runs}
        for place, node in targets.items():
            export_model(made[node.fingerprint], place)
    if asked.seeds is None and asked.budgets is None:
        give_run(runs[0], told, as_json=asked.json_output)
    else:
        give_runs(runs, told, as_json=asked.json_output)


def _told(ready: _Ready) -> Told:
    """Return what is to be said beside the numbers; asked before training, when the store shows what it had."""
    asked, store = ready.asked, ready.planner.store
    nodes = [ready.node(tier, seed) for tier in ready.tiers for seed in ready.seeds]
    return Told(
        panel=ready.panel.path,
        store=store.root,
        store_given=asked.store is not None,
        reused={node.fingerprint for node in nodes if store.find("run", node.fingerprint) is not None},
        out=asked.out,
    )


def _missing_tiers(ready: _Ready) -> list[Tier]:
    """Return the tiers of which a run is still to be trained."""
    find = ready.planner.store.find
    return [
        tier
        for tier in ready.tiers
        if any(find("run", ready.node(tier, seed).fingerprint) is None for seed in ready.seeds)
    ]


def _found(asked: Request) -> _Ready:
    store = Store.reading(asked.store) if asked.dry_run else Store.open(asked.store)
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
        late=None if asked.anneal_on is None else find_artifact(store, asked.anneal_on, "corpus"),
        recovery=_recovery(asked, store),
        listeners=listeners,
    )


def _recovery(asked: Request, store: Store) -> Recovery:
    """Return what is done when the loss goes wrong."""
    replayed = None
    if asked.replay_interventions is not None:
        replayed = find_artifact(store, asked.replay_interventions, "run")
    return recovery_of(recover=asked.recover, replayed=replayed)


def _trained_runs(ready: _Ready) -> list[Artifact]:
    asked = ready.asked
    if asked.budgets is not None:
        return train_budgets(_budgets(ready), _trained, jobs=asked.jobs, listeners=ready.listeners)
    if asked.seeds is not None:
        wanted = [Wanted(tier=asked.tier, seed=seed, recovery=ready.recovery) for seed in ready.seeds]
        return train_runs(ready.planner, ready.corpus, ready.panel, wanted, jobs=asked.jobs, epochs=asked.epochs)
    tier, seed = ready.tiers[0], ready.seeds[0]
    tokens = ready.planner.materialise(ready.node(tier, seed).inputs["tokens"])
    refuse_shortage(supply_of(tokens, tier), asked.epochs)
    watch = replace(stoppable_watch(None), listeners=ready.listeners, keep=default_kept(tier), epochs=asked.epochs)
    return [_trained(ready.planner, ready.node(tier, seed, watch))]


def _budgets(ready: _Ready) -> Asked:
    return Asked(
        planner=ready.planner,
        corpus=ready.corpus,
        panel=ready.panel,
        tiers=ready.tiers,
        seeds=ready.seeds,
        epochs=ready.asked.epochs,
    )


def _plan(ready: _Ready) -> None:
    """Print what would be built, whether the text is enough, and what a run takes."""
    asked = ready.asked
    if asked.budgets is not None:
        give_budgets(plan_budgets(_budgets(ready)), as_json=asked.json_output)
        return
    tier = ready.tiers[0]
    nodes = [ready.node(tier, seed) for seed in ready.seeds]
    remarks = [planned_supply(ready.planner, nodes[0].inputs["tokens"], ready.corpus, tier, epochs=asked.epochs)]
    candidate = nodes[0].inputs.get(ANNEAL_TOKENS)
    if candidate is not None and ready.late is not None:
        remarks.append(planned_supply(ready.planner, candidate, ready.late, decay_tier(tier), epochs=asked.epochs,
                                      step="supply of --anneal-on"))  # fmt: skip
    plan: TierPlan | CpuPlan
    if asked.launch_script is not None:
        plan = _launch(ready).plan
        kind = "an sbatch script" if asked.slurm else "a script"
        told = f"{kind}: {plan.nodes} node(s), {plan.memory.world_size} process(es) in all"
        remarks.append({"step": f"launch script {asked.launch_script}", "action": "build", "why": told})
    elif asked.gpus is None and asked.nodes is None:
        problem = "".join(infeasible(one, visible_gpus) for one in _missing_tiers(ready))
        remarks += [{"step": "this machine", "action": "refuse", "why": problem}] if problem else []
    if tier.family == "laptop":
        plan = plan_cpu(tier, asked.gpus or asked.nodes or 1)
    elif asked.launch_script is None:
        plan = plan_or_smallest(tier, asked.gpus, nodes=asked.nodes)
    give_plan(ready.planner.plan(*nodes), remarks, plan, as_json=asked.json_output)


def _launch(ready: _Ready) -> Launch:
    asked = ready.asked
    return Launch(
        plan=plan_tier(ready.tiers[0], gpus=asked.gpus or 1, nodes=asked.nodes),
        seed=ready.seeds[0],
        epochs=asked.epochs,
        corpus=ready.corpus.path,
        panel=ready.panel.path,
        store=ready.planner.store.root,
        slurm=asked.slurm,
    )


def _script(ready: _Ready, path: Path) -> None:
    write_launch_script(_launch(ready), path)
    give({"path": str(path)}, lambda console: console.print(str(path)), as_json=ready.asked.json_output)


def _trained(planner: Planner, node: Node) -> Artifact:
    from train.loop import StoppedError

    try:
        return planner.materialise(node)
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(stopped.exit_code) from None
