"""A published run: one model with its scores of DCLM's tasks, from an evaluation file, the database, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from curation.files import digest_json
from curation.suites.dclm import dclm_aggregates, dclm_tasks

SUITE_NAME = "dclm"
AGGREGATES = ("Core_v1", "Core_v2", "Extended_v1", "Extended_v2")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One published model."""

    key: str
    """Identity: digest of the model's uuid and the name of its evaluation."""
    name: str
    uuid: str
    dataset: str
    model: str
    """Architecture, or the name of a model of others."""
    params: int | None
    tokens: int | None
    tier: str
    recipe: str
    """Training recipe in words: data sets are compared at equal ones only."""
    seed: int | None
    dataset_uuid: str
    scores: Mapping[str, float]
    """Raw scores by task, shares from 0 to 1."""
    sources: tuple[str, ...]
    """`file`, `database`, or both."""
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Tasks of the suite without a score, in its order."""
        return tuple(name for name in dclm_tasks() if name not in self.scores)

    @property
    def aggregates(self) -> dict[str, float | None]:
        """CORE and EXTENDED by both tables of baselines, worked out anew; None names its missing tasks in `reasons`."""
        return {name: one.value for name, one in dclm_aggregates(self.scores).items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Why an aggregate is not available, by its name."""
        return {name: one.reason for name, one in dclm_aggregates(self.scores).items() if one.reason}

    def noted(self, note: str) -> PublishedRun:
        """Return the run with one more note."""
        return replace(self, notes=(*self.notes, note))


def run_key(uuid: str, evaluation: str) -> str:
    """Return a run's identity: one uuid may stand for several checkpoints, each with its own evaluation."""
    return digest_json(["dclm", uuid, evaluation.rpartition("/")[2].removesuffix(".json")])
