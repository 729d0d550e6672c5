"""`curate train`, `curate eval`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import DryRunFlag, JsonFlag, QuietFlag, StoreOption, give, printable, progress_for
from curation.errors import CurateError, RunError, nearest
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.nodes import Node, Planner
    from curation.store import Artifact, Store
    from train.run import Watch


def train(
    corpus: Annotated[str, typer.Argument(help="Corpus: a directory, or its name in the store.")],
    tier: Annotated[
        str, typer.Option("--tier", help="Model and budget: pico, nano-0.5x; see `curate tiers`.")
    ] = "pico",
    seed: Annotated[int, typer.Option("--seed", min=1, help="Index of the run, 1..n; fixed and public (rule 10).")] = 1,
    panel: Annotated[str | None, typer.Option("--panel", help="Panel artifact; default: the corpus' own.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the model as a Hugging Face directory.")] = None,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Train one tier on one corpus with one seed, score it on the panel; killed, the same command goes on."""
    from curation.nodes import Planner, existing_node
    from curation.store import Store
    from train.run import run_node
    from train.shards import tokens_node
    from train.tiers import load_tier
    from train.worker import stoppable_watch

    opened = Store.open(store)
    progress = progress_for(quiet=quiet)
    text = _artifact(opened, corpus, "corpus")
    judged = _panel_of(opened, text) if panel is None else _artifact(opened, panel, "panel")
    planner = Planner(store=opened, workers=1, progress=progress)
    planner.adopt(text)
    planner.adopt(judged)

    def node(watch: Watch | None) -> Node:
        tokens = tokens_node(existing_node(text), load_tier(tier, where="--tier").tokenizer)
        return run_node(tokens, existing_node(judged), tier, seed, watch)

    if dry_run:
        _give_plan(planner, node(None), as_json=json_output)
        return
    run = _trained(planner, node(stoppable_watch(None)))
    if out is not None:
        from train.export import export_model

        export_model(run, out)
    give({"path": str(run.path), **run.manifest}, lambda console: _draw_run(console, run), as_json=json_output)


def evaluate(
    model: Annotated[str, typer.Argument(help="Run in the store, or a Hugging Face model directory.")],
    panel: Annotated[str, typer.Option("--panel", help="Panel: a directory, or its name in the store.")],
    store: StoreOption = None,
    quiet: QuietFlag = False,
    json_output: JsonFlag = False,
) -> None:
    """Score a trained model on a panel: bits per byte per slice (rule 5)."""
    from curation.store import Store

    opened = Store.open(store)
    progress = progress_for(quiet=quiet)
    judged = _artifact(opened, panel, "panel")
    if (Path(model) / "config.json").is_file():
        from train.evaluate import score_directory

        scores = score_directory(Path(model), judged, progress)
    else:
        from train.evaluate import score_run

        scores = score_run(opened, _artifact(opened, model, "run"), judged, progress)
    bpb = cast("Mapping[str, float]", scores["bpb"])
    give(scores, lambda console: _draw_bpb(console, f"Bits per byte of {model}", bpb), as_json=json_output)


def _trained(planner: Planner, node: Node) -> Artifact:
    from train.loop import StoppedError
    from train.worker import EXIT_STOPPED

    try:
        return planner.materialise(node)
    except StoppedError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(EXIT_STOPPED) from None


def _artifact(store: Store, name: str, kind: str) -> Artifact:
    """Return the artifact of `kind` in directory `name`, or the one whose name in the store begins with it.

    Raises: RunError if there is none or more than one.
    """
    from curation.store import load_artifact

    if Path(name).is_dir():
        found = load_artifact(Path(name))
        if found.kind != kind:
            raise RunError(f"{name}: holds a {found.kind}, expected a {kind}; see `curate show {name}`")
        return found
    known = {path.parent.name: path.parent for path in sorted(store.root.glob(f"{kind}-*/manifest.json"))}
    matches = [path for key, path in known.items() if key.startswith((name, f"{kind}-{name}"))]
    if len(matches) != 1:
        problem = f"{len(matches)} artifacts match" if matches else f"no such {kind}"
        raise RunError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return load_artifact(matches[0])


def _panel_of(store: Store, corpus: Artifact) -> Artifact:
    """Return the panel that was split off before the corpus was made."""
    fingerprint = str(cast("Mapping[str, Json]", corpus.manifest["inputs"]).get("panel", ""))
    panel = store.find("panel", fingerprint) if fingerprint else None
    if panel is None:
        raise CurateError(
            f"{corpus.path}: its panel {fingerprint[:8]} is not in {store.root}; "
            "expected the store that built it; give --store or --panel"
        )
    return panel


def _give_plan(planner: Planner, node: Node, *, as_json: bool) -> None:
    steps = planner.plan(node)
    rows: list[Json] = [{"step": s.node.name, "action": s.action, "why": s.why} for s in steps]

    def draw(console: Console) -> None:
        for step in steps:
            console.print(f"{step.action:<6} {step.node.name}: {step.why}", markup=False)

    give(rows, draw, as_json=as_json)


def _draw_run(console: Console, run: Artifact) -> None:
    summary = run.summary
    console.print(
        f"{run.path.name}: {summary['tier']} seed {summary['seed']}, {summary['tokens_seen']:,} tokens seen of "
        f"{summary['unique_tokens']:,} unique ({summary['epochs']:.2f} epochs), "
        f"final training loss {summary['final_train_loss']:.4f} nats a token",
        markup=False,
    )
    if not summary["evidence"]:
        console.print("A laptop tier: it shows that things work, not which recipe is better (rule 18).")
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
