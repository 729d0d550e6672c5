"""Facts of runs from logs made by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from curation.store import Artifact
from leaderboard.studies.run_facts import checkpoint_deltas, logged, run_cost, run_facts
from train.tiers import load_tier

SUMMARY = {
    "spike_score": 0.25, "final_train_loss": 3.0, "steps": 4, "skipped_steps": [2], "interventions": [], "seed": 1,
    "tier": "pico-1x", "sample_hash": "abc", "flops": 10.0, "tokens_seen": 1_000,
    "execution": {"device": "cpu", "world_size": 1},
}  # fmt: skip


LAST = load_tier("pico-1x").num_steps


def run(folder: Path, rows: list[Any], **summary: Any) -> Artifact:
    """Write a run's log and return its artifact."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    value = {**SUMMARY, **summary}
    fingerprint = (folder.name * 64)[:64]
    return Artifact(path=folder, manifest={"kind": "run", "fingerprint": fingerprint, "files": [], "summary": value})


ROWS = [
    {"loss": 5.0, "step_losses": [8.0, 6.0], "step_grad_norms": [1.0, 2.0]},
    {"loss": 3.0, "step_losses": [4.0, 3.0], "step_grad_norms": [3.0, 4.0]},
]


def test_losses_and_norms_are_those_of_steps(tmp_path: Path) -> None:
    facts = run_facts(run(tmp_path / "a", ROWS))
    assert facts is not None
    assert (facts.finite, facts.initial_loss, facts.final_loss) == (True, 8.0, 3.0)
    assert facts.grad_norm_p99 == pytest.approx(3.97)
    assert facts.skipped_fraction == 0.25


@pytest.mark.parametrize("broken", [{"step_losses": [None]}, {"step_grad_norms": [None]}, {"loss": None}])
def test_a_value_that_is_none_is_not_finite(broken: dict[str, Any], tmp_path: Path) -> None:
    facts = run_facts(run(tmp_path / "a", [*ROWS, {"loss": 3.0, **broken}]))
    assert facts is not None
    assert not facts.finite


def test_a_run_of_another_version_without_spike_scores_has_no_facts(tmp_path: Path) -> None:
    found = run(tmp_path / "a", ROWS)
    del found.manifest["summary"]["spike_score"]  # type: ignore[index, union-attr]
    assert run_facts(found) is None


def validation(tokens: int, step: int, bpb: float) -> dict[str, Any]:
    """Return a row with a validation of two slices, equal in both."""
    return {"loss": 1.0, "validation": {"tokens": tokens, "step": step, "set": "s", "bpb": {"a": bpb, "b": bpb}}}


def test_arms_meet_after_equally_many_tokens_and_each_point_says_where_the_rate_is(tmp_path: Path) -> None:
    ours = run(tmp_path / "a", [validation(100, 400, 2.0), validation(200, LAST, 1.0)])
    theirs = run(tmp_path / "b", [validation(100, 400, 4.0), validation(150, 500, 3.0), validation(200, LAST, 1.0)])
    both = [logged(ours, "mine", "pico-1x"), logged(theirs, "baseline", "pico-1x")]
    found = checkpoint_deltas(both, "mine", "baseline", ["a", "b"])
    assert [(one.tokens, one.phase) for one in found] == [(100, "plateau"), (200, "end")]
    assert found[0].log_ratio == pytest.approx(math.log(0.5))
    assert found[1].log_ratio == 0


def clock(store: Path, found: Artifact, seconds: dict[str, float]) -> None:
    """Write what a run took."""
    (store / "timing").mkdir(exist_ok=True)
    name = f"run-{found.fingerprint[:8]}.json"
    (store / "timing" / name).write_text(json.dumps({"seconds": seconds, "history": []}))


def test_a_cost_is_that_of_the_clocks(tmp_path: Path) -> None:
    found = run(tmp_path / "a", ROWS)
    clock(tmp_path, found, {"train": 100.0, "score": 80.0})
    cost = run_cost("mine", "pico-1x", [found], tmp_path, 0.5)
    assert (cost.wall_seconds, cost.cpu_hours, cost.gpu_hours) == (180.0, 0.05, 0.0)
    assert cost.tokens_per_second == 10.0


def test_a_cost_without_the_clock_of_every_run_is_unknown_and_the_rest_of_it_is_known(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", ROWS), run(tmp_path / "b", ROWS)]
    clock(tmp_path, runs[0], {"train": 100.0, "score": 80.0})
    cost = run_cost("mine", "pico-1x", runs, tmp_path, 0.5)
    assert (cost.wall_seconds, cost.cpu_hours, cost.gpu_hours) == (None, None, 0.0)
    assert (cost.num_runs, cost.flops, cost.device, cost.kept_token_fraction) == (2, 20.0, "cpu", 0.5)
