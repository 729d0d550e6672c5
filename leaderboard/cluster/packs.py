"""How many runs of a tier share one job: as many as the memory plan puts on its GPUs, or as its cores take.

The job then runs them as processes side by side (`train.packing`); what a card really has free decides there, and runs
for which there is no place wait inside the job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from curation.backends.sites import Site
from curation.errors import RunError, StudyError, nearest
from train.packing import Gpu, runs_on_gpu
from train.tier_plan import CARDS, plan_memory
from train.tiers import load_tier

Item = TypeVar("Item")


def pack_size(tier: str, site: Site) -> int:
    """Return how many runs of a tier go into one job of a site, at least 1.

    Raises: StudyError for an unknown card, a profile without GPUs, or a tier of which one card cannot hold one run.
    """
    loaded = load_tier(tier)
    if loaded.family == "laptop":
        return max(1, site.cpu.cpus // loaded.threads)
    if site.gpu is None:
        raise StudyError(f"tier {tier}: trains on a GPU and the site's profile has no `gpu`; add its partition")
    if site.gpu.card not in CARDS:
        raise StudyError(f"gpu.card: `{site.gpu.card}` is unknown, expected a model of GPU; "
                         f"{nearest(site.gpu.card, CARDS)}")  # fmt: skip
    memory = CARDS[site.gpu.card].memory_bytes
    share = runs_on_gpu(loaded, Gpu(name="0", free_bytes=memory, total_bytes=memory))
    if not share:
        try:
            plan_memory(loaded, memory)
        except RunError as error:
            raise StudyError(
                f"{error}; a study gives a run one card; train it with `curate train --launch-script --slurm` into the "
                "same store, the study then finds it"
            ) from None
    return max(1, min(share * max(1, site.gpu.gpus), site.gpu.cpus))


def chunks(items: Sequence[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in their order, `size` at a time."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])
