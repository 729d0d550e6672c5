"""How kernels are compiled: once a machine, never stale.

Numba's own disk cache notices an edited function but not an edited callee in another module. So kernels live only
in modules whose file name ends in `_kernels.py`, and each module's cache directory is named by a hash over it and all
modules of kernels that it imports, directly or not: an edit recompiles what depends on it and nothing else.
`CURATE_CACHE` (default `~/.cache/curate`) is the root.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

PACKAGES = ("curation", "filters", "mixtures", "train", "leaderboard")

ROOT = Path(__file__).resolve().parent.parent

IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([\w.]+_kernels)\b", re.MULTILINE)
"""How one module of kernels imports another; no other form is allowed (a test holds it)."""


def kernel_sources() -> list[Path]:
    """Every file that holds kernels, in one fixed order."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*_kernels.py"))


def cache_root() -> Path:
    """Return the directory under which all compiled kernels are kept."""
    return Path(os.environ.get("CURATE_CACHE", Path.home() / ".cache" / "curate")) / "kernels"


@cache
def cache_directory(module: str) -> Path:
    """Return the directory of the compiled kernels of one module, for exactly the sources that they come from."""
    digest = hashlib.sha256()
    for name in sorted(kernels_behind(module)):
        digest.update(name.encode() + b"\0" + _source(name) + b"\0")
    return cache_root() / digest.hexdigest()[:16]


def kernels_behind(module: str) -> frozenset[str]:
    """Return the names of a module of kernels and of all that it imports, directly or not."""
    return _imported(module, frozenset())


def _imported(module: str, known: frozenset[str]) -> frozenset[str]:
    """Return `known`, the module, and every module of kernels that it imports, directly or not."""
    if module in known:
        return known
    known |= {module}
    for name in IMPORT.findall(_source(module)):
        known = _imported(name.decode(), known)
    return known


@cache
def _source(module: str) -> bytes:
    return (ROOT / module.replace(".", "/")).with_suffix(".py").read_bytes()


@cache
def _numba() -> Any:
    """Return numba, loaded without what no kernel of ours uses.

    Other packages' extensions of numba and SciPy's linear algebra would be imported before the first kernel runs and
    took 0.6 s of a command's 2.3 s of processor time. Extensions stay off in this process, linear algebra does not.
    """
    import numba
    from numba.core import entrypoints

    entrypoints._already_initialized = True
    blas = "scipy.linalg.cython_blas"
    if blas not in sys.modules:
        sys.modules[blas] = None  # type: ignore[assignment] # an import that fails, as without SciPy
        try:
            importlib.import_module("numba.np.arraymath")
        finally:
            del sys.modules[blas]  # a stranger's kernel may use it: numba imports it where a function needs it
    _save_one_at_a_time()
    return numba


def _save_one_at_a_time() -> None:
    """Let one process at a time add to the index of a function's compiled versions.

    Numba reads the index, chooses the next free number and writes it back. Two processes that compile a helper for
    different types at once would choose one number, and one of them would be served what the other compiled.
    """
    from numba.core.caching import IndexDataCacheFile

    save = IndexDataCacheFile.save

    def save_alone(self: Any, key: Any, data: Any) -> None:
        descriptor = os.open(self._cache_path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            save(self, key, data)
        finally:
            os.close(descriptor)

    IndexDataCacheFile.save = save_alone


def kernel(*signatures: str, inline: bool = False, lean: bool = False) -> Callable[[F], F]:
    """Compile a function with numba: no GIL, disk cache, exact floating point.

    With a signature it is compiled at import (or loaded from the cache); helpers that only other kernels call may
    omit it. `inline` lets LLVM see through a tiny helper. `lean` is for helpers of hot loops that make no array: always
    inlined and without counting references to their arguments, for which the callers' references stand. Measured on
    the signal set `text`: 40 to 113 MB a CPU second, as counting is two locked additions an array and call.
    """
    numba = _numba()

    def decorate(function: F) -> F:
        directory = cache_directory(function.__module__)
        directory.mkdir(parents=True, exist_ok=True)
        numba.config.CACHE_DIR = str(directory)  # read when the function is wrapped
        given = list(signatures) if signatures else None
        options = {"nogil": True, "cache": True, "fastmath": False, "boundscheck": False}
        if lean:
            options |= {"forceinline": True, "_nrt": False}
        return cast("F", numba.njit(given, inline="always" if inline else "never", **options)(function))

    return decorate
