"""lm-eval's tasks, loaded: what its child processes share. Imports lm-eval, so only they call it.

A fault ends the process with one line, which is the last of standard error.
"""

from __future__ import annotations

from typing import Any

from curation.errors import nearest


def task_manager(folder: str | None, *, defaults: bool) -> Any:
    """Return what knows the tasks in `folder` and, with `defaults`, lm-eval's own."""
    try:
        from lm_eval.tasks import TaskManager  # type: ignore[import-untyped]
    except ImportError as error:
        raise SystemExit(f"lm-eval cannot be imported ({error}); install it: pip install 'lm-eval==0.4.13'") from None
    return TaskManager(include_path=folder, include_defaults=defaults, verbosity="ERROR")


def refuse_unknown(manager: Any, name: str) -> None:
    """End the process if there is no such task."""
    if name not in manager.task_index:
        raise SystemExit(f"lm-eval has no task `{name}`; {nearest(name, manager.task_index)}")


def leaf_tasks(manager: Any, spec: Any) -> list[tuple[str, Any]]:
    """Return name and task of all that a name or a group of settings means; lm-eval puts the group's name before it."""
    return [(key.rpartition("::")[2], task) for key, task in sorted(manager.load([spec])["tasks"].items())]


def data_name(manager: Any, name: str) -> str:
    """Return what a task calls its data set, for messages."""
    return str((manager.task_index[name].cfg or {}).get("dataset_path") or "its data set")


def one_line(error: BaseException) -> str:
    """Return what an exception says, in one line."""
    return " ".join(str(error).split())[:400] or type(error).__name__
