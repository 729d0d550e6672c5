"""`curate show --extract A,B PAGES`: the comparison of extractors as tables, JSON and a page."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from curation.console import DEFAULT_WORKERS, give, printable, progress_for
from curation.errors import UsageFault
from curation.extraction.compare import Comparison, compare, scores, words
from curation.extraction.page_files import read_samples
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

MAX_PAGES = 10_000
SHOWN_PAGES = 25
MAX_DIFF_LINES = 400

_HEADINGS = (
    "extractor", "pages", "empty", "kept of visible", "boilerplate", "only here", "titles", "dates", "pages/CPU-s",
    "MB/CPU-s", "precision", "recall", "F1",
)  # fmt: skip


def give_extract(names: str, pages: str | None, out: Path | None, *, as_json: bool) -> None:
    """Compare the extractors over the pages and print it."""
    if pages is None:
        raise UsageFault(f"--extract {names}: no pages; expected a file or folder: curate show --extract A,B PAGES")
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        raise UsageFault("--extract: no extractor named; expected names like trafilatura,resiliparse")
    some = list(islice(read_samples(Path(pages)), MAX_PAGES + 1))
    if len(some) > MAX_PAGES:
        note = f"{pages}: holds more than {MAX_PAGES:,} pages; only the first {MAX_PAGES:,} are compared"
        progress_for(quiet=False).note(note)
    found = compare(chosen, some[:MAX_PAGES], workers=DEFAULT_WORKERS)
    if out is not None:
        write_view(out, pages, found)

    def draw(console: Console) -> None:
        _draw(console, found)
        if out is not None:
            console.print(f"page: {out}", soft_wrap=True, markup=False)

    give(comparison_json(found), draw, as_json=as_json)


def comparison_json(found: Comparison) -> dict[str, Json]:
    """Return sums, agreement and one entry a page."""
    return {
        "extractors": [cast("Json", asdict(summary)) for summary in found.summaries],
        "agreement": [{"a": a, "b": b, "f1": value} for (a, b), value in found.agreement.items() if a < b],
        "pages": [_page_json(found, number) for number in range(len(found.samples))],
    }


def _page_json(found: Comparison, number: int) -> Json:
    kept = {
        name: {
            "chars": len(items[number].text),
            "reason": items[number].reason,
            "cpu_seconds": round(items[number].cpu_seconds, 6),
            "charset": items[number].charset,
        }
        for name, items in found.found.items()
    }
    first = next(iter(found.found.values()))[number]
    value = {"name": found.samples[number].name, "title": first.title, "date": first.date, "extractors": kept}
    return cast("Json", value | {"agreement": lowest_agreement(found, number)})


def lowest_agreement(found: Comparison, number: int) -> float:
    """Return the lowest F1 between any two extractors on one page."""
    bags = [words(items[number].text) for items in found.found.values()]
    return min((scores(a, b)[2] for place, a in enumerate(bags) for b in bags[:place]), default=1.0)


def _rows(found: Comparison) -> list[list[str]]:
    return [
        [
            one.name, f"{one.num_pages:,}", f"{one.num_empty:,}", _share(one.kept_fraction),
            _share(one.boilerplate_fraction), _share(one.only_fraction), f"{one.titles:,}", f"{one.dates:,}",
            f"{one.pages_a_cpu_second:,.0f}", f"{one.megabytes_a_cpu_second:,.1f}", _share(one.precision),
            _share(one.recall), _share(one.f1),
        ]
        for one in found.summaries
    ]  # fmt: skip


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _agreement_rows(found: Comparison) -> list[list[str]]:
    return [[a, b, f"{value:.3f}"] for (a, b), value in found.agreement.items() if a < b]


def _by_disagreement(found: Comparison) -> list[int]:
    return sorted(range(len(found.samples)), key=lambda number: (lowest_agreement(found, number), number))


def _page_rows(found: Comparison) -> list[list[str]]:
    return [
        [
            found.samples[number].name,
            f"{lowest_agreement(found, number):.3f}",
            *(items[number].reason or f"{len(items[number].text):,}" for items in found.found.values()),
        ]
        for number in _by_disagreement(found)[:SHOWN_PAGES]
    ]


def _draw(console: Console, found: Comparison) -> None:
    from rich.table import Table

    def add(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for place, heading in enumerate(headings):
            table.add_column(heading, overflow="fold", justify="left" if place == 0 else "right")
        for row in rows:
            table.add_row(*map(printable, row))
        console.print(table)

    add("Extractors", _HEADINGS, _rows(found))
    if found.agreement:
        add("Agreement, F1 of words", ("extractor", "and", "F1"), _agreement_rows(found))
    headings = ("page", "lowest F1", *found.found)
    add(f"Characters kept, pages of least agreement first, {SHOWN_PAGES} at most", headings, _page_rows(found))


def write_view(out: Path, pages: str, found: Comparison) -> None:
    """Write a page with the sums and, for the pages of least agreement, both texts with their differences marked."""
    from curation import page

    parts = [page.table("Extractors", _HEADINGS, _rows(found))]
    if found.agreement:
        parts.append(page.table("Agreement, F1 of words", ("extractor", "and", "F1"), _agreement_rows(found)))
    for number in _by_disagreement(found)[:SHOWN_PAGES]:
        parts.append(page.heading(found.samples[number].name))
        (first, own), *others = [(name, items[number]) for name, items in found.found.items()]
        parts.append(page.quote(f"{first}, {len(own.text):,} characters", own.reason or own.text))
        for name, other in others:
            label = f"{name} beside {first}: {len(other.text):,} characters {other.reason or ''}"
            parts.append(page.diff(label, differences(own.text, other.text)))
    page.write_page(out, f"Extractors on {pages}", "extraction", parts)


def differences(a: str, b: str) -> list[tuple[str, str]]:
    """Return lines of two texts as (`same`, `gone`, `new` or `cut`, text), at most `MAX_DIFF_LINES` of each."""
    left, right = ([line for line in text.split("\n") if line.strip()] for text in (a, b))
    cut = max(len(left), len(right)) > MAX_DIFF_LINES
    left, right = left[:MAX_DIFF_LINES], right[:MAX_DIFF_LINES]
    pieces: list[tuple[str, str]] = []
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(("same", "\n".join(left[a_from:a_to]) + "\n"))
            continue
        if a_to > a_from:
            pieces.append(("gone", "\n".join(left[a_from:a_to]) + "\n"))
        if b_to > b_from:
            pieces.append(("new", "\n".join(right[b_from:b_to]) + "\n"))
    return [*pieces, ("cut", "…")] if cut else pieces
