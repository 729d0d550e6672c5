"""`python -m curation.warm`: compile every kernel once, so that no command pays for it later."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from curation.compiled import ROOT, cache_root, kernel_sources, kernels_behind


def compile_module(module: str) -> float:
    """Import one module of kernels, which compiles it or loads it from the cache; return the seconds it took."""
    started = time.monotonic()
    importlib.import_module(module)
    return time.monotonic() - started


def needs_by_module(modules: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return for each module of kernels all others that it imports, directly or not."""
    return {module: kernels_behind(module) - {module} for module in modules}


def weights(needs: dict[str, frozenset[str]]) -> dict[str, int]:
    """Return how urgent each module is: the bytes of its source and of all sources that wait for it."""
    root = {module: (ROOT / module.replace(".", "/")).with_suffix(".py").stat().st_size for module in needs}
    waiting = {module: [other for other in needs if module in needs[other]] for module in needs}
    return {module: root[module] + sum(root[other] for other in waiting[module]) for module in needs}


def warm(processes: int | None = None) -> dict[str, float]:
    """Compile all kernels, a module at a time in each process; return each module's seconds.

    A module starts when those that it imports are in the cache: no process compiles what another is compiling. What
    most source waits for comes first. A module that fails is named by a `RuntimeError`.
    """
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in kernel_sources()]
    needs = needs_by_module(modules)
    urgency = weights(needs)
    left = sorted(modules, key=lambda module: (-urgency[module], module))
    processes = processes or os.cpu_count() or 1
    seconds: dict[str, float] = {}
    running: dict[Future[float], str] = {}
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        while left or running:
            ready = [module for module in left if needs[module] <= seconds.keys()]
            for module in ready[: processes - len(running)]:
                left.remove(module)
                running[pool.submit(compile_module, module)] = module
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                module = running.pop(future)
                try:
                    seconds[module] = future.result()
                except Exception as fault:
                    raise RuntimeError(f"the kernels of {module} could not be compiled: {fault}") from fault
    return seconds


if __name__ == "__main__":
    started = time.monotonic()
    count = len(warm())
    sys.stderr.write(f"kernels of {count} modules ready in {time.monotonic() - started:.1f} s ({cache_root()})\n")
