"""The records of a task, found in a directory of data by name, with the digest that its suite pins.

The digest is of the records' values in order: packing a file anew or writing its keys in another order changes
nothing. A record's place, from 0, is the place that its item has in the suite of that file (`curation.suites.load`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from curation.errors import ShardError, SuiteChangedError
from curation.files import digest_json
from curation.suites.formats import fault_of, records_of
from curation.suites.layout import find_suites
from curation.suites.names import evals_folder, namesakes, present
from curation.suites.tasks import Task, TaskSuite


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskData:
    """The records of one task's file, all of them, in its order."""

    suite: str
    """Name of the file as a suite: what contamination reports call it."""
    origin: str
    digest: str
    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Why a task cannot be asked here."""

    task: str
    reason: str


def evals_directory(chosen: Path | None = None) -> Path:
    """Return the directory of benchmark files: the one chosen, else `CURATE_EVALS`, else `CURATE_SHARED/evals`.

    Raises: ShardError when none is set or it is not there.
    """
    folder = chosen or evals_folder()
    if folder is None or not folder.is_dir():
        raise ShardError(
            f"{folder or 'directory of benchmark files'}: {'no such directory' if folder else 'not set'}; expected a "
            "directory that holds one file a benchmark; give --evals DIR or set CURATE_EVALS"
        )
    return folder


def read_task(task: Task, folder: Path) -> TaskData | Absent:
    """Return the task's records, or why there are none. Raises: SuiteChangedError, ShardError."""
    here = present(folder)
    found = next(((name, here.get(name, Path(name))) for name in task.data if name in here or _is_path(name)), None)
    if found is None:
        return Absent(task=task.name, reason=f"no file `{'` or `'.join(task.data)}` in {folder}")
    name, path = found
    stamp = path.stat()
    data = _read(path, name, (stamp.st_mtime_ns, stamp.st_size))
    _refuse_other(folder, path, data)
    if task.digest is not None and not data.digest.startswith(task.digest):
        raise SuiteChangedError(
            f"{path}: task `{task.name}`: its {len(data.records):,} records have the digest {data.digest[:16]}, pinned "
            f"is {task.digest[:16]}; scores of other items never share a table; bring the pinned file back, or give a "
            "suite file of your own that names this one"
        )
    if task.digest is None and task.num_items not in (None, len(data.records)):
        raise SuiteChangedError(
            f"{path}: task `{task.name}`: holds {len(data.records):,} records, expected the {task.num_items:,} of the "
            "benchmark; a part of it is another task; bring the whole file, or give a suite file of your own"
        )
    return data


def _refuse_other(folder: Path, path: Path, data: TaskData) -> None:
    """Raise ShardError if another file of the same name, packed or not, holds other records."""
    for other in namesakes(folder, path):
        stamp = other.stat()
        found = _read(other, data.suite, (stamp.st_mtime_ns, stamp.st_size))
        if found.digest != data.digest:
            raise ShardError(
                f"{folder}: {path.name} and {other.name} are one benchmark by name and hold different records "
                f"({data.digest[:8]}, {found.digest[:8]}); expected one of them; remove the other"
            )


def _is_path(name: str) -> bool:
    return Path(name).is_absolute() and Path(name).exists()


@lru_cache(maxsize=64)
def _read(path: Path, name: str, stamp: tuple[int, int]) -> TaskData:
    records: list[Mapping[str, Any]] = []
    found = find_suites([path])
    if len(found) != 1:
        raise ShardError(f"{path}: holds {len(found)} data sets; expected one; name the file of the task")
    for split, files in found[0].splits:
        for file in files:
            for placed in records_of(file):
                if not isinstance(placed.record, Mapping):
                    raise ShardError(f"{file}:{placed.place}: {fault_of(placed.record)}; mend the line")
                records.append({"split": split, **placed.record} if split else placed.record)
    if not records:
        raise ShardError(f"{path}: holds no items; expected one JSON object a line")
    digest = digest_json([dict(record) for record in records])
    return TaskData(suite=found[0].name, origin=found[0].origin, digest=digest, records=tuple(records))


def suite_digest(suite: TaskSuite, found: Mapping[str, TaskData], context_tokens: int) -> str:
    """Return the digest of what a suite asks at a context: every task with its pinned records, or those found.

    A pinned file that is missing here changes nothing: the suite is the same, its aggregate is not available.
    """
    asked = {
        task.name: task.asked(found[task.name].digest if task.name in found else task.digest, context_tokens)
        for task in suite.tasks
    }
    return digest_json([suite.id, dict(sorted(asked.items()))])
