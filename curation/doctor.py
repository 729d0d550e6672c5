"""`curate doctor`: what this installation has, what is broken, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.console import JsonFlag, StoreOption, give
from curation.errors import EXIT_FAILURE, UsageFault
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

MIN_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: how it is, and what to do when it is not well."""

    name: str
    state: Literal["ok", "note", "broken"]
    found: str
    remedy: str = ""


def doctor(
    gc: Annotated[
        bool, typer.Option("--gc", help="Instead: list what nothing in the store refers to; --yes frees it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --gc: free what is listed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --gc: only list, as without --yes.")] = False,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than", min=0, metavar="HOURS", help="With --gc: leave what changed since.", show_default="24"
        ),
    ] = None,
    store: StoreOption = None,
    json_output: JsonFlag = False,
) -> None:
    """Check this installation: Python, packages, compiled kernels, store, device; exit 1 when something is broken.

    With --gc: what nothing in the store refers to, with sizes; --yes frees it, exit 3 while another process uses it.
    """
    if gc:
        from curation.gc_view import give_gc

        give_gc(store, yes=yes and not dry_run, min_age_hours=older_than, as_json=json_output)
        return
    if yes or dry_run or older_than is not None:
        raise UsageFault("--yes, --dry-run, --older-than: only --gc takes them; add --gc")
    looks: list[Callable[[], Check]] = [
        _python,
        _packages,
        _pins,
        _machine,
        _compiler,
        lambda: _store(store),
        _kernels,
        _torch,
        _shared,
    ]
    checks = [look() for look in looks]
    value: list[Json] = [
        {"name": c.name, "state": c.state, "found": c.found, "remedy": c.remedy or None} for c in checks
    ]
    give(value, lambda console: _draw(console, checks), as_json=json_output)
    if any(check.state == "broken" for check in checks):
        raise typer.Exit(EXIT_FAILURE)


def _python() -> Check:
    return Check(name="python", state="ok", found=f"{platform.python_version()} at {sys.executable}")


def _packages() -> Check:
    """Compare what is installed with what the distribution declares."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(text) for text in requires("curate-ladder") or []]
    except PackageNotFoundError:
        return Check(
            name="packages",
            state="broken",
            found="curate-ladder is not installed",
            remedy="make test, or: pip install -c constraints.txt -e .",
        )
    wrong = []
    for need in declared:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(need.name)
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing")
            continue
        if not need.specifier.contains(have, prereleases=True):
            wrong.append(f"{need.name} is {have}, expected {need.specifier}")
    if wrong:
        remedy = "pip install -c constraints.txt -e ."
        return Check(name="packages", state="broken", found="; ".join(wrong), remedy=remedy)
    return Check(name="packages", state="ok", found=f"{len(declared)} declared, all present")


def _pins() -> Check:
    """Compare what is installed with the pins of a checkout; other versions work but reproduce nothing bit for bit."""
    from packaging.requirements import Requirement

    path = Path(__file__).resolve().parent.parent / "constraints.txt"
    if not path.is_file():
        return Check(name="pins", state="ok", found="no constraints.txt beside an installed wheel")
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    have = {_canonical(found.name): found.version for found in distributions()}
    other = []
    for pin in (Requirement(line) for line in lines if line):
        installed = have.get(_canonical(pin.name))
        if installed is not None and not pin.specifier.contains(installed, prereleases=True):
            other.append(f"{pin.name} is {installed}, pinned {pin.specifier}")
    if other:
        remedy = "to reproduce published numbers: pip install -c constraints.txt -e ."
        return Check(name="pins", state="note", found="; ".join(other), remedy=remedy)
    return Check(name="pins", state="ok", found="every installed package is at its pin")


def _canonical(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def _compiler() -> Check:
    """Look for a C++ compiler; only packages without a wheel for this platform need one."""
    for name in ("c++", "g++", "clang++"):
        path = shutil.which(name)
        if path:
            return Check(name="compiler", state="ok", found=path)
    remedy = "install g++ or clang if pip has to build a package"
    return Check(name="compiler", state="note", found="no C++ compiler on PATH", remedy=remedy)


def _machine() -> Check:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Check(name="machine", state="ok", found=f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}")


def _store(root: Path | None) -> Check:
    from curation.errors import CurateError
    from curation.ingest import was_ingested
    from curation.store import MANIFEST, Store

    try:
        opened = Store.open(root)
        complete = len(opened.artifacts())
    except (OSError, CurateError) as error:
        return Check(name="store", state="broken", found=str(error), remedy="choose another CURATE_STORE, or remove it")
    begun = [p for p in opened.root.iterdir() if p.is_dir() and "-" in p.name and not (p / MANIFEST).is_file()]
    unfinished = [path for path in begun if not was_ingested(path)]
    free = shutil.disk_usage(opened.root).free
    found = f"{opened.root.resolve()}: {complete} artifacts, {len(unfinished)} unfinished, {free / 1e9:.0f} GB free"
    if free < MIN_FREE_BYTES:
        return Check(name="store", state="broken", found=found, remedy="free at least 2 GB or set CURATE_STORE")
    if unfinished:
        return Check(name="store", state="note", found=found, remedy="rerun the commands that were interrupted")
    return Check(name="store", state="ok", found=found)


def _kernels() -> Check:
    from curation.compiled import ROOT, cache_directory, cache_root, kernel_sources

    sources = [path for path in kernel_sources() if "@kernel(" in path.read_text(encoding="utf-8")]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources]
    compiled = sum(any(cache_directory(module).rglob("*.nbc")) for module in modules)
    found = f"{compiled} of {len(modules)} modules compiled in {cache_root()}"
    if compiled:
        return Check(name="kernels", state="ok", found=found)
    return Check(name="kernels", state="note", found=found, remedy="python -m curation.warm")


def _torch() -> Check:
    try:
        import torch
    except ImportError as error:
        return Check(name="torch", state="broken", found=str(error), remedy="pip install -c constraints.txt torch")
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    note = "" if device != "cpu" else "; laptop tiers only: they test plumbing, evidence starts at micro on a GPU"
    return Check(name="torch", state="ok", found=f"{torch.__version__} on {device}{note}")


def _shared() -> Check:
    folder = Path(os.environ.get("CURATE_SHARED", "../shared"))
    if (folder / "pool").is_dir():
        return Check(name="shared data", state="ok", found=str(folder))
    return Check(name="shared data", state="note", found=f"{folder} not found", remedy="optional: set CURATE_SHARED")


def _draw(console: Console, checks: list[Check]) -> None:
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "note": "yellow", "broken": "red"}
    table = Table(show_header=True)
    for column in ("check", "state", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        table.add_row(check.name, state, escape(check.found), escape(check.remedy))
    console.print(table)
