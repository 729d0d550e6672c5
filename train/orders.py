"""Orders: what rank 0 tells the others of a training, in words and paths, so that every rank plans it alike.

Rank 0 holds the store's lock, writes, tells progress and scores; the other ranks only train. All of them must see the
store under the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.files import Json
from curation.nodes import NodeRun
from curation.store import Artifact, Store, load_artifact
from curation.tokenizers import load_tokenizer
from train.mixed import INITIAL, MIXTURE
from train.noise_seeds import NoiseSeeds
from train.parallel import Ranks
from train.quarantine import QUARANTINE
from train.recovery import SKIP_ONLY, Recovery
from train.tiers import Tier, load_tier, tier_digest

if TYPE_CHECKING:
    from train.branches import Branches
    from train.observers import Observers
    from train.shards import Streams
    from train.training import Training

ANNEAL_TOKENS = "anneal_tokens"
"""The input that a run reads when its rate falls, if it has one (`train.anneal`)."""


def order_for(
    context: NodeRun,
    tier: Tier,
    seed: int,
    *,
    keep: Collection[float],
    recovery: Recovery,
    noise: NoiseSeeds | None = None,
) -> dict[str, Json]:
    """Return the order to train run `seed` of a tier, or noise run, leaving the plateaus of the budgets `keep`."""
    return {
        "store": str(context.store.root.resolve()),
        "inputs": {name: str(artifact.path.resolve()) for name, artifact in context.inputs.items()},
        "out": str(context.out.path.resolve()),
        "fingerprint": context.out.fingerprint,
        "tier": tier.name,
        "seed": seed,
        "keep": list(keep),
        "recovery": recovery.as_json(),
        "noise": None if noise is None else noise.as_json(),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What an order means; the same on every rank."""

    training: Training
    watching: Observers
    """Already the companions of `training`."""
    readable: Streams
    """All that it may read, the late streams of an annealing too."""


def planned(told: Mapping[str, Json], ranks: Ranks, note: Callable[[str], None]) -> Planned:
    """Return the training that an order means."""
    from train.observers import observers
    from train.run import MODEL
    from train.score import read_panel
    from train.shards import open_streams, sources_note
    from train.splice import Splice, all_streams
    from train.training import Training
    from train.validation import validation_set

    order = cast("Mapping[str, Any]", told)
    tier = load_tier(order["tier"])
    inputs = {name: load_artifact(Path(path)) for name, path in order["inputs"].items()}
    streams = open_streams(inputs["tokens"])
    if MIXTURE in inputs:
        shares = cast("Mapping[str, float]", inputs[MIXTURE].summary["token_shares"])
        streams = replace(streams, shares=shares, mixture=None)
    late = inputs.get(ANNEAL_TOKENS)
    splice = None if late is None else Splice(streams=open_streams(late), step=tier.rates.decay_start)
    readable = all_streams(streams, splice)
    for lacking in (sources_note(read) for read in (inputs["tokens"], late) if read is not None):
        if lacking is not None:
            note(lacking)
    panel = read_panel(inputs["panel"])
    recovery = Recovery.from_json(order["recovery"])
    noise = None if order["noise"] is None else NoiseSeeds.from_json(order["noise"])
    watching = observers(tier, readable, validation_set(panel, load_tokenizer(tier.tokenizer), tier))
    training = Training(
        tier=tier,
        streams=streams,
        index=order["seed"],
        folder=Path(order["out"]) / "checkpoints",
        identity=_identity(order, tier, inputs["tokens"]),
        companions=watching.companions,
        branches=_branches(order, tier, inputs, note) if recovery == SKIP_ONLY and noise is None else None,
        initial=inputs[INITIAL].path / MODEL if INITIAL in inputs else None,
        splice=splice,
        recovery=recovery,
        quarantine=Path(order["out"]) / QUARANTINE,
        ranks=ranks,
        noise=noise,
    )
    return Planned(training=training, watching=watching, readable=readable)


def follow(ranks: Ranks, should_stop: Callable[[], bool]) -> None:
    """Take part, as any rank but 0, in the trainings that rank 0 tells of, until it says that there are no more.

    Raises: what `train.loop.train` raises.
    """
    from train.loop import train
    from train.training import Hooks

    while (order := ranks.told()) is not None:
        hooks = Hooks(report=lambda *_: None, note=lambda _: None, should_stop=should_stop)
        train(planned(cast("Mapping[str, Json]", order), ranks, hooks.note).training, hooks)


def _identity(order: Mapping[str, Any], tier: Tier, tokens: Artifact) -> dict[str, Json]:
    """Return what a checkpoint must have been written under, every field so that a difference can be named."""
    return {
        "corpus": str(cast("Mapping[str, Json]", tokens.manifest["inputs"]).get("corpus", tokens.fingerprint)),
        "tokens": tokens.fingerprint,
        "tokenizer": load_tokenizer(tier.tokenizer).digest,
        "tier": tier.name,
        "tier_digest": tier_digest(tier),
        "seed": order["seed"],
        "recipe_version": tier.recipe_version,
        "run": order["fingerprint"],
    }


def _branches(
    order: Mapping[str, Any], tier: Tier, inputs: Mapping[str, Artifact], note: Callable[[str], None]
) -> Branches | None:
    """Return the plateaus that a run may start from and leave behind.

    None for a tier without a plateau, and for a run with a mixture or a start of its own (`train.mixed`).
    """
    from train.branches import Branches, branch_steps, line_of

    if tier.schedule != "wsd" or {MIXTURE, INITIAL} & inputs.keys():
        return None
    tokens = inputs["tokens"]
    return Branches(
        store=Store(Path(order["store"])),
        tokens=tokens,
        line=line_of(tier, tokens.fingerprint, order["seed"], panel=inputs["panel"].fingerprint),
        kept=branch_steps(tier, order["keep"]),
        note=note,
    )
