"""What a dedup of raw files will read and write, and whether the output directory already holds it.

The fingerprint hashes the settings and, of each input file, path, size and time of change: files are not read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from curation.dedup.file_index import file_index_settings
from curation.dedup.file_settings import FileDedupParams, identity
from curation.dedup.index_files import (
    DedupIndex,
    component_folder,
    generation_files,
    plan_against,
    read_generation,
)
from curation.dedup.index_stage import index_params
from curation.errors import CurateError
from curation.files import Json, digest_json
from curation.own_output import finished_output
from curation.sources.locate import Input, find_inputs
from curation.store import Artifact

VERSION = "dedup-files@5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be deduplicated, and the identity of the result."""

    files: tuple[Input, ...]
    num_bytes: int
    """Stored size of the files."""
    num_ignored: int
    fingerprint: str
    known: Artifact | None
    """The finished result, if the output directory holds it."""
    index: DedupIndex | None = None
    """What the documents are compared with."""
    index_folder: Path | None = None
    """Where they are added, if at all."""

    @property
    def to_be_indexed(self) -> bool:
        """Whether the index does not hold the documents yet, and shall."""
        if self.index_folder is None:
            return False
        held = [read_generation(path).made_by for path in generation_files(self.index_folder)]
        return self.fingerprint not in held


def plan_files(paths: Sequence[str], params: FileDedupParams, out: Path, *, update_index: bool = False) -> Plan:
    """Return what a run would read and write.

    Raises: ShardError for missing input; CurateError if `out` holds something else; RecipeError for an index that is
    missing (unless `update_index`) or has other settings.
    """
    if update_index and params.index is None:
        raise CurateError("--update-index: no index named; give --index DIR")
    inputs = find_inputs(paths)
    stats = [item.path.stat() for item in inputs.files]
    seen: list[Json] = [
        [str(item.path.resolve()), stat.st_size, stat.st_mtime_ns]
        for item, stat in zip(inputs.files, stats, strict=True)
    ]
    settings = file_index_settings(params)
    folder = component_folder(Path(params.index), str(settings["name"])) if params.index and update_index else None

    def plan(index: DedupIndex | None) -> Plan:
        settled = {**identity(params), **index_params(index)}
        return Plan(
            files=inputs.files,
            num_bytes=sum(stat.st_size for stat in stats),
            num_ignored=inputs.num_ignored,
            fingerprint=digest_json({"version": VERSION, "params": settled, "inputs": seen}),
            known=None,
            index=index,
            index_folder=folder,
        )

    planned = plan_against(params.index, settings, plan, where="dedup run", missing_ok=update_index)
    return replace(planned, known=finished_output(out, planned.fingerprint, inputs.files))
