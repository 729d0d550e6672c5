"""How kernels are compiled: once a machine, never stale.

Numba's own disk cache notices an edited function but not an edited callee in another module. So kernels live only
in modules whose file name ends in `_kernels.py`, and the cache directory's name is a hash over all of them.
`CURATE_CACHE` (default `~/.cache/curate`) is its root.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

PACKAGES = ("curation", "filters", "mixtures", "train", "leaderboard")


def kernel_sources() -> list[Path]:
    """Every file that holds kernels, in one fixed order."""
    root = Path(__file__).resolve().parent.parent
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*_kernels.py"))


@cache
def cache_directory() -> Path:
    """Directory of compiled kernels for exactly these sources."""
    digest = hashlib.sha256()
    for path in kernel_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    root = Path(os.environ.get("CURATE_CACHE", Path.home() / ".cache" / "curate"))
    return root / "kernels" / digest.hexdigest()[:16]


def kernel(*signatures: str, inline: bool = False) -> Callable[[F], F]:
    """Compile a function with numba: no GIL, disk cache, exact floating point.

    With a signature it is compiled at import (or loaded from the cache); helpers that only other kernels call may
    omit it. `inline` lets LLVM see through a tiny helper.
    """
    import numba

    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    numba.config.CACHE_DIR = str(directory)

    def decorate(function: F) -> F:
        given = list(signatures) if signatures else None
        options = {"nogil": True, "cache": True, "fastmath": False, "boundscheck": False}
        return cast("F", numba.njit(given, inline="always" if inline else "never", **options)(function))

    return decorate
