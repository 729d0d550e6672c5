"""Two gloo ranks on the CPU: the same samples and the same curve as one process, replicated and sharded."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.errors import RunError
from train import loop
from train.execution import accelerator_of
from train.parallel import ALONE, GradientSum, Ranks, largest_divisor, micro_batch_rows, on_cards, sharding_for
from train.tiers import TIERS, Tier

ROOT = Path(__file__).resolve().parents[2]

# Trains the tiny tier with 8 windows a step on whatever ranks there are; what each case gives lies in NAME.npz.
SCRIPT = """
import dataclasses, importlib.util, os, sys
from pathlib import Path
import numpy as np
spec = importlib.util.spec_from_file_location("fixtures", {conftest!r})
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
from curation.randomness import generator
from train import loop
from train.loop import Hooks, StoppedError, Training, train
from train.parallel import ALONE, joined
from train.shards import Streams

base = dataclasses.replace(fixtures.tiny_tier(), batch_tokens=512, tokens_at_1x=40 * 512)
loop.CHECKPOINT_FLOPS = 15 * base.batch_tokens * base.shape.flops_per_token

class Curve:
    name = "curve"
    def __init__(self): self.seen = []
    def after_step(self, outcome, engine): self.seen.append((outcome.loss, outcome.grad_norm, *outcome.nats_by_row,
                                                                   *outcome.nats_BT.sum(axis=1, dtype="f8")))
    def row(self): return {{}}
    def state(self): return self.seen
    def restore(self, state): self.seen = [tuple(row) for row in state]

def tokens(name):
    return generator(1, name).zipf(1.5, 6000).clip(0, 2047).astype(np.uint16)

def run(out, name, ranks, tier=base, stop_after=None):
    curve, notes = Curve(), []
    streams = Streams(shares={{"a": 0.5, "b": 0.5}}, tokens={{name: tokens(name) for name in "ab"}})
    training = Training(tier=tier, streams=streams, index=1, folder=out / name, identity={{}},
                        companions=[curve], ranks=ranks)
    # only rank 1 is asked: all must stop
    asked = lambda: stop_after is not None and ranks.rank == ranks.world - 1 and len(curve.seen) >= stop_after
    try:
        got = train(training, Hooks(report=lambda *_: None, note=notes.append, should_stop=asked))
    except StoppedError:
        return
    if ranks.main:
        weights = {{f"w.{{key}}": value.numpy() for key, value in got.model.state_dict().items()}}
        np.savez(out / f"{{name}}.npz", curve=np.array(curve.seen), samples=got.sample_hash, notes=notes,
                 changes=[str(change) for change in got.changes], **weights)

bf16 = dataclasses.replace(base, precision="bf16")

def before(out):
    run(out, "one", ALONE)
    run(out, "one-bf16", ALONE, bf16)
    run(out, "one-to-two", ALONE, stop_after=10)

def after(out):
    for sharding in ("ddp", "fsdp2"):
        run(out, f"{{sharding}}-to-one", ALONE)

def on_two(out, joint):
    for sharding in ("ddp", "fsdp2"):
        ranks = dataclasses.replace(joint, sharding=sharding)
        run(out, sharding, ranks)
        run(out, f"{{sharding}}-bf16", ranks, bf16)
        run(out, f"{{sharding}}-again", ranks, stop_after=20)
        run(out, f"{{sharding}}-again", ranks)
        run(out, f"{{sharding}}-to-one", ranks, stop_after=10)
    run(out, "one-to-two", dataclasses.replace(joint, sharding="fsdp2"))

if __name__ == "__main__":
    with joined("ddp") as joint:
        on_two(Path(sys.argv[1]), joint)
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, np.ndarray]]:
    """Run the script on one rank, on two and on one again; return what gives the arrays of a case."""
    out = tmp_path_factory.mktemp("ranks")
    script = out / "script.py"
    script.write_text(SCRIPT.format(conftest=str(Path(__file__).with_name("conftest.py"))))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    kept = loop.CHECKPOINT_FLOPS
    parts = runpy.run_path(str(script))
    parts["before"](out)
    command = [sys.executable, *TORCHRUN, str(script), str(out)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parts["after"](out)
    loop.CHECKPOINT_FLOPS = kept
    return lambda name: dict(np.load(out / f"{name}.npz"))


def distance(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the largest relative difference of the losses and the relative distance of the weights."""
    names = [name for name in one if name.startswith("w.")]
    apart = sum(float(((one[name].astype(np.float64) - two[name]) ** 2).sum()) for name in names)
    length = sum(float((one[name].astype(np.float64) ** 2).sum()) for name in names)
    return float(np.abs(one["curve"][:, 0] / two["curve"][:, 0] - 1).max()), (apart / length) ** 0.5


@pytest.mark.parametrize("name", ["ddp", "fsdp2", "ddp-bf16", "fsdp2-bf16", "ddp-again", "ddp-to-one", "one-to-two"])
def test_the_sequence_of_samples_is_the_same_in_every_mode_and_world_size(
    trained: Callable[[str], dict[str, np.ndarray]], name: str
) -> None:
    assert trained(name)["samples"] == trained("one")["samples"]
    assert len(trained(name)["curve"]) == 40


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_two_ranks_have_the_curve_of_one_up_to_the_order_of_sums(
    trained: Callable[[str], dict[str, np.ndarray]], name: str
) -> None:
    """A float32 sum in another order moves 1e-7 of a gradient; 40 steps of AdamW carry it to about 1e-6."""
    loss, weights = distance(trained(name), trained("one"))
    assert loss < 1e-5
    assert weights < 1e-4
    assert np.allclose(trained(name)["curve"], trained("one")["curve"], rtol=1e-4)


def test_sharded_ranks_have_the_curve_of_replicated_ones(trained: Callable[[str], dict[str, np.ndarray]]) -> None:
    loss, weights = distance(trained("fsdp2"), trained("ddp"))
    assert loss < 1e-5
    assert weights < 1e-4


@pytest.mark.parametrize(("name", "limit"), [("ddp-bf16", 1e-3), ("fsdp2-bf16", 1e-3)])
def test_bf16_ranks_follow_the_bf16_curve(
    trained: Callable[[str], dict[str, np.ndarray]], name: str, limit: float
) -> None:
    """bf16 has 8 bits: sums of rounded products differ by 2^-9 of a term; sharding also rounds the head's gradient."""
    assert distance(trained(name), trained("one-bf16"))[0] < limit
    assert not np.array_equal(trained(name)["curve"], trained("one")["curve"])


@pytest.mark.parametrize("sharding", ["ddp", "fsdp2"])
def test_stopped_by_one_rank_and_resumed_two_ranks_give_the_same_bits(
    trained: Callable[[str], dict[str, np.ndarray]], sharding: str
) -> None:
    whole, again = trained(sharding), trained(f"{sharding}-again")
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    assert len(again["changes"]) == 0


@pytest.mark.parametrize(("name", "now"), [("ddp-to-one", 1), ("fsdp2-to-one", 1), ("one-to-two", 2)])
def test_another_world_size_goes_on_and_says_that_bits_differ(
    trained: Callable[[str], dict[str, np.ndarray]], name: str, now: int
) -> None:
    found = trained(name)
    assert distance(found, trained("one"))[0] < 1e-5
    assert f"'world_size': [{3 - now}, {now}]" in str(found["changes"][0])
    assert "resume: not bit-exact" in str(found["notes"][0])


@pytest.mark.parametrize(
    ("rows", "at_most", "world", "expected"), [(16, 2, 2, 2), (4, 4, 2, 2), (12, 5, 2, 3), (7, 4, 1, 4)]
)
def test_micro_batches_are_equal_on_all_ranks(rows: int, at_most: int, world: int, expected: int) -> None:
    assert micro_batch_rows(rows, at_most, world) == expected
    assert world == 1 or rows % (expected * world) == 0


def test_ranks_that_do_not_divide_the_batch_are_refused_with_those_that_do() -> None:
    with pytest.raises(RunError, match=r"3 ranks, but the batch has 16 windows.*start one of \[1, 2, 4, 8\]"):
        micro_batch_rows(16, 2, 3)


@pytest.mark.parametrize(("number", "at_most", "expected"), [(12, 12, 12), (12, 7, 6), (7, 6, 1), (1, 0, 1)])
def test_the_largest_divisor_below_a_bound(number: int, at_most: int, expected: int) -> None:
    assert largest_divisor(number, at_most) == expected


@pytest.mark.parametrize(("tier", "expected"), [("nano", "ddp"), ("1b", "ddp"), ("3b", "fsdp2")])
def test_models_too_large_for_copies_are_sharded(tier: str, expected: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("on cards the memory plan decides")
    assert sharding_for(TIERS[tier], {"WORLD_SIZE": "2"}) == expected
    assert sharding_for(TIERS[tier], {}) == "none"


@pytest.mark.parametrize(("tier", "expected"), [("pico", False), ("nano", False), ("micro", True), ("1b", True)])
def test_laptop_tiers_never_ask_for_cards_whatever_their_precision(
    monkeypatch: pytest.MonkeyPatch, tier: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert on_cards(TIERS[tier]) is expected
    assert (accelerator_of(TIERS[tier]).device.type == "cuda") is expected


def test_buckets_hold_every_parameter_once_in_reverse_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.parallel.BUCKET_BYTES", 40)
    parameters = [torch.nn.Parameter(torch.zeros(size)) for size in (3, 4, 20, 2, 2)]
    buckets = GradientSum(parameters, Ranks(world=2)).buckets
    assert [[len(one) for one in bucket] for bucket in buckets] == [[2, 2], [20], [4, 3]]


def test_alone_nothing_is_waited_for() -> None:
    assert ALONE.any(True) is True
    assert ALONE.told({"x": 1}) == {"x": 1}
    ALONE.wait()


def test_a_tier_of_which_every_number_is_divided_stays_the_same_batch(tiny: Tier) -> None:
    for world in (1, 2, 4):
        rows = micro_batch_rows(tiny.batch_rows, replace(tiny, micro_batch_rows=4).micro_batch_rows, world)
        assert rows * world * (tiny.batch_rows // (rows * world)) == tiny.batch_rows
