"""The driver's side of a pass: deal parts to ranks, launch them, check what came back, rerun or refuse.

Finished shards of an earlier, interrupted command are taken over if their report still fits their files. A pass whose
shards are not all accepted ends with exit code 3, before anything is published.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from curation.backends.attempts import (
    PASSES,
    Attempt,
    BuildSource,
    PassPlan,
    attempts,
    new_attempt,
    pass_folder,
    versions,
)
from curation.backends.shards import REPORTS, Collected, ShardOutputs, ShardReport, ShardTask, collect, read_result
from curation.errors import IncompleteError
from curation.files import Json

if TYPE_CHECKING:
    from curation.nodes import NodeRun

T = TypeVar("T")

MAX_NAMED = 8
SETTLE_CHECKS = 3
"""Looks for late reports: a network file system may show a file seconds after it was written."""


class Launcher(Protocol):
    """A scheduler: runs every rank of an attempt at least once, or gives up."""

    @property
    def name(self) -> str:
        """`ray`, `slurm`."""

    def check(self) -> None:
        """Raise SchedulerError if no job can be submitted as asked; before anything is built."""

    def run(self, attempt: Attempt, watch: Callable[[], None]) -> None:
        """Return when no rank runs or waits any more; `watch` is called now and then. Cancels what it leaves."""

    def cancel(self, attempt: Attempt) -> None:
        """End the ranks of an attempt whose driver is gone."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a build did elsewhere."""

    passes: int = 0
    made: int = 0
    reused: int = 0
    attempts: int = 0
    cpu_seconds: float = 0.0

    def as_json(self) -> dict[str, Json]:
        """Return the counts for `--json`."""
        return {
            "passes": self.passes,
            "shards_made": self.made,
            "shards_reused": self.reused,
            "attempts": self.attempts,
            "worker_cpu_seconds": round(self.cpu_seconds, 1),
        }


@dataclass(slots=True, kw_only=True)
class Elsewhere:
    """Runs passes through a launcher; see `PassRunner`."""

    launcher: Launcher
    source: BuildSource
    jobs: int
    """Ranks of one pass at most."""
    cpus: int
    retries: int
    poll_seconds: float
    tally: Tally = field(default_factory=Tally)

    def run_pass(
        self, run: NodeRun, label: str, num_parts: int, work: Callable[[int], T], outputs: ShardOutputs
    ) -> list[T]:
        """Return the values of all parts, each made by a worker and checked here."""
        current = _Pass(owner=self, run=run, label=label, num_parts=num_parts, outputs=outputs)
        self.tally.passes += 1
        with run.progress.task(f"{label} ({self.launcher.name})", num_parts) as task:
            shown = 0

            def show(done: int) -> None:
                nonlocal shown
                task.advance(done - shown)
                shown = done

            current.adopt()
            self.tally.reused += len(current.accepted)
            show(len(current.accepted))
            current.make(show)
        return [cast("T", read_result(*current.accepted[part])) for part in range(num_parts)]


@dataclass(slots=True, kw_only=True)
class _Pass:
    owner: Elsewhere
    run: NodeRun
    label: str
    num_parts: int
    outputs: ShardOutputs
    accepted: dict[int, tuple[Path, ShardReport]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return pass_folder(self.run.store.root, self.run.out.fingerprint, self.label)

    def adopt(self) -> None:
        """Take over what earlier attempts finished; end what is left of them."""
        for old in attempts(self.folder):
            self.owner.launcher.cancel(old)
            self._collected(old, self._tasks(self._missing()))

    def make(self, show: Callable[[int], None]) -> None:
        """Submit what is missing, again where workers died without an error. Raises: IncompleteError."""
        faults: Mapping[int, str] = {}
        for _ in range(1 + self.owner.retries):
            missing = self._missing()
            if not missing:
                return
            known = len(self.accepted)
            for part in missing:  # a file without an accepted report is not trusted
                for path in self.outputs.paths(part):
                    path.unlink(missing_ok=True)
            attempt = self._new_attempt(missing)
            self.owner.tally.attempts += 1
            self.owner.launcher.run(attempt, lambda at=attempt, n=known: show(n + at.num_reports()))  # type: ignore[misc]
            self._settle(attempt, len(missing))
            got = self._collected(attempt, self._tasks(missing))
            self.owner.tally.made += len(got.accepted)
            self.owner.tally.cpu_seconds += sum(report.seconds for report in got.accepted.values())
            faults = {**got.faults, **({-1: f"unasked reports {list(got.strays)}"} if got.strays else {})}
            if not faults:
                return
            if any(not fault.startswith("no report") for fault in faults.values()):
                break  # the same input would fail again
            if not attempt.num_alive():
                break
        self._refuse(faults, attempt)

    def _missing(self) -> list[int]:
        return [part for part in range(self.num_parts) if part not in self.accepted]

    def _tasks(self, parts: Sequence[int]) -> dict[int, ShardTask]:
        root, out = self.run.store.root, self.run.out
        inputs = {name: str(artifact.path.relative_to(root)) for name, artifact in self.run.inputs.items()}
        return {
            part: ShardTask(
                stage=f"{out.kind}: {self.label}",
                version=self.run.version,
                fingerprint=out.fingerprint,
                part=part,
                inputs=inputs,
                outputs=tuple(str(path.relative_to(root)) for path in self.outputs.paths(part)),
            )
            for part in parts
        }

    def _new_attempt(self, missing: Sequence[int]) -> Attempt:
        num_ranks = min(len(missing), self.owner.jobs)
        tasks = self._tasks(missing)
        plan = PassPlan(
            source=self.owner.source,
            kind=self.run.out.kind,
            fingerprint=self.run.out.fingerprint,
            label=self.label,
            cpus=self.owner.cpus,
            versions=versions(),
        )
        return new_attempt(
            self.folder, plan, [[tasks[part] for part in missing[rank::num_ranks]] for rank in range(num_ranks)]
        )

    def _settle(self, attempt: Attempt, expected: int) -> None:
        for _ in range(SETTLE_CHECKS):
            if attempt.num_reports() >= expected:
                return
            time.sleep(min(self.owner.poll_seconds, 5.0))

    def _collected(self, attempt: Attempt, tasks: Mapping[int, ShardTask]) -> Collected:
        """Accept what fits; remove the reports that do not, so that none is ever read again."""
        got = collect(attempt.folder, tasks, self.run.store.root, self.outputs.rows)
        self.accepted.update({part: (attempt.folder, report) for part, report in got.accepted.items()})
        for path in (attempt.folder / REPORTS).glob("*.json"):
            held = self.accepted.get(int(path.name.partition("-")[0]))
            if held is None or held[0] != attempt.folder:
                path.unlink()
        return got

    def _refuse(self, faults: Mapping[int, str], attempt: Attempt) -> None:
        named = [f"  - {f'part {part}' if part >= 0 else 'the attempt'}: {faults[part]}" for part in sorted(faults)]
        more = [f"  - and {len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
        seen = any(known.num_alive() for known in attempts(self.folder))
        asked = "is the store on a file system that all nodes share, and does a job find the environment"
        unseen = "" if seen else f"; no worker wrote into {self.folder}: {asked} (`environment` of the site)?"
        raise IncompleteError(
            f"{self.label}: {len(faults)} of {self.num_parts} shards are missing or wrong after running on "
            f"{self.owner.launcher.name}\n" + "\n".join([*named[:MAX_NAMED], *more]) + f"\nNothing of it is published; "
            f"the {len(self.accepted)} finished shards are kept and the same command makes the others. "
            f"Logs: {attempt.scheduler}{unseen}"
        )


def refuse_unwritable(store: Path) -> None:
    """Make the folder of passes, private to its owner: schedulers unpickle what lies there."""
    folder = store / PASSES
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
