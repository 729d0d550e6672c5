"""Nodes: what will be built, from what, with which settings; and the planner that builds or reuses them.

A node's fingerprint hashes its kind, component version, resolved parameters and the fingerprints of its inputs;
never a path, worker count, machine or time. `plan` says reuse or build per node; `materialise` does it, inputs first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from curation.backends.attempts import forget
from curation.backends.shards import PassRunner
from curation.build_clock import keep_seconds
from curation.errors import ShardError
from curation.files import Json, digest_json
from curation.progress import Progress
from curation.store import Artifact, ArtifactWriter, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRun:
    """What a node's builder gets: where to write, its inputs, and how many threads it may use."""

    out: ArtifactWriter
    inputs: Mapping[str, Artifact]
    workers: int
    progress: Progress
    store: Store
    version: str = ""
    """The node's component version."""
    elsewhere: PassRunner | None = None
    """Runs the passes that may run elsewhere; None is the threads of this process."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One artifact to be: `run` writes its files and returns the manifest's summary."""

    kind: str
    version: str
    params: Mapping[str, Json]
    inputs: Mapping[str, Node]
    run: Callable[[NodeRun], Mapping[str, Json]]
    label: str = ""
    known_fingerprint: str | None = None  # only for pools, whose identity is their content

    @cached_property
    def fingerprint(self) -> str:
        """Identity of this artifact; 64 hex digits."""
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        return digest_json(
            {
                "kind": self.kind,
                "version": self.version,
                "params": self.params,
                "inputs": {name: node.fingerprint for name, node in self.inputs.items()},
            }
        )

    @property
    def name(self) -> str:
        """What progress bars and plans call it."""
        return self.label or self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One line of a plan."""

    node: Node
    action: str  # "reuse" | "build"
    why: str


@dataclass(slots=True, kw_only=True)
class Planner:
    """Builds nodes in one store and remembers what it loaded and how long each build took."""

    store: Store
    workers: int
    progress: Progress
    elsewhere: PassRunner | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # node label -> wall seconds of builds, not reuses
    _loaded: dict[str, Artifact] = field(default_factory=dict)

    def plan(self, *targets: Node) -> list[PlanStep]:
        """Return what `materialise` would do, inputs before the nodes that need them."""
        steps: dict[str, PlanStep] = {}
        for target in targets:
            self._visit(target, steps)
        return list(steps.values())

    def materialise(self, target: Node) -> Artifact:
        """Return the artifact of `target`, building it and whatever it needs."""
        known = self._loaded.get(target.fingerprint) or self.store.find(target.kind, target.fingerprint)
        if known is None:
            inputs = {name: self.materialise(node) for name, node in target.inputs.items()}
            known = self._build(target, inputs)
        self._loaded[target.fingerprint] = known
        return known

    def adopt(self, artifact: Artifact) -> None:
        """Use an artifact that lies outside the store (a published directory) wherever its fingerprint is asked for."""
        self._loaded[artifact.fingerprint] = artifact

    def _build(self, target: Node, inputs: Mapping[str, Artifact]) -> Artifact:
        started = time.monotonic()
        with self.store.building(target.kind, target.fingerprint) as out:
            raced = self.store.find(target.kind, target.fingerprint)
            if raced is not None:
                return raced
            context = NodeRun(
                out=out,
                inputs=inputs,
                workers=self.workers,
                progress=self.progress,
                store=self.store,
                version=target.version,
                elsewhere=self.elsewhere,
            )
            summary = target.run(context)
            fields: dict[str, Json] = {
                "version": target.version,
                "params": target.params,
                "inputs": {name: node.fingerprint for name, node in target.inputs.items()},
                "summary": summary,
            }
            keep_seconds(self.store.root, target.kind, target.fingerprint, time.monotonic() - started)
            artifact = out.finish(fields)
        forget(self.store.root, target.fingerprint)
        self.seconds[target.name] = self.seconds.get(target.name, 0.0) + time.monotonic() - started
        return artifact

    def _visit(self, node: Node, steps: dict[str, PlanStep]) -> None:
        if node.fingerprint in steps:
            return
        if node.fingerprint in self._loaded or self.store.find(node.kind, node.fingerprint) is not None:
            steps[node.fingerprint] = PlanStep(node=node, action="reuse", why="same settings, versions and inputs")
            return
        for upstream in node.inputs.values():
            self._visit(upstream, steps)
        steps[node.fingerprint] = PlanStep(node=node, action="build", why=_why(node, steps))


def _why(node: Node, steps: Mapping[str, PlanStep]) -> str:
    changed = [name for name, up in node.inputs.items() if steps[up.fingerprint].action == "build"]
    return f"waits for {', '.join(changed)}" if changed else "no artifact with this fingerprint"


def existing_node(artifact: Artifact) -> Node:
    """Return the node of an artifact that exists, to build on; `Planner.adopt` it if it lies outside the store."""

    def run(_: NodeRun) -> Mapping[str, Json]:
        raise ShardError(f"{artifact.path}: this {artifact.kind} is not in the store; rerun the command that builds it")

    return Node(
        kind=artifact.kind,
        version=str(artifact.manifest["version"]),
        params={},
        inputs={},
        run=run,
        known_fingerprint=artifact.fingerprint,
    )
