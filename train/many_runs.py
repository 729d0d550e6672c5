"""Several runs on one corpus side by side, each a child process: seeds of a tier, or the probes of a sweep.

The runs are those that one after another would give: a child sees nothing of the others. Runs that the store has are
not made again; a failed one stops no other, and what finished stays.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from curation.errors import EXIT_STOPPED, RunError
from curation.files import canonical_json, digest_json
from curation.nodes import Node, Planner, existing_node
from curation.store import Artifact
from train.mixed import Mixed, stream_shares, with_mixture
from train.noise_seeds import NoiseSeeds
from train.packing import side_by_side, visible_gpus
from train.recovery import SKIP_ONLY, Recovery
from train.run import run_node
from train.shards import tokens_node
from train.supply import DEFAULT_EPOCHS, refuse_shortage, supply_of
from train.tier_names import number_text
from train.tiers import Tier, load_tier
from train.workers import Job, Outcome, Slot, run_jobs

WORKER = "train.worker"
MAX_SEED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One run to be."""

    tier: str
    seed: int
    keep: tuple[float, ...] = ()
    """Budgets whose plateaus it leaves in the store (`train.branches`)."""
    recovery: Recovery = SKIP_ONLY
    noise: NoiseSeeds | None = None
    """Of a noise run, whose `seed` is 0."""
    mixed: Mixed | None = None
    """A mixture or a start of its own."""

    @property
    def label(self) -> str:
        """What messages call it."""
        own = f" of mixture {digest_json(dict(self.mixed.weights))[:8]}" if self.mixed else ""
        return f"{self.tier} {self.noise.text if self.noise else f'seed {self.seed}'}{own}"

    def node(self, tokens: Node, panel: Node) -> Node:
        """Return the run's node."""
        run = run_node(tokens, panel, self.tier, self.seed, recovery=self.recovery, noise=self.noise)
        return run if self.mixed is None else with_mixture(run, self.mixed)


def parse_seeds(text: str, where: str = "--seeds") -> list[int]:
    """Return the seeds that `1-4`, `1,3` or `1-2,5` mean, ascending, each once.

    Raises: RunError for anything else, or seeds below 1 or above 10,000.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MAX_SEED:
            raise RunError(f"{where}: `{text}`, expected seeds from 1 on such as 1-4 or 1,3; correct it (rule 10)")
        seeds.update(range(first, last + 1))
    return sorted(seeds)


def train_runs(
    planner: Planner,
    corpus: Artifact,
    panel: Artifact,
    wanted: Sequence[Wanted],
    *,
    jobs: int | None = None,
    epochs: float = DEFAULT_EPOCHS,
) -> list[Artifact]:
    """Return the runs in the order of `wanted`, trained at most `jobs` at a time; by default as many as fit.

    All tiers must use one tokenizer. `epochs` permits repeats (`train.supply`). Call from the main thread.
    Raises: RunError that names every run that failed, or for a corpus smaller than the budget.
    """
    tiers = [load_tier(one.tier) for one in wanted]
    tokens = tokens_node(existing_node(corpus), tiers[0].tokenizer)
    streams = planner.materialise(tokens)
    for one, tier in zip(wanted, tiers, strict=True):
        own = None if one.mixed is None else stream_shares(streams, one.mixed.weights)
        refuse_shortage(supply_of(streams, tier, own), epochs)
    judged = existing_node(panel)
    nodes = [one.node(tokens, judged) for one in wanted]
    missing = [number for number, node in enumerate(nodes) if planner.store.find("run", node.fingerprint) is None]
    if missing:
        children = [
            _job(planner, {"--corpus-artifact": corpus.path, "--panel": panel.path, "--epochs": epochs}, wanted[number])
            for number in missing
        ]
        largest = max((tiers[number] for number in missing), key=lambda tier: tier.shape.total_params)
        places = [planner.store.path_of("run", nodes[number].fingerprint) for number in missing]
        slots = slots_for(largest, jobs=jobs)
        with stopped_by_sigterm():
            outcomes = run_jobs(
                children,
                len(slots),
                planner.progress,
                label=f"train {len(missing)} models (tokens)",
                done_fraction=lambda index: done_fraction(places[index], tiers[missing[index]]),
                slots=slots,
            )
        _refuse_failures(planner, [nodes[number] for number in missing], children, outcomes)
    return [planner.materialise(node) for node in nodes]


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exit with code 143, so that children are asked to write their checkpoints first."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(EXIT_STOPPED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def slots_for(tier: Tier, *, jobs: int | None = None, cores: int | None = None) -> list[Slot]:
    """Return the places where runs of `tier` go at once on this machine.

    `cores` of it (all by default), at most `jobs` runs. On a CPU `jobs` is taken at its word; on GPUs the memory plan
    is the limit. Raises: RunError if no card can hold one run.
    """
    gpus = [] if tier.family == "laptop" else visible_gpus()
    if jobs is not None and not gpus:
        return [{}] * jobs
    return side_by_side(tier, cores or os.cpu_count() or 1, gpus)[:jobs]


def done_fraction(run: Path, tier: Tier) -> float:
    """Return how far a running training is, by the last line of its metrics; the rest is scoring."""
    return 0.97 * _last_tokens(run / "metrics.jsonl") / tier.num_tokens


def _last_tokens(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            lines = stream.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["tokens"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0


def _job(planner: Planner, shared: Mapping[str, object], wanted: Wanted) -> Job:
    places = {
        "--store": planner.store.root,
        **shared,
        "--tier": wanted.tier,
        "--seed": wanted.seed,
        "--keep": ",".join(number_text(multiple) for multiple in wanted.keep),
        "--recovery": canonical_json(wanted.recovery.as_json()),
    }
    if wanted.noise is not None:
        places["--noise"] = wanted.noise.text
    if wanted.mixed is not None:
        places["--weights"] = canonical_json(dict(wanted.mixed.weights))
        if wanted.mixed.initial is not None:
            places["--initial"] = wanted.mixed.initial.path
    arguments = tuple(text for name, value in places.items() for text in (name, str(value)))
    return Job(label=wanted.label, module=WORKER, arguments=arguments, weight=load_tier(wanted.tier).num_tokens)


def failure_message(outcome: Outcome) -> str:
    """Return the last words of a child that gave no result."""
    lines = [line for line in outcome.message.splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with code {outcome.code} and without a result"


def _refuse_failures(
    planner: Planner, nodes: Sequence[Node], children: Sequence[Job], outcomes: Sequence[Outcome]
) -> None:
    failed = [
        f"{child.label}: {failure_message(outcome)}"
        for node, child, outcome in zip(nodes, children, outcomes, strict=True)
        if planner.store.find("run", node.fingerprint) is None
    ]
    if failed:
        raise RunError(
            f"train: {len(failed)} of {len(children)} runs failed, expected none: {'; '.join(failed)}; "
            "mend that and give the same command, finished runs are kept"
        )
