"""`python -m train.child PARENT MODULE ARG...`: run a module that dies with the process that started it.

A killed study (kill -9 too) must not leave trainings behind that hold locks and cores. The kernel sends the signal
when the starting *thread* ends, so the study starts its children from its main thread.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; exit at once if it is already gone. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Run the module as if it had been started with `python -m`."""
    parent, module, *rest = sys.argv[1:]
    die_with(int(parent))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
