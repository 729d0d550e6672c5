"""How well a partition agrees with labels, with another partition, and with the distances it was made from.

Purity is the share of documents in the largest label of their cluster; NMI is 2 I(U; V) / (H(U) + H(V)); ARI is the
adjusted Rand index of Hubert and Arabie (1985): 0 by chance, 1 for equal partitions. The silhouette is Rousseeuw's
(1987) with cosine distance. With more clusters purity rises by itself; read it beside the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curation.files import Json

Ints = npt.NDArray[np.int64]
DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two partitions of the same documents, counted: `table[i, j]` have row name i and column name j."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    table: Ints

    @classmethod
    def of(cls, first: Sequence[str], second: Sequence[str]) -> Agreement:
        """Return the table of two labellings of the same documents."""
        rows, row = np.unique(np.array(first, object), return_inverse=True)
        columns, column = np.unique(np.array(second, object), return_inverse=True)
        table = np.zeros((len(rows), len(columns)), np.int64)
        np.add.at(table, (row, column), 1)
        return cls(rows=tuple(map(str, rows)), columns=tuple(map(str, columns)), table=table)

    def purity(self) -> float:
        """Return the share of documents that are of the commonest column of their row."""
        return float(self.table.max(axis=1).sum() / self.table.sum()) if self.table.sum() else 1.0

    def nmi(self) -> float:
        """Return the normalised mutual information; 1 if neither partition parts anything."""
        joint = self.table / max(1, self.table.sum())
        row, column = joint.sum(axis=1), joint.sum(axis=0)
        there = joint > 0
        mutual = float((joint[there] * np.log(joint[there] / np.outer(row, column)[there])).sum())
        entropies = _entropy(row) + _entropy(column)
        return 2 * mutual / entropies if entropies > 0 else 1.0

    def ari(self) -> float:
        """Return the adjusted Rand index; 1 if both partitions are trivial alike."""
        pairs, rows, columns = (
            float((counts * (counts - 1) // 2).sum())
            for counts in (self.table, self.table.sum(axis=1), self.table.sum(axis=0))
        )
        num_docs = int(self.table.sum())
        expected = rows * columns / (num_docs * (num_docs - 1) / 2) if num_docs > 1 else 0.0
        most = (rows + columns) / 2
        return 1.0 if most == expected else (pairs - expected) / (most - expected)

    def as_json(self) -> dict[str, Json]:
        """Return the three measures and the table, rows and columns by name; counts that are 0 are left out."""
        cells: dict[str, Json] = {
            row: {name: int(count) for name, count in zip(self.columns, counts, strict=True) if count}
            for row, counts in zip(self.rows, self.table, strict=True)
        }
        return {
            "num_docs": int(self.table.sum()),
            "purity": round(self.purity(), DIGITS),
            "nmi": round(self.nmi(), DIGITS),
            "ari": round(self.ari(), DIGITS),
            "table": cells,
        }


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def adjusted_rand(first: Ints, second: Ints) -> float:
    """Return the adjusted Rand index of two partitions as numbers."""
    table = np.zeros((int(first.max(initial=-1)) + 1, int(second.max(initial=-1)) + 1), np.int64)
    np.add.at(table, (first, second), 1)
    return Agreement(rows=(), columns=(), table=table).ari()


def silhouette(rows: npt.NDArray[np.float32], labels: Ints) -> float:
    """Return the mean silhouette of unit rows by cosine distance; 0 for a document alone in its cluster."""
    counts = np.bincount(labels)
    members = np.zeros((len(labels), len(counts)))
    members[np.arange(len(labels)), labels] = 1.0
    sums = (1.0 - rows.astype(np.float64) @ rows.T.astype(np.float64)) @ members
    own = sums[np.arange(len(labels)), labels] / np.maximum(1, counts[labels] - 1)
    others = np.where(counts > 0, sums / np.maximum(1, counts), np.inf)
    others[np.arange(len(labels)), labels] = np.inf
    nearest = others.min(axis=1)
    score = (nearest - own) / np.maximum(np.maximum(nearest, own), 1e-12)
    alone = (counts[labels] <= 1) | ~np.isfinite(nearest)
    return float(np.where(alone, 0.0, score).mean()) if len(labels) else 0.0
