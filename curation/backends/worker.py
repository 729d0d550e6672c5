"""A worker: makes the plan again from the recipe, finds its node by fingerprint, runs its parts and reports them.

A worker with another version of the code finds no node of that fingerprint and says so; nothing is made then.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from curation.backends.attempts import ALIVE, Attempt, BuildSource, PassPlan, attempts, pass_folder, versions
from curation.backends.shards import (
    REPORTS,
    ShardOutputs,
    ShardReport,
    ShardTask,
    failure_path,
    file_report,
    read_report,
    read_result,
    report_name,
    write_report,
    write_result,
)
from curation.backends.signs import giving_signs
from curation.errors import CurateError, ShardError
from curation.files import write_json

if TYPE_CHECKING:
    from curation.nodes import Node, NodeRun

T = TypeVar("T")


class _PassDone(Exception):
    """Ends a node's run once the parts that were asked for are made."""


def run_rank(folder: Path, rank: int) -> None:
    """Run the tasks of one rank of the attempt in `folder`. Raises: ShardError if one failed; each says why."""
    attempt = Attempt(folder)
    tasks, plan = attempt.ranks()[rank], attempt.plan
    runner = _OwnParts(attempt=attempt, plan=plan, rank=rank, tasks={task.part: task for task in tasks})
    try:
        with giving_signs(folder / ALIVE / f"{rank:05d}-{socket.gethostname()}"):
            run_node(plan, runner)
    except _PassDone:
        pass
    except Exception as error:  # whatever a stage raises is told to the driver
        for part in runner.tasks.keys() - runner.ended:
            _tell(folder, part, error)
        raise
    failed = [part for part in runner.tasks if failure_path(folder, part).is_file()]
    if failed:
        raise ShardError(
            f"{folder}: parts {failed} of `{plan.label}` failed; {failure_path(folder, failed[0])} says why"
        )


def run_node(plan: PassPlan, runner: _OwnParts) -> None:
    """Run the plan's node up to the pass that `runner` waits for."""
    from curation.nodes import NodeRun
    from curation.progress import SilentProgress
    from curation.store import ArtifactWriter, Store

    if (ours := versions()) != dict(plan.versions):
        raise ShardError(
            f"worker {socket.gethostname()}: has {ours}, the driver {dict(plan.versions)}; install the same"
        )
    store = Store(Path(plan.source.store))
    node = find_node(plan.source, plan.fingerprint, plan.kind)
    inputs = {}
    for name, upstream in node.inputs.items():
        found = store.find(upstream.kind, upstream.fingerprint)
        if found is None:
            raise ShardError(
                f"{store.root}: no {upstream.kind} {upstream.fingerprint[:8]}, expected what the driver sees"
            )
        inputs[name] = found
    out = ArtifactWriter(path=store.path_of(node.kind, node.fingerprint), kind=node.kind, fingerprint=node.fingerprint)
    context = NodeRun(
        out=out,
        inputs=inputs,
        workers=plan.cpus,
        progress=SilentProgress(),
        store=store,
        version=node.version,
        elsewhere=runner,
    )
    node.run(context)
    raise ShardError(f"`{plan.label}` is no pass of the node {node.name}; the versions of driver and worker differ")


def find_node(source: BuildSource, fingerprint: str, kind: str) -> Node:
    """Return the node of a plan. Raises: ShardError if this code plans no such node, or the store is not here."""
    from curation.pipeline import plan_corpus
    from curation.recipe import Recipe
    from curation.store import Store

    store = Store(Path(source.store))
    pool = store.find("pool", source.pool)
    if pool is None:
        raise ShardError(f"{store.root} on {socket.gethostname()}: no pool {source.pool[:8]}; is the store shared?")
    os.chdir(source.directory)
    corpus = plan_corpus(Recipe.model_validate(source.recipe), pool).corpus
    waiting: list[Node] = [corpus]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.fingerprint == fingerprint:
            return node
        if node.fingerprint not in seen:
            seen.add(node.fingerprint)
            waiting += node.inputs.values()
    raise ShardError(
        f"worker {socket.gethostname()}: plans no {kind} with the fingerprint {fingerprint[:16]}; its code, plugins or "
        "files that the recipe names are not the driver's; give both the same environment and working directory"
    )


@dataclass(slots=True, kw_only=True)
class _OwnParts:
    """Runs the parts of one rank when their pass comes; takes the values of earlier passes from their reports."""

    attempt: Attempt
    plan: PassPlan
    rank: int
    tasks: Mapping[int, ShardTask]
    ended: set[int] = field(default_factory=set)

    def run_pass(
        self, run: NodeRun, label: str, num_parts: int, work: Callable[[int], T], outputs: ShardOutputs
    ) -> list[T]:
        """Make the parts of the pass that was asked for, then end the run; read the values of any pass before it."""
        if label != self.plan.label:
            return [cast("T", value) for value in stored_results(run.store.root, run.out.fingerprint, label, num_parts)]

        def one(part: int) -> None:
            try:
                self._make(run, part, work, outputs)
            except Exception as error:  # told to the driver; the other parts go on
                _tell(self.attempt.folder, part, error)
            self.ended.add(part)

        with ThreadPoolExecutor(max_workers=run.workers) as pool:
            list(pool.map(one, self.tasks))
        raise _PassDone

    def _make(self, run: NodeRun, part: int, work: Callable[[int], T], outputs: ShardOutputs) -> None:
        started, folder, task = time.thread_time(), self.attempt.folder, self.tasks[part]
        result = work(part)
        root = run.store.root
        files = tuple(file_report(path, str(path.relative_to(root))) for path in outputs.paths(part))
        report = ShardReport(
            stage=task.stage,
            fingerprint=run.out.fingerprint,
            part=part,
            files=files,
            result=write_result(folder, part, result),
            seconds=round(time.thread_time() - started, 3),
            host=socket.gethostname(),
        )
        write_report(folder / REPORTS / report_name(part, self.rank), report)


def stored_results(store: Path, fingerprint: str, label: str, num_parts: int) -> list[object]:
    """Return the values of a pass that is over, in the order of parts. Raises: ShardError if one is missing."""
    found: dict[int, object] = {}
    for attempt in attempts(pass_folder(store, fingerprint, label)):
        for path in (attempt.folder / REPORTS).glob("*.json"):
            report = read_report(path)
            found[report.part] = read_result(attempt.folder, report)
    missing = sorted(set(range(num_parts)) - found.keys())
    if missing:
        raise ShardError(f"{store}: no values of parts {missing} of `{label}`; expected a pass that is over")
    return [found[part] for part in range(num_parts)]


def _tell(folder: Path, part: int, error: BaseException) -> None:
    message = str(error) if isinstance(error, CurateError) else f"{type(error).__name__}: {error}"
    write_json(failure_path(folder, part), {"host": socket.gethostname(), "message": message})
