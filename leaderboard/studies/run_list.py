"""The runs of a study as a file in its directory, so that its state can be read without its YAML or pool.

`runs.json`: name, fingerprint, tiers in the order they are trained, and of every run arm, role, tier, seed and the
fingerprints of corpus, tokens and run. Written when the study is frozen; a function of the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curation.errors import StudyError
from curation.files import Json, read_json, write_json
from leaderboard.studies.prepared import Prepared
from leaderboard.studies.promotion import policy_of, tiers_in_order

RUNS_FILE = "runs.json"
SCHEMA = "study-runs/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One run of a study."""

    arm: str
    role: str
    of: str
    tier: str
    trained: str
    """What is trained: the tier, or the variant of it that the arm asks for."""
    seed: int
    corpus: str
    tokens: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunList:
    """All runs of a study."""

    study: str
    fingerprint: str
    promote: str
    tiers: tuple[str, ...]
    runs: tuple[ListedRun, ...]


def run_list(ready: Prepared) -> RunList:
    """Return the runs of a study that was resolved on its pool."""
    arms = {arm.name: arm for arm in ready.arms}
    return RunList(
        study=ready.study.name,
        fingerprint=ready.fingerprint,
        promote=policy_of(ready.study),
        tiers=tuple(tiers_in_order(ready.study)),
        runs=tuple(
            ListedRun(
                arm=plan.arm,
                role=arms[plan.arm].role,
                of=arms[plan.arm].of,
                tier=plan.tier,
                trained=plan.trained,
                seed=plan.seed,
                corpus=plan.corpus.fingerprint,
                tokens=plan.tokens.fingerprint,
                run=plan.node.fingerprint,
            )
            for plan in ready.runs
        ),
    )


def write_run_list(folder: Path, ready: Prepared) -> None:
    """Write the runs of a study into its directory."""
    found = run_list(ready)
    runs: list[Json] = [{name: getattr(run, name) for name in ListedRun.__slots__} for run in found.runs]
    value: dict[str, Json] = {
        "schema": SCHEMA,
        "study": found.study,
        "fingerprint": found.fingerprint,
        "promote": found.promote,
        "tiers": list(found.tiers),
        "runs": runs,
    }
    write_json(folder / RUNS_FILE, value)


def read_run_list(folder: Path) -> RunList:
    """Return the runs of the study in `folder`.

    Raises: StudyError if the directory is no study's, or one of an earlier version.
    """
    path = folder / RUNS_FILE
    try:
        value = cast("Mapping[str, Any]", read_json(path))
        return RunList(
            study=str(value["study"]),
            fingerprint=str(value["fingerprint"]),
            promote=str(value["promote"]),
            tiers=tuple(map(str, value["tiers"])),
            runs=tuple(ListedRun(**run) for run in value["runs"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what this version writes"
        raise StudyError(
            f"{path}: cannot be read ({why}); expected a study's directory in a store; give the study itself: "
            "`curate study status STUDY.yaml`"
        ) from None
