"""Verdicts on record: the machine's report as a file beside the study's results, and people's overrides beside it.

`gates/G1-<arm>.json` holds the report and is written again only with the same evidence's bytes; an override is a line
of `gates/overrides.jsonl` that names the report it departs from. The report itself is never edited.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from curation.console import printable
from curation.errors import StudyError, nearest
from curation.files import Json, canonical_json, digest_json, write_json, write_text
from leaderboard.gates.report import DECISIONS, GateReport, report_json

FOLDER = "gates"
FILE = "overrides.jsonl"
MIN_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person's decision in place of the machine's, which stays what it was."""

    arm: str
    gate: str
    decision: str
    reason: str
    by: str
    machine: str
    """What the gate said."""
    report: str
    """Digest of the report that it departs from."""


def report_path(folder: Path, report: GateReport) -> Path:
    """Return where a report lies."""
    return folder / FOLDER / f"{report.gate}-{report.arm}.json"


def write_report(folder: Path, report: GateReport) -> Path:
    """Write the machine's report and return its path; the same evidence gives the same bytes."""
    path = report_path(folder, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, report_json(report))
    return path


def make_override(report: GateReport, decision: str, *, reason: str, by: str) -> Override:
    """Return an override of a report.

    Raises: StudyError for an unknown decision, or without a reason and a name.
    """
    if decision not in DECISIONS:
        raise StudyError(
            f"--override {decision}: no decision, expected one of the five; {nearest(decision, DECISIONS)}"
        )
    shown, name = printable(reason).strip(), printable(by).strip()
    if len(shown) < MIN_REASON:
        raise StudyError(f"--reason {shown!r}: {len(shown)} characters, expected at least {MIN_REASON}: say why")
    if not name:
        raise StudyError("--by: nobody is named, expected who decides; add --by NAME")
    return Override(
        arm=report.arm,
        gate=report.gate,
        decision=decision,
        reason=shown,
        by=name,
        machine=report.decision,
        report=digest_json(report_json(report)),
    )


def add_override(folder: Path, override: Override) -> None:
    """Add an override to the study's record, unless it is there."""
    known = read_overrides(folder)
    if override in known:
        return
    path = folder / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{canonical_json(override_json(item))}\n" for item in (*known, override)))


def read_overrides(folder: Path) -> tuple[Override, ...]:
    """Return the overrides of a study's directory, oldest first.

    Raises: StudyError for a line that is none.
    """
    path = folder / FOLDER / FILE
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            value = json.loads(line)
            found.append(Override(**{name: str(value[name]) for name in Override.__dataclass_fields__}))
        except (ValueError, KeyError, TypeError):
            raise StudyError(
                f"{path}:{number}: no override, {line[:60]!r}; expected a line that `curate study gate --override` "
                "wrote; restore the file, or remove the line"
            ) from None
    return tuple(found)


def override_lines(folder: Path) -> tuple[str, ...]:
    """Return the overrides of a study's directory in words, for pages and status.

    Raises: StudyError as `read_overrides`.
    """
    return tuple(
        f"{item.by} at {item.gate} for {item.arm}: {item.decision} instead of the gate's {item.machine}. {item.reason}"
        for item in read_overrides(folder)
    )


def override_json(override: Override) -> dict[str, Json]:
    """Return an override as plain JSON."""
    return cast("dict[str, Json]", asdict(override))
