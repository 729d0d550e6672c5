"""Panel slices scored while a run goes: bits per byte of a fixed subset, at ten points of the 1x budget and at the end.

The subset is a function of panel and model alone: of every slice, documents in the order of a hash of their id, as
long as they fit into the slice's part of the token budget. The budget keeps all of it below 3 % of a 1x run (scoring
costs a third of training a token). The curve is for watching: the subset prefers short documents, and the score of a
run is that of the whole panel after the last step (`train.score`). Nothing here draws a random number, touches a
gradient or changes a weight, so the schedule is no part of the tier's digest; what was scored has a digest of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch

from curation.batches import text_view
from curation.files import Json, digest_json
from curation.randomness import stable_hash
from curation.tokenizers import TokenizedView, Tokenizer
from train.losses import token_nats
from train.score import PanelDocuments, WindowNats, document_nats
from train.tiers import Tier

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine

POINTS_AT_1X = 10
MAX_FRACTION = 0.03
"""Share of a 1x run's work that all its validations may cost."""
MAX_TOKENS = 262_144
_FORWARD_SHARE = 1 / 3
_RESERVE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSet:
    """The documents to score, tokenised."""

    encoded: TokenizedView
    eos_id: int
    context_tokens: int
    slices: tuple[str, ...]
    """Of each document."""
    num_bytes: npt.NDArray[np.int64]
    digest: str
    left_out: tuple[str, ...]
    """Slices none of whose documents fits."""

    def as_json(self) -> dict[str, Json]:
        """Return what identifies and describes the set."""
        return {
            "digest": self.digest,
            "documents": len(self.slices),
            "tokens": len(self.encoded.tokens),
            "bytes": int(self.num_bytes.sum()),
            "slices": sorted(set(self.slices)),
            "left_out": list(self.left_out),
        }


def budget_tokens(tier: Tier) -> int:
    """Return how many tokens one validation may score."""
    share = MAX_FRACTION / _FORWARD_SHARE * _RESERVE / (POINTS_AT_1X + 1)
    return min(MAX_TOKENS, int(share * tier.tokens_at_1x))


def validation_set(panel: PanelDocuments, tokenizer: Tokenizer, tier: Tier) -> ValidationSet | None:
    """Return the subset of `panel` that runs of `tier` score while they go; None if no document fits."""
    encoded = tokenizer.encode(text_view(panel.table["text"]))
    lengths = np.diff(encoded.offsets)
    ids = panel.table["id"].to_pylist()
    slices = panel.slices.tolist()
    names = sorted(set(slices))
    chosen: list[int] = []
    for name in names:
        mine = [number for number, own in enumerate(slices) if own == name and lengths[number]]
        mine.sort(key=lambda number: (stable_hash("validation", ids[number]), ids[number]))
        left = budget_tokens(tier) // len(names)
        for number in mine:
            if lengths[number] <= left:
                chosen.append(number)
                left -= int(lengths[number])
    if not chosen:
        return None
    tokens = [encoded.tokens[encoded.offsets[number] : encoded.offsets[number + 1]] for number in chosen]
    return ValidationSet(
        encoded=TokenizedView(
            tokens=np.concatenate(tokens), offsets=np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
        ),
        eos_id=tokenizer.eos_id,
        context_tokens=tier.eval_context_tokens,
        slices=tuple(slices[number] for number in chosen),
        num_bytes=panel.num_bytes[chosen],
        digest=digest_json([[ids[number], int(lengths[number])] for number in chosen]),
        left_out=tuple(name for name in names if name not in {slices[number] for number in chosen}),
    )


def is_due(tier: Tier, done: int) -> bool:
    """Return whether to score after `done` steps: each tenth of the 1x budget passed, and the last step.

    The points depend on the model only, so all its budgets share them.
    """
    at_1x = -(-tier.tokens_at_1x // tier.batch_tokens)
    passed = done * POINTS_AT_1X // at_1x > (done - 1) * POINTS_AT_1X // at_1x
    return passed or done == tier.num_steps


def subset_bits_per_byte(chosen: ValidationSet, nats_of: WindowNats) -> dict[str, float]:
    """Return Σ nats / Σ bytes / ln 2 of each slice (rule 5)."""
    nats = document_nats(chosen.encoded, chosen.eos_id, chosen.context_tokens, nats_of, lambda _: None)
    slices = np.array(chosen.slices)
    return {
        name: float(nats[slices == name].sum() / chosen.num_bytes[slices == name].sum() / math.log(2))
        for name in sorted(set(chosen.slices))
    }


def engine_nats(engine: Engine) -> WindowNats:
    """Return the scorer of the model that is being trained, on its device."""

    @torch.no_grad()
    def nats_of(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        ids_BT = engine.accelerator.place(ids)
        with torch.compiler.set_stance("force_eager"):  # windows of many lengths: a compiled block per length
            stream_BTD = engine.model.hidden(ids_BT[:, :-1])
        nats_N = token_nats(stream_BTD.flatten(0, 1), engine.model.lm_head.weight, ids_BT[:, 1:].flatten())
        found: npt.NDArray[np.float32] = nats_N.view(ids.shape[0], -1).float().cpu().numpy()
        return found

    return nats_of


class Validation:
    """The companion: `validation` in the row after each point."""

    name = "validation"

    def __init__(self, tier: Tier, chosen: ValidationSet) -> None:
        self.tier = tier
        self.chosen = chosen
        self.pending: dict[str, Json] | None = None

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Score the subset when it is due."""
        done = outcome.step + 1
        if not is_due(self.tier, done):
            return
        bpb = subset_bits_per_byte(self.chosen, engine_nats(engine))
        self.pending = {
            "step": done,
            "tokens": done * self.tier.batch_tokens,
            "bpb": {name: value if math.isfinite(value) else None for name, value in bpb.items()},
            "mean_bpb": _mean(list(bpb.values())),
            "set": self.chosen.digest[:16],
        }

    def row(self) -> Mapping[str, Json]:
        """Return the scores since the last row, if there are any."""
        new: Mapping[str, Json] = {} if self.pending is None else {"validation": self.pending}
        self.pending = None
        return new

    def state(self) -> Json:
        """Return scores that no row holds yet."""
        return {"pending": self.pending, "set": self.chosen.digest}

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        self.pending = cast("Mapping[str, Any]", state)["pending"]

    def summary(self, metrics: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        """Return the set and the curve of a finished run."""
        points = [cast("Mapping[str, Json]", row["validation"]) for row in metrics if "validation" in row]
        curve = [{"step": one["step"], "tokens": one["tokens"], "mean_bpb": one["mean_bpb"]} for one in points]
        return {"set": self.chosen.as_json(), "curve": curve, "points_at_1x": POINTS_AT_1X}


def _mean(values: Sequence[float]) -> float | None:
    mean = math.fsum(values) / len(values)
    return mean if math.isfinite(mean) else None
