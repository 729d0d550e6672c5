"""The errors a user can mend: one block that says where, what, what was expected, what to do.

Every other exception is a defect of ours and keeps its traceback. `exit_code` follows `docs/exit-codes.md`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 3
EXIT_NO_GO = 4
EXIT_VERIFICATION = 5
EXIT_INTERRUPTED = 130
EXIT_STOPPED = 143


class CurateError(Exception):
    """A fault the user can mend; its text is the whole message and no traceback is shown."""

    exit_code = EXIT_USAGE


class UsageFault(CurateError):
    """A command line that names no command, or an option or a value that the command does not take."""


class RecipeError(CurateError):
    """A recipe, a setting or a name in it is wrong."""


class ShardError(CurateError):
    """A file of data is missing, damaged or holds too many bad records."""


class SuiteChangedError(ShardError):
    """A benchmark suite is not the one that was pinned, or that a result was made against."""


class PluginError(CurateError):
    """A registered component cannot be found or loaded."""


class RunError(CurateError):
    """A training or evaluation run cannot start or go on."""


class ResultsError(CurateError):
    """Results of an evaluation are damaged, or must not share a table."""


class StudyError(CurateError):
    """A study file breaks a rule of comparison."""


class LawError(CurateError):
    """A table, a mapping or an option that a law cannot be fitted with."""


class InsufficientError(LawError):
    """Too little data for the law: the verdict is `insufficient`, and the message says what is missing."""


class IncompleteError(CurateError):
    """Some parts failed; the same command continues from the finished ones."""

    exit_code = EXIT_INCOMPLETE


class SchedulerError(CurateError):
    """A cluster that cannot be reached, or does not take jobs as they are asked for."""


class StoreBusyError(CurateError):
    """Another live process is building the same artifact."""

    exit_code = EXIT_INCOMPLETE


MAX_LISTED = 30
"""Names in one message; a store may hold thousands."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown `name`: the closest known name, or the list, cut if it is long."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean `{close[0]}`?"
    listed = names if len(names) <= MAX_LISTED else [*names[: MAX_LISTED - 2], f"… ({len(names)} in all)"]
    return f"known: {', '.join(listed)}" if names else "none are registered"


def raise_faults(kind: type[CurateError], where: str, faults: Sequence[str]) -> None:
    """Raise one `kind` that lists every fault of `where`; do nothing when there is none."""
    if not faults:
        return
    if len(faults) == 1:
        raise kind(f"{where}: {faults[0]}")
    listed = "\n".join(f"  - {fault}" for fault in faults)
    raise kind(f"{where}: {len(faults)} faults\n{listed}")
