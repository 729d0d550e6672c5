"""CPU plans: hours from measured speeds, and which tiers a machine without cards refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.cli import main
from curation.errors import RunError
from curation.nodes import Node
from curation.store import Artifact
from train.cpu_plan import cpu_hours, infeasible, plan_cpu, refuse_infeasible, tokens_a_cpu_second
from train.packing import Gpu
from train.tiers import load_tier

Build = Callable[[Node], Artifact]
CARD = Gpu(name="0", free_bytes=140 * 10**9, total_bytes=141 * 10**9)
GB = 10**9
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(("name", "seconds"), [("pico", 1_501_184 / 21_000), ("nano-0.5x", 13_783_040 / 7_500)])
def test_hours_of_laptop_tiers_are_tokens_by_measured_speed(name: str, seconds: float) -> None:
    assert cpu_hours(load_tier(name)) * 3_600 == pytest.approx(seconds, rel=1e-3)
    assert plan_cpu(load_tier(name)).hours == cpu_hours(load_tier(name))


def test_another_tier_has_the_flops_of_nano_a_second() -> None:
    # 7,500 tokens/s of 11.413 MFLOP; micro takes 98.137 MFLOP a token
    assert tokens_a_cpu_second(load_tier("micro")) == pytest.approx(872.2, rel=1e-3)


@pytest.mark.parametrize("name", ["micro-0.01x", "micro-0.5x", "smoke-0.05x", "pico", "nano-16x"])
def test_what_a_day_of_a_cpu_trains_is_allowed(name: str) -> None:
    assert infeasible(load_tier(name), list, 25 * GB) == ""


@pytest.mark.parametrize(
    ("name", "memory", "fault"),
    [
        ("1b", 16 * GB, "expected at most 24 and 88.9 GB of memory, expected at most 15.0"),
        ("micro-0.01x", 4 * GB, "5.7 GB of memory, expected at most 3.8"),
        ("micro", 64 * GB, "about 42 hours on 2 cores"),
        ("dclm-1b", 512 * GB, "it needs 1 x h200 for about"),
    ],
)
def test_a_tier_for_cards_is_refused_without_one_and_told_what_it_needs(name: str, memory: int, fault: str) -> None:
    with pytest.raises(RunError, match=fault) as refused:
        refuse_infeasible([load_tier("pico"), load_tier(name)], list, memory)
    assert "--dry-run" in str(refused.value)
    assert "--launch-script" in str(refused.value)
    assert infeasible(load_tier(name), lambda: [CARD], memory) == ""


@pytest.mark.parametrize("more", [[], ["--seeds", "1-2"], ["--budgets", "0.5,1"]])
def test_training_1b_on_a_cpu_ends_before_it_begins(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, build: Build, small_corpus: Node, small_panel: Node,
    monkeypatch: pytest.MonkeyPatch, more: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("train.train_request.visible_gpus", list)
    words = ["train", build(small_corpus).path, "--panel", build(small_panel).path, "--store", tmp_path / "store"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--tier", "1b", *more, "--json"])
    assert ended.value.code == 2
    assert "no GPU here" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not list((tmp_path / "store").glob("tokens-*"))
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--tier", "1b", "--dry-run", "--json"])
    assert ended.value.code in (0, None)
    assert "this machine" in [row["step"] for row in json.loads(capsys.readouterr().out)]


def test_no_card_is_named_where_a_laptop_tier_is_planned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for words in (["tiers", "pico"], ["tiers", "nano", "--gpus", "2"]):
        with pytest.raises(SystemExit):
            main(words)
        out = capsys.readouterr().out
        assert "measured 2026-11-23, benchmarks/train_cpu.py" in out
        assert not any(word in out for word in ("h200", "MFU", "141", "card"))
