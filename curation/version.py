"""The version of this code: the distribution's, and the commit of a checkout."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """Return the installed version of `curate-ladder`, or `0+unknown` when it is not installed."""
    try:
        return version("curate-ladder")
    except PackageNotFoundError:
        return "0+unknown"


def git_commit() -> str | None:
    """Return the checkout's commit, with `+dirty` when files differ; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+dirty", "--exclude=*", "--abbrev=12"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def describe_version() -> str:
    """Return what `curate --version` prints."""
    commit = git_commit()
    return f"curate {code_version()}" + (f" ({commit})" if commit else "")
