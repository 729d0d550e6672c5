"""Text versions: what a `modify` stage writes, and how many bytes, tokens and things it took out of each document.

A text version is an artifact of kind `pool`: the parts, rows, ids and columns of the version before, with other text.
So every sidecar of an earlier version stays row-aligned. Beside each part lies `changes-%05d.parquet`: `reason` int16
(index into `summary["reasons"]`, -1 if the document stays), `value` float64 (what failed, NaN if it stays), `changed`
bool (the text is another one) and an int64 column `counter:NAME` for each thing that the modifier counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table, write_table
from curation.files import Json, replacing
from curation.store import Artifact, ArtifactWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPart:
    """What was done to the rows of one part; all arrays have one entry a row."""

    reason: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64]
    changed: npt.NDArray[np.bool_]
    counters: Mapping[str, npt.NDArray[np.int64]]


def changes_name(part: int) -> str:
    """File name of the changes of one part."""
    return f"changes-{part:05d}.parquet"


def write_changes(out: ArtifactWriter, part: int, changes: ChangesPart) -> None:
    """Write the changes of one part beside its text."""
    columns = {"reason": changes.reason, "value": changes.value, "changed": changes.changed}
    table = pa.table({**columns, **{f"counter:{name}": values for name, values in changes.counters.items()}})
    with replacing(out.path / changes_name(part)) as temporary:
        write_table(temporary, table)


def read_changes(folder: Path, part: int) -> ChangesPart:
    """Read the changes of one part from the directory of a text version."""
    table = read_table(folder / changes_name(part))
    return ChangesPart(
        reason=table["reason"].to_numpy(),
        value=table["value"].to_numpy(),
        changed=table["changed"].to_numpy(zero_copy_only=False),
        counters={
            name.removeprefix("counter:"): table[name].to_numpy()
            for name in table.column_names
            if name.startswith("counter:")
        },
    )


def reasons_of(text_version: Artifact) -> list[str]:
    """Return why a text version's documents may have been refused, by code."""
    return [str(reason) for reason in cast("list[Json]", text_version.summary["reasons"])]
