"""Reference documents of named slices, capped in bytes, in an order of their own: what models learn from (rule 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.batches import read_table, text_array
from curation.errors import RecipeError, nearest
from curation.nodes import NodeRun
from curation.randomness import stable_hash
from curation.sidecars import ROLE_REFERENCE, map_parts, read_column
from curation.slices import CURATED_SLICES
from curation.store import Artifact
from filters.judged import encode_slices


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTexts:
    """Texts in the order of their draw and the slices they come from."""

    texts: pa.Array
    slices: tuple[str, ...]
    num_bytes: int


def pool_slices(pool: Artifact) -> list[str]:
    """Return the names of the slices of a pool, sorted."""
    names = {name for path in pool.part_paths() for name in encode_slices(read_table(path, ["slice"])["slice"]).names}
    return sorted(names)


def named_or_curated(wanted: Sequence[str], pool: Artifact, setting: str, where: str) -> tuple[str, ...]:
    """Return the slices `wanted`, or the curated ones of the pool if none are named.

    Raises: RecipeError for an unknown slice, or if none is named and the pool has no curated slice.
    """
    present = pool_slices(pool)
    unknown = [name for name in wanted if name not in present]
    if unknown:
        raise RecipeError(f"{where}: {setting}: no slice `{unknown[0]}` in the pool; {nearest(unknown[0], present)}")
    chosen = tuple(sorted(wanted)) or tuple(name for name in present if name in CURATED_SLICES)
    if not chosen:
        raise RecipeError(
            f"{where}: {setting}: no slice is named and the pool has none of {', '.join(sorted(CURATED_SLICES))}; "
            f"name slices to learn from, one or more of {', '.join(present)}"
        )
    return chosen


def learned_from(slices: Sequence[str]) -> str:
    """Return what the funnel says of a model that was fitted on reference documents of these slices."""
    return f"learned from: slices {', '.join(slices)} (selected-for)"


def reference_texts(
    context: NodeRun, chosen: Callable[[str], bool], *, max_bytes: int, label: str, where: str
) -> ReferenceTexts:
    """Return reference documents of the slices that `chosen` says, at most about `max_bytes`, whole documents.

    The draw is hash(label, id): it depends on neither parts nor workers. Raises: RecipeError if there are none.
    """
    pool, panel = context.inputs["pool"], context.inputs["panel"]

    def collect(part: int) -> list[tuple[int, str, str, str]]:
        rows = np.flatnonzero(read_column(panel, part, "role") == ROLE_REFERENCE)
        if not len(rows):
            return []
        table = read_table(pool.part_paths()[part], ["id", "slice", "text"]).take(pa.array(rows))
        columns = zip(*(table[name].to_pylist() for name in ("id", "slice", "text")), strict=True)
        drawn = sorted((stable_hash(label, id_), id_, name, text) for id_, name, text in columns if chosen(name))
        return _capped(drawn, max_bytes)

    found = sorted(item for part in map_parts(context, label, pool.num_parts, collect) for item in part)
    kept = _capped(found, max_bytes)
    if not kept:
        raise RecipeError(
            f"{where}: {label}: no reference document in the slices to learn from; raise `panel.reference_fraction`, "
            "give a larger pool, or name other slices"
        )
    return ReferenceTexts(
        texts=text_array([text for _, _, _, text in kept]),
        slices=tuple(sorted({name for _, _, name, _ in kept})),
        num_bytes=sum(len(text.encode("utf-8")) for _, _, _, text in kept),
    )


def _capped(items: list[tuple[int, str, str, str]], max_bytes: int) -> list[tuple[int, str, str, str]]:
    """Return the first items up to `max_bytes` of text, at least one."""
    kept: list[tuple[int, str, str, str]] = []
    size = 0
    for item in items:
        size += len(item[3].encode("utf-8"))
        if kept and size > max_bytes:
            break
        kept.append(item)
    return kept
