"""Shards of work: what one task makes, the report it gives, and the check of reports against plan and files.

A *pass* is a pure function of a node's inputs and a part number, applied to every part; it writes the part's files
(by rename) and returns a value. A *task* is one part of one pass, in plain data. The *report* of a task says rows,
bytes and sha256 of every file it made. Reports are the truth: what a scheduler counts or marks as complete is not read.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from curation.files import Json, read_json, sha256_file, write_bytes, write_json

if TYPE_CHECKING:
    from curation.nodes import NodeRun

T = TypeVar("T")

REPORTS, RESULTS, FAILURES = "reports", "results", "failures"
"""Folders of an attempt."""


def _none(_: int) -> Sequence[Path]:
    return ()


def _any(_: int) -> int | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOutputs:
    """What every part of a pass leaves behind; a pass that says so may run elsewhere.

    Such a pass writes nothing else, depends on the node's inputs and the part's number alone, and nothing before it in
    its node writes files.
    """

    paths: Callable[[int], Sequence[Path]] = _none
    """Files of a part."""
    rows: Callable[[int], int | None] = _any
    """Rows that each Parquet file of the part must have; None where only the task can know."""


class PassRunner(Protocol):
    """Who runs passes instead of this process's threads."""

    def run_pass(
        self, run: NodeRun, label: str, num_parts: int, work: Callable[[int], T], outputs: ShardOutputs
    ) -> list[T]:
        """Return `work(part)` for every part in order. Raises: IncompleteError if shards are missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """One part of one pass, as plain data that any machine understands."""

    stage: str
    """Kind of the node and label of the pass."""
    version: str
    fingerprint: str
    """The node's: hash of its settings, component versions and inputs."""
    part: int
    inputs: Mapping[str, str]
    """Name -> artifact in the store, read-only."""
    outputs: tuple[str, ...]
    """Files that it makes, each under a temporary name until complete; relative to the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file that a task made."""

    path: str
    num_rows: int | None
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What a task made; its existence means that the task ended well."""

    stage: str
    fingerprint: str
    part: int
    files: tuple[FileReport, ...]
    result: FileReport
    """The value that the pass returned for this part, in the attempt's folder."""
    seconds: float
    """CPU seconds."""
    host: str


def report_name(part: int, rank: int) -> str:
    """Return the name of a report: two ranks that report one part leave two files."""
    return f"{part:05d}-rank-{rank:05d}.json"


def file_report(path: Path, name: str) -> FileReport:
    """Return rows (of a Parquet file, from its footer), bytes and sha256 of a file."""
    return FileReport(path=name, num_rows=footer_rows(path), num_bytes=path.stat().st_size, sha256=sha256_file(path))


def footer_rows(path: Path) -> int | None:
    """Return the rows that a Parquet file's footer says; None for other files. Raises: ArrowInvalid if damaged."""
    if path.suffix != ".parquet":
        return None
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def write_result(folder: Path, part: int, value: object) -> FileReport:
    """Write what a pass returned for a part into an attempt's folder, which only its owner can write."""
    name = f"{RESULTS}/{part:05d}.pickle"
    write_bytes(folder / name, pickle.dumps(value, protocol=5))
    return file_report(folder / name, name)


def read_result(folder: Path, report: ShardReport) -> Any:
    """Return what the pass returned; only for a report that `check_report` accepted."""
    return pickle.loads((folder / report.result.path).read_bytes())


def write_report(path: Path, report: ShardReport) -> None:
    """Write a report, the last thing a task does."""
    write_json(path, cast("Json", asdict(report)))


def read_report(path: Path) -> ShardReport:
    """Read a report. Raises: ValueError, KeyError or TypeError if it is none."""
    value = cast("dict[str, Any]", read_json(path))
    files = tuple(FileReport(**entry) for entry in value.pop("files"))
    return ShardReport(files=files, result=FileReport(**value.pop("result")), **value)


def check_report(report: ShardReport, task: ShardTask, store: Path, folder: Path, rows: int | None) -> str | None:
    """Return what is wrong with a report, beside its task and the files on disk; None if nothing is."""
    if (report.stage, report.fingerprint, report.part) != (task.stage, task.fingerprint, task.part):
        return f"the report is about part {report.part} of `{report.stage}` ({report.fingerprint[:8]})"
    if [file.path for file in report.files] != list(task.outputs):
        return f"reported files {[file.path for file in report.files]}, expected {list(task.outputs)}"
    for file in (*report.files, report.result):
        fault = _file_fault(file, (folder if file is report.result else store) / file.path)
        if fault is None and file is not report.result and rows is not None and file.num_rows != rows:
            fault = f"{file.path}: {file.num_rows} rows reported, the plan says {rows}"
        if fault is not None:
            return fault
    return None


def _file_fault(file: FileReport, path: Path) -> str | None:
    if not path.is_file():
        return f"{file.path}: reported and not there"
    actual = path.stat().st_size
    if actual != file.num_bytes:
        return f"{file.path}: has {actual} bytes, the report says {file.num_bytes}"
    if sha256_file(path) != file.sha256:
        return f"{file.path}: its sha256 is not the reported one"
    if (rows := footer_rows(path)) != file.num_rows:
        return f"{file.path}: has {rows} rows, the report says {file.num_rows}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What an attempt brought: accepted reports by part, and why the other parts are missing."""

    accepted: Mapping[int, ShardReport]
    faults: Mapping[int, str]
    strays: Sequence[str]
    """Reports of parts that nobody asked for."""


def collect(folder: Path, tasks: Mapping[int, ShardTask], store: Path, rows: Callable[[int], int | None]) -> Collected:
    """Check every report of an attempt against its tasks and the files: one good report a part, and no other."""
    found: dict[int, list[Path]] = defaultdict(list)
    for path in sorted((folder / REPORTS).glob("*.json")):
        found[int(path.name.partition("-")[0])].append(path)
    accepted: dict[int, ShardReport] = {}
    faults: dict[int, str] = {}
    for part, task in tasks.items():
        paths = found.get(part, [])
        if len(paths) != 1:
            faults[part] = _failure(folder, part) if not paths else f"{len(paths)} ranks reported it, expected one"
            continue
        try:
            report = read_report(paths[0])
            fault = check_report(report, task, store, folder, rows(part))
        except (ValueError, KeyError, TypeError, OSError) as error:  # a damaged report, or a damaged Parquet footer
            fault = f"cannot be checked ({type(error).__name__}: {error})"
        if fault is None:
            accepted[part] = report
        else:
            faults[part] = fault
    strays = [path.name for part in sorted(set(found) - set(tasks)) for path in found[part]]
    return Collected(accepted=accepted, faults=faults, strays=strays)


def failure_path(folder: Path, part: int) -> Path:
    """Return where a task that raised an error says so."""
    return folder / FAILURES / f"{part:05d}.json"


def _failure(folder: Path, part: int) -> str:
    path = failure_path(folder, part)
    if not path.is_file():
        return "no report: its worker ended without a word (killed, out of memory, out of time), or never began"
    value = cast("dict[str, str]", read_json(path))
    return f"failed on {value['host']}: {value['message']}"
