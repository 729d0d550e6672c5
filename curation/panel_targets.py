"""Target domains: a user's own documents as panel slices `target/NAME` (`panel.targets` of a recipe).

They are read when a build is planned, so that the panel's identity holds their content and never their paths. Every one
of them is panel; documents of the pool that are near copies of one leave the pool for all arms (rule 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from curation.errors import RecipeError
from curation.files import Json, digest_json
from curation.panel_rows import NO_COLUMN, PanelRows, RowReader
from curation.recipe import PanelSpec, PoolSpec
from curation.slices import TARGET_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """All target documents of a recipe, and how many records were none, by target and reason."""

    tables: Sequence[pa.Table]
    excluded: Mapping[str, Mapping[str, int]]

    @property
    def digest(self) -> str:
        """Identity of the documents: ids, texts, slices, families."""
        return digest_json([table.to_pylist() for table in self.tables])

    def excluded_json(self) -> dict[str, Json]:
        """Return the counted exclusions of targets that have any."""
        return {name: dict(counts) for name, counts in self.excluded.items() if counts}


def read_targets(spec: PanelSpec) -> Targets | None:
    """Return the documents of a recipe's target domains; None if it names none.

    Raises: ShardError for missing, damaged or empty files; RecipeError for a target that is no files.
    """
    if not spec.targets:
        return None
    found: dict[str, PanelRows] = {name: _read(name, spec.targets[name]) for name in sorted(spec.targets)}
    return Targets(
        tables=[rows.table for rows in found.values()], excluded={name: rows.excluded for name, rows in found.items()}
    )


def _read(name: str, spec: PoolSpec) -> PanelRows:
    where = f"panel.targets.{name}"
    if spec.source != "files":
        raise RecipeError(f"{where}: source `{spec.source}`, expected files; give paths of the domain's documents")
    one_slice = spec.model_copy(update={"slice": NO_COLUMN, "tagger": None, "default_slice": name})
    reader = RowReader()
    reader.read(one_slice, where, TARGET_PREFIX)
    return reader.finish()
