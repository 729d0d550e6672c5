"""DCLM's run database (one CSV row an evaluation) as published runs."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import ResultsError
from curation.suites.dclm import dclm_tasks
from leaderboard.published.faults import Fault
from leaderboard.published.names import read_name, recipe_text, tier_of
from leaderboard.published.run import PublishedRun, run_key

DATABASE = "DCLM_model_database.csv"
COLUMNS = ("Model JSON", "Dataset", "model", "params", "tokens", "model_uuid", "dataset_uuid", "Core", "Extended")
OTHER_TASKS = ("gsm8k", "agi_eval_sat_math", "aqua", "svamp")
"""Tasks of the rows outside the suite's 53; they enter no aggregate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRun:
    """A row's run and the aggregates that the database states; None where it states none."""

    run: PublishedRun
    place: str
    core: float | None
    extended: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDatabase:
    """What the database holds, in its order."""

    num_rows: int
    runs: tuple[RowRun, ...]
    duplicates: tuple[Fault, ...]
    """Rows that repeat another's uuid and scores."""
    faults: tuple[Fault, ...]


def read_database(path: Path) -> ReadDatabase:
    """Return the runs of the database; rows that state no usable score are counted by reason.

    Raises: ResultsError if it is no such table.
    """
    rows = _rows(path)
    runs: list[RowRun] = []
    faults: list[Fault] = []
    duplicates: list[Fault] = []
    by_key: dict[str, RowRun] = {}
    for number, row in enumerate(rows, 2):
        place = f"{path.name}:{number}"
        found = _row_run(row, place)
        if isinstance(found, Fault):
            faults.append(found)
            continue
        same = _same_as(found, runs)
        if same is not None:
            text = f"repeats uuid {found.run.uuid} and scores of {same.place}"
            duplicates.append(Fault(reason="duplicate-row", place=place, text=text))
        elif found.run.key in by_key:
            text = f"the evaluation of {by_key[found.run.key].place} with other scores"
            faults.append(Fault(reason="same-evaluation-other-scores", place=place, text=text))
        else:
            by_key[found.run.key] = found
            runs.append(found)
    return ReadDatabase(
        num_rows=len(rows), runs=tuple(_one_uuid(runs)), duplicates=tuple(duplicates), faults=tuple(faults)
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            rows = [] if lacking else [{key: value or "" for key, value in row.items() if key} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{path}: cannot be read ({error}); expected DCLM's run database, {DATABASE}") from None
    if lacking:
        raise ResultsError(
            f"{path}: no column {', '.join(lacking)}; expected DCLM's run database; give the directory it came in"
        )
    return rows


def _row_run(row: Mapping[str, str], place: str) -> RowRun | Fault:
    scores: dict[str, float] = {}
    for name in (*dclm_tasks(), *OTHER_TASKS):
        if row.get(name):
            value = _number(row[name])
            if value is None or not 0 <= value <= 1:
                text = f"task `{name}`: score {row[name]!r}, expected a share from 0 to 1"
                return Fault(reason="score-not-a-share", place=place, text=text)
            scores[name] = value
    if not row["model_uuid"]:
        return Fault(reason="no-uuid", place=place, text="no `model_uuid`: it cannot be told from other rows")
    if not scores:
        return Fault(reason="no-scores", place=place, text="no score of any task")
    params, tokens = _count(row["params"]), _count(row["tokens"])
    stem = row["Model JSON"].removesuffix(".json")
    named = read_name(stem, row["model"])
    run = PublishedRun(
        key=run_key(row["model_uuid"], stem),
        name=stem.removeprefix("evaluation_"),
        uuid=row["model_uuid"],
        dataset=row["Dataset"] or named.dataset,
        model=row["model"],
        params=params,
        tokens=tokens,
        tier=tier_of(params, tokens),
        recipe=recipe_text(row["model"], named),
        seed=named.seed,
        dataset_uuid=row["dataset_uuid"],
        scores=scores,
        sources=("database",),
    )
    return RowRun(run=run, place=place, core=_number(row["Core"]), extended=_number(row["Extended"]))


def _same_as(found: RowRun, runs: Sequence[RowRun]) -> RowRun | None:
    return next((one for one in runs if one.run.uuid == found.run.uuid and one.run.scores == found.run.scores), None)


def _one_uuid(runs: Sequence[RowRun]) -> list[RowRun]:
    """Return the rows, with a note on those whose training has several evaluated checkpoints."""
    from dataclasses import replace

    counts: dict[str, int] = {}
    for one in runs:
        counts[one.run.uuid] = counts.get(one.run.uuid, 0) + 1
    told = "one of {} evaluated checkpoints of one training: no run of its own"
    return [
        replace(one, run=one.run.noted(told.format(counts[one.run.uuid]))) if counts[one.run.uuid] > 1 else one
        for one in runs
    ]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and value > 0 else None
