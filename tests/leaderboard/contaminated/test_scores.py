"""Wins on clean and on suspicious items, in worlds where the truth is planted."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.decontamination.item_lists import ItemLists, read_item_lists
from curation.errors import ResultsError, ShardError, SuiteChangedError
from curation.numerics import Variance, t_critical
from curation.randomness import generator
from leaderboard.contaminated.gain import performance_gains
from leaderboard.contaminated.items import ItemScores, TaskItems
from leaderboard.contaminated.scores import (
    Contamination,
    Tier,
    UnlistedError,
    _task,
    among_all,
    contamination_of,
)
from leaderboard.contaminated.sides import _known
from leaderboard.contaminated.verdict import Among, above_among, verdict_of
from leaderboard.contaminated.view import contamination_json, draw_contamination
from leaderboard.part_means import ClusteredItems, Estimate, WeightedArm, WeightedPart, estimate
from train.evals.results import Metric, ModelFacts, Results, Scored, SuiteFacts, TaskResult
from train.evals.score_tables import ITEMS_SCHEMA, METRIC_COLUMNS

NUM = 600
SUSPICIOUS = range(200)
UNKNOWN = range(580, 600)


def lists_at(folder: Path, *, removed: str = "none") -> ItemLists:
    """Items 0 to 199 are suspicious, the first hundred by a score of 0.6, the others of 1.0; the last 20 unknown."""
    rows = [
        {
            "suite": "quiz",
            "item": item,
            "own_id": f"q{item}",
            "found": {"d": {"score": 0.6 if item < 100 else 1.0, "fields": [], "documents": 1}}
            if item in SUSPICIOUS
            else {},
            "unfindable": ["d"] if item in UNKNOWN else [],
        }
        for item in range(NUM)
    ]
    header = {
        "schema": "curate-items@1",
        "default": "d",
        "detectors": {"d": {"version": "1", "settings": {}, "removed": removed}},
        "suites": {"quiz": {"digest": "0" * 64, "items": NUM}},
    }
    path = folder / "items.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [header, *rows]) + "\n")
    return read_item_lists(path)


def scored(values: Sequence[float], *, seed: int, arm: str, metric: str = "acc_raw", task: str = "quiz") -> Scored:
    empty: dict[str, object] = dict.fromkeys(METRIC_COLUMNS)
    rows = [
        {
            **empty, "task": task, "item": item, "own_id": f"q{item}", "group": str(item), "gold": 0, metric: value,
            "log_likelihoods": [-1.0], "greedy": [True], "num_tokens": [1], "num_bytes": [1], "num_chars": [1],
            "uncond": None, "excluded": None, "partition": None,
        }
        for item, value in enumerate(values)
    ]  # fmt: skip
    result = TaskResult(
        family="knowledge", kind="mc", shots=0, n=len(rows), digest="d" * 64, primary=metric,
        metrics={metric: Metric(value=float(np.mean(values)), n=len(rows))},
    )  # fmt: skip
    results = Results(
        model=ModelFacts(name=f"{arm}-{seed}", digest=f"{arm}{seed:08d}", arm=arm, seed=seed, tier="t"),
        suite=SuiteFacts(name="own", version="1", digest="e" * 64),
        context=64, metric_versions={"items": "1"}, software={}, tasks={task: result},
    )  # fmt: skip
    return Scored(results=results, items=pa.Table.from_pylist(rows, ITEMS_SCHEMA))


def world(
    clean_gain: float, leak: float, *, seeds: int = 3, easier: float = 0.2, label: str = "w"
) -> tuple[tuple[Scored, ...], tuple[Scored, ...]]:
    """Right answers with given chances: suspicious items are `easier` for all, the candidate gains on them more."""
    stream = generator(1, label)
    ability = stream.normal(0, 0.1, NUM)
    suspicious = np.isin(np.arange(NUM), SUSPICIOUS)

    def runs(arm: str, gain: np.ndarray) -> tuple[Scored, ...]:
        chance = np.clip(0.4 + ability + easier * suspicious + gain, 0.02, 0.98)
        return tuple(
            scored((stream.random(NUM) < chance).astype(float).tolist(), seed=seed + 1, arm=arm)
            for seed in range(seeds)
        )

    return runs("candidate", clean_gain + leak * suspicious), runs("baseline", np.zeros(NUM))


def judged(folder: Path, clean_gain: float, leak: float, **more: float) -> Contamination:
    candidates, baselines = world(clean_gain, leak, **more)  # type: ignore[arg-type]
    return contamination_of([Tier(name="t", candidates=candidates, baselines=baselines)], lists_at(folder))


def test_a_win_on_suspicious_items_only_is_flagged(tmp_path: Path) -> None:
    found = judged(tmp_path, 0.0, 0.3)
    one = found.tasks[0]
    assert one.verdict.kind == "win-only-on-suspicious"
    assert "lives in the suspicious items" in one.verdict.words
    assert found.flagged == (one,)
    assert one.gap is not None
    assert one.gap.value == pytest.approx(0.3, abs=0.1)


def test_an_honest_win_is_not_flagged_though_suspicious_items_are_easier(tmp_path: Path) -> None:
    found = judged(tmp_path, 0.15, 0.0, easier=0.3)
    assert found.tasks[0].verdict.kind == "win-on-clean"
    assert "stands on clean items" in found.tasks[0].verdict.words
    assert found.flagged == ()


def test_a_win_on_both_with_more_on_suspicious_items_is_inflated(tmp_path: Path) -> None:
    found = judged(tmp_path, 0.12, 0.25, easier=0.0)
    assert found.tasks[0].verdict.kind == "win-inflated"
    assert "quote the clean one" in found.tasks[0].verdict.words


def test_what_a_leak_gives_and_clean_items_lose_is_a_gap_without_a_win(tmp_path: Path) -> None:
    found = judged(tmp_path, -0.2, 0.45, easier=0.0)
    assert found.tasks[0].verdict.kind == "gap-without-win"


def test_two_equal_arms_show_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path, 0.0, 0.0).tasks[0].verdict.kind == "no-win"


@pytest.mark.slow
def test_an_honest_win_is_flagged_in_few_worlds_and_a_leak_found_in_most(tmp_path: Path) -> None:
    lists = lists_at(tmp_path)
    kinds: dict[float, list[bool]] = {0.0: [], 0.25: []}
    for leak, flags in kinds.items():
        for number in range(40):
            sides = world(0.1, leak, seeds=2, label=f"{leak}-{number}")
            found = contamination_of([Tier(name="t", candidates=sides[0], baselines=sides[1])], lists)
            gap = found.tasks[0].gap
            assert gap is not None
            assert gap.low is not None
            flags.append(gap.low > 0)
    assert sum(kinds[0.0]) <= 4  # 2.5 % of 40 is 1; more than 4 has a chance below 0.3 %
    assert sum(kinds[0.25]) >= 35


def test_the_gap_and_the_parts_are_those_of_hand_arithmetic(tmp_path: Path) -> None:
    base = [0.0] * NUM
    ahead = [1.0 if item < 50 or 200 <= item < 219 else 0.0 for item in range(NUM)]
    sides = (scored(ahead, seed=1, arm="a"),), (scored(base, seed=1, arm="b"),)
    one = contamination_of([Tier(name="t", candidates=sides[0], baselines=sides[1])], lists_at(tmp_path)).tasks[0]
    assert (one.parts["suspicious"].num_items, one.parts["clean"].num_items, one.parts["unknown"].num_items) == (
        200, 380, 20,
    )  # fmt: skip
    assert one.parts["suspicious"].candidate == pytest.approx(0.25)
    assert one.parts["clean"].gain is not None
    assert one.parts["clean"].gain.value == pytest.approx(0.05)
    assert one.gap is not None
    assert one.gap.value == pytest.approx(0.2)
    # one run a side: items alone, s²/n of each part: 0.25·0.75/200 + 0.05·0.95/380 (n for n − 1)
    assert one.gap.se_seeds is None
    assert one.gap.se_items == pytest.approx(math.sqrt(0.25 * 0.75 / 200 + 0.05 * 0.95 / 380), rel=0.05)


def test_the_performance_gain_is_score_on_known_minus_score_on_clean_at_each_threshold(tmp_path: Path) -> None:
    right = [1.0 if item < 50 or 100 <= item < 190 else 0.0 for item in range(NUM)]
    sides = (scored(right, seed=1, arm="a"),), (scored([0.0] * NUM, seed=1, arm="b"),)
    one = contamination_of([Tier(name="t", candidates=sides[0], baselines=sides[1])], lists_at(tmp_path)).tasks[0]
    assert [gain.threshold for gain in one.gains] == [0.6, 1.0]
    assert [gain.num_suspicious for gain in one.gains] == [200, 100]
    known = 140 / 580
    assert one.gains[0].candidate is not None
    assert one.gains[1].candidate is not None
    assert one.gains[0].candidate.value == pytest.approx(known - 0 / 380)
    assert one.gains[1].candidate.value == pytest.approx(known - 50 / 480)
    assert [gain.largest for gain in one.gains] == [True, False]


def test_a_metric_of_which_less_is_better_is_turned(tmp_path: Path) -> None:
    base = [2.0 + 0.01 * (item % 7) for item in range(NUM)]
    less = [value - (0.5 + 0.01 * (item % 5)) * (item < 200) for item, value in enumerate(base)]
    sides = [
        (scored(values, seed=1, arm=arm, metric="bits_per_byte_corr"),) for arm, values in (("a", less), ("b", base))
    ]
    one = contamination_of([Tier(name="t", candidates=sides[0], baselines=sides[1])], lists_at(tmp_path)).tasks[0]
    assert one.verdict.kind == "win-only-on-suspicious"
    assert one.parts["suspicious"].candidate is not None
    assert one.parts["suspicious"].candidate == pytest.approx(1.51, abs=0.02)
    assert one.gap is not None
    assert one.gap.value > 0.5


def test_a_gap_that_appears_only_at_the_large_tier_grows(tmp_path: Path) -> None:
    small, large = world(0.1, 0.0, label="small"), world(0.1, 0.35, easier=0.0, label="large")
    tiers = [Tier(name=n, candidates=c, baselines=b) for n, (c, b) in (("small", small), ("large", large))]
    growth = contamination_of(tiers, lists_at(tmp_path)).growth[0]
    assert growth.grows
    assert growth.tiers == ("small", "large")
    steady = [Tier(name=n, candidates=c, baselines=b) for n, (c, b) in (("s", small), ("l", world(0.1, 0.0)))]
    assert not contamination_of(steady, lists_at(tmp_path)).growth[0].grows


def test_fewer_than_ten_suspicious_items_are_not_judged(tmp_path: Path) -> None:
    lists = lists_at(tmp_path)
    rows = tuple({**row, "found": row["found"] if row["item"] < 5 else {}} for row in lists.rows["quiz"])
    sides = world(0.0, 0.5)
    tier = Tier(name="t", candidates=sides[0], baselines=sides[1])
    verdict = contamination_of([tier], replace(lists, rows={"quiz": rows})).tasks[0].verdict
    assert (verdict.kind, verdict.flagged) == ("not-judged", False)
    assert "5 suspicious items" in verdict.words


def test_items_of_one_cluster_count_once() -> None:
    values = np.repeat(generator(1, "c").normal(0, 1, (40, 1)), 10, axis=0)
    alone = ClusteredItems(values=values, clusters=np.arange(400))
    together = ClusteredItems(values=values, clusters=np.repeat(np.arange(40), 10))
    parts, arms = [WeightedPart(np.ones(400, bool), 1.0)], [WeightedArm((0,), 1.0)]
    errors = [one.se_items for units in (alone, together) if (one := estimate(units, parts, arms, ("t",)))]
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[1] / errors[0] == pytest.approx(math.sqrt(10), rel=0.1)


def test_lists_of_other_items_are_refused(tmp_path: Path) -> None:
    lists = lists_at(tmp_path)
    sides = world(0.0, 0.0, seeds=1)
    tier = Tier(name="t", candidates=sides[0], baselines=sides[1])
    other = tuple({**row, "own_id": f"z{row['item']}"} for row in lists.rows["quiz"])
    with pytest.raises(SuiteChangedError, match="item 0 is q0, listed is z0"):
        contamination_of([tier], replace(lists, rows={"quiz": other}))
    with pytest.raises(SuiteChangedError, match="item 300 is not listed"):
        contamination_of([tier], replace(lists, rows={"quiz": lists.rows["quiz"][:300]}))
    with pytest.raises(ShardError, match="about none of the tasks quiz"):
        contamination_of([tier], replace(lists, rows={"other": lists.rows["quiz"]}))
    with pytest.raises(ShardError, match="nothing about `e`"):
        contamination_of([tier], lists, detector="e")
    with pytest.raises(ResultsError, match="has no `margin`; it has acc_raw"):
        contamination_of([tier], lists, metric="margin")


def test_the_table_names_the_flag_and_the_json_holds_every_number(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    found = judged(tmp_path, 0.0, 0.3)
    console = Console(file=StringIO(), width=120)
    draw_contamination(console, found)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "win-only-on-suspicious" in text
    assert "lives in the suspicious items" in text.replace("\n", " ")
    value = json.loads(json.dumps(contamination_json(found)))
    task = value["tasks"][0]
    assert task["verdict"]["flagged"] is True
    assert task["parts"]["clean"]["num_items"] == 380
    assert task["gap"]["low"] > 0
    assert [one["threshold"] for one in task["performance_gain"]] == [0.6, 1.0]


def honest(label: str, num: int = 60) -> TaskItems:
    """Two arms of two runs without any difference, a third of the items suspicious and easier."""
    stream = generator(1, label)
    suspicious = np.arange(num) < num // 3
    chance = 0.4 + 0.2 * suspicious
    values = (stream.random((num, 4)) < chance[:, None]).astype(float)
    scores = ItemScores(metric="acc_raw", sign=1.0, places=np.arange(num), clusters=np.arange(num), values=values)
    return TaskItems(
        task=label, suite="quiz", scores=scores, candidates=(0, 1), baselines=(2, 3), clean=~suspicious,
        suspicious=suspicious, found_scores=suspicious * 1.0,
    )  # fmt: skip


def test_twenty_honest_tasks_seldom_show_a_flag() -> None:
    alone = together = 0
    for world_number in range(25):
        tasks = [_task(honest(f"{world_number}-{n}"), "t", ()) for n in range(20)]
        alone += any(one.verdict.flagged for one in tasks)
        together += any(one.verdict.flagged for one in among_all(tasks))
    assert alone >= 7  # of 25 tables: 20 gaps at 2.5 % each flag 40 %
    assert together <= 4  # 5 % is 1.25; more than 4 has a chance below 1 %


def test_a_flag_among_many_tasks_needs_what_holm_leaves() -> None:
    def of(value: float, error: float = 1.0) -> Estimate:
        total = Variance(value=error**2, degrees=math.inf)
        return Estimate(
            value=value, low=value - 1.96 * error, high=value + 1.96 * error, p_value=None, se_seeds=None,
            se_items=error, num_clusters=50, by_run=np.zeros(1), total=total,
        )  # fmt: skip

    # two-sided p of 2.2, 2.5, -4 and 1: .0278, .0124, .00006, .317; Holm: .00006 < .05/4, .0124 < .05/3, .0278 > .05/2
    assert above_among([of(2.2), of(2.5), None, of(-4.0), of(1.0)]) == [False, True, False, False, False]
    assert above_among([of(2.2)]) == [True]
    gains, clusters = {"all": of(2.2), "clean": of(1.0), "suspicious": of(2.5)}, {"clean": 50, "suspicious": 50}
    assert verdict_of(gains, of(2.2), clusters).kind == "win-only-on-suspicious"
    told = verdict_of(gains, of(2.2), clusters, among=Among(won=False, wider=False, count=4))
    assert (told.kind, told.flagged) == ("no-win", False)
    assert "the win and the gap would count alone, not among 4 tasks" in told.words


def test_intervals_of_the_performance_gain_hold_for_all_thresholds_at_once() -> None:
    here = honest("epg", 200)
    one, five = (performance_gains(here, thresholds)[0].candidate for thresholds in ((1.0,), (1.0,) * 5))
    assert one is not None
    assert five is not None
    assert one.total is not None
    assert one.low is not None
    assert five.low is not None
    ratio = t_critical(one.total.degrees, 0.99) / t_critical(one.total.degrees, 0.95)
    assert (five.value - five.low) / (one.value - one.low) == pytest.approx(ratio)
    assert ratio > 1.2


def test_names_from_a_strangers_file_are_printed_as_they_stand(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    found = judged(tmp_path, 0.0, 0.3)
    named = replace(
        found,
        detector="d[/red]",
        tasks=tuple(replace(one, task="x[/b]y\x1b[31m", tier="[bold]t") for one in found.tasks),
        unlisted=("[/i]z",),
    )
    console = Console(file=StringIO(), width=120)
    draw_contamination(console, named)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("x[/b]y", "[bold]t", "d[/red]", "[/i]z"):
        assert part in text
    assert "\x1b" not in text


def test_a_suite_nobody_looked_for_is_passed_over_and_other_faults_are_not(tmp_path: Path) -> None:
    lists = lists_at(tmp_path)
    sides = world(0.0, 0.0, seeds=1)
    known = [Tier(name="t", candidates=sides[0], baselines=sides[1])]
    strange = [
        Tier(name="t", candidates=(scored([1.0, 0.0], seed=1, arm="a", task="about none of the tasks"),),
             baselines=(scored([0.0, 0.0], seed=1, arm="b", task="about none of the tasks"),))
    ]  # fmt: skip
    assert [one.detector for one in _known([known, strange], lists, None)] == ["d"]
    with pytest.raises(UnlistedError):
        _known([strange], lists, None)
    with pytest.raises(ShardError, match="nothing about `about none of the tasks`"):
        _known([known, strange], lists, "about none of the tasks")


def test_the_command_compares_sides_on_clean_and_suspicious_items(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from curation.cli import main
    from train.evals.results import write_results

    lists_at(tmp_path)
    names: dict[str, list[str]] = {"candidate": [], "baseline": []}
    for side, runs in zip(names, world(0.0, 0.3, seeds=2), strict=True):
        for number, one in enumerate(runs):
            write_results(tmp_path / f"{side}-{number}", one)
            names[side].append(str(tmp_path / f"{side}-{number}"))
    asked = ["compare", ",".join(names["candidate"]), ",".join(names["baseline"]), "--store", str(tmp_path / "store")]
    with pytest.raises(SystemExit) as stop:
        main([*asked, "--items-list", str(tmp_path), "--json"])
    assert stop.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["contamination"][0]["flagged"] == ["quiz"]
    assert told["comparisons"][0]["arm"]
    with pytest.raises(SystemExit):
        main([*asked, "--detector", "d"])
    assert "belongs to --items-list" in capsys.readouterr().err
