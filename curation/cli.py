"""`curate`: the way in.

Only the command that runs is imported; the others are rows of `command_table`, so `curate --help` stays quick.
A command is a typer function in some package; it returns normally, raises a `CurateError`, or `typer.Exit(code)`.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curation.command_table import COMMANDS, GROUPS
from curation.errors import EXIT_FAILURE, EXIT_INTERRUPTED, CurateError, PluginError, ShardError, UsageFault
from curation.lean_start import collect_rarely

MACHINE_FAULTS = {
    errno.ENOSPC: "free space, or choose another --store (CURATE_STORE)",
    errno.EDQUOT: "raise the quota, or choose another --store (CURATE_STORE)",
    errno.EROFS: "choose a --store (CURATE_STORE) and --out that can be written",
    errno.EACCES: "grant the permission, or choose another --store (CURATE_STORE) or --out",
}
"""Faults of the machine that a user can mend, and how; any other stays a traceback."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run `curate` and exit with a documented code (docs/exit-codes.md)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    collect_rarely()
    _refuse_intruders()
    app = build_app(arguments)
    as_json = "--json" in arguments
    try:
        ended = _run(app, arguments, as_json=as_json)
    except CurateError as error:
        _report(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in MACHINE_FAULTS:
            raise
        place = error.filename or "the store"
        if error.errno in (errno.EROFS, errno.EACCES):  # what was given cannot be used; it does not break half-way
            _report(
                ShardError(
                    f"{place}: {error.strerror}, expected to read and write there; {MACHINE_FAULTS[error.errno]}"
                ),
                as_json="--json" in arguments,
            )
            sys.exit(ShardError.exit_code)
        print(f"{place}: {error.strerror}; {MACHINE_FAULTS[error.errno]}; nothing is half-written", file=sys.stderr)
        sys.exit(EXIT_FAILURE)
    sys.exit(ended)


def _run(app: Any, arguments: list[str], *, as_json: bool) -> int:
    """Return the exit code of the command; without --json typer itself reports wrong usage and exits.

    Raises: UsageFault, for wrong usage with --json: standard output then holds an object too.
    """
    import typer

    try:
        ended = app(args=arguments, prog_name="curate", standalone_mode=not as_json)
    except typer.Abort:
        return EXIT_FAILURE
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer brings click along under a private name
            raise
        raise UsageFault(f"{error.format_message()} See --help.") from None
    return ended if isinstance(ended, int) else 0


def build_app(arguments: Sequence[str]) -> Any:
    """Return the typer app with the one command that `arguments` name loaded, the others as stubs."""
    import typer

    wanted = _wanted(arguments)
    app = typer.Typer(
        name="curate",
        help="Find out cheaply whether a data recipe helps, and believe the answer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None if "NO_COLOR" in os.environ else "rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        group, _, verb = command.path.rpartition(" ")
        target = _group(app, groups, group)
        function = _load(command.target) if command.path == wanted else _stub
        target.command(name=verb, help=None if command.path == wanted else command.help)(function)
    app.callback()(_version_callback())
    return app


def _group(app: Any, groups: dict[str, Any], path: str) -> Any:
    """Return the typer app of a group of commands, made below the group that holds it; `app` for no group."""
    import typer

    if not path:
        return app
    if path not in groups:
        outer, _, name = path.rpartition(" ")
        groups[path] = typer.Typer(help=GROUPS[path], no_args_is_help=True, rich_markup_mode="rich")
        _group(app, groups, outer).add_typer(groups[path], name=name)
    return groups[path]


def _wanted(arguments: Sequence[str]) -> str | None:
    words = [word for word in arguments if not word.startswith("-")][:3]
    by_path = {command.path for command in COMMANDS}
    for length in (3, 2, 1):
        path = " ".join(words[:length])
        if path in by_path:
            return path
    return None


def _stub() -> None:
    """Hold a place in the help; never run."""


def _load(target: str) -> Callable[..., None]:
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        import typer

        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            print("interrupted; the same command continues from what is finished", file=sys.stderr)
            raise typer.Exit(EXIT_INTERRUPTED) from None

    return guarded


def _version_callback() -> Callable[..., None]:
    import typer

    def show(value: bool) -> None:
        if value:
            from curation.version import describe_version

            print(describe_version())
            raise typer.Exit(0)

    def root(
        version: bool = typer.Option(
            False, "--version", help="Print the version and exit.", callback=show, is_eager=True
        ),
    ) -> None:
        return None

    root.__annotations__ = {"version": bool, "return": None}
    return root


def _report(error: CurateError, *, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"error": {"kind": type(error).__name__, "message": str(error)}}))
    print(f"{type(error).__name__}: {error}", file=sys.stderr)


def _refuse_intruders() -> None:
    """Stop when another installed package shadows one of the five (their names are plain words)."""
    root = Path(__file__).resolve().parent.parent
    for package in ("curation", "filters", "mixtures", "train", "leaderboard"):
        spec = find_spec(package)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != root:
            error = PluginError(
                f"package `{package}` comes from {origin}, expected {root / package}; "
                "uninstall the other distribution or use a fresh environment"
            )
            _report(error, as_json=False)
            sys.exit(error.exit_code)
