"""How often a run tells and saves, and with how many threads it computes: the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from train.tiers import Tier

METRIC_ROWS_AT_1X = 200
CARD_CHECKPOINT_FLOPS = 3e17
"""Work between checkpoints of a tier that trains on cards: about 12 minutes of one H200; writing 1b is 1 % of that."""
MAX_CARD_CHECKPOINT_STEPS = 500


def card_checkpoint_steps(tier: Tier) -> int:
    """Return after how many steps a checkpoint is due in a tier that trains on cards."""
    due = round(CARD_CHECKPOINT_FLOPS / (tier.batch_tokens * tier.shape.flops_per_token))
    return min(MAX_CARD_CHECKPOINT_STEPS, max(1, due))


def metric_steps(tier: Tier) -> int:
    """Return after how many steps a metrics row is due: a function of the model, so that budgets share their rows."""
    return max(1, replace(tier, multiple=1.0).num_steps // METRIC_ROWS_AT_1X)


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Compute with exactly `threads`, so that the machine's cores change nothing; denormals count as 0."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # moments of tokens that stopped occurring decay into denormals, 100x slower
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
