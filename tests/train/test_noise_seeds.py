"""Noise runs: initialisation, subset and order vary one by one, and none of it is a run 1..n."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import RunError
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from mixtures.draws import Draws, draw
from train.noise_seeds import NoiseSeeds, exchanged, parse_noise
from train.recovery import LADDER
from train.run import Watch, run_node
from train.shards import tokens_node
from train.tiers import TIERS, Tier
from train.training import StoppedError, run_seeds

PICO = "ladder-pico@1"


def multiset(draws: Draws) -> list[tuple[int, int, int]]:
    return sorted(zip(draws.slices.tolist(), draws.epochs.tolist(), draws.windows.tolist(), strict=True))


@given(count=st.integers(0, 60), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_an_order_reads_the_same_windows_slice_after_slice(count: int, seed: int) -> None:
    plain = draw({"a": 0.7, "b": 0.3}, {"a": 11, "b": 5}, seed=3, start=0, count=count)
    mixed = exchanged(plain, seed)
    assert multiset(mixed) == multiset(plain)
    assert mixed.slices.tolist() == plain.slices.tolist()
    assert mixed.epochs.tolist() == plain.epochs.tolist()


def test_two_orders_differ_and_one_is_always_the_same() -> None:
    plain = draw({"a": 1.0}, {"a": 500}, seed=3, start=0, count=100)
    one, two = exchanged(plain, 1), exchanged(plain, 2)
    assert not np.array_equal(one.windows, two.windows)
    assert np.array_equal(one.windows, exchanged(plain, 1).windows)


@pytest.mark.parametrize("part", ["init", "order", "subset"])
def test_each_number_moves_its_own_stream_and_no_other(part: str) -> None:
    tier = TIERS["pico"]
    numbers = {"init": 1, "order": 1, "subset": 1}
    before = run_seeds(tier, 0, NoiseSeeds(**numbers))
    after = run_seeds(tier, 0, NoiseSeeds(**{**numbers, part: 2}))
    names = {"init": "init", "order": "shuffle", "subset": "order"}
    changed = [name for name in ("init", "order", "shuffle") if getattr(before, name) != getattr(after, name)]
    assert changed == [names[part]]


def test_no_noise_run_shares_a_stream_with_an_ordinary_one() -> None:
    tier = TIERS["pico"]
    noise = [run_seeds(tier, 0, NoiseSeeds(init=i, order=i, subset=i)) for i in range(1, 50)]
    ordinary = [run_seeds(tier, index) for index in range(1, 50)]
    used = {stream for seeds in ordinary for stream in (seeds.init, seeds.order)}
    assert not used & {stream for seeds in noise for stream in (seeds.init, seeds.order, seeds.shuffle)}


def test_a_noise_run_is_an_artifact_of_its_own_and_says_so(
    build: Callable[[Node], Artifact], tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    tokens = tokens_node(small_corpus, PICO)
    nodes = [
        run_node(tokens, small_panel, "tiny", 0, noise=NoiseSeeds(init=1, order=order, subset=1)) for order in (1, 2)
    ]
    ordinary = run_node(tokens, small_panel, "tiny", 1)
    assert len({node.fingerprint for node in [*nodes, ordinary]}) == 3
    runs = [build(node) for node in nodes]
    assert [run.summary["noise"] for run in runs] == [
        {"init": 1, "order": 1, "subset": 1},
        {"init": 1, "order": 2, "subset": 1},
    ]
    assert {run.summary["seed"] for run in runs} == {0}
    assert runs[0].summary["sample_hash"] != runs[1].summary["sample_hash"]
    assert runs[0].summary["tokens_by_slice"] == runs[1].summary["tokens_by_slice"]
    assert runs[0].summary["bpb"] != runs[1].summary["bpb"]


def test_index_0_without_noise_seeds_and_a_ladder_with_them_are_refused(small_corpus: Node, small_panel: Node) -> None:
    tokens = tokens_node(small_corpus, PICO)
    with pytest.raises(RunError, match="rule 10"):
        run_node(tokens, small_panel, "pico", 0)
    with pytest.raises(RunError, match="no ladder"):
        run_node(
            tokens, small_panel, "pico", 0, recovery=LADDER, noise=NoiseSeeds(init=1, order=1, subset=1)
        )  # fmt: skip


@given(numbers=st.tuples(*[st.integers(1, 10_000)] * 3))
def test_what_is_written_is_read_back(numbers: tuple[int, int, int]) -> None:
    seeds = NoiseSeeds(init=numbers[0], order=numbers[1], subset=numbers[2])
    assert parse_noise(seeds.text) == NoiseSeeds.from_json(seeds.as_json()) == seeds  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "i1", "i0-o1-s1", "i1-o1-s10001", "i1-s1-o1", "1,1,1"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(RunError, match="i1-o2-s1"):
        parse_noise(text)


def test_a_stopped_noise_run_goes_on_to_equal_bytes(
    tmp_path: Path, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    tokens, seeds = tokens_node(small_corpus, PICO), NoiseSeeds(init=2, order=3, subset=1)
    planners = [
        Planner(store=Store.open(tmp_path / name), workers=1, progress=SilentProgress()) for name in ("whole", "cut")
    ]
    asked = iter([False] * 17 + [True] * 100)
    watch = Watch(should_stop=lambda: next(asked))
    whole = planners[0].materialise(run_node(tokens, small_panel, "tiny", 0, noise=seeds))
    with pytest.raises(StoppedError):
        planners[1].materialise(run_node(tokens, small_panel, "tiny", 0, watch, noise=seeds))
    resumed = planners[1].materialise(run_node(tokens, small_panel, "tiny", 0, noise=seeds))
    assert resumed.manifest["files"] == whole.manifest["files"]
    assert not list((tmp_path / "whole").glob("plateau-*"))
