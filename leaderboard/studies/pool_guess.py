"""How much text a pool holds: what its manifest says or, before it was read, a guess from the sizes of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from curation.recipe import PoolSpec
from curation.store import Artifact

EXPANSION: Mapping[tuple[str, str], float] = {
    ("jsonl", "none"): 0.9, ("jsonl", "gzip"): 3.0, ("jsonl", "zstd"): 3.3, ("parquet", "none"): 2.2,
}  # fmt: skip
"""Bytes of text a byte of file, roughly, by container and compression. Source: ours, prose and code."""
DEFAULT_EXPANSION = 3.0
PANEL_SHARE = 0.15
"""Panel and reference split at most take this of a slice (`curation.recipe.PanelSpec`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolGuess:
    """Text of a pool."""

    num_bytes: int
    """0 when nothing can be said."""
    bytes_a_token: float
    train_fraction: float
    """Share that panel and reference split leave for training, at least."""
    told: str
    """`known`, or how it was guessed."""


def guess_pool(pool: Artifact | PoolSpec, bytes_a_token: float) -> PoolGuess:
    """Return the text of a pool that was read, or of one described by its files.

    Raises: ShardError for missing files.
    """
    if isinstance(pool, Artifact):
        num_bytes, told = int(cast("int", pool.summary["num_bytes"])), "known"
    else:
        num_bytes, told = _from_files(pool)
    return PoolGuess(num_bytes=num_bytes, bytes_a_token=bytes_a_token, train_fraction=1 - PANEL_SHARE, told=told)


def _from_files(spec: PoolSpec) -> tuple[int, str]:
    if spec.source == "environment":
        told = "the pool has not been read yet; its size is a guess"
        return spec.max_bytes or 0, f"{told} from `max_bytes`" if spec.max_bytes else "the pool has not been read yet"
    from curation.sources.locate import find_inputs

    found = find_inputs(spec.path, spec.include, spec.exclude)
    guess = sum(
        one.path.stat().st_size * EXPANSION.get((one.container, str(cast("Any", one.compression))), DEFAULT_EXPANSION)
        for one in found.files
    )
    held = min(round(guess), spec.max_bytes) if spec.max_bytes else round(guess)
    return held, f"the pool has not been read yet; its text is a guess from the sizes of {len(found.files):,} files"
