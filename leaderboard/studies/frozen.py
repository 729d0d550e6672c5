"""The study's own directory in the store: what was frozen before the first run, and how long each stage took.

`study-<name>-<fingerprint 8>/` holds `study.json` (written once, before any training), `timings.json`,
`results.json`, `report.html`, `report.md`. Changing a word of the study gives another directory (rule 13).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from curation.errors import StudyError
from curation.files import Json, read_json, write_json
from curation.store import Store
from leaderboard.studies.assemble import Frozen
from leaderboard.studies.study import Study

STUDY_FILE = "study.json"
TIMINGS_FILE = "timings.json"
MIN_SECONDS = 0.05
"""Shorter stages were reuses; they are not listed."""


def study_dir(store: Store, study: Study, fingerprint: str) -> Path:
    """Return the directory of the study with this fingerprint, existing or not."""
    return store.root / f"study-{study.name}-{fingerprint[:8]}"


def read_frozen(folder: Path, fingerprint: str) -> Frozen | None:
    """Return what was frozen earlier, None if nothing was.

    Raises: StudyError if the directory belongs to another study.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        return None
    value = cast("Mapping[str, Json]", read_json(path))
    if value.get("fingerprint") != fingerprint:
        raise StudyError(
            f"{path}: belongs to study {str(value.get('fingerprint'))[:16]}, expected {fingerprint[:16]}; "
            "two studies share a short name: rename this one"
        )
    identity = cast("Mapping[str, Json]", value["identity"])
    return Frozen(
        fingerprint=fingerprint,
        pool=str(identity["pool"]),
        panel=str(identity["panel"]),
        runs_before_freeze=cast("int", value["runs_before_freeze"]),
    )


def freeze(
    folder: Path,
    fingerprint: str,
    identity: Mapping[str, Json],
    *,
    recipes: Mapping[str, Json],
    runs_before: int,
) -> Frozen:
    """Write the study down before its first run and return it; a study frozen earlier stays as it was.

    `recipes` of the arms stand beside it for people. `runs_before` counts the runs of this study that the store holds
    already: they were seen before these words.
    """
    known = read_frozen(folder, fingerprint)
    if known is not None:
        return known
    frozen_words: dict[str, Json] = {
        "fingerprint": fingerprint,
        "identity": identity,
        "recipes": recipes,
        "runs_before_freeze": runs_before,
    }
    write_json(folder / STUDY_FILE, frozen_words)
    frozen = read_frozen(folder, fingerprint)
    assert frozen is not None
    return frozen


@dataclass(slots=True, kw_only=True)
class Stopwatch:
    """Wall seconds by stage, summed over invocations in `timings.json` once the study's directory is known."""

    path: Path | None = None
    spent: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to stage `name`, also when it fails."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add({name: time.monotonic() - started})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add seconds by stage and save them."""
        for name, value in seconds.items():
            if value >= MIN_SECONDS:
                self.spent[name] = self.spent.get(name, 0.0) + value
        if self.path is not None and self.spent:
            total = self.total()
            write_json(self.path, {name: round(value, 3) for name, value in total.items()})
            self.spent = {}

    def settle(self, seconds: Mapping[str, float]) -> None:
        """Keep exactly these seconds: what an invocation took that changed nothing is not told."""
        self.spent = {}
        if self.path is not None:
            write_json(self.path, {name: round(value, 3) for name, value in seconds.items()})

    def total(self) -> dict[str, float]:
        """Return all seconds by stage, earlier invocations included."""
        total: dict[str, float] = {}
        if self.path is not None and self.path.is_file():
            total = {
                str(k): float(cast("float", v)) for k, v in cast("Mapping[str, Json]", read_json(self.path)).items()
            }
        for name, value in self.spent.items():
            total[name] = total.get(name, 0.0) + value
        return total
