"""The process that loads lm-eval: writes the documents of a task, one JSON line a task. Not for import.

`python -m curation.suites.lm_eval_child TASK DATA OUT`; a fault is the last line of standard error.
`train.evals.lm_eval_child` runs tasks on a model; both load them by `curation.suites.lm_eval_loading`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curation.suites.lm_eval_loading import data_name, leaf_tasks, one_line, refuse_unknown, task_manager


def main(name: str, data: str, out: Path) -> None:
    """Write the tasks that `name` means to `out`."""
    task_file = Path(name)
    own = task_file.suffix in (".yaml", ".yml")
    if own and not task_file.is_file():
        raise SystemExit("no such task file; expected a YAML file of lm-eval")
    folder = str(task_file.resolve().parent) if own else None
    manager = task_manager(folder, defaults=not own)
    wanted = _task_in(task_file) if own else name
    refuse_unknown(manager, wanted)
    # only inside a group does lm-eval merge settings into a task it knows
    spec: Any = {"group": "local", "task": [{"task": wanted, "dataset_path": data}]} if data else wanted
    try:
        found = [{"task": key, "docs": _documents(task)} for key, task in leaf_tasks(manager, spec)]
        lines = [json.dumps(task, default=str) for task in found]
    except Exception as error:  # whatever a task's own code and the data library may raise
        raise SystemExit(_fault(wanted, data or data_name(manager, wanted), error)) from None
    out.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _task_in(path: Path) -> str:
    from curation.yamlio import load_yaml

    try:
        value = load_yaml(path)
    except Exception:  # lm-eval's own tags (`!function`), which the strict reader refuses
        value = dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines() if ":" in line)
    name = value.get("task") or value.get("group") if isinstance(value, Mapping) else None
    if not isinstance(name, str):
        raise SystemExit("the file names no `task`; expected a task file of lm-eval")
    return name.strip()


def _documents(task: Any) -> list[dict[str, Any]]:
    """Return the documents that the task evaluates on, each with its prompt, choices and target."""
    docs = task.test_docs() if task.has_test_docs() else task.validation_docs()
    if docs is None:
        raise ValueError("the task has neither a test nor a validation split")
    chosen = []
    for doc in docs:
        choices = task.doc_to_choice(doc) if getattr(task.config, "doc_to_choice", None) is not None else []
        target = task.doc_to_target(doc)
        if isinstance(target, list | tuple):
            target = next(iter(target), "")
        chosen.append({"doc": dict(doc), "prompt": task.doc_to_text(doc), "choices": list(choices), "target": target})
    return chosen


def _fault(name: str, data: str, error: Exception) -> str:
    """Return one line: what could not be loaded and what to do."""
    return (
        f"the task's data `{data}` could not be loaded ({type(error).__name__}: {one_line(error)}); put it on this "
        f"machine: `lm-eval:{name}=PATH` for a local copy, or load it once where there is a network (HF_HUB_OFFLINE=0)"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
