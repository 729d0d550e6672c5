"""Commands of gates: `study gate` judges a study's arms; `study gate --list` shows the gates' file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import JsonFlag, StoreOption, give
from curation.errors import EXIT_NO_GO, StudyError, UsageFault, nearest
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboard.gates.definition import Gates
    from leaderboard.gates.overrides import Override
    from leaderboard.gates.report import GateReport
    from leaderboard.studies.results import StudyResult

LAST_GATE = "G3"


def study_gate(
    study: Annotated[
        Path | None, typer.Argument(metavar="STUDY.yaml|STUDY_DIR", help="The study, its directory or results.json.")
    ] = None,
    gate: Annotated[
        str | None, typer.Option("--gate", help="G0 to G3 (default: the highest that the study's tiers reach).")
    ] = None,
    arm: Annotated[str | None, typer.Option("--arm", help="One arm (default: every change of the study).")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also thresholds, evidence ids, survival checks and diagnoses.")
    ] = False,
    gates: Annotated[
        Path | None, typer.Option("--gates", metavar="FILE.yaml", help="Other gates than the shipped ones.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the gates as a table and judge nothing.")] = False,
    override: Annotated[
        str | None, typer.Option("--override", metavar="DECISION", help="Record another decision beside the verdict.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is overridden.")] = "",
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who overrides.")] = "",
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Judge a study at a gate: conditions, decision, and the cheapest next runs.

    Exit code 0 when an arm may scale up, 4 when none may. The verdict depends on the study's directory and the gates'
    file alone; it is kept in `gates/` of that directory, overrides beside it.
    """
    from leaderboard.gates.definition import load_gates

    known = load_gates(gates)
    if listing:
        from leaderboard.gates.definition import gates_json
        from leaderboard.gates.view import draw_gates

        give(gates_json(known), lambda console: draw_gates(console, known), as_json=json_output)
        return
    if study is None:
        raise UsageFault("study gate: no study directory, expected one; `curate study gate STUDY_DIR`, or --list")
    if study.suffix in (".yaml", ".yml") and study.is_file():
        from curation.store import Store
        from leaderboard.studies.prepared import folder_of

        study = folder_of(study, Store.reading(store))
    verdicts = _verdicts(study, known, gate, arm)
    if override is not None:
        verdicts = [_overridden(study, verdicts, override, reason=reason, by=by)]
    give(_json(verdicts), lambda console: _draw(console, verdicts, explain=explain), as_json=json_output)
    if all(item.report.decision != "scale-up" for item in verdicts):
        raise typer.Exit(EXIT_NO_GO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A report and what people decided instead."""

    report: GateReport
    overrides: tuple[Override, ...]


def _verdicts(study: Path, gates: Gates, gate: str | None, arm: str | None) -> list[Verdict]:
    from leaderboard.gates.collect import candidate_arms
    from leaderboard.studies.results import read_result

    result = read_result(study)
    if gate is not None and gate not in gates.gates:
        raise StudyError(f"--gate {gate}: not in {gates.name}, expected one of its gates; {nearest(gate, gates.gates)}")
    arms = [arm] if arm is not None else list(candidate_arms(result))
    if not arms:
        raise StudyError(f"{study}: the study has no arm to judge, expected a change of its base under `vary`")
    folder = study if study.is_dir() else study.parent
    return [_verdict(folder, result, gates, gate, name) for name in arms]


def _verdict(folder: Path, result: StudyResult, gates: Gates, gate: str | None, arm: str) -> Verdict:
    from leaderboard.gates.collect import evidence_of
    from leaderboard.gates.judge import highest_gate, judge
    from leaderboard.gates.looks import Read, earlier_reads, looks_of, note_look, results_digest
    from leaderboard.gates.overrides import read_overrides, write_report

    evidence = evidence_of(result, arm, looks=looks_of(folder, result))
    evidence = replace(evidence, earlier_results=len(earlier_reads(folder, result, arm)))
    chosen = gate or highest_gate(evidence, gates)
    if chosen == LAST_GATE and evidence.forecast is None:
        from leaderboard.gates.forecast import forecast_of

        evidence = replace(evidence, forecast=forecast_of(evidence))
    report = judge(evidence, gates, chosen)
    write_report(folder, report)
    seeds = max((len(item.arm.seeds) for item in evidence.tiers), default=0)
    note_look(folder, Read(results=results_digest(result), gate=chosen, arm=arm, num_seeds=seeds))
    known = tuple(item for item in read_overrides(folder) if (item.arm, item.gate) == (arm, chosen))
    return Verdict(report=report, overrides=known)


def _overridden(study: Path, verdicts: list[Verdict], decision: str, *, reason: str, by: str) -> Verdict:
    from leaderboard.gates.overrides import add_override, make_override, read_overrides

    if len(verdicts) != 1:
        names = ", ".join(item.report.arm for item in verdicts)
        raise StudyError(f"--override: the study has the arms {names}, expected one to override; name it with --arm")
    folder, report = study if study.is_dir() else study.parent, verdicts[0].report
    add_override(folder, make_override(report, decision, reason=reason, by=by))
    _show_on_page(folder)
    known = [item for item in read_overrides(folder) if (item.arm, item.gate) == (report.arm, report.gate)]
    return Verdict(report=report, overrides=tuple(known))


def _show_on_page(folder: Path) -> None:
    """Write the study's page again where it has one: an override is shown everywhere from now on."""
    from leaderboard.gates.overrides import override_lines
    from leaderboard.report import HTML_FILE, write_report
    from leaderboard.studies.results import read_result

    if (folder / HTML_FILE).is_file():
        write_report(read_result(folder), folder, override_lines(folder))


def _json(verdicts: list[Verdict]) -> Json:
    from leaderboard.gates.overrides import override_json
    from leaderboard.gates.report import report_json

    values: list[dict[str, Json]] = [
        {**report_json(item.report), "overrides": [override_json(one) for one in item.overrides]} for item in verdicts
    ]
    if len(values) == 1:
        return values[0]
    first = verdicts[0].report
    listed: list[Json] = list(values)
    return {"study": first.study, "name": first.name, "gates": first.gates, "reports": listed}


def _draw(console: Console, verdicts: list[Verdict], *, explain: bool) -> None:
    from leaderboard.gates.view import draw_report

    for item in verdicts:
        draw_report(console, item.report, item.overrides, explain=explain)
