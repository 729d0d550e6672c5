"""`curate show`: what an artifact holds and from what it was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from curation.console import JsonFlag, StoreOption, give, printable, progress_for
from curation.errors import CurateError, nearest
from curation.files import Json, read_json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.store import Artifact, Store

SAMPLES_SHOWN = 8
ExtractOption = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Compare extractors on pages: HTML files, a folder, WARC, JSONL with `html`."),
]


def show(
    artifact: Annotated[
        str | None, typer.Argument(help="Directory, or kind-fingerprint prefix in the store; none lists all.")
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Also show documents that each step dropped.")] = False,
    funnel: Annotated[
        bool, typer.Option("--funnel", help="Show what a corpus lost by rule, by slice and by source, with samples.")
    ] = False,
    provenance: Annotated[
        bool,
        typer.Option("--provenance", help="Show the chain back to the pool's files, and whether every link holds."),
    ] = False,
    extract: ExtractOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="With --funnel, --provenance or --extract: also write a page there (.mmd: a Mermaid graph).",
        ),
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Show what an artifact holds: counts, settings, the artifacts it was made from, its funnel.

    Without a name: the artifacts of the store, and the recipes and stages that a build can name.
    """
    from curation.store import Store

    if (funnel, provenance, extract is not None).count(True) > 1:
        raise CurateError("--funnel, --provenance, --extract: two pages, expected one of them; run the command twice")
    if extract is not None:
        from curation.extraction.compare_view import give_extract

        give_extract(extract, artifact, out, as_json=json_output)
        return
    if out is not None and not (funnel or provenance):
        raise CurateError(f"--out {out}: only --funnel, --provenance and --extract write a page; add one of them")
    opened = Store.reading(store)
    if provenance:
        _give_provenance(opened, artifact, out, as_json=json_output)
        return
    if artifact is None:
        from curation.show_all import draw_everything, everything

        if funnel:
            raise CurateError("--funnel: no corpus named; give a directory or a name from `curate show`")
        known = opened.artifacts()
        give(everything(known), lambda console: draw_everything(console, known), as_json=json_output)
        return
    found = _find(opened, artifact)
    if funnel:
        _give_funnel(opened, found, out, as_json=json_output)
        return
    give(
        {"path": str(found.path), **found.manifest, **_contamination(found)},
        lambda console: _draw(console, found, samples=samples),
        as_json=json_output,
    )


def _give_provenance(store: Store, name: str | None, out: Path | None, *, as_json: bool) -> None:
    from curation.errors import EXIT_VERIFICATION
    from curation.provenance import chain_of, is_folder_of_runs, verify
    from curation.provenance_view import draw, write_graph

    if name is None:
        raise CurateError("--provenance: nothing named; give a directory or a name from `curate show`")
    root = Path(name) if is_folder_of_runs(Path(name)) else _find(store, name)
    chain = verify(chain_of(root, store), progress_for(quiet=as_json))
    if out is not None:
        write_graph(out, chain)
    give(chain.as_json(), lambda console: draw(console, chain), as_json=as_json)
    if not chain.ok:
        raise typer.Exit(EXIT_VERIFICATION)


def _contamination(found: Artifact) -> dict[str, Json]:
    from curation.decontamination.report_view import summaries

    reports = summaries(found.path)
    return {"contamination": reports} if reports else {}


def _find(store: Store, name: str) -> Artifact:
    from curation.store import load_artifact

    if Path(name).is_dir():
        return load_artifact(Path(name))
    known = {item.path.name: item for item in store.artifacts()}
    matches = [
        item for key, item in known.items() if key == name or key.startswith(name) or item.fingerprint.startswith(name)
    ]
    if len(matches) != 1:
        problem = f"{len(matches)} artifacts match" if matches else "no such artifact"
        raise CurateError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return matches[0]


def _give_funnel(store: Store, corpus: Artifact, out: Path | None, *, as_json: bool) -> None:
    from curation.funnel_files import file_names
    from curation.funnel_view import draw_losses, funnel_json, write_funnel_page

    value, names = funnel_json(corpus), file_names(store, corpus)
    if out is not None:
        write_funnel_page(out, corpus, names)

    def draw(console: Console) -> None:
        draw_funnel(console, corpus)
        draw_losses(console, corpus, names)
        if out is not None:
            console.print(f"page: {out}", soft_wrap=True, markup=False)

    give(value, draw, as_json=as_json)


def _draw(console: Console, artifact: Artifact, *, samples: bool) -> None:
    from rich.pretty import Pretty
    from rich.table import Table

    from curation.show_all import corpus_tables
    from curation.show_anneal import anneal_lines
    from curation.show_tokens import input_files, reading_lines, token_tables

    table = Table(title=artifact.path.name, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")  # a long path is shown whole
    table.add_row("kind", artifact.kind)
    table.add_row("fingerprint", artifact.fingerprint)
    table.add_row("made by", str(artifact.manifest.get("version", "")))
    inputs = artifact.manifest.get("inputs", {})
    if isinstance(inputs, dict):
        for name, fingerprint in cast("Mapping[str, str]", inputs).items():
            table.add_row(f"input {name}", fingerprint[:16])
    else:  # the user's own files
        table.add_row("input files", "\n".join(input_files(cast("list[str]", inputs))))
    tables = token_tables(artifact) or (corpus_tables(artifact) if artifact.kind == "corpus" else {})
    for name, value in artifact.summary.items():
        if name not in tables and not (tables and name == "slices"):  # the schedule's table has what slices hold
            table.add_row(name, printable(value) if isinstance(value, str) else Pretty(value, max_length=40))
    console.print(table)
    for part in tables.values():
        console.print(part)
    for line in (*reading_lines(artifact), *anneal_lines(artifact)):
        console.print(line, markup=False, soft_wrap=True)
    if (artifact.path / "funnel.json").is_file():
        draw_funnel(console, artifact)
        if samples:
            _draw_samples(console, artifact)
    _draw_contamination(console, artifact)


def _draw_contamination(console: Console, artifact: Artifact) -> None:
    from curation.decontamination.report_view import draw_summary, summaries

    for report in summaries(artifact.path):
        draw_summary(console, cast("Mapping[str, Json]", report))


def draw_funnel(console: Console, corpus: Artifact) -> None:
    """Draw what each step let through, its most frequent reasons, what it judged and changed, and warnings."""
    from rich.table import Table

    from curation.funnel_remarks import remarks, warning_text

    table = Table(title="Funnel", title_justify="left")
    table.add_column("step", overflow="fold")
    for column in ("documents in", "out", "MB out", "tokens out"):
        table.add_column(column, justify="right")
    table.add_column("dropped, most frequent first; what was judged and changed", overflow="fold")
    steps = cast("list[dict[str, Json]]", read_json(corpus.path / "funnel.json"))
    for step in steps:
        reasons = cast("Mapping[str, Mapping[str, int]]", step["reasons"])
        top = sorted(reasons.items(), key=lambda item: (-item[1]["docs"], item[0]))
        more = f", {len(top) - 4} more reasons" if len(top) > 4 else ""
        dropped = ", ".join(f"{reason} {n['docs']:,}" for reason, n in top[:4]) + more
        table.add_row(
            printable(str(step["step"])),
            f"{step['docs_in']:,}",
            f"{step['docs_out']:,}",
            f"{cast('int', step['bytes_out']) / 1e6:,.1f}",
            f"{step['tokens_out']:,}" if "tokens_out" in step else "",
            "\n".join(printable(part) for part in (dropped, *remarks(step)) if part),
        )
    console.print(table)
    for warning in filter(None, map(warning_text, steps)):
        console.print(f"warning: {printable(warning)}", style="yellow", markup=False, highlight=False)


def _draw_samples(console: Console, corpus: Artifact) -> None:
    for step in cast("list[dict[str, Json]]", read_json(corpus.path / "funnel.json")):
        for sample in cast("list[Mapping[str, Json]]", step["samples"])[:SAMPLES_SHOWN]:
            value = "" if sample["value"] is None else f" = {cast('float', sample['value']):.4g}"
            text = printable(str(sample["text"]))[:160]
            console.print(f"{step['step']}: {sample['reason']}{value} [{sample['slice']}] {text!r}", markup=False)
