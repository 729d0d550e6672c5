"""Sidecars: verdicts survive the disk, the dead stay dead, and the thread map keeps order."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import write_table
from curation.errors import ShardError
from curation.files import replacing
from curation.nodes import NodeRun
from curation.progress import SilentProgress
from curation.sidecars import (
    ROLE_PANEL,
    ROLE_REFERENCE,
    ROLE_TRAIN,
    VerdictPart,
    alive,
    map_parts,
    read_verdict,
    write_verdict,
)
from curation.store import Artifact, ArtifactWriter, Store

FINGERPRINTS = {name: f"{number}" * 64 for number, name in enumerate(("panel", "first", "second"), start=1)}


def verdict_of(kept: list[bool]) -> VerdictPart:
    mask = np.array(kept)
    return VerdictPart(
        kept=mask,
        reason=np.where(mask, -1, 2).astype(np.int16),
        value=np.where(mask, np.nan, 0.25),
        failed=np.where(mask, 0, 0b100).astype(np.uint64),
    )


def artifact_of(store: Store, name: str, parts: list[list[bool]]) -> Artifact:
    with store.building("verdict", FINGERPRINTS[name]) as out:
        for part, kept in enumerate(parts):
            write_verdict(out, part, verdict_of(kept))
        return out.finish({"summary": {}})


def panel_of(store: Store, roles: list[int]) -> Artifact:
    with store.building("panel", FINGERPRINTS["panel"]) as out:
        with replacing(out.part_path(0)) as temporary:
            write_table(temporary, pa.table({"role": np.array(roles, np.int8)}))
        return out.finish({"summary": {}})


def run_of(store: Store, workers: int) -> NodeRun:
    out = ArtifactWriter(path=store.root / "x-1", kind="x", fingerprint="0" * 64)
    return NodeRun(out=out, inputs={}, workers=workers, progress=SilentProgress(), store=store)


def test_a_verdict_is_read_as_it_was_written(store: Store) -> None:
    read = read_verdict(artifact_of(store, "first", [[True], [True, False]]), 1)
    assert read.kept.tolist() == [True, False]
    assert read.reason.tolist() == [-1, 2]
    assert np.isnan(read.value[0])
    assert read.value[1] == 0.25
    assert read.failed.tolist() == [0, 4]


def test_only_training_rows_that_every_verdict_kept_are_alive(store: Store) -> None:
    panel = panel_of(store, [ROLE_TRAIN, ROLE_TRAIN, ROLE_TRAIN, ROLE_PANEL, ROLE_REFERENCE])
    first = artifact_of(store, "first", [[True, False, True, True, True]])
    second = artifact_of(store, "second", [[True, True, False, True, True]])
    assert alive(panel, [first, second], 0).tolist() == [True, False, False, False, False]


def test_without_verdicts_every_training_row_is_alive(store: Store) -> None:
    panel = panel_of(store, [ROLE_TRAIN, ROLE_PANEL])
    assert alive(panel, [], 0).tolist() == [True, False]


def test_keep_all_drops_nothing_and_names_no_reason() -> None:
    verdict = VerdictPart.keep_all(3)
    assert verdict.kept.all()
    assert verdict.reason.tolist() == [-1, -1, -1]
    assert not verdict.failed.any()


def test_a_truncated_sidecar_is_refused(store: Store) -> None:
    artifact = artifact_of(store, "first", [[True, False]])
    part = artifact.part_paths()[0]
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(ShardError, match="the manifest says"):
        store.find("verdict", FINGERPRINTS["first"])


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_the_order_of_parts_whoever_finishes_first(store: Store, workers: int) -> None:
    later_done = threading.Event()

    def work(part: int) -> int:
        if workers > 1 and part == 0:
            assert later_done.wait(10), "part 1 never ran beside part 0"
        if part == 1:
            later_done.set()
        return part * part

    assert map_parts(run_of(store, workers), "squares", 5, work) == [0, 1, 4, 9, 16]


def test_a_failing_part_fails_the_map(store: Store) -> None:
    def work(part: int) -> int:
        if part == 2:
            raise ShardError("part 2 is damaged")
        return part

    with pytest.raises(ShardError, match="part 2"):
        map_parts(run_of(store, 2), "parts", 4, work)
