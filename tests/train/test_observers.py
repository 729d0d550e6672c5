"""What a run writes about itself, field by field; and that watching changes nothing."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curation.errors import RunError
from curation.nodes import Node
from curation.store import Artifact
from curation.tokenizers import load_tokenizer
from train.accelerator import CPU
from train.engine import Engine
from train.loop import train
from train.metrics import read_rows
from train.model import build_model
from train.observers import Observers, adamw_timescale, final_losses, observers, state_digest
from train.run import run_node
from train.score import read_panel
from train.shards import Streams, open_streams, tokens_node
from train.telemetry import Telemetry
from train.tiers import TIERS, Tier, load_tier
from train.training import Hooks, Trained, Training
from train.utilisation import DECLARED_PEAK
from train.validation import MAX_FRACTION, POINTS_AT_1X, ValidationSet, budget_tokens, is_due, validation_set

Build = Callable[[Node], Artifact]
PICO = "ladder-pico@1"
HOOKS = Hooks(report=lambda *_: None, note=lambda _: None, should_stop=lambda: False)


@pytest.fixture
def streams(build: Build, small_corpus: Node) -> Streams:
    return open_streams(build(tokens_node(small_corpus, PICO)))


@pytest.fixture
def chosen(build: Build, small_panel: Node, tiny: Tier, monkeypatch: pytest.MonkeyPatch) -> ValidationSet:
    monkeypatch.setattr("train.validation.budget_tokens", lambda _: 400)
    found = validation_set(read_panel(build(small_panel)), load_tokenizer(PICO), tiny)
    assert found is not None
    return found


def trained(tier: Tier, streams: Streams, folder: Path, companions: tuple[Any, ...]) -> Trained:
    identity = {"tier": tier.name}
    training = Training(tier=tier, streams=streams, index=1, folder=folder, identity=identity, companions=companions)
    return train(training, HOOKS)


@pytest.fixture(scope="module")
def trained_once() -> dict[str, tuple[Observers, Trained]]:
    """Return where `watched` keeps its run."""
    return {}


@pytest.fixture
def watched(
    tmp_path: Path,
    tiny: Tier,
    streams: Streams,
    chosen: ValidationSet,
    trained_once: dict[str, tuple[Observers, Trained]],
) -> tuple[Observers, Trained]:
    """Return the companions of a finished run, and the run; trained by the first test that asks."""
    if not trained_once:
        watching = observers(tiny, streams, chosen)
        found = trained(tiny, streams, tmp_path / "watched", tuple(watching.companions))
        trained_once["run"] = (watching, found)
    return trained_once["run"]


def rows_of(found: Trained) -> list[Mapping[str, Any]]:
    return [dict(row) for row in found.metrics]


def test_a_watched_run_has_the_weights_of_an_unwatched_one(
    tmp_path: Path, tiny: Tier, streams: Streams, watched: tuple[Observers, Trained]
) -> None:
    plain = trained(tiny, streams, tmp_path / "plain", ())
    ours, theirs = (dict(one.model.state_dict()) for one in (watched[1], plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert watched[1].sample_hash == plain.sample_hash


def test_slices_account_for_every_token_and_every_nat(tiny: Tier, watched: tuple[Observers, Trained]) -> None:
    for row in rows_of(watched[1]):
        assert sum(row["tokens_by_slice"].values()) == tiny.batch_tokens  # a row a step in this tier
        nats = sum(row["loss_by_slice"][name] * count for name, count in row["tokens_by_slice"].items())
        assert nats / tiny.batch_tokens == pytest.approx(row["loss"], rel=1e-9)
        assert row["step_losses"] == [row["loss"]]


def test_the_first_row_alone_carries_the_optimizers_settings(tiny: Tier, watched: tuple[Observers, Trained]) -> None:
    first, *others = rows_of(watched[1])
    assert first["settings"]["beta2"] == tiny.beta2
    assert first["settings"]["params_total"] == tiny.shape.total_params
    assert not any("settings" in row for row in others)
    assert "multiple" not in first["settings"]


def test_batch_micro_batch_and_accumulation_are_in_every_row(tiny: Tier, watched: tuple[Observers, Trained]) -> None:
    last = rows_of(watched[1])[-1]
    assert (last["batch_tokens"], last["micro_batch_tokens"], last["accumulation"]) == (256, 128, 2)
    assert last["accepted_tokens"] == tiny.num_tokens


def test_the_last_digest_is_that_of_the_final_state(watched: tuple[Observers, Trained], tiny: Tier) -> None:
    watching, found = watched
    last = [row["state_digest"] for row in rows_of(found) if "state_digest" in row][-1]
    assert last["step"] == tiny.num_steps
    assert watching.summary(found.metrics)["state_digest"] == last["sha256"]


def test_the_digest_is_the_sha256_of_names_types_shapes_and_bytes_in_order(tiny: Tier) -> None:
    engine = Engine(tiny, build_model(tiny, 1))
    expected = hashlib.sha256()
    for name, value in sorted(engine.tensors().items()):
        if name != "rng":
            expected.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode() + value.numpy().tobytes())
    before = state_digest(engine)
    assert before == expected.hexdigest()
    with torch.no_grad():
        engine.model.lm_head.weight[0, 0] += 1e-6
    assert state_digest(engine) != before


def test_validation_comes_at_tenths_of_the_1x_budget_whatever_the_budget(tiny: Tier) -> None:
    def due(tier: Tier) -> list[int]:
        return [step for step in range(1, tier.num_steps + 1) if is_due(tier, step)]

    assert due(tiny) == list(range(4, 41, 4))
    assert due(replace(tiny, multiple=0.5)) == [4, 8, 12, 16, 20]
    assert due(replace(tiny, multiple=0.3)) == [4, 8, 12]
    assert due(replace(tiny, multiple=1.25)) == [*range(4, 49, 4), 50]


@pytest.mark.parametrize("model", list(TIERS))
def test_all_validations_of_a_1x_run_cost_less_than_3_percent(model: str) -> None:
    tier = TIERS[model]
    scored = (POINTS_AT_1X + 1) * budget_tokens(tier)
    assert scored / 3 < MAX_FRACTION * tier.tokens_at_1x  # a forward pass is a third of forward and backward


def test_validation_rows_hold_each_slice_and_fall_with_the_loss(
    watched: tuple[Observers, Trained], chosen: ValidationSet
) -> None:
    points = [row["validation"] for row in rows_of(watched[1]) if "validation" in row]
    assert [point["step"] for point in points] == list(range(4, 41, 4))
    assert set(points[0]["bpb"]) == set(chosen.slices)
    assert points[-1]["mean_bpb"] < points[0]["mean_bpb"]
    assert points[0]["set"] == chosen.digest[:16]


def test_the_validation_set_is_within_its_budget_and_the_same_every_time(
    build: Build, small_panel: Node, tiny: Tier, chosen: ValidationSet
) -> None:
    again = validation_set(read_panel(build(small_panel)), load_tokenizer(PICO), tiny)
    assert again is not None
    assert again.digest == chosen.digest
    for name in set(chosen.slices):
        own = [n for n, slice_name in zip(np.diff(chosen.encoded.offsets), chosen.slices, strict=True)
               if slice_name == name]  # fmt: skip
        assert 0 < sum(own) <= 400 // 2


def test_a_slice_without_a_fitting_document_is_named(
    build: Build, make_panel: Callable[..., Node], tiny: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.validation.budget_tokens", lambda _: 20)
    panel = read_panel(build(make_panel({"long": ["word " * 500], "short": ["a b"]})))
    found = validation_set(panel, load_tokenizer(PICO), tiny)
    assert found is not None
    assert (found.left_out, set(found.slices)) == (("long",), {"short"})


def test_a_slice_that_is_not_finite_is_none_in_the_row_and_left_out_of_the_final_loss() -> None:
    rows: list[Mapping[str, Any]] = [
        {"step": 9, "loss_by_slice": {"a": 9.0}, "tokens_by_slice": {"a": 10}},
        {"step": 10, "loss_by_slice": {"a": 2.0, "b": None}, "tokens_by_slice": {"a": 10, "b": 10}},
    ]
    assert final_losses(rows) == {"a": 2.0}


def test_the_timescale_of_adamw_at_1x_is_about_a_third() -> None:
    assert adamw_timescale(TIERS["100m"]) == pytest.approx(0.33, abs=0.04)  # reference: tau = B / (lr wd D)
    assert adamw_timescale(replace(TIERS["100m"], weight_decay=0.0)) is None


def test_the_summary_and_the_rows_of_a_run_agree(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node
) -> None:
    run = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    rows = read_rows(run.path / "metrics.jsonl")
    summary: Mapping[str, Any] = run.summary
    assert summary["gns"] == rows[-1]["gns"]
    assert summary["gns"]["measurements"] == 40  # two micro-batches a step
    assert (summary["spike_score"], summary["num_spikes"]) == (rows[-1]["spike_score"], rows[-1]["spikes"])
    assert summary["optimizer"] == rows[0]["settings"]
    assert set(summary["final_train_loss_by_slice"]) == {"code", "web"}
    assert not any("unix" in key or "second" in key for row in rows for key in row)


def telemetry_of(run: Artifact) -> list[dict[str, Any]]:
    return read_rows(run.path.parent / "timing" / f"{run.path.name}.telemetry.jsonl")


def test_telemetry_lies_beside_the_artifacts_and_tells_start_speed_and_end(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DECLARED_PEAK, raising=False)
    run = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    start, *rows, end = telemetry_of(run)
    assert (start["kind"], start["resumed_at_step"], start["steps"], start["world_size"]) == ("start", 0, 40, 1)
    assert DECLARED_PEAK in start["no_mfu_because"]
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert rows[-1]["tokens_per_second"] > 0
    assert rows[-1]["rss_bytes"] is None or rows[-1]["rss_bytes"] > 1e7
    assert rows[-1]["mfu"] is None
    assert (end["kind"], end["how"], end["why"]) == ("end", "finished", None)


def test_with_a_declared_peak_both_utilisations_follow_from_the_median_step(
    build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DECLARED_PEAK, "0.5")
    run = build(run_node(tokens_node(small_corpus, PICO), small_panel, "tiny", 1))
    last = telemetry_of(run)[-2]
    attention = 12 * 2 * 2 * 8 * 64  # 12 layers heads head_dim context
    flops = tiny.shape.flops_per_token
    assert last["mfu"] == pytest.approx(flops * last["median_tokens_per_second"] / 0.5e12)
    assert last["mfu_causal"] == pytest.approx(last["mfu"] * (flops - attention / 2) / flops)


def test_an_unknown_card_is_refused_at_the_first_step(
    tmp_path: Path, tiny: Tier, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DECLARED_PEAK, raising=False)
    monkeypatch.setattr(type(CPU), "name", property(lambda _: "Card 9000"))
    monkeypatch.setattr("train.telemetry._is_cpu", lambda _: False)
    telemetry = Telemetry(tiny, tmp_path / "t.jsonl", seed=1)
    with pytest.raises(RunError, match=r"device `Card 9000`: no peak bf16 rate is known"):
        trained(tiny, streams, tmp_path / "run", (telemetry,))


def test_budgets_of_one_model_write_the_same_rows_until_the_rate_falls(
    tmp_path: Path, tiny: Tier, streams: Streams, chosen: ValidationSet
) -> None:
    found = []
    for multiple in (1.0, 1.5):
        tier = replace(tiny, multiple=multiple)
        watching = observers(tier, streams, chosen)
        found.append(rows_of(trained(tier, streams, tmp_path / str(multiple), tuple(watching.companions))))
    until = tiny.rates.decay_start
    assert until == 32
    assert [json.dumps(row) for row in found[0][:until]] == [json.dumps(row) for row in found[1][:until]]
    assert math.isfinite(found[0][-1]["loss"])
    assert load_tier("tiny-1.5x").multiple == 1.5
