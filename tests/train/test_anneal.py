"""Annealing: the base corpus' plateau, the candidate's text in the fall, everything declared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from curation.errors import RunError
from curation.files import sha256_file
from curation.nodes import Node, Planner
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from mixtures.draws import Draws, draw
from train import loop
from train.anneal import anneal_node, decay_tier, refuse_other_panel
from train.branches import branch_step
from train.run import Watch, run_node
from train.shards import open_streams, tokens_node
from train.splice import Course, Splice, all_streams
from train.tiers import Tier, load_tier
from train.training import Report, run_seeds

PICO = "ladder-pico@1"
Build = Callable[[Node], Artifact]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def candidate(make_corpus: Callable[..., Node], random_sentences: Callable[..., list[str]]) -> Node:
    return make_corpus({"web": random_sentences("candidate", 90), "law": random_sentences("law", 40)})


def files(run: Artifact) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in run.path.iterdir() if path.name != "build.lock"}


def steps_of(seen: list[int]) -> Watch:
    return Watch(report=lambda now: seen.append(now.step), keep=(1.0,))


def test_from_the_fall_on_the_candidate_is_read_in_its_own_order_from_its_start(
    build: Build, tiny: Tier, small_corpus: Node, candidate: Node
) -> None:
    base, other = (open_streams(build(tokens_node(corpus, PICO))) for corpus in (small_corpus, candidate))
    splice = Splice(streams=other, step=branch_step(tiny))
    seed, rows = run_seeds(tiny, 1).order, tiny.batch_rows
    spliced, plain = Course(tiny, base, seed, splice), Course(tiny, base, seed, None)
    own = draw(other.shares, other.num_windows(64), seed=seed, start=0, count=8 * rows)
    for step in range(32):
        assert drawn(spliced.batch(step)) == drawn(plain.batch(step))
        assert spliced.batch(step).names == plain.batch(step).names
    late = [pair for step in range(32, 40) for pair in drawn(spliced.batch(step))]
    assert late == [(f"anneal:{name}", window) for name, window in drawn(own)]
    name, window = late[0]
    read = all_streams(base, splice).window(name, window, 64)
    assert np.array_equal(read, other.window(name.removeprefix("anneal:"), window, 64))


def drawn(draws: Draws) -> list[tuple[str, int]]:
    return [(draws.names[s], w) for s, w in zip(draws.slices.tolist(), draws.windows.tolist(), strict=True)]


def test_an_annealed_run_declares_both_corpora_and_takes_the_plateau_that_exists(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, candidate: Node
) -> None:
    tokens, other = tokens_node(small_corpus, PICO), tokens_node(candidate, PICO)
    seen: list[int] = []
    control = build(run_node(tokens, small_panel, "tiny", 1, steps_of(seen)))
    run = build(anneal_node(tokens, other, small_panel, tier="tiny", seed=1, watch=steps_of(seen)))
    assert seen == [*range(1, 41), *range(33, 41)]
    said = cast("dict[str, Any]", run.summary["anneal"])
    assert said["step"] == 32
    assert (said["base"]["tokens_seen"], said["candidate"]["tokens_seen"]) == (32 * 256, 8 * 256)
    assert said["base"]["corpus"] == small_corpus.fingerprint
    assert said["candidate"]["corpus"] == candidate.fingerprint
    for part in (said["base"], said["candidate"]):
        assert part["epochs"] == pytest.approx(part["tokens_seen"] / part["unique_tokens"])
    assert said["plateau"] == {"skipped_steps": 0, "stable": True, "intervened": False}
    assert set(cast("dict[str, int]", run.summary["tokens_by_slice"])) == {"code", "web", "anneal:law", "anneal:web"}
    assert run.summary["tokens_seen"] == control.summary["tokens_seen"]
    assert set(cast("dict[str, str]", run.manifest["inputs"])) == {"tokens", "anneal_tokens", "panel"}
    assert run.summary["bpb"] != control.summary["bpb"]
    rows = [[json.loads(x) for x in (r.path / "metrics.jsonl").read_text().splitlines()] for r in (run, control)]
    assert rows[0][:32] == rows[1][:32]
    assert rows[0][32]["sample_hash"] != rows[1][32]["sample_hash"]


def test_without_a_plateau_the_same_bytes_are_trained_from_step_0_and_leave_one(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, candidate: Node
) -> None:
    tokens, other = tokens_node(small_corpus, PICO), tokens_node(candidate, PICO)
    build(run_node(tokens, small_panel, "tiny", 1, steps_of([])))
    with_it = build(anneal_node(tokens, other, small_panel, tier="tiny", seed=1))
    planner = Planner(store=Store.open(tmp_path / "bare"), workers=1, progress=SilentProgress())
    seen: list[int] = []
    alone = planner.materialise(anneal_node(tokens, other, small_panel, tier="tiny", seed=1, watch=steps_of(seen)))
    assert seen == list(range(1, 41))
    assert files(alone) == files(with_it)
    assert len(list((tmp_path / "bare").glob("plateau-*/manifest.json"))) == 1


def test_stopped_anywhere_an_annealed_run_goes_on_to_the_same_bytes(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, candidate: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(loop, "CHECKPOINT_FLOPS", 3 * tiny.batch_tokens * tiny.shape.flops_per_token)
    tokens, other = tokens_node(small_corpus, PICO), tokens_node(candidate, PICO)
    whole = build(anneal_node(tokens, other, small_panel, tier="tiny", seed=1))
    planner = Planner(store=Store.open(tmp_path / "killed"), workers=1, progress=SilentProgress())
    for last in (7, 32, 35, 38):

        def kill(now: Report, last: int = last) -> None:
            if now.step == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            planner.materialise(
                anneal_node(tokens, other, small_panel, tier="tiny", seed=1, watch=Watch(report=kill, keep=(1.0,)))
            )
    again = planner.materialise(anneal_node(tokens, other, small_panel, tier="tiny", seed=1))
    assert files(again) == files(whole)


def test_a_corpus_annealed_on_itself_is_its_ordinary_run(
    tiny: Tier, small_corpus: Node, small_panel: Node, candidate: Node
) -> None:
    tokens, other = tokens_node(small_corpus, PICO), tokens_node(candidate, PICO)
    ordinary = run_node(tokens, small_panel, "tiny", 1)
    assert anneal_node(tokens, tokens, small_panel, tier="tiny", seed=1).fingerprint == ordinary.fingerprint
    prints = {
        anneal_node(tokens, other, small_panel, tier="tiny", seed=1).fingerprint,
        anneal_node(other, tokens, small_panel, tier="tiny", seed=1).fingerprint,
        anneal_node(tokens, other, small_panel, tier="tiny", seed=2).fingerprint,
        ordinary.fingerprint,
    }
    assert len(prints) == 4


def test_a_cosine_tier_is_refused(small_corpus: Node, small_panel: Node) -> None:
    tokens = tokens_node(small_corpus, PICO)
    with pytest.raises(RunError, match=r"--anneal-on: tier dclm-1b-1x has a cosine schedule"):
        anneal_node(tokens, tokens, small_panel, tier="dclm-1b", seed=1)


def test_tokens_of_another_tokenizer_are_refused(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, candidate: Node
) -> None:
    node = anneal_node(
        tokens_node(small_corpus, PICO), tokens_node(candidate, "ladder-nano@1"), small_panel, tier="tiny", seed=1
    )
    with pytest.raises(RunError, match=r"tokens of ladder-nano@1, expected ladder-pico@1"):
        build(node)


def test_a_candidate_smaller_than_the_fall_is_refused_before_anything_is_trained(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, make_corpus: Callable[..., Node]
) -> None:
    little = tokens_node(make_corpus({"web": ["the cat sat on a mat " * 20] * 4}), PICO)
    seen: list[int] = []
    node = anneal_node(tokens_node(small_corpus, PICO), little, small_panel, tier="tiny", seed=1, watch=steps_of(seen))
    with pytest.raises(
        RunError, match=r"--anneal-on: the fall of tiny-1x, 8 of 40 steps: .* needs 2,048: .*expected at most 1"
    ):
        build(node)
    assert seen == []


@pytest.mark.parametrize("name", ["pico", "nano-0.1x", "nano-0.37x", "nano-4x", "micro-2x", "1b-0.5x"])
def test_the_fall_of_a_tier_is_its_last_fifth(name: str) -> None:
    tier = load_tier(name)
    assert decay_tier(tier).num_steps == tier.rates.decay_steps == round(0.2 * tier.num_steps)


def test_a_candidate_split_from_another_panel_is_refused(build: Build, small_corpus: Node, candidate: Node) -> None:
    base, other = build(small_corpus), build(candidate)
    refuse_other_panel(base, other)
    stray = replace(other, manifest={**other.manifest, "inputs": {"panel": "ab" * 32}})
    with pytest.raises(RunError, match=r"split from panel abababab, expected none, that of .*rule 1"):
        refuse_other_panel(base, stray)
