"""Windows that each rank's trainer reads: together the one order at any world size, with its shares at every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mixtures.draws import worst_share_error
from train.companions import StepOutcome
from train.engine import Engine
from train.loop import train
from train.parallel import Ranks
from train.shards import Streams
from train.tiers import TIERS, Tier
from train.training import Hooks, Training

SHARES = {"books": 0.2, "code": 0.3, "web": 0.5}
NUM_WINDOWS = {"books": 5_000, "code": 7_000, "web": 9_000}
FIRST_ID = {"books": 0, "code": 10_000, "web": 20_000}
STEPS, ROWS, CONTEXT = 1_200, 64, 4
"""76,800 windows: 1 % is 12 steps, 768 draws; 3 slices need (1 - 1/4) / 0.001 = 750."""


@dataclass
class Reader:
    """Stands in for the model's arithmetic: notes the windows that a rank was handed, step by step."""

    steps: list[list[list[int]]] = field(default_factory=lambda: [[]])
    name: str = "reader"

    def add_gradient(self, _: Engine, micro_BT: torch.Tensor) -> torch.Tensor:
        self.steps[-1].append(micro_BT[:, 0].tolist())
        return torch.zeros(len(micro_BT), micro_BT.shape[1] - 1)

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        self.steps.append([])

    def row(self) -> dict[str, object]:
        return {}

    def state(self) -> None:
        return None

    def restore(self, state: object) -> None:
        raise AssertionError("nothing is resumed here")


def streams() -> Streams:
    """Return three slices in which every token of a window is the window's number."""
    tokens = {
        name: np.repeat(np.arange(number, dtype=np.uint16) + FIRST_ID[name], CONTEXT)
        for name, number in NUM_WINDOWS.items()
    }
    return Streams(shares=SHARES, tokens={name: np.append(ids, ids[:1]) for name, ids in tokens.items()})


@pytest.fixture(scope="module")
def dealt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, list[Reader]]]:
    """Return what every rank of 1, 2 and 4 read over a whole training by the trainer's own loop."""
    base = TIERS["pico"]
    tier: Tier = replace(
        base,
        shape=replace(
            base.shape, width=16, num_layers=1, num_heads=2, head_dim=8, ffn_width=32, context_tokens=CONTEXT
        ),
        warmup_tokens=1_024,
        batch_tokens=ROWS * CONTEXT,
        tokens_at_1x=STEPS * ROWS * CONTEXT,
        micro_batch_rows=8,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ranks, "sum", lambda *_: None)  # nobody else is there to add to
        patch.setattr(Ranks, "told", lambda _, value=None: value)  # all start from nothing
        patch.setattr("train.loop.CHECKPOINT_FLOPS", 1e30)
        found: dict[int, list[Reader]] = {}
        for world in (1, 2, 4):
            for rank in range(world):
                reader = Reader()
                patch.setattr(Engine, "_add_gradient", lambda *given, to=reader: to.add_gradient(*given))
                folder = tmp_path_factory.mktemp("rank")
                train(_training(tier, Ranks(rank=rank, world=world), folder, reader), QUIET)
                found.setdefault(world, []).append(reader)
        yield found


QUIET = Hooks(report=lambda *_: None, note=lambda _: None, should_stop=lambda: False)


def _training(tier: Tier, ranks: Ranks, folder: Path, reader: Reader) -> Training:
    return Training(
        tier=tier, streams=streams(), index=1, folder=folder, identity={}, companions=[reader], ranks=ranks  # type: ignore[list-item]
    )  # fmt: skip


def together(readers: list[Reader]) -> list[list[int]]:
    """Return what all ranks read, by step: the first micro-batch of each, then the second of each, and so on."""
    rounds = zip(*(reader.steps[:-1] for reader in readers), strict=True)
    return [
        [window for turn in zip(*step, strict=True) for micro in turn for window in micro] for step in rounds
    ]  # fmt: skip


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_read_together_step_by_step_what_one_rank_reads(dealt: dict[int, list[Reader]], world: int) -> None:
    alone = together(dealt[1])
    assert (len(alone), {len(step) for step in alone}) == (STEPS, {ROWS})
    assert together(dealt[world]) == alone


@pytest.mark.parametrize("world", [2, 4])
def test_every_rank_reads_an_equal_part_of_a_step_and_none_reads_anothers(
    dealt: dict[int, list[Reader]], world: int
) -> None:
    own = [[[one for micro in step for one in micro] for step in reader.steps[:-1]] for reader in dealt[world]]
    assert {len(step) for steps in own for step in steps} == {ROWS // world}
    first = [set(steps[0]) for steps in own]  # in the first epoch every window comes once
    assert len(set.union(*first)) == ROWS


@pytest.mark.parametrize("world", [1, 2, 4])
def test_what_ranks_read_is_within_a_thousandth_of_the_shares_at_every_per_cent_of_the_budget(
    dealt: dict[int, list[Reader]], world: int
) -> None:
    read = np.array(together(dealt[world])).ravel()
    slices = np.searchsorted(sorted(FIRST_ID.values()), read, side="right") - 1
    prefixes = np.arange(1, 101) * len(read) // 100
    assert worst_share_error(len(SHARES), int(prefixes[0])) <= 0.001
    for place, name in enumerate(sorted(SHARES)):
        realised = np.cumsum(slices == place)[prefixes - 1] / prefixes
        assert np.abs(realised - SHARES[name]).max() <= 0.001, name
