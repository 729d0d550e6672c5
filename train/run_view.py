"""How runs, budgets and plans are shown: one JSON object, or what a person reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.console import give, printable
from curation.files import Json
from curation.show_anneal import anneal_lines

if TYPE_CHECKING:
    from rich.console import Console

    from curation.nodes import PlanStep
    from curation.store import Artifact
    from train.budgets import BudgetStep
    from train.cpu_plan import CpuPlan
    from train.tier_plan import TierPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said beside the numbers of finished runs."""

    panel: Path
    store: Path
    store_given: bool
    reused: Collection[str] = ()
    """Fingerprints of runs that were there before."""
    out: Path | None = None

    def name(self, path: Path) -> str:
        """Return how a command names an artifact: shortly, if it is in the store."""
        return path.name if path.parent == self.store else str(path)

    def next_step(self, runs: Sequence[Artifact]) -> str:
        """Return the line that says what to do with all the runs; a loop of the shell for several."""
        store = f" --store {self.store}" if self.store_given else ""
        ours = self.panel.parent == self.store
        asked = f"--suite panel{store}" if ours else f"--panel {self.panel}{store}"
        names = [self.name(run.path) for run in runs]
        if len(names) > 1:
            return f'Next: for run in {" ".join(names)}; do curate eval "$run" {asked}; done'
        line = f"Next: curate eval {names[0]} {asked}"
        return line + ("" if self.out else "; the same command with --out DIR writes the model for other programs")


def give_run(run: Artifact, told: Told, *, as_json: bool) -> None:
    """Give one run and what to do next."""
    give({"path": str(run.path), **run.manifest}, lambda console: _draw_told(console, [run], told), as_json=as_json)


def give_runs(runs: Sequence[Artifact], told: Told, *, as_json: bool) -> None:
    """Give several runs and what to do next."""
    found: list[Json] = [{"path": str(run.path), **run.manifest} for run in runs]
    give({"runs": found}, lambda console: _draw_told(console, runs, told), as_json=as_json)


def _draw_told(console: Console, runs: Sequence[Artifact], told: Told) -> None:
    for run in runs:
        if run.fingerprint in told.reused:
            console.print(f"{run.path.name}: already in the store, not trained again", markup=False)
        draw_run(console, run)
    if told.out is not None:
        console.print(f"Model written to {printable(str(told.out))}", markup=False, soft_wrap=True)
    console.print(printable(told.next_step(runs)), markup=False, soft_wrap=True)


def give_budgets(steps: Sequence[BudgetStep], *, as_json: bool) -> None:
    """Give what each budget takes from the plateau and what all cost together."""
    from train.budgets import cost_line

    def draw(console: Console) -> None:
        for step in steps:
            line = step.as_json()
            console.print(f"{line['action']:<6} {line['step']}: {line['why']}", markup=False)
        console.print(cost_line(steps), markup=False)

    give([step.as_json() for step in steps], draw, as_json=as_json)


def give_plan(
    steps: Sequence[PlanStep], remarks: Sequence[Mapping[str, Json]], tier: TierPlan | CpuPlan, *, as_json: bool
) -> None:
    """Give what would be built or reused, remarks on it in the same form, and what one run of the tier takes."""
    from train.tiers_command import draw_plan

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


def draw_run(console: Console, run: Artifact) -> None:
    """Print the result of a run."""
    summary = run.summary
    console.print(
        f"{run.path.name}: {summary['tier']} seed {summary['seed']}, {summary['tokens_seen']:,} tokens seen of "
        f"{summary['unique_tokens']:,} unique ({summary['epochs']:.2f} epochs), "
        f"final training loss {summary['final_train_loss']:.4f} nats a token",
        markup=False,
    )
    if summary["epochs_flag"]:
        console.print(f"Flagged: {summary['epochs_flag']}.", markup=False)
    for line in anneal_lines(run):
        console.print(line, markup=False, soft_wrap=True)
    if "@lr" in str(summary["tier"]):
        console.print("A probe of the learning rate: it says nothing about recipes.")
    elif not summary["evidence"]:
        console.print("A laptop tier: it shows that things work, not which recipe is better (rule 18).")
    interventions = cast("list[Mapping[str, Json]]", summary["interventions"])
    if interventions:
        console.print(f"Intervened {len(interventions)} times: compares only with a run that had the same done to it.")
    if not summary["stable"]:
        steps = len(cast("list[int]", summary["skipped_steps"]))
        console.print(f"Unstable: {steps} steps were skipped, more than 0.1 %.")
    draw_bpb(console, "Bits per byte on the panel", cast("Mapping[str, float]", summary["bpb"]))


def draw_bpb(console: Console, title: str, bpb: Mapping[str, float]) -> None:
    """Print bits per byte by slice."""
    from rich.table import Table

    table = Table(title=printable(title))
    table.add_column("slice")
    table.add_column("bits per byte", justify="right")
    for name, value in bpb.items():
        table.add_row(printable(name), f"{value:.4f}")
    console.print(table)
