"""What a training is given, what it tells while it runs, and what it gives; `train.loop` runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.files import Json
from curation.randomness import stable_hash
from train.branches import Branches
from train.companions import Companion
from train.noise_seeds import NoiseSeeds
from train.parallel import ALONE, Ranks
from train.recovery import SKIP_ONLY, Intervention, Recovery
from train.shards import Streams
from train.splice import Splice
from train.tiers import Tier

if TYPE_CHECKING:
    from train.model import LanguageModel


class StoppedError(Exception):
    """The run was asked to stop; its state is in a checkpoint."""

    exit_code = 143
    """Of the process: 143 after SIGTERM, 130 after Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeeds:
    """The independent random streams of one run."""

    init: int
    order: int
    shuffle: int | None = None
    """Only of a noise run: the windows that `order` draws change places by it (`train.noise_seeds`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far a run is; seconds are of this process."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a run tells while it goes, and how it is asked to stop. Nothing here changes a result."""

    report: Callable[[Report, Mapping[str, Json]], None]
    """Progress and the metrics row just added."""
    note: Callable[[str], None]
    should_stop: Callable[[], bool]
    restored: Callable[[Sequence[Mapping[str, Json]]], None] = lambda _: None
    """The metrics rows so far, told before the first step and whenever the run goes on from a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training."""

    model: LanguageModel
    metrics: tuple[Mapping[str, Json], ...]
    skipped_steps: tuple[int, ...]
    interventions: tuple[Intervention, ...]
    """What the recovery ladder did, or the log that was replayed."""
    sample_hash: str
    draws_by_slice: Mapping[str, int]
    final_loss: float
    """Mean cross-entropy of the last tenth of the steps, nats a token."""
    execution: Mapping[str, Json]
    """On what and how it computed at the end."""
    changes: Sequence[Mapping[str, Json]]
    """Where the way of computing changed; none means bit-equal to an uninterrupted run on this machine."""
    history: Sequence[str]
    """Checkpoints that were found damaged, in words."""


def run_seeds(tier: Tier, index: int, noise: NoiseSeeds | None = None) -> RunSeeds:
    """Return the seeds of run `index` (1..n, public; rule 10); budgets of one model share them.

    A noise run has seeds of its own, which no index gives.
    """
    if noise is not None:
        named = {"init": noise.init, "subset": noise.subset, "order": noise.order}
        own = {name: stable_hash(f"{tier.model}|{tier.recipe_version}|noise|{number}|{name}")
               for name, number in named.items()}  # fmt: skip
        return RunSeeds(init=own["init"], order=own["subset"], shuffle=own["order"])
    init, order = (stable_hash(f"{tier.model}|{tier.recipe_version}|{index}|{stream}") for stream in ("init", "order"))
    return RunSeeds(init=init, order=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, on what, and where its checkpoints lie."""

    tier: Tier
    streams: Streams
    index: int
    """Of the run, 1..n (rule 10)."""
    folder: Path
    """Of the checkpoints."""
    identity: Mapping[str, Json]
    """What a checkpoint must have been written under to be resumed from."""
    companions: Sequence[Companion] = ()
    recovery: Recovery = SKIP_ONLY
    quarantine: Path | None = None
    """The file for windows of skipped steps."""
    ranks: Ranks = ALONE
    """The processes that train it together; rank 0 writes."""
    branches: Branches | None = None
    """Where states of its line are taken from and left for other budgets; None for neither."""
    splice: Splice | None = None
    """Other streams that it reads from a step on (`train.anneal`)."""
    noise: NoiseSeeds | None = None
    """Of a noise run, which then has no index."""
    initial: Path | None = None
    """Weights that it begins with instead of drawn ones (`train.mixed`)."""
