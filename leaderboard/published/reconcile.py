"""Evaluation files and database as one list of runs: same uuid and evaluation is one run, and differences are listed.

Where both have a task the file's score counts: it has all its digits. What stands in one source only is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from curation.errors import ResultsError
from curation.files import digest_json
from curation.suites.aggregates import centred
from curation.suites.dclm import dclm_groups, dclm_tasks
from leaderboard.published.dclm_database import DATABASE, ReadDatabase, RowRun, read_database
from leaderboard.published.dclm_files import TOLERANCE, FileRun, ReadFiles, read_files
from leaderboard.published.faults import Fault
from leaderboard.published.run import PublishedRun

EVALS = "evals"
SAME_DIGITS = 6
EARLIER, MISSING, UNEXPLAINED = "earlier-baselines", "missing-tasks", "unexplained"
EARLIER_BASELINES: Mapping[str, float] = MappingProxyType(
    {"commonsense_qa": 0.25, "agi_eval_lsat_ar": 0.25, "boolq": 0.5, "bigbench_language_identification": 0.25}
)
"""Share that chance scores where the database's older rows differ from `eval_meta_data_v1.csv`.

Source: solved from the rows themselves: the four values explain 206 stated CORE to 3e-9.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One number that two sources, or a source and its own scores, give differently."""

    run: str
    what: str
    left: float | None
    """The file's, or the stated one."""
    right: float | None
    """The database's, or the recomputed one."""
    kind: str
    """`other-score` (file against database), or why a stated aggregate does not follow from its own scores:
    `earlier-baselines`, `missing-tasks` (a mean of the rest), `unexplained`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Everything a directory of DCLM's results holds."""

    runs: tuple[PublishedRun, ...]
    files: ReadFiles
    database: ReadDatabase
    num_both: int
    disagreements: tuple[Disagreement, ...]
    twins: tuple[tuple[str, ...], ...]
    """Names of runs with different uuids and the very same scores: one evaluation under several names."""


def read_dclm(folder: Path) -> Published:
    """Return the runs of `folder`: its `evals/*.json` and its run database, reconciled; in the order of names.

    Raises: ResultsError if neither is there.
    """
    evals, database = folder / EVALS, folder / DATABASE
    if not evals.is_dir() and not database.is_file():
        raise ResultsError(
            f"{folder}: holds neither {EVALS}/ nor {DATABASE}; expected DCLM's published results; "
            "give the directory that holds both"
        )
    files = read_files(evals) if evals.is_dir() else ReadFiles(runs=(), faults=())
    rows = (
        read_database(database) if database.is_file() else ReadDatabase(num_rows=0, runs=(), duplicates=(), faults=())
    )
    in_rows = {one.run.key: one for one in rows.runs}
    in_files = {one.run.key: one for one in files.runs}
    both = sorted(in_rows.keys() & in_files.keys())
    found = [_merged(in_files[key], in_rows[key]) for key in both]
    found += [one.run for key, one in in_files.items() if key not in in_rows]
    found += [one.run for key, one in in_rows.items() if key not in in_files]
    if not found:
        raise ResultsError(f"{folder}: no usable run, {len(files.faults) + len(rows.faults)} faults; see --json")
    differences = [one for key in both for one in _between(in_files[key], in_rows[key])]
    differences += [one for run in files.runs for one in _stated_in_file(run)]
    differences += [one for row in rows.runs for one in _stated_in_row(row)]
    twins = _twins(found)
    return Published(
        runs=tuple(sorted(_marked(found, twins), key=lambda run: (run.name, run.key))),
        files=files,
        database=rows,
        num_both=len(both),
        disagreements=tuple(differences),
        twins=tuple(tuple(names) for names in twins.values()),
    )


def _merged(file: FileRun, row: RowRun) -> PublishedRun:
    return replace(
        row.run, scores={**row.run.scores, **file.run.scores}, sources=("file", "database"), seed=row.run.seed
    )


def _between(file: FileRun, row: RowRun) -> list[Disagreement]:
    """Return the tasks of both sources whose scores differ by more than rounding."""
    left, right = file.run.scores, row.run.scores
    return [
        Disagreement(run=file.run.name, what=name, left=left[name], right=right[name], kind="other-score")
        for name in sorted(left.keys() & right.keys())
        if not math.isclose(left[name], right[name], abs_tol=TOLERANCE)
    ]


def _stated_in_file(file: FileRun) -> list[Disagreement]:
    return [
        Disagreement(run=file.run.name, what=name, left=stated, right=ours, kind=UNEXPLAINED)
        for name, (stated, ours) in file.off.items()
    ]


def _stated_in_row(row: RowRun) -> list[Disagreement]:
    """Return the database's own Core and Extended where neither version of the baselines gives them, and why."""
    ours = row.run.aggregates
    found = []
    for name, stated in (("Core", row.core), ("Extended", row.extended)):
        versions = [ours[f"{name}_{version}"] for version in ("v1", "v2")]
        if stated is None or any(_close(stated, value) for value in versions):
            continue
        if versions[0] is None:
            kind = MISSING
        elif _close(stated, earlier_core(row.run.scores) if name == "Core" else None):
            kind = EARLIER
        else:
            kind = UNEXPLAINED
        found.append(Disagreement(run=row.run.name, what=name, left=stated, right=versions[0], kind=kind))
    return found


def earlier_core(scores: Mapping[str, float]) -> float | None:
    """Return CORE by the baselines before v1, which 206 rows of the database still state; None with a task missing."""
    table, names = dclm_tasks(), dclm_groups()["core"]
    if any(name not in scores for name in names):
        return None
    values = [centred(scores[name], EARLIER_BASELINES.get(name, 0.01 * table[name].v1)) for name in names]
    return math.fsum(values) / len(values)


def _close(left: float, right: float | None) -> bool:
    return right is not None and math.isclose(left, right, abs_tol=TOLERANCE)


def same_scores_key(run: PublishedRun) -> str:
    """Return what evaluations of one model share: its scores on the tasks of CORE, as far as the database rounds them.

    Tasks outside of CORE may have been asked of one of them only; without all of CORE every score counts.
    """
    core = dclm_groups()["core"]
    names = core if all(name in run.scores for name in core) else sorted(run.scores)
    return digest_json([[name, round(run.scores[name], SAME_DIGITS)] for name in names])


def _twins(runs: Sequence[PublishedRun]) -> Mapping[str, list[str]]:
    by_scores: dict[str, list[PublishedRun]] = {}
    for run in runs:
        by_scores.setdefault(same_scores_key(run), []).append(run)
    return {key: sorted(run.name for run in own) for key, own in by_scores.items() if len(own) > 1}


def _marked(runs: Sequence[PublishedRun], twins: Mapping[str, list[str]]) -> list[PublishedRun]:
    """Return the runs, with a note on each that has another's very scores."""
    others = {name: names for names in twins.values() for name in names}
    return [
        run.noted(f"the very scores of {', '.join(one for one in others[run.name] if one != run.name)}")
        if run.name in others
        else run
        for run in runs
    ]


def faults_of(found: Published) -> list[Fault]:
    """Return every file and row that was not imported."""
    return [*found.files.faults, *found.database.faults]
