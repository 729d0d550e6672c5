"""`curate show CORPUS --funnel`: what was lost, by rule, by slice and by source, with samples of the dropped.

Everything comes from the corpus's `funnel.json`. A share is of what went into the step. Steps that rewrite text change
bytes and tokens too; what they took from documents that stay counts as lost by slice and by source, not by rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from curation.console import printable
from curation.errors import CurateError
from curation.files import Json, read_json
from curation.funnel import changed_text
from curation.funnel_files import FILE_HEADINGS, file_rows
from curation.funnel_remarks import remarks, warning_text
from curation.store import Artifact

if TYPE_CHECKING:
    from rich.console import Console

Steps: TypeAlias = list[dict[str, Json]]

TERMINAL_ROWS = 25
"""Rows of one table in the terminal; the page and `--json` have all."""
SAMPLES_PER_STEP = 6
EXCERPT_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLoss:
    """What one reason of one step dropped."""

    step: str
    reason: str
    docs: int
    bytes: int | None
    """None where it is not known: records that ingest rejected."""
    tokens: int | None
    share: float
    """Of the documents that went into the step."""
    by_slice: Mapping[str, int]
    """Documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoss:
    """What a slice or a source had before the first step and has after the last."""

    name: str
    docs_in: int
    docs_out: int
    bytes_in: int
    bytes_out: int
    tokens_in: int
    tokens_out: int
    lost_docs: Mapping[str, int]
    """Documents by the step that dropped them; steps that dropped none are left out."""

    @property
    def kept(self) -> float:
        """Share of the documents that stayed."""
        return self.docs_out / self.docs_in if self.docs_in else 0.0


def funnel_of(artifact: Artifact) -> Steps:
    """Return the steps of a corpus's funnel. Raises: CurateError for an artifact that has none."""
    path = artifact.path / "funnel.json"
    if not path.is_file():
        raise CurateError(f"{artifact.path}: a {artifact.kind} has no funnel; expected a corpus")
    return cast("Steps", read_json(path))


def lost_by_rule(steps: Steps) -> list[RuleLoss]:
    """Return every reason of every step, in the order of the steps, the most frequent reason first."""
    losses = []
    for step in steps:
        reasons = cast("Mapping[str, Mapping[str, Json]]", step["reasons"])
        for reason, amounts in sorted(reasons.items(), key=lambda item: (-cast("int", item[1]["docs"]), item[0])):
            by_slice = cast("Mapping[str, Mapping[str, int]]", amounts.get("by_slice", {}))
            docs, entered = cast("int", amounts["docs"]), cast("int", step["docs_in"])
            losses.append(
                RuleLoss(
                    step=str(step["step"]),
                    reason=reason,
                    docs=docs,
                    bytes=cast("int | None", amounts.get("bytes")),
                    tokens=cast("int | None", amounts.get("tokens")),
                    share=docs / entered if entered else 0.0,
                    by_slice={name: counts["docs"] for name, counts in by_slice.items()},
                )
            )
    return losses


def lost_by_group(steps: Steps, key: str) -> list[GroupLoss]:
    """Return what every slice (`by_slice`) or source (`by_source`) lost, the largest loss of documents first."""
    counted = [step for step in steps if step.get(key)]
    names = sorted({name for step in counted for name in cast("Mapping[str, Json]", step[key])})
    losses = [_group(counted, key, name) for name in names]
    return sorted(losses, key=lambda loss: (loss.docs_out - loss.docs_in, loss.name))


def _group(steps: Steps, key: str, name: str) -> GroupLoss:
    empty = {f"{unit}_{end}": 0 for unit in ("docs", "bytes", "tokens") for end in ("in", "out")}
    found = [cast("Mapping[str, Mapping[str, int]]", step[key]).get(name, empty) for step in steps]
    lost: Counter[str] = Counter()
    for step, item in zip(steps, found, strict=True):
        lost[str(step["step"])] += item["docs_in"] - item["docs_out"]
    first, last = found[0], found[-1]
    return GroupLoss(
        name=name,
        docs_in=first["docs_in"],
        docs_out=last["docs_out"],
        bytes_in=first["bytes_in"],
        bytes_out=last["bytes_out"],
        tokens_in=first["tokens_in"],
        tokens_out=last["tokens_out"],
        lost_docs={step: number for step, number in lost.items() if number},
    )


def funnel_json(artifact: Artifact) -> dict[str, Json]:
    """Return the funnel with its three views as plain values."""
    steps = funnel_of(artifact)
    views: dict[str, Sequence[RuleLoss | GroupLoss]] = {
        "lost_by_rule": lost_by_rule(steps),
        "lost_by_slice": lost_by_group(steps, "by_slice"),
        "lost_by_source": lost_by_group(steps, "by_source"),
    }
    listed: dict[str, Json] = {key: [cast("Json", asdict(row)) for row in rows] for key, rows in views.items()}
    return {"artifact": str(artifact.path), "steps": cast("Json", steps), **listed}


RULE_HEADINGS = ["step", "dropped as", "documents", "of the step", "MB", "tokens", "mostly in"]
GROUP_HEADINGS = ["documents in", "out", "kept", "MB in", "MB out", "tokens in", "tokens out", "documents lost in"]


def rule_cells(loss: RuleLoss) -> list[object]:
    """Return a row of the table by rule."""
    top = sorted(loss.by_slice.items(), key=lambda item: (-item[1], item[0]))[:3]
    where = ", ".join(f"{name} {number:,}" for name, number in top)
    return [loss.step, loss.reason, loss.docs, f"{loss.share:.2%}", _mb(loss.bytes), loss.tokens, where]


def group_cells(loss: GroupLoss) -> list[object]:
    """Return a row of the table by slice or by source."""
    top = sorted(loss.lost_docs.items(), key=lambda item: (-item[1], item[0]))[:4]
    return [
        loss.name,
        loss.docs_in,
        loss.docs_out,
        f"{loss.kept:.1%}",
        _mb(loss.bytes_in),
        _mb(loss.bytes_out),
        loss.tokens_in,
        loss.tokens_out,
        ", ".join(f"{step} {number:,}" for step, number in top),
    ]


def samples_of(steps: Steps) -> list[tuple[str, str]]:
    """Return label and text of the dropped documents that the funnel holds, by step and reason."""
    found = []
    for step in steps:
        for sample in cast("list[Mapping[str, Json]]", step["samples"]):
            value = "" if sample["value"] is None else f" = {cast('float', sample['value']):.4g}"
            label = f"{step['step']}: {sample['reason']}{value} [{sample['slice']}] {sample['id']}"
            found.append((label, str(sample["text"])))
    return found


def draw_losses(console: Console, artifact: Artifact, names: Mapping[str, str]) -> None:
    """Draw the losses by file, by rule, by slice and by source, and samples; `names` are of files, by digest."""
    steps = funnel_of(artifact)
    _draw_table(console, "Records by file", FILE_HEADINGS, file_rows(steps, names), num_left=1)
    rules = [rule_cells(loss) for loss in lost_by_rule(steps)]
    _draw_table(console, "Lost by rule", RULE_HEADINGS, rules, num_left=2)
    for key, word in (("by_slice", "slice"), ("by_source", "source")):
        rows = [group_cells(loss) for loss in lost_by_group(steps, key)]
        _draw_table(console, f"Lost by {word}", [word, *GROUP_HEADINGS], rows, num_left=1)
    for step in steps:
        if changed_text(step):
            console.print(f"{step['step']}: {changed_text(step)}", markup=False)
    for step in steps:
        for label, text in samples_of([step])[:SAMPLES_PER_STEP]:
            console.print(f"{printable(label)} {printable(text)[:EXCERPT_CHARS]!r}", markup=False)


def write_funnel_page(path: Path, artifact: Artifact, names: Mapping[str, str]) -> None:
    """Write the funnel as one self-contained HTML page."""
    from curation.page import heading, paragraph, quote, table, write_page

    steps = funnel_of(artifact)
    flow = [
        [s["step"], s["docs_in"], s["docs_out"], _mb(s["bytes_in"]), _mb(s["bytes_out"]), "\n".join(remarks(s))]
        for s in steps
    ]
    files = file_rows(steps, names)
    parts = [
        table("Steps", ["step", "documents in", "out", "MB in", "MB out", "judged, changed, published, decided"], flow),
        *(paragraph(f"Warning: {text}.") for text in filter(None, map(warning_text, steps))),
        *([table("Records by file", FILE_HEADINGS, files)] if files else []),
        heading("Lost by rule"),
        table("Documents by first reason", RULE_HEADINGS, [rule_cells(loss) for loss in lost_by_rule(steps)]),
    ]
    for key, word in (("by_slice", "slice"), ("by_source", "source")):
        rows = [group_cells(loss) for loss in lost_by_group(steps, key)]
        parts += [heading(f"Lost by {word}"), table("Most documents lost first", [word, *GROUP_HEADINGS], rows)]
    parts += [heading("Samples of the dropped"), *(quote(label, text) for label, text in samples_of(steps))]
    write_page(path, artifact.path.name, "funnel of a corpus", parts)


def _mb(num_bytes: Json) -> str | None:
    return None if num_bytes is None else f"{cast('int', num_bytes) / 1e6:,.2f}"


def _draw_table(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[object]], *, num_left: int
) -> None:
    from rich.table import Table

    from curation.page import cell

    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(headings):
        words = number < num_left or number == len(headings) - 1
        table.add_column(name, justify="left" if words else "right", overflow="fold")
    for row in rows[:TERMINAL_ROWS]:
        table.add_row(*(printable(cell(value)) for value in row))
    console.print(table)
    if len(rows) > TERMINAL_ROWS:
        console.print(f"{len(rows) - TERMINAL_ROWS:,} more rows: --json or --out FILE.html has all")
