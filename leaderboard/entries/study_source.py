"""A finished study as `submit` finds it: its directory and store, from a directory or from the study's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError
from curation.files import read_json
from curation.store import Artifact, Store
from leaderboard.studies.frozen import STUDY_FILE
from leaderboard.studies.prepared import folder_of
from leaderboard.studies.results import RESULT_FILE, StudyResult, read_result


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySource:
    """A study's directory with the store that its result names artifacts of."""

    folder: Path
    store: Store
    result: StudyResult
    frozen: Mapping[str, Any]
    """What `study.json` holds."""
    typed: str
    """What the person gave, for commands in messages."""

    def artifact(self, kind: str, fingerprint: str, why: str) -> Artifact:
        """Return an artifact that the result names.

        Raises: StudyError if the store lacks it.
        """
        found = self.store.find(kind, fingerprint)
        if found is None:
            raise StudyError(
                f"{self.folder}: {kind} {fingerprint[:8]} is not in {self.store.root}, expected it there {why}; give "
                "--store, or make it again: `curate study run STUDY.yaml`"
            )
        return found


def find_study(given: Path, set_store: Path | None) -> StudySource:
    """Return the finished study in a directory, or the one that a YAML file describes.

    Raises: StudyError if it was not run, or its directory is not whole; RunError for a result of another schema.
    """
    folder = given
    opened = Store.open(set_store)
    if given.suffix in (".yaml", ".yml"):
        folder = folder_of(given, opened)
    elif given.is_file():
        folder = given.parent
    elif not given.is_dir() and (opened.root / given.name).is_dir():
        folder = opened.root / given.name
    if set_store is None and folder.is_dir():
        opened = Store(folder.resolve().parent)
    again = f"`curate study run {given}`" if folder is not given else "`curate study run STUDY.yaml`"
    for name in (STUDY_FILE, RESULT_FILE):
        if not (folder / name).is_file():
            raise StudyError(
                f"{folder}: no {name}, expected a finished study (rule 10 needs every seed); run it first: {again}"
            )
    result = read_result(folder)
    frozen = cast("Mapping[str, Any]", read_json(folder / STUDY_FILE))
    return StudySource(folder=folder, store=opened, result=result, frozen=frozen, typed=str(given))
