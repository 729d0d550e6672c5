"""`curate`: the static table of commands and the way in.

Only the command that runs is imported; the others are names with one line of help, so `curate --help` stays quick.
A command is a typer function in some package; it returns normally, raises a `CurateError`, or `typer.Exit(code)`.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curation.errors import EXIT_FAILURE, EXIT_INTERRUPTED, CurateError, PluginError, ShardError
from curation.law_commands import law_targets
from curation.lean_start import collect_rarely


@dataclass(frozen=True, slots=True)
class Command:
    """One verb: its words, one line of help, and where its function lives."""

    path: str
    help: str
    target: str


COMMANDS: tuple[Command, ...] = (
    Command(
        "demo", "Run the whole path on this machine's own text: recipes, models, a page.", "leaderboard.commands:demo"
    ),
    Command(
        "study plan",
        "Show what a study would build, reuse and train, without doing it.",
        "leaderboard.commands:study_plan",
    ),
    Command(
        "study run", "Build, train, score and compare all arms of a study; resumable.", "leaderboard.commands:study_run"
    ),
    Command(
        "study report",
        "Write the page of a finished study again, from its result alone.",
        "leaderboard.commands:study_report",
    ),
    Command("build", "Build a corpus from a recipe: raw text in, sharded Parquet out.", "curation.build_command:build"),
    Command("train", "Train one tier on one corpus with one seed.", "train.commands:train"),
    Command("watch", "Follow a training run live, from its files alone.", "train.watch_command:watch"),
    Command("plateaus", "List or remove the states that budgets of a model share.", "train.plateaus_command:plateaus"),
    Command("eval", "Score a trained model on a panel: bits per byte per slice.", "train.commands:evaluate"),
    Command(
        "import-scores lm-eval",
        "Import a result directory of lm-eval with its samples.",
        "train.evals.import_command:import_lm_eval",
    ),
    Command(
        "import-scores json",
        "Import runs of other trainers from small JSON files.",
        "train.evals.import_command:import_json",
    ),
    Command(
        "import-scores dclm",
        "Import DCLM's evaluation records.",
        "train.evals.import_command:import_dclm",
    ),
    Command(
        "compare",
        "Compare arms of a study, or two runs, slice by slice with intervals.",
        "leaderboard.commands:compare",
    ),
    Command(
        "leaderboard show",
        "List study results with seeds, intervals and verdicts.",
        "leaderboard.commands:leaderboard_show",
    ),
    Command(
        "noise plan", "Show which runs measure a tier's noise, and their cost.", "leaderboard.noise.commands:noise_plan"
    ),
    Command("noise train", "Train the runs that measure a tier's noise.", "leaderboard.noise.commands:noise_train"),
    Command("noise build", "Build a noise pack from finished runs.", "leaderboard.noise.commands:noise_build"),
    Command(
        "noise show",
        "Show noise packs: spread, smallest detectable gain, seeds needed.",
        "leaderboard.noise.commands:noise_show",
    ),
    Command("fit list", "Explain every scaling law: variables, units, source.", "leaderboard.laws.command:fit_list"),
    *(Command(path, text, target) for path, text, target in law_targets()),
    Command(
        "dedup run",
        "Drop near copies from Parquet or JSONL files you already have.",
        "curation.dedup.run_command:dedup_run",
    ),
    Command(
        "dedup index",
        "Add what a corpus's dedups kept to an index for later dumps.",
        "curation.dedup.index_command:dedup_index",
    ),
    Command(
        "dedup report",
        "Report duplicates: rates, clusters, sources that repeat each other.",
        "curation.dedup.report_command:dedup_report",
    ),
    Command(
        "dedup curve", "Show what MinHash settings find and let through.", "curation.dedup.curve_command:dedup_curve"
    ),
    Command(
        "tokenize",
        "Tokenize Parquet or JSONL files into packed streams that numpy maps.",
        "train.tokenize_command:tokenize",
    ),
    Command("show", "Show what an artifact holds and from what it was made.", "curation.show_command:show"),
    Command(
        "decontaminate",
        "Find benchmark items in files that you have; read-only, resumable.",
        "curation.decontaminate_command:decontaminate",
    ),
    Command(
        "panel build",
        "Make a panel of validation documents from files: Paloma, Parquet, JSONL.",
        "curation.panel_command:panel_build",
    ),
    Command(
        "panel show",
        "Show a panel's slices, languages and which may be judged.",
        "curation.panel_command:panel_show",
    ),
    Command(
        "panel curve",
        "Show a panel's bits per byte by slice through training.",
        "train.evals.curve_command:panel_curve",
    ),
    Command("doctor", "Check this installation and say what to mend.", "curation.doctor:doctor"),
    Command("filters list", "List filters and rule sets.", "filters.commands:filters_list"),
    Command("filters agree", "Compare two filters on the same documents.", "filters.agree_command:filters_agree"),
    Command("filters show", "Show a filter's rules, bounds, reasons and sources.", "filters.commands:filters_show"),
    Command("filters plot", "Show a signal's distribution by slice, with bounds.", "filters.plot_command:filters_plot"),
    Command(
        "classifier train",
        "Train a fastText classifier on good and other documents; bitwise reproducible.",
        "filters.classifier_commands:classifier_train",
    ),
    Command(
        "classifier apply",
        "Score documents with a classifier, a fastText model or a transformer.",
        "filters.classifier_commands:classifier_apply",
    ),
    Command(
        "plugins", "List what installed packages add, and what of it is broken.", "curation.plugins_command:plugins"
    ),
    Command("tiers", "List tiers, show every number of one, or plan it on cards.", "train.tiers_command:tiers"),
    Command(
        "lr-sweep", "Say whether a tier's learning rate may be frozen: x1/2, x1, x2.", "train.sweep_command:lr_sweep"
    ),
)

MACHINE_FAULTS = {
    errno.ENOSPC: "free space, or choose another --store (CURATE_STORE)",
    errno.EDQUOT: "raise the quota, or choose another --store (CURATE_STORE)",
    errno.EROFS: "choose a --store (CURATE_STORE) and --out that can be written",
    errno.EACCES: "grant the permission, or choose another --store (CURATE_STORE) or --out",
}
"""Faults of the machine that a user can mend, and how; any other stays a traceback."""

GROUPS = {
    "import-scores": "Results made elsewhere, to compare with your own.",
    "study": "Studies: a base recipe, one named change, its controls.",
    "leaderboard": "The memory of results.",
    "noise": "Noise of a tier: measure it, keep it, read what it lets one see.",
    "classifier": "Classifiers: train one, score documents with any.",
    "dedup": "Deduplication on its own: settings, runs, reports.",
    "fit": "Scaling laws: fit one to a table or to own runs.",
    "panel": "Panels: validation documents that every model is scored on.",
    "filters": "Filters, rule sets and what they judge.",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run `curate` and exit with a documented code (docs/exit-codes.md)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    collect_rarely()
    _refuse_intruders()
    app = build_app(arguments)
    try:
        app(args=arguments, prog_name="curate")
    except CurateError as error:
        _report(error, as_json="--json" in arguments)
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
        if group and group not in groups:
            groups[group] = typer.Typer(help=GROUPS[group], no_args_is_help=True, rich_markup_mode="rich")
            app.add_typer(groups[group], name=group)
        target = groups[group] if group else app
        function = _load(command.target) if command.path == wanted else _stub
        target.command(name=verb, help=None if command.path == wanted else command.help)(function)
    app.callback()(_version_callback())
    return app


def _wanted(arguments: Sequence[str]) -> str | None:
    words = [word for word in arguments if not word.startswith("-")][:2]
    by_path = {command.path for command in COMMANDS}
    for length in (2, 1):
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
