"""The page and the Markdown of a study result: one file each, nothing loaded, nothing run, every value escaped.

Names come from strangers' files: control and direction-changing characters are stripped, HTML and Markdown escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.console import printable
from curation.files import write_text
from curation.funnel import changed_text
from leaderboard.charts import CurvePlot, IntervalPlot, curve_plot, interval_plot
from leaderboard.studies.promotion import kill_text
from leaderboard.studies.results import ArmResult, Assessment, Comparison, Delta, StudyResult
from leaderboard.studies.verdict import is_laptop_tier
from leaderboard.words import (
    VERDICTS,
    finding,
    interval,
    log_percent,
    megabytes,
    percent,
    regression_rows,
    seconds_text,
    side,
)

if TYPE_CHECKING:
    from jinja2 import Environment

HTML_FILE = "report.html"
MARKDOWN_FILE = "report.md"
SAMPLES_PER_REASON = 2
SAMPLE_CHARS = 200
MAX_SAMPLES = 24
REASONS_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One large number of the first screen."""

    label: str
    value: str
    interval: str
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One assessment as the page draws it."""

    assessment: Assessment
    finding: str
    figures: tuple[Figure, ...]
    regressions: tuple[tuple[str, Delta, str], ...]
    plot: IntervalPlot
    families_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step of a funnel."""

    name: str
    docs_in: int
    docs_out: int
    tokens_in: int | None
    tokens_out: int | None
    bytes_in: int
    bytes_out: int
    reasons: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A dropped document to look at."""

    step: str
    reason: str
    slice: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One arm's corpus as the page draws it."""

    name: str
    role: str
    change: str
    num_docs: int
    num_bytes: int
    num_tokens: int
    steps: tuple[StepRow, ...]
    samples: tuple[SampleRow, ...]
    contamination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Wall time of one stage; `share` in per cent of the longest."""

    name: str
    seconds: float
    share: float


def write_report(result: StudyResult, folder: Path, overrides: Sequence[str] = ()) -> Path:
    """Write `report.html` and `report.md` into `folder` and return the page's path."""
    write_text(folder / HTML_FILE, render_html(result, overrides))
    write_text(folder / MARKDOWN_FILE, render_markdown(result, overrides))
    return folder / HTML_FILE


def render_html(result: StudyResult, overrides: Sequence[str] = ()) -> str:
    """Return the page."""
    return str(_environment(markdown=False).get_template("report.html.j2").render(_context(result, overrides))).lstrip()


def render_markdown(result: StudyResult, overrides: Sequence[str] = ()) -> str:
    """Return the same data as Markdown."""
    text = str(_environment(markdown=True).get_template("report.md.j2").render(_context(result, overrides)))
    return re.sub(r"\n{3,}", "\n\n", text)


def _context(result: StudyResult, overrides: Sequence[str]) -> dict[str, Any]:
    colours = {arm.name: number for number, arm in enumerate(result.arms)}
    longest = max(result.seconds.values(), default=0.0) or 1.0
    ordered = sorted(result.seconds.items(), key=lambda item: -item[1])
    return {
        "result": result,
        "attributions": [item for item in result.facts.attributions if item.arm not in result.broken],
        "plumbing": " and ".join(tier for tier in result.tiers if is_laptop_tier(tier)),
        "verdicts": VERDICTS,
        "views": [_view(item) for item in result.assessments if item.arm not in result.broken],
        "overrides": overrides,
        "promotion": result.facts.promotion,
        "killed": kill_text(result.facts.promotion),
        "measurements": result.facts.measurements,
        "families": [item for item in result.facts.families if item.arm not in result.broken],
        "costs": result.facts.costs,
        "looks": result.facts.looks,
        "supply": [row for row in result.supply if row.arm not in result.broken],
        "unigram": [row for row in result.unigram if row.arm not in result.broken],
        "arms": [_arm_view(arm) for arm in result.arms],
        "curves": _curves(result),
        "legend": list(colours.items()),
        "colours": colours,
        "unigram_slices": sorted({name for row in result.unigram for name in row.gap}),
        "stages": [StageTime(name=name, seconds=s, share=round(100 * s / longest, 1)) for name, s in ordered],
        "total_seconds": sum(result.seconds.values()),
    }


def _view(item: Assessment) -> View:
    head = item.total.headline
    return View(
        assessment=item,
        finding=finding(item),
        figures=tuple(_figures(item)),
        regressions=tuple(regression_rows(item.total)),
        plot=interval_plot(item.total, item.quality),
        families_only=head is not None and head.se_seeds is None,
    )


def _figures(item: Assessment) -> list[Figure]:
    parts: list[tuple[str, Comparison | None]] = [
        ("change in bits per byte, against the baseline", item.total),
        ("of it document quality (against random-matched)", item.quality),
        ("the rest: reweighting and less text", item.rest),
        ("random removal of as much text alone", item.volume),
    ]
    return [
        Figure(
            label=label,
            value=log_percent(part.headline.log_ratio),
            interval=f"95%: {interval(part.headline)}",
            side=side(part.headline),
        )
        for label, part in parts
        if part is not None and part.headline is not None
    ]


def _arm_view(arm: ArmResult) -> ArmView:
    return ArmView(
        name=arm.name,
        role=arm.role,
        change=arm.change,
        num_docs=arm.num_docs,
        num_bytes=arm.num_bytes,
        num_tokens=arm.num_tokens,
        steps=tuple(_step_row(step) for step in arm.funnel),
        samples=tuple(_samples(arm.funnel)),
        contamination=contamination_text(arm.contamination),
    )


def _step_row(step: Mapping[str, Any]) -> StepRow:
    by_docs = sorted(step.get("reasons", {}).items(), key=lambda item: -int(item[1].get("docs", 0)))
    shown = [f"{reason} {int(counts.get('docs', 0)):,}" for reason, counts in by_docs[:REASONS_SHOWN]]
    rest = sum(int(counts.get("docs", 0)) for _, counts in by_docs[REASONS_SHOWN:])
    if rest:
        shown.append(f"{len(by_docs) - REASONS_SHOWN} other reasons {rest:,}")
    told = "; ".join(part for part in (", ".join(shown), changed_text(step, REASONS_SHOWN)) if part)
    return StepRow(
        name=str(step["step"]),
        docs_in=int(step["docs_in"]),
        docs_out=int(step["docs_out"]),
        tokens_in=step.get("tokens_in"),
        tokens_out=step.get("tokens_out"),
        bytes_in=int(step["bytes_in"]),
        bytes_out=int(step["bytes_out"]),
        reasons=told,
    )


def _samples(funnel: Sequence[Mapping[str, Any]]) -> list[SampleRow]:
    """Return a few dropped documents of the filters, not of the panel split, which drops nothing for a fault."""
    chosen: list[SampleRow] = []
    for step in funnel:
        seen: dict[str, int] = {}
        for sample in step.get("samples", []):
            reason = str(sample["reason"])
            seen[reason] = seen.get(reason, 0) + 1
            if step["step"] == "panel split" or seen[reason] > SAMPLES_PER_REASON:
                continue
            text = str(sample["text"])[:SAMPLE_CHARS]
            chosen.append(SampleRow(step=str(step["step"]), reason=reason, slice=str(sample["slice"]), text=text))
    return chosen[:MAX_SAMPLES]


def contamination_text(found: Mapping[str, Any]) -> str:
    """Return what the contamination reports of a corpus say, in one line."""
    if not found.get("checked"):
        return "not checked: the recipe has no decontaminate stage"
    return "; ".join(_contamination_line(report) for report in found.get("reports", []))


def _contamination_line(report: Mapping[str, Any]) -> str:
    suites = report.get("suites", [])
    hit = [row for row in suites if row["documents_hit"]]
    items = sum(int(row["items_hit"]) for row in suites)
    total = sum(int(row["items"]) for row in suites)
    line = (
        f"{int(report['documents_hit']):,} documents share words with {items:,} of {total:,} items "
        f"({len(hit)} of {len(suites)} suites)"
    )
    worst = sorted(hit, key=lambda row: -int(row["documents_hit"]))[:REASONS_SHOWN]
    if worst:
        line += ": " + ", ".join(f"{row['suite']} {int(row['documents_hit']):,}" for row in worst)
    return f"{line}; {report['precision']}"


def _curves(result: StudyResult) -> list[tuple[str, CurvePlot]]:
    plots = []
    for tier in result.tiers:
        plot = curve_plot([(run.arm, run.curve) for run in result.runs if run.tier == tier])
        if plot is not None:
            plots.append((tier, plot))
    return plots


def _environment(*, markdown: bool) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        stripped = printable(value)
        return _markdown_safe(stripped) if markdown else stripped

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        autoescape=not markdown,
        undefined=StrictUndefined,
        finalize=clean,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "side": side,
        "mb": megabytes,
        "duration": seconds_text,
    }
    return environment


def _markdown_safe(text: str) -> str:
    """Escape what Markdown and the HTML inside it would act on."""
    return re.sub(r"([\\`*_\[\]|<>#~])", r"\\\1", text).replace("\\<", "&lt;").replace("\\>", "&gt;")
