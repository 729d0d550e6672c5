"""An attempt at a pass: a private folder in the store with the plan, the tasks of every rank, and what came back.

    .passes/<node>-<pass>/attempt-0001/{plan.json, tasks.json, alive/, reports/, results/, failures/, scheduler/}

Every attempt is new, so nothing of an earlier one (a scheduler's markers of completion, say) can pass for its own.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from curation.backends.shards import FAILURES, REPORTS, RESULTS, ShardTask
from curation.files import Json, read_json, write_json

PASSES = ".passes"
ALIVE, SCHEDULER = "alive", "scheduler"
_PLAN, _TASKS = "plan.json", "tasks.json"
DECIDES_BYTES = ("pyarrow", "numpy", "numba", "xxhash")
"""Distributions whose version may show in a file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSource:
    """From what a worker makes the same plan as the driver: plain data and paths on the shared file system."""

    recipe: Mapping[str, Json]
    pool: str
    """Fingerprint."""
    store: str
    directory: str
    """Where the command was given; paths in the recipe are relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlan:
    """What every worker of a pass is told."""

    source: BuildSource
    kind: str
    fingerprint: str
    label: str
    cpus: int
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The folder of one attempt."""

    folder: Path

    @property
    def name(self) -> str:
        """A name for jobs that nothing else has: `curate-<node>-<random>`."""
        return str(cast("dict[str, Json]", read_json(self.folder / "name.json"))["name"])

    @property
    def plan(self) -> PassPlan:
        """The plan of the pass."""
        value = cast("dict[str, Any]", read_json(self.folder / _PLAN))
        return PassPlan(source=BuildSource(**value.pop("source")), **value)

    @property
    def scheduler(self) -> Path:
        """Where the scheduler's own logs go."""
        return self.folder / SCHEDULER

    def ranks(self) -> list[list[ShardTask]]:
        """Return the tasks of every rank."""
        listed = cast("list[list[dict[str, Any]]]", read_json(self.folder / _TASKS))
        return [[ShardTask(**{**task, "outputs": tuple(task["outputs"])}) for task in tasks] for tasks in listed]

    def num_reports(self) -> int:
        """Return how many parts have ended, well or not."""
        return sum(1 for name in (REPORTS, FAILURES) for _ in (self.folder / name).glob("*.json"))

    def num_alive(self) -> int:
        """Return how many ranks have ever begun."""
        return sum(1 for _ in (self.folder / ALIVE).iterdir())


def pass_folder(store: Path, fingerprint: str, label: str) -> Path:
    """Return the folder of a pass."""
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    return store / PASSES / f"{fingerprint[:16]}-{slug}"


def attempts(folder: Path) -> list[Attempt]:
    """Return the attempts at a pass, oldest first."""
    return [Attempt(path) for path in sorted(folder.glob("attempt-*")) if (path / "name.json").is_file()]


def new_attempt(folder: Path, plan: PassPlan, ranks: Sequence[Sequence[ShardTask]]) -> Attempt:
    """Make the folder of a further attempt."""
    known = [int(path.name.rpartition("-")[2]) for path in folder.glob("attempt-*")]
    path = folder / f"attempt-{max(known, default=0) + 1:04d}"
    path.mkdir(parents=True)
    path.chmod(0o700)  # schedulers unpickle what lies here
    for name in (REPORTS, RESULTS, FAILURES, ALIVE, SCHEDULER):
        (path / name).mkdir()
    write_json(path / _PLAN, cast("Json", asdict(plan)))
    write_json(path / _TASKS, cast("Json", [[asdict(task) for task in tasks] for tasks in ranks]))
    write_json(path / "name.json", {"name": f"curate-{plan.fingerprint[:8]}-{secrets.token_hex(4)}"})
    return Attempt(path)


def forget(store: Path, fingerprint: str) -> None:
    """Remove what the passes of a node left, once its artifact exists."""
    for folder in (store / PASSES).glob(f"{fingerprint[:16]}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def versions() -> dict[str, str]:
    """Return the versions that a worker must share with the driver for equal bytes."""
    return {name: version(name) for name in DECIDES_BYTES}
