"""Which rows a filter judges: those in slices of the kinds it applies to; the others pass unjudged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import read_table
from curation.files import Json
from curation.slices import SliceKind, kind_of
from curation.store import Artifact

PROSE: tuple[SliceKind, ...] = ("prose",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The kinds of slices that are judged, and the recipe's own word on what kind a slice is."""

    applies_to: tuple[SliceKind, ...] = PROSE
    slice_kinds: Mapping[str, SliceKind] = field(default_factory=dict)

    def judges(self, slice_name: str) -> bool:
        """Return whether documents of this slice are judged."""
        return kind_of(slice_name, self.slice_kinds) in self.applies_to

    def as_params(self) -> dict[str, Json]:
        """Return what the scope adds to a node's parameters."""
        return {"applies_to": sorted(self.applies_to), "slice_kinds": dict(sorted(self.slice_kinds.items()))}

    def split(self, names: Sequence[str]) -> dict[str, Json]:
        """Return the summary's `judged_slices` and `unjudged_slices`."""
        unique = sorted(set(names))
        return {
            "judged_slices": [name for name in unique if self.judges(name)],
            "unjudged_slices": [name for name in unique if not self.judges(name)],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceCodes:
    """The slice of each row of a part, as an index into `names`."""

    names: tuple[str, ...]
    codes: npt.NDArray[np.int32]

    def rows_where(self, scope: Scope) -> npt.NDArray[np.bool_]:
        """Return which rows `scope` judges."""
        table = np.array([scope.judges(name) for name in self.names], np.bool_)
        return table[self.codes] if len(self.names) else np.zeros(0, np.bool_)


def slice_codes(pool: Artifact, part: int) -> SliceCodes:
    """Return the slices of one part of a pool."""
    return encode_slices(read_table(pool.part_paths()[part], ["slice"])["slice"])


def encode_slices(column: pa.ChunkedArray) -> SliceCodes:
    """Return a slice column as codes."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return SliceCodes(
        names=tuple(encoded.dictionary.to_pylist()),
        codes=encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
    )
