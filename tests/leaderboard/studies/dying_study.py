"""`curate study run` that ends by kill -9 once at each of some points: `dying_study.py --study FILE`.

A point that has fired leaves a flag, so the same command gets one point further each time. As a module it is the worker
of the study's trainings, which takes the study with it: the whole tree of processes ends at one moment.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train import loop, plumbing, worker
from train import run as run_module

FLAGS = "DYING_FLAGS"
EVERY = 5


def die_once(point: str, *others: int) -> None:
    """End this process and `others` by kill -9 if the point has not fired before."""
    try:
        os.close(os.open(Path(os.environ[FLAGS]) / point, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    for process in (*others, os.getpid()):
        os.kill(process, signal.SIGKILL)


def before(point: str, function: Callable[..., Any], *others: int) -> Callable[..., Any]:
    """Return the function with a point in front of it."""

    def dying(*args: Any, **options: Any) -> Any:
        die_once(point, *others)
        return function(*args, **options)

    return dying


def study(path: str) -> None:
    """Run the study with the points of the parent."""
    from curation.cli import main
    from leaderboard.studies import climb, run, training

    run._build_inputs = before("corpora", run._build_inputs)
    plumbing._interrupted = before("machinery", plumbing._interrupted)
    run.write_run_list = before("frozen", run.write_run_list)  # type: ignore[attr-defined]
    climb.assemble = before("compare", climb.assemble)  # type: ignore[attr-defined]
    run.write_report = before("report", run.write_report)  # type: ignore[attr-defined]
    training.WORKER = Path(__file__).stem  # type: ignore[attr-defined]
    sys.argv = ["curate", "study", "run", path, "-q"]
    main()


def train() -> int:
    """Train as a worker, with checkpoints and the points around them."""
    above, save = os.getppid(), loop.save_checkpoint

    def save_and_die(*args: Any, **options: Any) -> None:
        save(*args, **options)
        die_once("checkpoint", above)

    loop.checkpoint_steps = lambda _: EVERY  # type: ignore[attr-defined]
    loop.save_checkpoint = save_and_die  # type: ignore[attr-defined]
    run_module._score = before("trained", run_module._score, above)
    run_module.keep_clock = before("scored", run_module.keep_clock, above)  # type: ignore[attr-defined]
    run_module._summary = before("clocked", run_module._summary, above)
    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    if sys.argv[1] == "--study":
        study(sys.argv[2])
    else:
        sys.exit(train())
