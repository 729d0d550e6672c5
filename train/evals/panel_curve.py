"""How a panel's scores go through training: the whole panel at scored checkpoints, and the subset scored on the way.

Whole-panel points are results of `curate eval RUN --suite panel --checkpoints all` in the store; one curve never joins
different panels, contexts or metric versions. The subset (`train.validation`) is ten points of every run's own log: it
prefers short documents, so its level is not the panel's, and it is shown apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import ResultsError, RunError, nearest
from curation.files import Json
from curation.store import Store
from train.evals.results import KIND, RESULTS, Results, Scored, differences, read_summary
from train.metrics import METRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Bits per byte by slice after so many tokens; `intervals` (95 %, families) where they are known."""

    tokens: int
    step: int | None
    """None is the finished model."""
    bpb: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One run through training."""

    run: str
    panel: str | None
    """Name, version and digest of the panel that `points` are of."""
    points: tuple[Point, ...]
    subset: tuple[Point, ...]

    @property
    def shown(self) -> tuple[Point, ...]:
        """Return the whole panel's points if there are two or more, else the subset's."""
        return self.points if len(self.points) > 1 or not self.subset else self.subset

    @property
    def slices(self) -> list[str]:
        """Names of the slices shown, sorted."""
        return sorted({name for point in self.shown for name in point.bpb})

    def as_json(self) -> dict[str, Json]:
        """Return the curve with both kinds of points."""
        return {
            "run": self.run,
            "panel": self.panel,
            "points": [_point_json(point) for point in self.points],
            "subset": [_point_json(point) for point in self.subset],
        }


def read_curve(store: Store, name: str, panel_digest: str | None = None) -> Curve:
    """Return the curve of the run whose name in the store begins with `name`.

    Raises: RunError for an unknown run or one without any score; ResultsError if its results are of several panels or
    contexts and `panel_digest` does not choose.
    """
    folder = _run_folder(store, name)
    scored = [one for one in _panel_results(store) if one.results.model.name == folder.name]
    if panel_digest is not None:
        scored = [one for one in scored if one.results.suite.digest == panel_digest]
    _refuse_several(folder.name, scored)
    subset = tuple(_subset(folder / METRICS))
    if not scored and not subset:
        raise RunError(
            f"{folder.name}: no scores through training; expected results or a training log with validations; score it "
            f"with `curate eval {folder.name} --suite panel --checkpoints all`"
        )
    if not scored:
        return Curve(run=folder.name, panel=None, points=(), subset=subset)
    return curve_of([one.results for one in scored], subset)


def curve_of(results: Sequence[Results], subset: tuple[Point, ...] = ()) -> Curve:
    """Return the curve of a run's results on one panel, by tokens seen, the finished model last."""
    suite, model = results[0].suite, results[0].model
    points = sorted(map(_whole, results), key=lambda point: (point.tokens, point.step is None))
    shown = f"{suite.name}@{suite.version} ({suite.digest[:16]})"
    return Curve(run=model.name, panel=shown, points=tuple(points), subset=subset)


def _run_folder(store: Store, name: str) -> Path:
    if Path(name).is_dir():
        return Path(name).resolve()
    known = {path.name: path for path in sorted(store.root.glob("run-*")) if path.is_dir()}
    matches = [path for key, path in known.items() if key.startswith((name, f"run-{name}"))]
    if len(matches) != 1:
        problem = f"{len(matches)} runs match" if matches else "no such run"
        raise RunError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return matches[0]


def _panel_results(store: Store) -> Iterator[Scored]:
    for path in sorted(store.root.glob(f"{KIND}-*/{RESULTS}")):
        results = read_summary(path.parent)
        if results.slices and not results.averaged and results.partial is None:
            yield Scored(results=results, folder=path.parent)


def _refuse_several(run: str, scored: Sequence[Scored]) -> None:
    for other in scored[1:]:
        told = differences(scored[0].results, other.results)
        if told:
            raise ResultsError(
                f"{run}: its results on panels cannot share a curve: {told[0]}; choose one with --panel, or remove "
                f"{other.folder}"
            )


def _whole(results: Results) -> Point:
    slices = results.slices.items()
    return Point(
        tokens=results.model.tokens_seen or 0,
        step=results.model.checkpoint,
        bpb={name: one.bits_per_byte for name, one in slices if one.bits_per_byte is not None},
        intervals={name: (one.low, one.high) for name, one in slices if one.low is not None and one.high is not None},
    )


def _subset(log: Path) -> Iterator[Point]:
    """Yield the validations that a training's log holds; a last line that is still being written is passed over."""
    if not log.is_file():
        return
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found = cast("Mapping[str, Any] | None", row.get("validation"))
        if found is not None:
            bpb = {name: value for name, value in found["bpb"].items() if value is not None}
            yield Point(tokens=found["tokens"], step=found["step"], bpb=bpb, intervals={})


def _point_json(point: Point) -> dict[str, Json]:
    intervals: dict[str, Json] = {name: list[Json](pair) for name, pair in point.intervals.items()}
    return {"tokens": point.tokens, "step": point.step, "bpb": dict(point.bpb), "intervals": intervals}
