"""L1 of published numbers: what can be asked of sums that others printed, and in one line why that is not level 1.

Hashes, schema, names and the arithmetic over tasks are checked as for any entry. There is no study, panel, corpus,
curve or seed to ask about, so these checks are not applicable. A task's own score would have to follow from its items;
published runs have none, so they stay at level 0 (rules 8 and 9).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import ValidationError

from curation.suites.dclm import dclm_aggregates, dclm_tasks
from leaderboard.entries.check_items import TOLERANCE
from leaderboard.entries.check_suites import suite_check
from leaderboard.entries.check_words import names_check
from leaderboard.entries.checks import Check, Subject, absent, not_applicable, verdict
from leaderboard.entries.manifest import RunRecord, SuiteScores
from train.evals.results import RESULTS, Results

DCLM = "dclm"
AGAIN = "import it again: `curate leaderboard import dclm DIR --to BOARD`"
WHY_NOT = {
    "study": "published numbers have no frozen study",
    "one-change": "no study, so no arm",
    "seeds": "one run as it was published",
    "track": "no track of a board fixes its digests",
    "smoke": "no study, so no gate G0",
    "documents": "no panel was scored",
    "arithmetic": "no record of training steps",
    "curves": "no training curve",
    "near-copies": "its corpus is not known",
    "confirmation": "nobody here trained it",
}


def is_published(subject: Subject) -> bool:
    """Return whether an entry holds others' numbers and nothing of a study."""
    runs = subject.manifest.runs
    alone = subject.manifest.division == "published" and all(run.role == "published" for run in runs)
    return alone and not subject.frozen and not subject.result


def published_checks(subject: Subject) -> list[Check]:
    """Return the checks of an entry of published numbers."""
    return [
        names_check(subject),
        verdict("aggregates", _faults(subject), "every aggregate follows from its tasks", remedy=AGAIN),
        _items_check(subject),
        *(not_applicable(name, text) for name, text in WHY_NOT.items()),
    ]


def _items_check(subject: Subject) -> Check:
    suites = [suite for run in subject.manifest.runs for suite in run.suites]
    if suites and all(suite.items for suite in suites):
        return suite_check(subject)
    text = "published as sums without items, so no task's score can be recomputed: it stays at level 0"
    return absent("items", text, "for level 1 train and submit a study of your own: `curate submit STUDY --to BOARD`")


def _faults(subject: Subject) -> Iterator[str]:
    for run in subject.manifest.runs:
        for suite in run.suites:
            yield from (f"{run.label} on {suite.name}: {fault}" for fault in _suite_faults(subject, run, suite))


def _suite_faults(subject: Subject, run: RunRecord, suite: SuiteScores) -> Iterator[str]:
    try:
        results = Results.model_validate_json((subject.folder / suite.folder / RESULTS).read_bytes())
    except (OSError, ValidationError) as error:
        yield str(error).splitlines()[0][:200]
        return
    if results.model.digest != run.fingerprint:
        yield f"results of model {results.model.digest[:16]}, expected {run.fingerprint[:16]}"
    if (results.suite.name, results.suite.digest) != (suite.name, suite.digest):
        yield f"its results are of {results.suite.name} {results.suite.digest[:16]}"
    if suite.name == DCLM:
        yield from _dclm_faults(results)


def _dclm_faults(results: Results) -> Iterator[str]:
    """Yield each aggregate that DCLM's definition does not give: a missing task makes it N/A."""
    values = {name: task.metrics[task.primary].value for name, task in results.tasks.items()}
    scores = {name: value for name, value in values.items() if value is not None}
    for name, value in scores.items():
        if not 0 <= value <= 1:
            yield f"task {name}: {value}, expected a share from 0 to 1"
    for name in dclm_tasks():
        if (name in scores) == (name in results.missing):
            yield f"task {name}: {'has a score and is' if name in scores else 'has no score and is not'} listed missing"
    found = dclm_aggregates(scores)
    for name in sorted({*found, *results.aggregates}):
        ours = found[name].value if name in found else None
        said = results.aggregates[name].value if name in results.aggregates else None
        if (ours is None) != (said is None) or not math.isclose(ours or 0.0, said or 0.0, abs_tol=TOLERANCE):
            yield f"{name}: {_shown(ours)} by its tasks, {_shown(said)} said"


def _shown(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.6f}"
