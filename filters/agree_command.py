"""`curate filters agree`: two filters on the same documents, for people, programs and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import (
    DEFAULT_WORKERS,
    JsonFlag,
    QuietFlag,
    SetOption,
    StoreOption,
    WorkersOption,
    give,
    printable,
    progress_for,
)

if TYPE_CHECKING:
    from rich.console import Console

    from filters.agreement import Agreement, Confusion, Side

SHOWN_REASONS = 10
SHOWN_SAMPLES = 6
EXCERPT_CHARS = 160


def filters_agree(
    first: Annotated[str, typer.Argument(metavar="A", help="A filter, or `{filter: NAME, setting: value}`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The filter to compare it with, written like A.")],
    documents: Annotated[
        list[str],
        typer.Argument(metavar="DOCUMENTS...", help="Pool, corpus, files, directories, globs, or `environment`."),
    ],
    overrides: SetOption = [],  # noqa: B006 - typer copies the default
    out: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Also write a page there.")] = None,
    workers: WorkersOption = DEFAULT_WORKERS,
    store: StoreOption = None,
    json_output: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Compare two filters on the same documents: confusion, agreement, kappa, and what each drops alone.

    --set takes settings of a recipe: `pool.text=content`, `pool.slice=topic`, `slice_kinds.notes=code`.
    """
    from curation.documents_argument import open_documents
    from curation.nodes import Planner
    from curation.store import Store
    from filters.agreement import agreement_json, compare_filters
    from filters.stage import parse_filter

    specs = [parse_filter(text, "curate filters agree") for text in (first, second)]
    planner = Planner(store=Store.open(store), workers=workers, progress=progress_for(quiet=quiet or json_output))
    found = compare_filters(specs[0], specs[1], open_documents(documents, overrides, planner), planner)
    if out is not None:
        _write_page(out, found)
    give(agreement_json(found), lambda console: _draw(console, found, out), as_json=json_output)


def _names(found: Agreement) -> tuple[str, str]:
    """Return what to call the two sides: the filters' names, with settings if these alone tell them apart."""
    return (_name(found.a), _name(found.b))


def _name(side: Side) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in side.settings.items())
    return f"{side.filter} ({settings})" if settings else side.filter


def _agreement_text(item: Confusion) -> str:
    from curation.numerics import wilson_interval

    if not item.docs:
        return "no document is judged by both"
    interval = wilson_interval(item.equal, item.docs)
    kappa = "undefined (one filter does the same to all)" if item.kappa is None else f"{item.kappa:.3f}"
    return (
        f"equal verdicts on {item.equal:,} of {item.docs:,} documents, {item.equal / item.docs:.2%} "
        f"(95% {interval.low:.2%} to {interval.high:.2%}); kappa {kappa}"
    )


def _slice_rows(found: Agreement) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, item in [*found.by_slice.items(), ("all", found.total)]:
        share = f"{item.equal / item.docs:.2%}" if item.docs else None
        kappa = None if item.kappa is None else f"{item.kappa:.3f}"
        rows.append(
            [name, item.docs, item.both_keep, item.only_a_drops, item.only_b_drops, item.both_drop, share, kappa]
        )
    return rows


SLICE_HEADINGS = ["slice", "documents", "both keep", "only A drops", "only B drops", "both drop", "equal", "kappa"]


def _who(found: Agreement) -> str:
    a, b = _names(found)
    return f"A is {a}, B is {b}"


def _not_compared(found: Agreement) -> str:
    left = ", ".join(f"{name} {count:,}" for name, count in found.not_compared.items())
    scope = "Counted are training documents, since one filter depends on who is alive. " if found.training_only else ""
    return scope + (f"Not judged by both, left out: {left}." if left else "")


def _draw(console: Console, found: Agreement, out: Path | None) -> None:
    from rich.table import Table

    from curation.page import cell

    console.print(f"{_who(found)}: {_agreement_text(found.total)}", markup=False)
    if _not_compared(found):
        console.print(_not_compared(found), markup=False)
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(SLICE_HEADINGS):
        table.add_column(printable(name), justify="left" if number == 0 else "right", overflow="fold")
    for row in _slice_rows(found):
        table.add_row(*(printable(cell(value)) for value in row))
    console.print(table)
    for side, name in zip((found.a, found.b), _names(found), strict=True):
        _draw_alone(console, side, name)
    if out is not None:
        console.print(f"page: {out}", soft_wrap=True, markup=False)


def _draw_alone(console: Console, side: Side, name: str) -> None:
    if not side.reasons:
        console.print(f"\n{name} drops nothing alone", markup=False)
        return
    top = ", ".join(f"{reason} {count:,}" for reason, count in side.reasons.most_common(SHOWN_REASONS))
    more = f", {len(side.reasons) - SHOWN_REASONS} more reasons" if len(side.reasons) > SHOWN_REASONS else ""
    console.print(f"\n{name} alone drops {side.reasons.total():,}: {top}{more}", markup=False)
    for sample in side.top_samples(SHOWN_SAMPLES):
        text = printable(sample.text)[:EXCERPT_CHARS]
        console.print(f"  {sample.label}: {text!r}", markup=False)


def _write_page(path: Path, found: Agreement) -> None:
    from curation.page import heading, paragraph, quote, table, write_page

    parts = [paragraph(f"{_who(found)}: {_agreement_text(found.total)}.")]
    if _not_compared(found):
        parts.append(paragraph(_not_compared(found)))
    parts.append(table("Documents by the two verdicts", SLICE_HEADINGS, _slice_rows(found)))
    for side, name in zip((found.a, found.b), _names(found), strict=True):
        parts.append(heading(f"What {name} drops alone"))
        parts.append(table("By first reason", ["reason", "documents"], side.reasons.most_common()))
        parts += [quote(sample.label, sample.text) for sample in side.top_samples(len(side.samples))]
        parts.append(paragraph(f"version {side.version}"))
    write_page(path, " and ".join(_names(found)), "agreement of two filters", parts)
