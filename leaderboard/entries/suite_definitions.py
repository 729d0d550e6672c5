"""What a suite of tasks asks, inside an entry: its definition where the project does not ship it.

Aggregates can only be worked out again by a suite's own definition. Of a shipped suite that is here; of another the
entry holds `suite.json`, with each task's records pinned by their digest. Definition and digests make the suite's
digest again, so another definition is found; a task that is missing stands there with what it would have asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from curation.errors import CurateError, StudyError
from curation.files import Json, digest_json
from curation.suites.task_data import Absent, evals_directory, read_task
from curation.suites.tasks import Task, TaskSuite, load_task_suite, suite_names
from train.evals.results import Results

DEFINITION = "suite.json"
FULL_DIGITS = 64


def shipped(results: Results) -> TaskSuite | None:
    """Return the definition of a suite that the project ships; None of any other."""
    known = suite_names()
    asked = (results.suite.name, f"{results.suite.name}@{results.suite.version}")
    name = next((name for name in asked if name in known), None)
    return load_task_suite(name) if name else None


def definition_of(folder: Path, results: Results) -> TaskSuite | None:
    """Return what a suite's results in an entry's folder were made by; None if nobody says.

    Raises: ValidationError for a damaged definition.
    """
    found = shipped(results)
    if found is not None or not (folder / DEFINITION).is_file():
        return found
    held: TaskSuite = TaskSuite.model_validate_json((folder / DEFINITION).read_bytes())
    return held


def definition_faults(definition: TaskSuite, results: Results) -> Iterator[str]:
    """Yield where a definition does not make the digests of the results."""
    if (definition.name, str(definition.version)) != (results.suite.name, results.suite.version):
        yield f"its definition is of {definition.id}, the results of {results.suite.name}@{results.suite.version}"
    asked = {}
    for task in definition.tasks:
        own = task.asked(task.digest, results.context)
        held = results.tasks.get(task.name)
        asked[task.name] = held.digest if held else own
        if held is None:
            continue
        if held.shots != task.shots_at(results.context):
            yield f"task {task.name}: {held.shots} shots, expected {task.shots_at(results.context)}"
        if task.digest and len(task.digest) == FULL_DIGITS and held.digest != own:
            yield f"task {task.name}: digest {held.digest[:16]}, its definition and records make {own[:16]}"
    found = digest_json([definition.id, dict(sorted(asked.items()))])
    if found != results.suite.digest:
        yield f"suite digest {results.suite.digest[:16]}, its tasks make {found[:16]}"


def own_definition(names: Sequence[str], results: Results) -> dict[str, Json] | None:
    """Return the definition to publish beside results on a suite of the user's; None of a shipped one.

    `names` are the suites that the study named. Paths become names, records are pinned by digest and count.
    Raises: StudyError if no file of the study's makes the results' digest.
    """
    if shipped(results) is not None:
        return None
    for name in names:
        try:
            found = load_task_suite(name)
            if (found.name, str(found.version)) != (results.suite.name, results.suite.version):
                continue
            pinned = found.model_copy(update={"tasks": tuple(_pinned(task) for task in found.tasks)})
        except CurateError:
            continue
        if not list(definition_faults(pinned, results)):
            return {**pinned.model_dump(mode="json"), "source": "", "notes": {}}
    raise StudyError(
        f"suite {results.suite.name} {results.suite.digest[:16]}: no suite of the study makes this digest, expected "
        "its YAML and files where the study names them (CURATE_EVALS), to publish what was asked; put them back, then "
        "`curate submit` again"
    )


def _pinned(task: Task) -> Task:
    data = read_task(task, evals_directory())
    names = tuple(Path(name).name.partition(".")[0] if Path(name).is_absolute() else name for name in task.data)
    if isinstance(data, Absent):
        return task.model_copy(update={"data": names})
    return task.model_copy(update={"data": names, "digest": data.digest, "num_items": len(data.records)})
