"""DCLM's evaluation files as published runs, and DCLM's own aggregates beside ours.

The files are read by `train.evals.import_json.import_dclm`, as `curate import-scores dclm` reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import ResultsError
from leaderboard.published.faults import Fault
from leaderboard.published.names import params_of, read_name, recipe_text, tier_of
from leaderboard.published.run import AGGREGATES, PublishedRun, run_key
from train.evals.import_json import import_dclm

MAX_BYTES = 16 * 2**20
"""Larger files are no evaluation record: those are about 6 kB."""
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRun:
    """A file's run and the aggregates that DCLM stored in it."""

    run: PublishedRun
    place: str
    stored: Mapping[str, float]

    @property
    def off(self) -> dict[str, tuple[float, float | None]]:
        """Stored aggregates that do not follow from the file's own scores: what is stored, and what follows."""
        ours = self.run.aggregates
        return {
            name: (value, ours[name])
            for name, value in self.stored.items()
            if ours[name] is None or not math.isclose(value, ours[name] or 0.0, abs_tol=TOLERANCE)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles:
    """What a directory of evaluation files holds, by name."""

    runs: tuple[FileRun, ...]
    faults: tuple[Fault, ...]


def read_files(folder: Path) -> ReadFiles:
    """Return the runs of `folder`'s JSON files; files that are no evaluation record are counted by reason."""
    runs: list[FileRun] = []
    faults: list[Fault] = []
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        reason, text, value = _loaded(path)
        try:
            found = None if reason else _file_run(path, value)
        except ResultsError as error:
            reason, text, found = "score-not-a-share", str(error), None
        if found is None:
            faults.append(Fault(reason=reason, place=path.name, text=text))
        elif found.run.key in seen:
            text = f"the same model and evaluation as {seen[found.run.key]}"
            faults.append(Fault(reason="given-twice", place=path.name, text=text))
        else:
            seen[found.run.key] = path.name
            runs.append(found)
    return ReadFiles(runs=tuple(runs), faults=tuple(faults))


def _loaded(path: Path) -> tuple[str, str, Any]:
    """Return why a file is no record, in words and as a reason, both empty when it is; and its value."""
    if path.is_symlink() or not path.is_file():
        return "not-a-file", "a link or a folder, expected a plain file", None
    size = path.stat().st_size
    if size > MAX_BYTES:
        return "too-large", f"{size:,} bytes, an evaluation record has at most {MAX_BYTES:,}", None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        return "not-json", f"is not JSON ({error})", None
    metrics = value.get("eval_metrics") if isinstance(value, dict) else None
    scores = metrics.get("icl") if isinstance(metrics, dict) else None
    if not isinstance(scores, dict) or not scores:
        return "no-scores", "no `eval_metrics.icl`, expected an evaluation record of DCLM", None
    return "", "", value


def _file_run(path: Path, value: Mapping[str, Any]) -> FileRun:
    results = import_dclm(path).results
    scores = {name: float(one.metrics[one.primary].value or 0.0) for name, one in results.tasks.items() if one.metrics}
    model = str(value.get("model") or "unknown")
    named = read_name(path.stem, model)
    params = params_of(model)
    tokens = named.tokens if params else None
    uuid = str(value.get("model_uuid") or "")
    run = PublishedRun(
        key=run_key(uuid, path.stem),
        name=path.stem.removeprefix("evaluation_"),
        uuid=uuid,
        dataset=named.dataset,
        model=model,
        params=params,
        tokens=tokens,
        tier=tier_of(params, tokens),
        recipe=recipe_text(model, named),
        seed=named.seed,
        dataset_uuid="",
        scores=scores,
        sources=("file",),
    )
    stored = {name: float(value[name]) for name in AGGREGATES if isinstance(value.get(name), int | float)}
    return FileRun(run=run, place=path.name, stored={name: one for name, one in stored.items() if math.isfinite(one)})


def stored_differences(runs: Sequence[FileRun]) -> list[tuple[str, str, float, float | None]]:
    """Return place, aggregate, stored and recomputed value of each aggregate that its scores do not give."""
    return [(one.place, name, *pair) for one in runs for name, pair in one.off.items()]
