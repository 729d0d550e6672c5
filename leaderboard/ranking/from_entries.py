"""Rows of a board's entries: studies with their document scores, published runs with sums of their tasks."""

from __future__ import annotations

from pathlib import Path

from curation.errors import CurateError, RunError
from leaderboard.entries.check_once import told_twice
from leaderboard.entries.entry import Entry, readable_entries
from leaderboard.entries.manifest import RunRecord, SuiteScores
from leaderboard.entries.records import confirmation_seed
from leaderboard.ranking.candidates import Candidate, Gathered, LeftOut, TableKey
from leaderboard.ranking.from_studies import Source, study_rows
from leaderboard.scores import ScoredRun
from leaderboard.studies.results import RESULT_FILE, RunResult, read_result
from train.evals.results import Results

ONE_RUN = "one run, and run noise of its tier was never measured (rules 8 and 9)"


def board_rows(board: Path, said: str = "") -> Gathered:
    """Return the rows of every entry of a board; those that are damaged stand in no table, with what is wrong.

    `said` is how the user calls the board, where `board` is only a copy of it.
    Raises: RunError for a folder without any entry.
    """
    entries, damaged = readable_entries(board)
    if not entries and not damaged:
        place = said or str(board)
        raise RunError(
            f"{place}: holds no entry, expected one or more; fill it with `curate submit STUDY --to {place}`, or a "
            "folder with `curate leaderboard import dclm DIR --to BOARD`"
        )
    found = []
    twice = told_twice(entries)
    for entry in entries:
        if entry.id in twice:
            continue
        try:
            found.append(entry_rows(entry))
        except CurateError as error:
            damaged[entry.id] = str(error)
    return Gathered(
        candidates=tuple(row for one in found for row in one.candidates),
        left_out=(
            *(
                LeftOut(study=name, arm="", tier="", reason=f"damaged: {text.replace(str(board), said or str(board))}")
                for name, text in sorted(damaged.items())
            ),
            *(LeftOut(study=name, arm="", tier="", reason=text) for name, text in sorted(twice.items())),
            *(left for one in found for left in one.left_out),
        ),
    )


def entry_rows(entry: Entry) -> Gathered:
    """Return an entry's rows: those of its study, or one of each published run."""
    if entry.manifest.division != "published":
        return study_rows(_source(entry))
    return Gathered(
        candidates=tuple(_published(entry, run, suite) for run in entry.manifest.runs for suite in run.suites)
    )


def marks_of(entry: Entry) -> tuple[str, ...]:
    """Return what a reader must know of an entry before its numbers."""
    found = [f"retracted: {entry.retracted}"] if entry.retracted else []
    found += [f"challenged ({entry.challenges})"] if entry.challenges else []
    found += [f"audit: {flag}" for flag in entry.flags]
    if entry.confirmed:
        found.append(f"confirmed by the board's seed {confirmation_seed(entry.digest)}")
    elif entry.manifest.division != "published":
        found.append(f"unconfirmed: the board's seed {confirmation_seed(entry.digest)} was not run (rule 10)")
    return tuple(found)


def _source(entry: Entry) -> Source:
    records = {run.fingerprint: run for run in entry.manifest.runs}

    def scores(run: RunResult) -> ScoredRun | None:
        record = records.get(run.fingerprint)
        return entry.scored_run(record) if record else None

    return Source(
        result=read_result(entry.file(RESULT_FILE)),
        scores=scores,
        division=entry.manifest.division,
        track=entry.manifest.track,
        entry=entry.id,
        level=entry.level,
        marks=marks_of(entry),
        unranked=f"retracted: {entry.retracted}" if entry.retracted else "",
    )


def _published(entry: Entry, run: RunRecord, suite: SuiteScores) -> Candidate:
    results = entry.scored(suite).results
    return Candidate(
        key=TableKey(
            division=entry.manifest.division,
            track=entry.manifest.track,
            tier=run.tier,
            recipe=run.recipe_version if run.tokens_seen else "",
            tier_digest=run.tier_digest,
            suite=suite.digest,
            panel="",
            context=suite.context,
            tokenizer=run.tokenizer,
        ),
        name=run.arm,
        role=run.role,
        studies=(results.model.name,),
        fingerprint=entry.manifest.study.fingerprint,
        entry=entry.id,
        seeds=(run.seed,) if run.seed is not None else (),
        sums=_sums(results),
        lacking={name: one.reason for name, one in results.aggregates.items() if one.value is None and one.reason},
        run_ids=(run.fingerprint,),
        unique_tokens=run.unique_tokens,
        epochs=run.epochs,
        verdict="published",
        unranked=f"retracted: {entry.retracted}" if entry.retracted else ONE_RUN,
        marks=(*marks_of(entry), *results.notes),
        level=entry.level,
    )


def _sums(results: Results) -> dict[str, float]:
    """Return aggregates and tasks by name; those that are not available are left out."""
    found = {name: one.value for name, one in results.aggregates.items() if one.value is not None}
    for name, task in results.tasks.items():
        held = task.metrics.get(task.primary)
        if held is not None and held.value is not None:
            found[name] = held.value
    return found
