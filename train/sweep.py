"""The learning-rate sweep that freezes a tier: x1/2, x1 and x2 of its rate, same seeds, corpus and budget.

Every probe is a tier of its own name (`nano-0.1x@lr2`), trained like any other run, so a killed sweep goes on and a
wider one reuses what there is. The loss is that of the weights after the last step on the panel: nats a token over all
its documents. `train.sweep_result` judges.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from curation.batches import read_table
from curation.errors import RunError
from curation.nodes import Planner
from curation.store import Artifact
from train.many_runs import Wanted, train_runs
from train.run import DOCUMENTS
from train.sweep_result import MULTIPLIERS, Sweep, recipe_identity
from train.tier_names import number_text
from train.tiers import Tier, load_tier


def sweep_tier(
    planner: Planner, corpus: Artifact, panel: Artifact, tier: Tier, *, seeds: Sequence[int], jobs: int | None = None
) -> Sweep:
    """Return the sweep of `tier` at its budget, trained where the store lacks runs.

    Raises: RunError if `tier` is a probe itself, or if a run fails.
    """
    if tier.variant:
        raise RunError(
            f"--tier: `{tier.name}` is a probe or variant, expected the tier itself; leave out `@{tier.variant}`"
        )
    wanted = [Wanted(tier=probe_name(tier, multiplier), seed=seed) for multiplier in MULTIPLIERS for seed in seeds]
    runs = train_runs(planner, corpus, panel, wanted, jobs=jobs)
    losses = [nats_per_token(run) for run in runs]
    rows = [tuple(losses[start : start + len(seeds)]) for start in range(0, len(losses), len(seeds))]
    return Sweep(
        tier=tier.name,
        recipe=recipe_identity(tier),
        learning_rate=tier.learning_rate,
        multipliers=MULTIPLIERS,
        seeds=tuple(seeds),
        losses=tuple(rows),
        corpus=corpus.fingerprint,
        panel=str(panel.summary["digest"]),
        device=device_name(tier),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
    )


def probe_name(tier: Tier, multiplier: float) -> str:
    """Return the name of `tier` with its rate multiplied."""
    return load_tier(f"{tier.name}@lr{number_text(multiplier)}").name


def nats_per_token(run: Artifact) -> float:
    """Return the mean loss of a run over all tokens of its panel."""
    table = read_table(run.path / DOCUMENTS, ["nats", "num_tokens"])
    nats, tokens = (table[name].to_numpy() for name in ("nats", "num_tokens"))
    return math.fsum(nats) / int(np.sum(tokens))


def device_name(tier: Tier) -> str:
    """Return what runs of `tier` are computed on here, as the driver calls it, or `cpu`."""
    import torch

    on_card = tier.family != "laptop" and torch.cuda.is_available()
    return torch.cuda.get_device_name(0) if on_card else "cpu"
