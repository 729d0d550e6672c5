"""`curate build`: a recipe and a pool in, a corpus out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import (
    DEFAULT_WORKERS,
    BackendOption,
    DryRunFlag,
    JsonFlag,
    QuietFlag,
    SetOption,
    SiteOption,
    StoreOption,
    WorkersOption,
    give,
    printable,
    progress_for,
)
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.backends.sites import Site
    from curation.nodes import Planner, PlanStep
    from curation.publishing.out import Out
    from curation.recipe import Recipe
    from curation.store import Artifact


def build(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.yaml", help="Recipe; default: the one --base names.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="NAME", help="Shipped recipe to start from (default: baseline).")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(metavar="PATH", help="Files, directory or glob to read instead; or `environment`.")
    ] = None,
    filters: Annotated[
        list[str], typer.Option("--filter", metavar="NAME", help="Use this filter (curate filters list).")
    ] = [],  # noqa: B006 - typer copies the default
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR|s3://…|hf://…", help="Publish the corpus there, as a Hugging Face dataset."),
    ] = None,
    licence_ok: Annotated[
        list[str],
        typer.Option("--licence-ok", metavar="NAME", help="With an address: send documents of this licence, or `all`."),
    ] = [],  # noqa: B006 - typer copies the default
    removed: Annotated[
        bool, typer.Option("--removed", help="With --out: publish what the stages dropped too, with the reasons.")
    ] = False,
    workers: WorkersOption = DEFAULT_WORKERS,
    backend: BackendOption = None,
    on: SiteOption = None,
    store: StoreOption = None,
    dry_run: DryRunFlag = False,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Build a corpus from a recipe: raw text in, sharded Parquet with manifest, card and funnel out.

    Without arguments: the recipe `baseline` on the text of this Python environment. Finished steps are reused;
    after Ctrl-C or a crash the same command continues.
    """
    from curation.backends.choose import chosen_site
    from curation.nodes import Planner
    from curation.publishing.out import out_of
    from curation.recipe import read_recipe
    from curation.recipe_changes import one_filter
    from curation.store import Store

    read = read_recipe(recipe, base=base, pool=pool, filter_name=one_filter(filters), overrides=tuple(overrides))
    chosen, notes = read.recipe, [read.note] if read.note else []
    place = out_of(out, removed=removed, accepted=licence_ok)
    name, site = chosen_site(backend, on)
    opened = Store.reading(store) if dry_run else Store.open(store)
    planner = Planner(store=opened, workers=workers, progress=progress_for(quiet=quiet))
    if dry_run:
        _dry_run(planner, chosen, place.folder, notes, as_json=json_output)
        return
    for note in notes:
        planner.progress.note(note)
    chosen = _pinned(chosen)
    corpus, ran = _built(planner, chosen, place, name, site)
    value = _result_json(chosen, corpus, out) | {"backend": ran}
    give(value, lambda console: _draw_result(console, chosen, corpus, out), as_json=json_output)


def _built(planner: Planner, recipe: Recipe, place: Out, backend: str, site: Site) -> tuple[Artifact, dict[str, Json]]:
    """Return the corpus, published to `place`, and what the back end did."""
    from curation.backends.choose import elsewhere, launcher_for
    from curation.ingest import ensure_pool
    from curation.pipeline import plan_corpus
    from curation.store import Store

    launcher = launcher_for(backend, site)
    if launcher is not None:
        planner.store = Store(planner.store.root.absolute())  # workers stand elsewhere
        planner.progress.note(f"back end {backend}: ingest, the panel and global steps run here, shards on the cluster")
    source = ensure_pool(planner.store, recipe.pool, workers=planner.workers, progress=planner.progress)
    planned = plan_corpus(recipe, source).corpus
    planner.elsewhere = ran = elsewhere(launcher, site, recipe, source, planner.store)
    place.refuse_other(planned.fingerprint)
    corpus = planner.materialise(planned)
    place.publish(corpus, recipe, planner.store, planner.progress)
    return corpus, {"name": backend, **(ran.tally.as_json() if ran else {})}


def _pinned(recipe: Recipe) -> Recipe:
    """Return the recipe with revisions of its pool as commits, so that what is published names what was read."""
    from curation.sources.survey import is_remote, pinned

    return recipe.model_copy(update={"pool": pinned(recipe.pool)}) if is_remote(recipe.pool) else recipe


def _dry_run(planner: Planner, recipe: Recipe, out: Path | None, notes: list[str], *, as_json: bool) -> None:
    from curation.ingest import known_pool
    from curation.pipeline import plan_corpus
    from curation.publish import refusal
    from curation.sources.survey import is_remote, survey

    reads = survey(recipe.pool) if is_remote(recipe.pool) else None
    reached = reads is None or reads.inputs is not None
    known = known_pool(planner.store, recipe.pool, reads.inputs if reads else None) if reached else None
    planned = plan_corpus(recipe, known).corpus if known else None
    steps = planner.plan(planned) if planned else []
    warning = refusal(out, planned.fingerprint if planned else None) if out is not None else None
    told = [*notes, f"warning: {warning}"] if warning else [*notes]
    plan = _plan_json(recipe, steps, told)
    problem = reads.problem() if reads else None
    if reads is not None:
        plan["reads"] = reads.as_json()
        told += reads.lines()
    if problem is not None:
        plan["error"] = {"kind": type(problem).__name__, "message": str(problem)}
    give(plan, lambda console: _draw_plan(console, recipe, steps, told), as_json=as_json)
    if problem is not None and not as_json:
        raise problem
    if problem is not None:  # its message is in the one object already
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        raise typer.Exit(problem.exit_code)


def _plan_json(recipe: Recipe, steps: list[PlanStep], notes: list[str]) -> dict[str, Json]:
    listed: list[Json] = [
        {"step": s.node.name, "kind": s.node.kind, "action": s.action, "why": s.why, "fingerprint": s.node.fingerprint}
        for s in steps
    ]
    return {
        "recipe": recipe.name,
        "pool": "known" if steps else "not yet read",
        "steps": listed,
        "notes": list[Json](notes),
    }


def _draw_plan(console: Console, recipe: Recipe, steps: list[PlanStep], notes: list[str]) -> None:
    from rich.table import Table

    for note in notes:
        console.print(printable(note), markup=False, soft_wrap=True)
    if not steps:
        console.print(f"{recipe.name}: the pool has not been read yet, so every step would be built:")
        stages = [f"{stage.kind} {stage.name}" for stage in recipe.stages]
        console.print("  " + ", ".join(["pool", "panel split", "token counts", *stages, "corpus"]), markup=False)
        return
    table = Table(title=f"Plan for {recipe.name}", title_justify="left")
    for column in ("step", "action", "why", "fingerprint"):
        table.add_column(column)
    for step in steps:
        table.add_row(step.node.name, step.action, step.why, step.node.fingerprint[:8])
    console.print(table)


def _result_json(recipe: Recipe, corpus: Artifact, out: str | None) -> dict[str, Json]:
    from curation.files import read_json

    return {
        "recipe": recipe.name,
        "fingerprint": corpus.fingerprint,
        "path": str(out or corpus.path),
        "summary": corpus.summary,
        "funnel": _without_samples(read_json(corpus.path / "funnel.json")),
    }


def _without_samples(funnel: Json) -> Json:
    steps = cast("list[dict[str, Json]]", funnel)
    return [{key: value for key, value in step.items() if key != "samples"} for step in steps]


def _draw_result(console: Console, recipe: Recipe, corpus: Artifact, out: str | None) -> None:
    from curation.show_command import draw_funnel

    draw_funnel(console, corpus)
    summary = corpus.summary
    console.print(
        f"[bold]{printable(recipe.name)}[/bold]: {summary['num_docs']:,} documents, "
        f"{cast('int', summary['num_bytes']) / 1e6:,.1f} MB, {summary['num_tokens']:,} tokens "
        f"({summary['tokenizer']}) in {summary['num_shards']} shards"
    )
    console.print(f"corpus: {out or corpus.path}", soft_wrap=True)
    if out is None or Path(out).is_dir():
        console.print(f"look closer: curate show {out or corpus.path}", soft_wrap=True)
