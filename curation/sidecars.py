"""Row-aligned sidecars of a pool: roles, signals, verdicts; and the thread map over parts that makes them.

A *verdict* part has, per row of the pool's part: `kept` bool, `reason` int16 (index into the artifact's
`summary["reasons"]`, -1 when kept), `value` float64 (the value that failed, NaN when kept) and `failed` uint64
(bit i: reason i failed). A verdict drops rows; it never speaks for rows that were already gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.backends.shards import ShardOutputs, footer_rows
from curation.batches import read_table, write_table
from curation.files import replacing
from curation.nodes import NodeRun
from curation.store import Artifact, ArtifactWriter

T = TypeVar("T")

ROLES = ("train", "panel", "reference", "near-panel")
ROLE_TRAIN, ROLE_PANEL, ROLE_REFERENCE, ROLE_NEAR_PANEL = range(4)

MAX_REASONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictPart:
    """Verdicts on the rows of one part; all arrays have one entry a row."""

    kept: npt.NDArray[np.bool_]
    reason: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64]
    failed: npt.NDArray[np.uint64]

    @classmethod
    def keep_all(cls, num_rows: int) -> VerdictPart:
        """Return verdicts that drop nothing."""
        return cls(
            kept=np.ones(num_rows, np.bool_),
            reason=np.full(num_rows, -1, np.int16),
            value=np.full(num_rows, np.nan),
            failed=np.zeros(num_rows, np.uint64),
        )


def write_verdict(out: ArtifactWriter, part: int, verdict: VerdictPart) -> None:
    """Write one part of a verdict artifact."""
    table = pa.table({"kept": verdict.kept, "reason": verdict.reason, "value": verdict.value, "failed": verdict.failed})
    with replacing(out.part_path(part)) as temporary:
        write_table(temporary, table)


def read_verdict(artifact: Artifact, part: int) -> VerdictPart:
    """Read one part of a verdict artifact."""
    table = read_table(artifact.part_paths()[part])
    return VerdictPart(
        kept=table["kept"].to_numpy(zero_copy_only=False),
        reason=table["reason"].to_numpy(),
        value=table["value"].to_numpy(),
        failed=table["failed"].to_numpy(),
    )


def read_column(artifact: Artifact, part: int, column: str) -> npt.NDArray[np.generic]:
    """Read one numeric column of one part of any sidecar."""
    values: npt.NDArray[np.generic] = read_table(artifact.part_paths()[part], [column])[column].to_numpy(
        zero_copy_only=False
    )
    return values


def alive(panel: Artifact, verdicts: list[Artifact], part: int) -> npt.NDArray[np.bool_]:
    """Return which rows of a part are training documents that every verdict so far has kept."""
    mask: npt.NDArray[np.bool_] = read_column(panel, part, "role") == ROLE_TRAIN
    for verdict in verdicts:
        mask = mask & read_verdict(verdict, part).kept
    return mask


@contextlib.contextmanager
def one_ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Give `items` in order, the next one made on a thread of its own while the last is used."""
    waiting = iter(items)
    end = object()
    with ThreadPoolExecutor(max_workers=1) as pool:

        def walk() -> Iterator[T]:
            coming = pool.submit(next, waiting, end)
            while (item := coming.result()) is not end:
                coming = pool.submit(next, waiting, end)
                yield cast("T", item)

        yield walk()


def map_parts(
    run: NodeRun, label: str, num_parts: int, work: Callable[[int], T], *, shards: ShardOutputs | None = None
) -> list[T]:
    """Return `work(part)` for every part in order, on `run.workers` threads; the result does not depend on them.

    With `shards`, which say what a part leaves behind, the back end of the run may make the parts on other machines.
    """
    if run.elsewhere is not None and shards is not None and num_parts:
        return run.elsewhere.run_pass(run, label, num_parts, work, shards)
    with run.progress.task(label, num_parts) as task, ThreadPoolExecutor(max_workers=run.workers) as pool:

        def step(part: int) -> T:
            result = work(part)
            task.advance()
            return result

        return list(pool.map(step, range(num_parts)))


def part_shards(run: NodeRun, source: Artifact, *, also: Callable[[int], Sequence[str]] | None = None) -> ShardOutputs:
    """Return the outputs of a pass that writes `part-*.parquet` row by row beside `source`, and the files `also`."""
    parts = source.part_paths()

    def paths(part: int) -> list[Path]:
        return [run.out.part_path(part), *(run.out.path / name for name in (also(part) if also else ()))]

    return ShardOutputs(paths=paths, rows=lambda part: footer_rows(parts[part]))
