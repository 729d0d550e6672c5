"""The folder of a study on a cluster, `<store>/cluster/<name>-<key 8>/`: words, steps, scripts, logs, states of tasks.

`dag.json` holds the study's words as they were submitted, so that an edit of the YAML meanwhile changes no job. The key
is a digest of those words and of every arm's recipe; another word gives another folder. `state/STEP-INDEX.json` is
written by the task itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from curation.errors import StoreBusyError, StudyError
from curation.files import Json, digest_json, read_json, write_json
from curation.store import Store
from leaderboard.cluster.dag import Dag, dag_from_json, dag_json
from leaderboard.studies.arms import Arm
from leaderboard.studies.one_change import recipe_identity
from leaderboard.studies.study import Study, parse_study

DAG_FILE = "dag.json"
SCHEMA = "study-cluster/1"
Ended = Literal["running", "done", "failed", "preempted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A study as it was submitted."""

    folder: Path
    key: str
    study: Study
    where: str
    """The YAML file that it was read from, for messages."""
    cwd: str
    """Working directory of its jobs: relative paths of the pool begin here."""
    dag: Dag

    def job_name(self, step: str) -> str:
        """Return what the queue calls a step: it carries the key, so a second submission finds it."""
        return f"curate-{self.key[:8]}-{step}"

    @property
    def store(self) -> Store:
        """The store that it lies in."""
        return Store.open(self.folder.parent.parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What a task last wrote of itself."""

    state: Ended
    attempts: int
    job: str = ""
    host: str = ""
    started: float = 0.0
    ended: float = 0.0
    code: int = 0
    message: str = ""
    promotion: tuple[Mapping[str, Any], ...] = field(default=())
    """Of a judged tier: decisions so far."""


def key_of(study: Study, arms: Sequence[Arm], cwd: str) -> str:
    """Return the digest of all words that decide a study's runs; 64 hex digits."""
    words: dict[str, Json] = {
        "study": _words(study),
        "arms": {arm.name: recipe_identity(arm.recipe, arm.training) for arm in arms},
        "cwd": cwd,
    }
    return digest_json(words)


def _words(study: Study) -> dict[str, Json]:
    return cast("dict[str, Json]", study.model_dump(mode="json", exclude_unset=True))


def submission_of(study: Study, arms: Sequence[Arm], where: str, store: Store, dag: Dag) -> Submission:
    """Return the submission that a study would be from this working directory, there or not."""
    cwd = str(Path.cwd())
    key = key_of(study, arms, cwd)
    folder = store.root.resolve() / "cluster" / f"{study.name}-{key[:8]}"
    return Submission(folder=folder, key=key, study=study, where=where, cwd=cwd, dag=dag)


def write_submission(given: Submission) -> None:
    """Write the words and steps down."""
    value: dict[str, Json] = {
        "schema": SCHEMA,
        "key": given.key,
        "study": _words(given.study),
        "where": given.where,
        "cwd": given.cwd,
        "steps": dag_json(given.dag),
    }
    for name in ("state", "logs", "scripts"):
        (given.folder / name).mkdir(parents=True, exist_ok=True)
    write_json(given.folder / DAG_FILE, value)


def read_submission(folder: Path) -> Submission:
    """Return what was submitted in `folder`. Raises: StudyError if that is none, or of another version."""
    try:
        value = cast("Mapping[str, Any]", read_json(folder / DAG_FILE))
        if value["schema"] != SCHEMA:
            raise ValueError
        study = parse_study(value["study"], str(value["where"]))
        return Submission(
            folder=folder, key=str(value["key"]), study=study, where=str(value["where"]), cwd=str(value["cwd"]),
            dag=dag_from_json(value["steps"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not what this version writes"
        raise StudyError(
            f"{folder / DAG_FILE}: cannot be read ({why}); expected a submitted study; submit it: "
            "`curate study run STUDY.yaml --on NAME`"
        ) from None


def state_path(folder: Path, step: str, index: int) -> Path:
    """Return where a task says how it stands."""
    return folder / "state" / f"{step}-{index}.json"


def read_state(folder: Path, step: str, index: int) -> TaskState | None:
    """Return what a task last said; None before its first word, or if that cannot be read."""
    try:
        value = cast("dict[str, Any]", read_json(state_path(folder, step, index)))
        return TaskState(**{**value, "promotion": tuple(value["promotion"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def begin_state(folder: Path, step: str, index: int) -> TaskState:
    """Write that a task runs, once more if it ran before, and return it."""
    before = read_state(folder, step, index)
    job = os.environ.get("SLURM_JOB_ID", "")
    now = TaskState(state="running", attempts=(before.attempts if before else 0) + 1, job=job,
                    host=platform.node(), started=time.time())  # fmt: skip
    write_state(folder, step, index, now)
    return now


def write_state(folder: Path, step: str, index: int, state: TaskState) -> None:
    """Replace what a task says."""
    path = state_path(folder, step, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, cast("dict[str, Json]", {**asdict(state), "promotion": [dict(one) for one in state.promotion]}))


@contextlib.contextmanager
def submitting(folder: Path) -> Iterator[None]:
    """Be the only one that submits or cancels in `folder`. Raises: StoreBusyError if another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "submit.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusyError(
                f"{folder}: another process submits or cancels this study; wait for it and give the command again"
            ) from None
        yield
