"""A part of a panel that stands for it: in every slice, documents in the order of a hash of their ids.

The part is a function of the panel's documents and the share alone, so models that are scored on it are scored on the
same documents; a smaller share's documents are among those of a larger one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.randomness import stable_hash
from train.score import PanelDocuments

LEAST_DOCUMENTS = 2


def part_of(panel: PanelDocuments, rows: npt.NDArray[np.int64]) -> PanelDocuments:
    """Return the documents in `rows`."""
    return PanelDocuments(table=panel.table.take(rows), num_bytes=panel.num_bytes[rows])


def part_rows(panel: PanelDocuments, share: float) -> npt.NDArray[np.int64]:
    """Return rows, ascending, that hold `share` (0 to 1) of each slice's bytes or just more; at least two a slice."""
    if share >= 1:
        return np.arange(len(panel.num_bytes), dtype=np.int64)
    order = np.array([stable_hash("panel-part", str(name)) for name in panel.table["id"].to_pylist()], np.uint64)
    kept = []
    for name in sorted(set(panel.slices.tolist())):
        rows = np.flatnonzero(panel.slices == name)
        rows = rows[np.argsort(order[rows], kind="stable")]
        sizes = panel.num_bytes[rows]
        before = np.cumsum(sizes) - sizes
        num = int(np.sum(before < share * sizes.sum()))
        kept.append(rows[: max(num, LEAST_DOCUMENTS)])
    return np.sort(np.concatenate(kept)).astype(np.int64)
