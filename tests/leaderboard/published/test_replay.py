"""The gates replayed: blocks are of one recipe a tier, repeats give the noise, rules are counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.cli import main
from curation.errors import RunError
from leaderboard.published.blocks import blocks_of
from leaderboard.published.limits import gate_limits
from leaderboard.published.reconcile import read_dclm
from leaderboard.published.repeats import repeats, run_noise, trained_runs
from leaderboard.published.replay import gpu_hours, replay, replay_json
from leaderboard.published.rules import outcomes, share_interval
from leaderboard.published.write import write_runs

SMALL, TARGET = "d=1024_l=24_h=8", "open_lm_1b"
TIERS = ("400m", "1b")
OWN = {"a": (0.50, 0.60), "b": (0.52, 0.58), "c": (0.60, 0.70), "d": (0.61, 0.69)}
"""Score of every task at the small tier and at the target: c and d are far ahead; a, b and c, d turn round."""


def board(directory: Any, scores: dict[str, tuple[float, float]] = OWN) -> Any:
    """Fill a directory with data sets at two tiers, and a repeat whose scores differ by 0.001."""
    for name, pair in scores.items():
        for model, level in zip((SMALL, TARGET), pair, strict=True):
            directory.row(name, directory.scores(level), f"{name}-{model}", model=model)
    for seed, level in ((1, 0.4), (2, 0.401), (3, 0.4005)):
        told = {"Model JSON": directory.name("again", TARGET, seed) + ".json"}
        directory.row("again", directory.scores(level), f"again-{seed}", model=TARGET, **told)
    return read_dclm(directory.folder).runs


def test_a_repeat_gives_the_spread_of_its_runs(directory: Any) -> None:
    (found,) = repeats(board(directory))
    assert (found.dataset, [run.seed for run in found.runs]) == ("again", [1, 2, 3])
    noise = run_noise([found], "copa")
    assert noise is not None
    assert (noise.value, noise.degrees) == (pytest.approx(np.var([0.4, 0.401, 0.4005], ddof=1)), 2)


def test_one_evaluation_under_two_names_is_no_repeat(directory: Any) -> None:
    for seed in (1, 2):
        told = {"Model JSON": directory.name("again", TARGET, seed) + ".json"}
        directory.row("again", directory.scores(0.4), f"again-{seed}", model=TARGET, **told)
    runs = read_dclm(directory.folder).runs
    assert (len(runs), len(trained_runs(runs)), repeats(runs)) == (2, 1, [])


def test_other_learning_rates_are_other_blocks(directory: Any) -> None:
    runs = board(directory)
    assert [block.datasets for block in blocks_of(runs, TIERS, "Core_v2", ())] == [("a", "b", "c", "d")]
    name = directory.name("a", TARGET).replace("lr=0p003", "lr=0p01") + ".json"
    directory.row("a", directory.scores(0.9), "a-other", model=TARGET, **{"Model JSON": name})
    (block,) = blocks_of(read_dclm(directory.folder).runs, TIERS, "Core_v2", ())
    assert [side.num_runs for side in block.at_target] == [1, 1, 1, 1]


def test_fewer_than_three_shared_data_sets_are_refused(directory: Any) -> None:
    runs = board(directory, {name: OWN[name] for name in "ab"})
    with pytest.raises(RunError, match="shares 3 data sets"):
        replay(runs, TIERS, "Core_v2")


def test_an_unknown_tier_is_refused_with_the_nearest(directory: Any) -> None:
    with pytest.raises(RunError, match="did you mean `400m-1x`"):
        replay(board(directory), ("400m-2x", "1b"), "Core_v2")


def test_rules_are_counted_as_by_hand(directory: Any) -> None:
    """12 decisions. By rank 6 go on; b over a and d over c turn round: 2 of 6 are false, and 2 are missed.

    The gate has a noise of 0.0007 and t(0.95, 2) = 2.92, so that all gaps pass but those that BH at 10 % stops: none.
    Regret by rank: c, ahead of a, b; from c on d is trained, c is the best itself; from d on nothing is, d costs 0.01.
    """
    runs = board(directory)
    (block,) = blocks_of(runs, TIERS, "Core_v2", ("world knowledge",))
    found = outcomes(block, {}, "Core_v2", gate_limits())
    rank = found["rank"]
    assert (rank.decisions, rank.scale_ups, rank.false_scale_ups, rank.missed) == (12, 6, 2, 2)
    best, second = (block.at_target[place].value for place in (2, 3))
    assert rank.regret == pytest.approx((best - second) / 4)
    assert rank.flops == pytest.approx(6 / 4 * 6 * 1_439_795_200 * 28_795_904_000)
    assert (found["all"].scale_ups, found["all"].regret) == (12, 0.0)
    assert "gate" not in found


def test_the_gate_lets_only_clear_gains_through(directory: Any) -> None:
    """Noise of scores is 0.0005: a gain of 0.01 and of 0.02 is many standard errors, one of 0.0001 is none."""
    close = {"a": (0.50, 0.60), "b": (0.5001, 0.58), "c": (0.60, 0.70), "d": (0.61, 0.69)}
    found = replay(board(directory, close), TIERS, "Core_v2")
    gate = found.blocks[0].by_rule["gate"]
    assert (gate.scale_ups, gate.false_scale_ups) == (5, 1)
    assert gate.blocked_by["average-gain"] == 1


def test_published_runs_are_insufficient_for_the_gates_themselves(directory: Any) -> None:
    told = replay(board(directory), TIERS, "Core_v2").literal
    assert told["decision"] != "scale-up"
    assert {"noise-measured", "seeds", "headline"} <= set(told["insufficient"])  # type: ignore[arg-type]


def test_none_of_few_is_not_certain() -> None:
    """0 of 4 scale-ups among 4 recipes: Wilson's upper end with t(3) = 3.18 is t² / (4 + t²) = 0.72."""
    interval = share_interval(0, 4, 4, None)
    assert (interval.low, interval.high) == (0.0, pytest.approx(0.717, abs=0.002))


def test_hours_are_flops_over_the_stated_utilisation() -> None:
    """A 7B-1x run: 6 · 6.889e9 · 137.8e9 = 5.696e21 FLOPs; at 0.4 · 989e12 that is 14.40e6 s = 4,000 hours."""
    assert gpu_hours(6 * 6_889_410_560 * 137_788_211_200) == pytest.approx(3_999, abs=2)


def test_the_command_gives_one_object_and_names_what_the_data_cannot_show(
    directory: Any, tmp_path: Path, capsys: Any
) -> None:
    write_runs(tmp_path / "b", board(directory))
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "replay", str(tmp_path / "b"), "--from", "400m", "--to", "1b", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert (told["from"], told["to"], told["blocks"][0]["n"]) == ("dclm-400m-1x", "dclm-1b-1x", 4)
    assert set(told["blocks"][0]["rules"]) == {"rank", "gate", "all"}
    assert {tuple(sorted(one["recipes"])) for one in told["blocks"][0]["crossings"]} == {("a", "b"), ("c", "d")}
    assert any("one seed" in limit for limit in told["limits"])


def test_a_board_without_published_runs_says_how_to_make_one(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "replay", str(tmp_path), "--from", "400m", "--to", "1b"])
    assert ended.value.code == 2
    assert "curate leaderboard import dclm" in capsys.readouterr().err


def test_the_published_400m_order_of_seven_data_sets_hardly_says_the_1b_order(published_dclm: Path) -> None:
    """Hand count of their CORE: 11 of 21 pairs agree; FineWeb-Edu is first at 400M and last but none at 1B."""
    told: Any = replay_json(replay(read_dclm(published_dclm).runs, TIERS, "Core_v2"))
    block = told["blocks"][0]
    assert (block["n"], block["stability"][0]["pairs"]["agreeing"]) == (7, 11)
    by_name = {one["dataset"]: one for one in block["datasets"]}
    assert max(by_name, key=lambda name: by_name[name]["from"]) == "fineweb_edu_sample_350BT"
    assert min(by_name, key=lambda name: by_name[name]["to"]) == "fineweb_edu_sample_350BT"
    assert told["noise"]["n_runs"] == 6
