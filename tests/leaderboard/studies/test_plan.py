"""Plans: hours and effects by arithmetic, estimates before a pool is read, and what would be in vain."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curation.progress import SilentProgress
from curation.recipe import load_recipe
from curation.store import Store
from leaderboard.studies.plan import plan_study
from leaderboard.studies.plan_costs import Disk, effect_of, known_of, speed_of, tokens_to_train
from leaderboard.studies.plan_rows import StudyPlan
from leaderboard.studies.plan_view import draw_plan, plan_json
from leaderboard.studies.study import load_study
from train.tiers import load_tier


def planned(folder: Path, store: Store, **words: Any) -> StudyPlan:
    """Return the plan of a study on a pool of 40 documents that nobody has read yet."""
    pool = folder / "pool.jsonl"
    pool.write_text("\n".join(json.dumps({"text": f"document {number} " * 200}) for number in range(40)))
    value = {
        "hypothesis": "h", "kind": "filter", "base": "baseline", "pool": str(pool),
        "vary": {"mine": {"filter": "word-count"}}, "tiers": {"pico-1x": 2}, **words,
    }  # fmt: skip
    path = folder / "small.yaml"
    path.write_text(json.dumps(value))
    return plan_study(load_study(path), "small", store=store, progress=SilentProgress())


def rules(plan: StudyPlan) -> list[int]:
    """Return the rules by which the result would be insufficient."""
    return [doubt.rule for doubt in plan.doubts]


def test_a_longer_budget_pays_only_from_the_plateau_of_the_shorter() -> None:
    half, whole = load_tier("nano-0.5x"), load_tier("nano-1x")
    assert tokens_to_train(half, ["nano-0.5x", "nano-1x"]) == half.num_tokens
    shared = half.rates.decay_start * half.batch_tokens
    assert tokens_to_train(whole, ["nano-0.5x", "nano-1x"]) == whole.num_tokens - shared


def test_laptop_tiers_cost_cpu_hours_and_the_others_gpu_hours(tmp_path: Path, store: Store) -> None:
    plan = planned(tmp_path, store, tiers={"pico-1x": 2, "micro-1x": 3})
    pico, micro = plan.tiers
    tier = load_tier("pico-1x@eval512") if "@" in pico.tier else load_tier("pico-1x")
    assert pico.cpu_hours == pytest.approx(4 * 2 * tier.num_tokens / 21_000 / 3_600)
    assert (pico.gpu_hours, micro.cpu_hours) == (0, 0)
    assert (micro.runs_to_train, micro.speed.device) == (12, "h200")
    assert micro.gpu_hours > 0
    assert micro.speed.mfu is not None


def test_a_pool_that_was_never_read_gives_estimates_marked_as_such(tmp_path: Path, store: Store) -> None:
    plan = planned(tmp_path, store)
    assert plan.fingerprint is None
    assert all(row.estimated and row.kept_docs is None and row.kept_tokens for row in plan.arms)
    assert plan_json(plan)["totals"]["estimated"] is True  # type: ignore[call-overload, index]
    assert not list(store.root.glob("pool-*"))


def test_one_object_holds_study_fingerprint_arms_tiers_totals_and_insufficient(tmp_path: Path, store: Store) -> None:
    value = plan_json(planned(tmp_path, store))
    assert {"study", "fingerprint", "arms", "tiers", "totals", "insufficient"} <= value.keys()
    assert json.loads(json.dumps(value)) == value


def test_a_laptop_study_of_one_seed_and_budget_would_be_insufficient_four_times(tmp_path: Path, store: Store) -> None:
    plan = planned(tmp_path, store, tiers={"nano-0.3x": 1})
    assert rules(plan) == [8, 9, 16, 18]
    assert all(doubt.told.startswith("would be insufficient") and doubt.mend for doubt in plan.doubts)


def test_a_measured_tier_says_the_smallest_effect_and_an_unmeasured_one_the_command(store: Store) -> None:
    known = known_of(store)
    measured = effect_of(load_tier("pico-1x"), 3, [], known)
    fewer = effect_of(load_tier("pico-1x"), 2, [], known)
    assert measured.share is not None
    assert fewer.share is not None
    assert 0 < measured.share < fewer.share
    unknown = effect_of(load_tier("nano-0.3x"), 3, [], known)
    assert (unknown.share, unknown.mend) == (
        None, "curate noise train CORPUS --tier nano-0.3x && curate noise build --tier nano-0.3x",
    )  # fmt: skip


def test_the_pack_of_other_slices_is_no_measurement(store: Store) -> None:
    found = effect_of(load_tier("pico-1x"), 3, ["a-slice-nobody-has"], known_of(store))
    assert found.share is None
    assert "a-slice-nobody-has" in found.why


def test_speed_is_the_documented_one_until_the_store_has_runs(store: Store) -> None:
    speed = speed_of(load_tier("pico-1x"), known_of(store))
    assert (speed.tokens_per_second, speed.device) == (21_000, "cpu")
    assert "benchmarks/train_cpu.py" in speed.source


def test_the_total_of_a_disk_is_its_parts() -> None:
    assert Disk(corpora=1, tokens=2, runs=3, checkpoints=4).as_json()["total"] == 10


@pytest.mark.parametrize("words", [{"tiers": {"pico-0.02x": 2}}, {"tiers": {"pico": 2}, "budgets": [1]}])
def test_the_advice_on_budgets_is_a_setting_that_takes_the_doubt_away(
    tmp_path: Path, store: Store, words: dict[str, Any]
) -> None:
    doubt = next(one for one in planned(tmp_path, store, **words).doubts if one.rule == 16)
    given = shlex.split(doubt.mend.partition("; they share")[0])
    settings = tuple(after for before, after in itertools.pairwise(given) if before == "--set")
    study = load_study(tmp_path / "small.yaml", settings)
    plan = plan_study(study, "small", store=store, progress=SilentProgress())
    assert 16 not in rules(plan)
    assert len(study.tiers) == 2


def test_the_plan_names_the_tokenizer_of_each_number(tmp_path: Path, store: Store) -> None:
    plan = planned(tmp_path, store)
    with (console := Console(width=200)).capture() as screen:
        draw_plan(console, plan)
    assert plan.tokenizers == (load_recipe(base="baseline").tokenizer,)
    assert f"({plan.tokenizers[0]}; pico-1x {load_tier('pico-1x').tokenizer})" in screen.get()


def test_points_that_share_one_corpus_count_it_once(tmp_path: Path, store: Store) -> None:
    plan = planned(tmp_path, store, kind="optimizer", vary={"mine": {"optimizer": "muon"}})
    (corpus,) = {row.disk_bytes - row.token_bytes for row in plan.arms}
    assert len(plan.arms) > 2
    assert plan.disk.corpora == corpus
    assert plan.disk.tokens == plan.arms[0].token_bytes


def test_a_budget_beyond_the_epoch_caps_is_foreseen_before_the_pool_is_read(tmp_path: Path, store: Store) -> None:
    up = {"mix": {"weights": "uniform", "max_epochs": 2}}
    words: dict[str, Any] = {"kind": "mixture", "vary": {"mine": up}, "tiers": {"pico-1x": 2}, "epochs": 1000}
    plan = planned(tmp_path, store, **words)
    told = [one.told for one in plan.doubts if one.arm == "mine" and one.rule == 4]
    assert any("max_epochs" in line and "raise `max_epochs` to" in line for line in told)
    value: Any = plan_json(plan)
    assert value["slices_checked"] is False
