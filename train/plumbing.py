"""Whether a tier's machinery works, tried on a corpus' own tokens with a handful of steps on the CPU.

- Order: the windows of the tier's first `ORDER_STEPS` steps, drawn at once and batch by batch from streams opened
  anew, and the ids in them; equal digests.
- Resuming: a training stopped after two steps, killed after the third and started again gives the weights of an
  unbroken one, by SHA-256.
- Learning: every parameter has a gradient that is finite and not all zero in one of two steps.
- Export: `Qwen3ForCausalLM` with the trained weights gives our logits and our loss on a step's windows, in float32.
- Tokens: documents of every slice decode to text that encodes to the same ids.

A model that would take more than `MAX_FLOPS` is tried on the same architecture scaled down, and the finding says so;
a batch is two windows in any case. Precision is float32 but for tiers that train on a CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from curation.batches import text_array, text_view
from curation.files import Json
from curation.store import Artifact
from curation.tokenizers import Tokenizer, load_tokenizer
from train.export_parity import export_differences
from train.shards import Streams, open_streams
from train.tiers import Tier

if TYPE_CHECKING:
    from train.model import LanguageModel

STEPS = 4
STOPPED_AFTER, KILLED_AFTER = 2, 3
ROWS = 2
"""Windows of a step, one a micro-batch, so that gradients are accumulated."""
ORDER_STEPS, MAX_ORDER_ROWS = 64, 4_096
MAX_FLOPS = 4e11
"""Of all steps together: some ten seconds of one core."""
SMALL = {"width": 64, "num_layers": 2, "num_heads": 2, "ffn_width": 192, "context_tokens": 256}
TRIED_IDS = 20_000
"""Ids of a slice that are decoded and encoded again, in whole documents from the stream's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of a tier's machinery."""

    tried: str
    """The model and steps that it was found on, in words."""
    scaled_down: bool
    order_repeats: bool
    resume_exact: bool
    every_parameter_learns: bool
    without_gradient: tuple[str, ...]
    export_max_logit: float
    """Largest absolute difference of a logit."""
    export_nll: float
    """Difference of the mean loss, nats a token."""
    tokens_decode: bool

    def as_json(self) -> dict[str, Json]:
        """Return it as an artifact's summary has it."""
        return {
            "tried": self.tried,
            "scaled_down": self.scaled_down,
            "order_repeats": self.order_repeats,
            "resume_exact": self.resume_exact,
            "every_parameter_learns": self.every_parameter_learns,
            "without_gradient": list(self.without_gradient),
            "export_max_logit": self.export_max_logit,
            "export_nll": self.export_nll,
            "tokens_decode": self.tokens_decode,
        }


class _KilledError(Exception):
    """Stands for the end of the process."""


def code_digest() -> str:
    """Return the digest of the code that draws, trains and exports: another code is tried anew."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for path in sorted([*here.glob("*.py"), *(here.parent / "mixtures").glob("draws*.py")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def plain(tier: Tier) -> Tier:
    """Return the tier at one times its budget and rate: what budgets and probes of a model share."""
    name = "@".join([f"{tier.model}-1x", *(part for part in tier.name.split("@")[1:] if not _is_probe(part))])
    rate = tier.learning_rate / tier.lr_multiplier
    return replace(tier, name=name, multiple=1.0, lr_multiplier=1.0, learning_rate=rate)


def tried_tier(tier: Tier) -> Tier:
    """Return what is trained to try a tier: its model, or one like it that a core trains in seconds."""
    shape = tier.shape
    if (2 * STEPS + 3) * ROWS * shape.context_tokens * shape.flops_per_token > MAX_FLOPS:
        shape = replace(shape, **{name: min(value, getattr(shape, name)) for name, value in SMALL.items()})
    batch = ROWS * shape.context_tokens
    return replace(
        tier,
        name=f"{plain(tier).name} tried",
        family="laptop",
        shape=shape,
        multiple=1.0,
        tokens_at_1x=STEPS * batch,
        batch_tokens=batch,
        micro_batch_rows=1,
        warmup_tokens=batch,
        precision=tier.precision if tier.family == "laptop" else "fp32",
        threads=1,
        eval_context_tokens=shape.context_tokens,
    )


def try_plumbing(tier: Tier, tokens: Artifact, folder: Path) -> Finding:
    """Return what was found; `folder` is for checkpoints and the export, which the caller removes.

    Raises: RunError, ShardError where streams cannot be read or a training diverges.
    """
    from train.loop import fixed_threads

    small = tried_tier(tier)
    streams = open_streams(tokens)
    with fixed_threads(small.threads):
        whole = _trained(small, streams, folder / "whole")
        resumed = _interrupted(small, streams, folder / "resumed")
        silent = _without_gradient(small, streams)
        logit, nll = export_differences(small, whole, folder / "export", _rows(small, streams, 1))
    return Finding(
        tried=_told(tier, small),
        scaled_down=small.shape != tier.shape,
        order_repeats=order_digest(tier, tokens, at_once=True) == order_digest(tier, tokens, at_once=False),
        resume_exact=weights_digest(whole) == weights_digest(resumed),
        every_parameter_learns=not silent,
        without_gradient=tuple(silent),
        export_max_logit=logit,
        export_nll=nll,
        tokens_decode=all(decodes(ids, load_tokenizer(tier.tokenizer)) for ids in streams.tokens.values()),
    )


def order_digest(tier: Tier, tokens: Artifact, *, at_once: bool) -> str:
    """Return the digest of the windows that the tier's first steps read, and of the ids in them, in order."""
    from mixtures.draws import draw
    from train.steps import sample_hash
    from train.training import run_seeds

    streams = open_streams(tokens)
    windows, seed = streams.num_windows(tier.shape.context_tokens), run_seeds(tier, 1).order
    rows, found, digest = tier.batch_rows, "", hashlib.sha256()
    steps = max(1, min(ORDER_STEPS, tier.num_steps, MAX_ORDER_ROWS // rows))
    size = steps * rows if at_once else rows
    for start in range(0, steps * rows, size):
        drawn = draw(streams.shares, windows, seed=seed, start=start, count=size)
        for number, window in zip(drawn.slices.tolist(), drawn.windows.tolist(), strict=True):
            digest.update(streams.window(drawn.names[number], window, tier.shape.context_tokens).tobytes())
        for step in range(0, size, rows):
            part = replace(
                drawn,
                slices=drawn.slices[step : step + rows],
                windows=drawn.windows[step : step + rows],
                epochs=drawn.epochs[step : step + rows],
            )
            found = sample_hash(found, part)
    return f"{found}-{digest.hexdigest()}"


def weights_digest(model: LanguageModel) -> str:
    """Return the SHA-256 of all weights, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def decodes(ids: npt.NDArray[Any], tokenizer: Tokenizer) -> bool:
    """Whether the first documents of a stream become text that encodes to their ids; EOS ends a document."""
    ends = np.flatnonzero(ids[:TRIED_IDS] == tokenizer.eos_id)
    start = 0
    for end in ends.tolist():
        own = ids[start:end].astype(np.int64).tolist()
        text = tokenizer.decode(own).decode("utf-8", errors="replace")
        again = tokenizer.encode(text_view(text_array([text]))).tokens
        if again[again != tokenizer.eos_id].tolist() != own:
            return False
        start = end + 1
    return True


def _trained(tier: Tier, streams: Streams, folder: Path, stop: Callable[[], bool] = lambda: False) -> LanguageModel:
    from train.loop import train
    from train.training import Hooks, Training

    training = Training(tier=tier, streams=streams, index=1, folder=folder, identity={"tier": tier.name})
    return train(training, Hooks(report=lambda *_: None, note=lambda _: None, should_stop=stop)).model


def _interrupted(tier: Tier, streams: Streams, folder: Path) -> LanguageModel:
    """Return the model of a training that was stopped once and killed once."""
    from train.training import StoppedError

    steps = iter(range(1, STEPS + 1))
    with suppress(StoppedError):
        _trained(tier, streams, folder, lambda: next(steps) == STOPPED_AFTER)
    more = iter(range(STOPPED_AFTER + 1, STEPS + 1))

    def kill() -> bool:
        if next(more) == KILLED_AFTER:
            raise _KilledError
        return False

    with suppress(_KilledError):
        _trained(tier, streams, folder, kill)
    return _trained(tier, streams, folder)


def _rows(tier: Tier, streams: Streams, step: int) -> npt.NDArray[np.int64]:
    from mixtures.draws import draw
    from train.training import run_seeds

    width = tier.shape.context_tokens
    drawn = draw(
        streams.shares, streams.num_windows(width), seed=run_seeds(tier, 1).order, start=step * ROWS, count=ROWS
    )
    pairs = zip(drawn.slices.tolist(), drawn.windows.tolist(), strict=True)
    return np.stack([streams.window(drawn.names[number], window, width).astype(np.int64) for number, window in pairs])


def _without_gradient(tier: Tier, streams: Streams) -> list[str]:
    """Return the parameters that had no gradient, or one that is no number, in both of two steps."""
    import torch

    from train.engine import Engine
    from train.execution import accelerator_of
    from train.model import build_model
    from train.training import run_seeds

    engine = Engine(tier, build_model(tier, run_seeds(tier, 1).init), accelerator_of(tier))
    moved: dict[str, bool] = {}
    with engine.accelerator.running():
        for step in range(2):
            engine.gradients(_rows(tier, streams, step))
            for name, value in engine.model.named_parameters():
                held = value.grad
                good = held is not None and bool(torch.isfinite(held).all()) and bool(held.any())
                moved[name] = moved.get(name, False) or good
            engine.update(tier.learning_rate_at(step))
            engine.discard()
    return sorted(name for name, good in moved.items() if not good)


def _is_probe(part: str) -> bool:
    return part.startswith("lr")


def _told(tier: Tier, small: Tier) -> str:
    steps = f"{STEPS} steps of {ROWS} windows of {small.shape.context_tokens} tokens on the CPU, {small.precision}"
    if small.shape == tier.shape:
        return f"{tier.model} as it is, {steps}"
    own, less = tier.shape, small.shape
    changed: Sequence[tuple[str, int, int]] = [
        ("width", own.width, less.width),
        ("layers", own.num_layers, less.num_layers),
        ("heads", own.num_heads, less.num_heads),
        ("feed-forward width", own.ffn_width, less.ffn_width),
        ("context", own.context_tokens, less.context_tokens),
    ]
    parts = ", ".join(f"{name} {before} to {after}" for name, before, after in changed if before != after)
    return f"the architecture of {tier.model} scaled down ({parts}), {steps}"


def finding_of(summary: Mapping[str, Any]) -> Finding:
    """Return the finding that an artifact's summary holds."""
    named = {name: summary[name] for name in Finding.__dataclass_fields__}
    return Finding(**{**named, "without_gradient": tuple(summary["without_gradient"])})
