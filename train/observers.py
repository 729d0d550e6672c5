"""The companions of every training: steps, losses by slice and source, digest of the state, noise, spikes, validation.

They change no result, and their state is in every checkpoint. What they add to `metrics.jsonl` is a function of the
model up to the step: budgets of one model write the same rows until the decay begins, and a row never says which
budget it belongs to. A lower loss on a slice or source can also mean easier or more often repeated text: epochs
stand beside it, and only the panel compares recipes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from curation.files import Json
from train.companions import Companion
from train.noise_scale import NoiseScale
from train.source_losses import SourceLosses
from train.spikes import Spikes
from train.validation import Validation, ValidationSet, is_due

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine
    from train.shards import Streams
    from train.tiers import Tier

LAST_FRACTION = 0.1
"""Share of a run over which its final losses by slice are averaged, as is its final training loss."""
MAX_SPIKES_TOLD = 100


class Steps:
    """Settings in the first row; every step's loss and gradient norm; the batch and what was accepted of it."""

    name = "steps"

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.accepted = 0
        self.batch: dict[str, Json] = {}
        """Tokens of a forward pass and passes a step, as the last step took them on one rank."""
        self.told = False

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Take in a step."""
        self.losses.append(outcome.loss)
        self.norms.append(outcome.grad_norm)
        self.accepted += outcome.accepted
        self.batch = {
            "micro_batch_tokens": engine.micro_batch_rows * self.tier.shape.context_tokens,
            "accumulation": engine.accumulation,
        }

    def row(self) -> Mapping[str, Json]:
        """Return the batch, and the steps since the last row."""
        tier = self.tier
        row: dict[str, Json] = {
            "batch_tokens": tier.batch_tokens,
            **self.batch,
            "accepted_tokens": self.accepted * tier.batch_tokens,
            "step_losses": _finite(self.losses),
            "step_grad_norms": _finite(self.norms),
        }
        if not self.told:
            row["settings"] = settings(tier)
        self.losses, self.norms, self.told = [], [], True
        return row

    def state(self) -> Json:
        """Return what the next row needs."""
        return {
            "losses": _finite(self.losses), "norms": _finite(self.norms),
            "accepted": self.accepted, "told": self.told,
        }  # fmt: skip

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        kept = cast("Mapping[str, Any]", state)
        self.losses = [math.nan if one is None else one for one in kept["losses"]]
        self.norms = [math.nan if one is None else one for one in kept["norms"]]
        self.accepted, self.told = int(kept["accepted"]), bool(kept["told"])


class SliceLosses:
    """Mean training loss of each slice since the last row, with how much of it was read and how often."""

    name = "slice-losses"

    def __init__(self, windows: Mapping[str, int], window_tokens: int) -> None:
        self.windows = windows
        self.window_tokens = window_tokens
        self.nats: dict[str, float] = {}
        self.rows: dict[str, int] = {}
        self.drawn: dict[str, int] = {}
        """Windows since step 0."""

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Add the rows of a step to their slices."""
        for number in np.unique(outcome.drawn.slices).tolist():
            name = outcome.drawn.names[number]
            mine = outcome.drawn.slices == number
            count = int(mine.sum())
            self.nats[name] = self.nats.get(name, 0.0) + math.fsum(outcome.nats_by_row[mine])
            self.rows[name] = self.rows.get(name, 0) + count
            self.drawn[name] = self.drawn.get(name, 0) + count

    def row(self) -> Mapping[str, Json]:
        """Return nats a token, tokens since the last row, and epochs since step 0, by slice."""
        tokens = {name: count * self.window_tokens for name, count in sorted(self.rows.items())}
        losses = {name: self.nats[name] / count for name, count in tokens.items()}
        row: dict[str, Json] = {
            "loss_by_slice": {name: loss if math.isfinite(loss) else None for name, loss in losses.items()},
            "tokens_by_slice": dict(tokens),
            "epochs_by_slice": {name: count / self.windows[name] for name, count in sorted(self.drawn.items())},
        }
        self.nats, self.rows = {}, {}
        return row

    def state(self) -> Json:
        """Return sums and counts."""
        nats = {name: value if math.isfinite(value) else None for name, value in self.nats.items()}
        return {"nats": nats, "rows": dict(self.rows), "drawn": dict(self.drawn)}

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        kept = cast("Mapping[str, Any]", state)
        self.nats = {name: math.nan if value is None else value for name, value in kept["nats"].items()}
        self.rows, self.drawn = dict(kept["rows"]), dict(kept["drawn"])


class StateDigest:
    """sha256 over parameters and moments, when validation is due: at tenths of the 1x budget and after the last step.

    Not when a checkpoint is written: how often that happens is no part of a run, and its manifest has its own digest.
    """

    name = "state-digest"

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.last: dict[str, Json] | None = None
        self.told = True

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Take the digest when one is due."""
        done = outcome.step + 1
        if is_due(self.tier, done):
            self.last = {"step": done, "sha256": state_digest(engine)}
            self.told = False

    def row(self) -> Mapping[str, Json]:
        """Return the digest taken since the last row, if any."""
        new = {} if self.told or self.last is None else {"state_digest": self.last}
        self.told = True
        return new

    def state(self) -> Json:
        """Return the last digest."""
        return {"last": self.last, "told": self.told}

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        kept = cast("Mapping[str, Any]", state)
        self.last, self.told = kept["last"], bool(kept["told"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observers:
    """All companions of one training, and what they say when it is over."""

    tier: Tier
    steps: Steps
    slices: SliceLosses
    sources: SourceLosses
    digest: StateDigest
    noise: NoiseScale
    spikes: Spikes
    validation: Validation | None

    @property
    def companions(self) -> list[Companion]:
        """In the order in which they look at a step."""
        always: list[Companion] = [self.steps, self.slices, self.sources, self.noise, self.spikes, self.digest]
        return always if self.validation is None else [*always, self.validation]

    def summary(self, metrics: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        """Return what `run.json` says of a finished run."""
        monitor = self.spikes.monitor
        found: dict[str, Json] = {
            "optimizer": settings(self.tier),
            "adamw_timescale": adamw_timescale(self.tier),
            "gns": self.noise.row()["gns"],
            "spike_score": monitor.scores()["loss"],
            "spike_score_grad_norm": monitor.scores()["grad_norm"],
            "num_spikes": monitor.count,
            "spikes": [spike.as_json() for spike in monitor.history[:MAX_SPIKES_TOLD]],
            "state_digest": None if self.digest.last is None else self.digest.last["sha256"],
            "final_train_loss_by_slice": final_losses(metrics),
        }
        if self.sources.read:
            found["final_train_loss_by_source"] = final_losses(metrics, "source")
            found["epochs_by_source"] = metrics[-1]["epochs_by_source"]
        if self.validation is not None:
            found["validation"] = self.validation.summary(metrics)
        return found


def observers(tier: Tier, streams: Streams, validation: ValidationSet | None) -> Observers:
    """Return fresh companions for a training of `tier` on `streams`."""
    windows = streams.num_windows(tier.shape.context_tokens)
    return Observers(
        tier=tier,
        steps=Steps(tier),
        slices=SliceLosses(windows, tier.shape.context_tokens),
        sources=SourceLosses(streams.documents),
        digest=StateDigest(tier),
        noise=NoiseScale(batch_tokens=tier.batch_tokens),
        spikes=Spikes(),
        validation=None if validation is None else Validation(tier, validation),
    )


def settings(tier: Tier) -> dict[str, Json]:
    """Return the optimizer's settings and the model's sizes: the same for every budget of a model."""
    names = (
        "model", "recipe_version", "tokenizer", "optimizer", "parametrization", "learning_rate", "schedule",
        "warmup_tokens", "decay_shape", "decay_fraction", "min_lr_fraction", "beta1", "beta2", "adam_eps",
        "weight_decay", "z_loss", "clip_norm", "skip_sigmas", "batch_tokens", "micro_batch_rows", "precision",
        "tokens_at_1x",
    )  # fmt: skip
    shape = tier.shape
    return {
        **{name: getattr(tier, name) for name in names},
        "context_tokens": shape.context_tokens,
        "params_non_embedding": shape.non_embedding_params,
        "params_matmul": shape.matmul_params,
        "params_total": shape.total_params,
        "flops_per_token": shape.flops_per_token,
    }


def adamw_timescale(tier: Tier) -> float | None:
    """Return B / (η λ D): how much of a run AdamW's weights remember; None without weight decay.

    Source: Bergsma et al. 2025 (2505.13738).
    """
    forgetting = tier.learning_rate * tier.weight_decay * tier.num_tokens
    return tier.batch_tokens / forgetting if forgetting else None


def final_losses(metrics: Sequence[Mapping[str, Json]], by: str = "slice") -> dict[str, Json]:
    """Return nats a token of each slice, or source, over the rows that end in the last tenth of the run."""
    if not metrics:
        return {}
    steps = int(cast("int", metrics[-1]["step"]))
    nats: dict[str, float] = {}
    tokens: dict[str, int] = {}
    for row in metrics:
        if int(cast("int", row["step"])) <= (1 - LAST_FRACTION) * steps:
            continue
        losses = cast("Mapping[str, float | None]", row.get(f"loss_by_{by}", {}))
        for name, count in cast("Mapping[str, int]", row.get(f"tokens_by_{by}", {})).items():
            loss = losses[name]
            if loss is not None:
                nats[name] = nats.get(name, 0.0) + loss * count
                tokens[name] = tokens.get(name, 0) + count
    return {name: nats[name] / count for name, count in sorted(tokens.items())}


def state_digest(engine: Engine) -> str:
    """Return the sha256 over all parameters and moments: names in order, each with type, shape and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(engine.tensors().items()):
        if name == "rng":
            continue
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
