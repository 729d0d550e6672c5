"""`python -m train.worker`: one run in a process of its own; what a study starts side by side.

    python -m train.worker --store S --corpus-artifact PATH --panel PATH --tier T --seed K [--epochs N] [--progress F] \
        [--keep 0.5,1]
    torchrun --nproc-per-node N -m train.worker ...

Under `torchrun` the processes train one run together (`train.parallel`); rank 0 alone builds, writes and tells.
`--progress F` is replaced with one JSON object (step, steps, loss, tokens_per_second) every few steps. stdout gets
one JSON object at the end: path and fingerprint of the run. SIGTERM and Ctrl-C end it after a checkpoint, 143 and 130;
after SIGKILL the same command goes on from the last checkpoint. `--keep` names the budgets, as multiples of 1x, whose
plateaus stay in the store (`train.branches`); it changes no run. A fault the user can mend is one line on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from curation.errors import EXIT_INTERRUPTED, EXIT_STOPPED, CurateError, IncompleteError, StoreBusyError
from curation.nodes import Node, Planner, existing_node
from curation.progress import Progress, SilentProgress
from curation.store import Artifact, Store, load_artifact
from train.mixed import Mixed, with_mixture
from train.noise_seeds import NoiseSeeds, parse_noise
from train.orders import follow
from train.parallel import Ranks, joined, on_cards, sharding_for
from train.recovery import SKIP_ONLY, Recovery
from train.run import Watch, run_node
from train.shards import tokens_node
from train.supply import DEFAULT_EPOCHS
from train.tiers import load_tier
from train.trackers import trackers

if TYPE_CHECKING:
    from train.loop import Report

POLL_SECONDS = 0.5
REPEATED_SIGNALS = "CURATE_REPEATED_SIGNALS"
"""Set where a scheduler signals every process of a job, and a parent repeats it: only the first counts there."""


def build_run(
    store: Store,
    corpus: Artifact,
    panel: Artifact,
    tier: str,
    seed: int,
    *,
    progress: Progress,
    watch: Watch,
    recovery: Recovery = SKIP_ONLY,
    noise: NoiseSeeds | None = None,
    mixed: Mixed | None = None,
) -> Artifact:
    """Return the run of `tier` and `seed` on `corpus`, trained if the store lacks it.

    Waits while another process builds the same artifact (two seeds share token streams).
    """
    planner = Planner(store=store, workers=1, progress=progress)
    planner.adopt(corpus)
    planner.adopt(panel)
    tokens = tokens_node(existing_node(corpus), load_tier(tier).tokenizer)
    run = run_node(tokens, existing_node(panel), tier, seed, watch, recovery=recovery, noise=noise)
    if mixed is not None:
        if mixed.initial is not None:
            planner.adopt(mixed.initial)
        run = with_mixture(run, mixed)
    patiently(planner, tokens, progress)
    return patiently(planner, run, progress)


def patiently(planner: Planner, node: Node, progress: Progress) -> Artifact:
    """Return the artifact of a node, waiting while another process builds it or what it needs."""
    """Return the node's artifact; waits while another process builds it."""
    told = False
    while True:
        try:
            return planner.materialise(node)
        except StoreBusyError as busy:
            if not told:
                progress.note(str(busy))
            told = True
            time.sleep(POLL_SECONDS)


def stoppable_watch(path: Path | None) -> Watch:
    """Return a watch that writes progress to `path`, if one is given, and asks to stop after SIGTERM or Ctrl-C.

    A second signal ends the process at once, but not a rank, nor a job of a cluster (`REPEATED_SIGNALS`): what a
    scheduler has sent already is repeated there.
    """
    training = False
    code = 0  # of the signal that asked to stop, as shells count; 0 before there was one

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal code
        first, code = not code, code or 128 + number
        if "WORLD_SIZE" in os.environ:
            return
        if REPEATED_SIGNALS in os.environ:
            if not first:
                return
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if heeded:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if not training:  # nothing to save: what is being built or scored goes on from its finished files
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(EXIT_STOPPED)

    @contextmanager
    def within() -> Iterator[None]:
        from train.loop import StoppedError

        nonlocal training
        training = True
        try:
            yield
        except StoppedError as stopped:
            stopped.exit_code = code or EXIT_STOPPED
            raise
        finally:
            training = False

    def report(now: Report) -> None:
        if path is None:
            return
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(json.dumps(asdict(now), sort_keys=True), encoding="utf-8")
        temporary.replace(path)

    signal.signal(signal.SIGTERM, stop)
    heeded = signal.getsignal(signal.SIGINT) != signal.SIG_IGN  # a shell makes background jobs deaf to Ctrl-C
    if heeded:
        signal.signal(signal.SIGINT, stop)
    return Watch(report=report, should_stop=lambda: bool(code), training=within)


def _recovery(text: str) -> Recovery:
    return Recovery.from_json(json.loads(text))


def _mixed(given: argparse.Namespace) -> Mixed | None:
    if given.weights is None:
        return None
    initial = None if given.initial is None else load_artifact(given.initial)
    return Mixed(weights=tuple(sorted(given.weights.items())), initial=initial)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.worker", description="Train one run.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--corpus-artifact", type=Path, required=True)
    parser.add_argument("--panel", type=Path, required=True)
    parser.add_argument("--tier", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epochs", type=float, default=DEFAULT_EPOCHS, help="repeats of the corpus that are permitted")
    parser.add_argument("--progress", type=Path)
    parser.add_argument("--keep", default="", help="budgets whose plateaus stay in the store: 0.5,1")
    parser.add_argument("--sharding", choices=("ddp", "fsdp2"), help="default: what the memory plan says")
    parser.add_argument("--recovery", type=_recovery, default=SKIP_ONLY, help="policy as JSON, of `train.recovery`")
    parser.add_argument("--noise", type=parse_noise, help="a noise run: i1-o2-s1, with --seed 0 (`train.noise_seeds`)")
    parser.add_argument("--weights", type=json.loads, help="shares of bytes as JSON (`train.mixed`)")
    parser.add_argument("--initial", type=Path, help="run whose weights are begun with, beside --weights")
    given = parser.parse_args(arguments)
    rank = int(os.environ.get("RANK", "0"))
    from train.loop import StoppedError

    try:
        tier = load_tier(given.tier)
        with joined(given.sharding or sharding_for(tier), cards=on_cards(tier)) as ranks:
            run = _one_run(given, ranks)
    except StoppedError as stopped:
        if rank == 0:
            print(stopped, file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command continues from what is finished", file=sys.stderr)
        return EXIT_INTERRUPTED
    except CurateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:
        if "WORLD_SIZE" not in os.environ:
            raise
        print(f"rank {rank}: ended with the others ({str(error).splitlines()[0]}); the same command continues",
              file=sys.stderr)  # fmt: skip
        return IncompleteError.exit_code
    if run is not None:
        print(json.dumps({"path": str(run.path), "fingerprint": run.fingerprint}))
    return 0


def _one_run(given: argparse.Namespace, ranks: Ranks) -> Artifact | None:
    """Return the run on rank 0; None on the others, which have helped to train it."""
    watch = replace(stoppable_watch(given.progress if ranks.main else None), ranks=ranks)
    if not ranks.main:
        follow(ranks, watch.should_stop)
        return None
    kept = tuple(float(multiple) for multiple in given.keep.split(",") if multiple)
    watch = replace(watch, listeners=trackers(None, _say), keep=kept, epochs=given.epochs)
    store, corpus, panel = Store.open(given.store), load_artifact(given.corpus_artifact), load_artifact(given.panel)
    run = build_run(store, corpus, panel, given.tier, given.seed, progress=SilentProgress(), watch=watch,
                    recovery=given.recovery, noise=given.noise, mixed=_mixed(given))  # fmt: skip
    ranks.told(None)
    return run


if __name__ == "__main__":
    sys.exit(main())
