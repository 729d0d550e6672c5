from __future__ import annotations

from collections.abc import Mapping

import pytest

from curation.files import Json, write_text
from curation.nodes import Node, NodeRun, Planner
from curation.progress import SilentProgress
from curation.store import Store


def node(name: str, calls: list[str], *inputs: Node, **params: Json) -> Node:
    def run(context: NodeRun) -> Mapping[str, Json]:
        calls.append(name)
        write_text(context.out.path / "data.txt", name)
        return {"inputs": sorted(context.inputs)}

    upstream = {up.kind: up for up in inputs}
    return Node(kind=name, version="1", params=params, inputs=upstream, run=run)


def planner(store: Store) -> Planner:
    return Planner(store=store, workers=1, progress=SilentProgress())


def test_inputs_are_built_once_and_first(store: Store) -> None:
    calls: list[str] = []
    a = node("a", calls)
    b, c = node("b", calls, a), node("c", calls, a)
    d = node("d", calls, b, c)
    planner(store).materialise(d)
    planner(store).materialise(d)
    assert calls == ["a", "b", "c", "d"]


def test_a_plan_says_reuse_or_build_and_why(store: Store) -> None:
    a = node("a", [])
    planner(store).materialise(a)
    steps = planner(store).plan(node("c", [], node("b", [], a)))
    assert [(step.node.kind, step.action) for step in steps] == [("a", "reuse"), ("b", "build"), ("c", "build")]
    assert steps[2].why == "waits for b"


@pytest.mark.parametrize("changed", ["params", "version", "input"])
def test_the_fingerprint_changes_with_anything_that_matters(changed: str) -> None:
    base = Node(kind="k", version="1", params={"x": 1}, inputs={}, run=lambda _: {})
    others = {
        "params": Node(kind="k", version="1", params={"x": 2}, inputs={}, run=lambda _: {}),
        "version": Node(kind="k", version="2", params={"x": 1}, inputs={}, run=lambda _: {}),
        "input": Node(kind="k", version="1", params={"x": 1}, inputs={"a": base}, run=lambda _: {}),
    }
    assert base.fingerprint != others[changed].fingerprint


def test_a_label_does_not_change_the_fingerprint() -> None:
    first = Node(kind="k", version="1", params={}, inputs={}, run=lambda _: {}, label="one")
    second = Node(kind="k", version="1", params={}, inputs={}, run=lambda _: {}, label="two")
    assert first.fingerprint == second.fingerprint


def test_a_failed_build_leaves_no_artifact_and_frees_its_lock(store: Store) -> None:
    def fail(_: NodeRun) -> Mapping[str, Json]:
        raise ValueError("no")

    broken = Node(kind="k", version="1", params={}, inputs={}, run=fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            planner(store).materialise(broken)
    assert store.find("k", broken.fingerprint) is None
