"""Clocks of builds: what a target took beyond what earlier ones needed, from the store's own records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from curation.build_clock import added_seconds, clock_path, keep_seconds, seconds_of
from curation.files import Json
from curation.nodes import Node, NodeRun, Planner
from curation.progress import SilentProgress
from curation.store import Store


def node(name: str, **inputs: Node) -> Node:
    """Return a node that makes an empty artifact."""

    def run(_: NodeRun) -> Mapping[str, Json]:
        return {}

    return Node(kind=name, version="v@1", params={}, inputs=inputs, run=run)


SHARED = node("shared")
FIRST, SECOND = node("first", shared=SHARED), node("second", shared=SHARED)


def test_what_two_targets_share_is_counted_for_the_first(tmp_path: Path) -> None:
    for one, seconds in ((SHARED, 4.0), (FIRST, 1.0), (SECOND, 2.0)):
        keep_seconds(tmp_path, one.kind, one.fingerprint, seconds)
    assert added_seconds(tmp_path, [("a", FIRST), ("b", SECOND)]) == {"a": 5.0, "b": 2.0}


def test_a_target_with_a_part_of_unknown_time_is_left_out(tmp_path: Path) -> None:
    keep_seconds(tmp_path, FIRST.kind, FIRST.fingerprint, 1.0)
    keep_seconds(tmp_path, SECOND.kind, SECOND.fingerprint, 2.0)
    assert added_seconds(tmp_path, [("a", FIRST), ("b", SECOND)]) == {"b": 2.0}


@pytest.mark.parametrize("text", ["", "[1]", '{"seconds": null}', '{"second": 1}'])
def test_a_damaged_record_is_no_clock(text: str, tmp_path: Path) -> None:
    keep_seconds(tmp_path, FIRST.kind, FIRST.fingerprint, 1.0)
    clock_path(tmp_path, FIRST.kind, FIRST.fingerprint).write_text(text)
    assert seconds_of(tmp_path, FIRST) is None


def test_every_artifact_that_the_planner_finished_has_its_seconds(tmp_path: Path) -> None:
    planner = Planner(store=Store.open(tmp_path), workers=1, progress=SilentProgress())
    planner.materialise(FIRST)
    assert [seconds_of(tmp_path, one) is None for one in (SHARED, FIRST, SECOND)] == [False, False, True]


def test_a_build_that_ends_before_its_artifact_is_complete_has_left_its_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    planner = Planner(store=Store.open(tmp_path), workers=1, progress=SilentProgress())
    monkeypatch.setattr("curation.store.ArtifactWriter.finish", killed)
    with pytest.raises(KeyboardInterrupt):
        planner.materialise(SHARED)
    assert seconds_of(tmp_path, SHARED) is not None


def test_a_clock_refers_to_no_artifact_so_that_it_keeps_none_from_being_freed(tmp_path: Path) -> None:
    keep_seconds(tmp_path, FIRST.kind, FIRST.fingerprint, 1.0)
    held = clock_path(tmp_path, FIRST.kind, FIRST.fingerprint).read_text()
    assert FIRST.fingerprint not in held
    assert f"{FIRST.kind}-{FIRST.fingerprint[:8]}" not in held
