"""The one pipeline step that datatrove's executors get: it runs the tasks of its rank, and carries no documents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from curation.backends.worker import run_rank


class RunRank(PipelineStep):  # type: ignore[misc]
    """Runs one rank of the attempt in a folder on the shared file system."""

    name = "curate"
    type = "shards"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterable[Any]:
        """Make the files of this rank; the reports say what they are."""
        run_rank(Path(self.folder), rank)
        return ()
