"""The gap of suspicious items: planted gains, items that nobody looked for, too few, none; lists of a corpus."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.decontamination.item_lists import read_item_lists
from curation.nodes import Planner, existing_node
from curation.progress import SilentProgress
from curation.randomness import generator
from curation.store import Store
from curation.suites.items import Item, suite_of
from leaderboard.contaminated.items import ItemScores, TaskItems
from leaderboard.gates.contamination_checks import CONTAMINATION_CHECKS, GapLimits
from leaderboard.gates.evidence import Cited
from leaderboard.studies import suspicious
from leaderboard.studies.decision_facts import ContaminationGap
from leaderboard.studies.suspicious import _gap, _in_points, _together, _unscored, items_node

TIER = "400m-1x"


def task(name: str, *, bad: int, clean: int, gain: float = 0.0, leak: float = 0.0) -> TaskItems:
    """Return items of three runs a side, in points: the candidate has `gain` more, and `leak` more on found items."""
    count = bad + clean
    level = generator(1, name).normal(scale=5, size=(count, 1))
    values = level + generator(2, name).normal(scale=0.5, size=(count, 6))
    found = np.arange(count) < bad
    values[:, :3] += gain + leak * found[:, None]
    scores = ItemScores(metric="m", sign=1.0, places=np.arange(count), clusters=np.arange(count), values=values)
    return TaskItems(
        task=name, suite=name, scores=scores, candidates=(0, 1, 2), baselines=(3, 4, 5), clean=~found,
        suspicious=found, found_scores=found.astype(np.float64),
    )  # fmt: skip


@pytest.fixture
def gap(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*tasks: TaskItems) -> ContaminationGap:
        monkeypatch.setattr(suspicious, "_tasks", lambda *_: list(tasks))
        return _gap("mine", TIER, ([], []), ())

    return make


def said(fact: ContaminationGap | None) -> Any:
    """Return the gate's outcome on a gap."""
    cited = Cited(fact=fact, id="g") if fact else None
    case = type("Case", (), {"tier": type("Tier", (), {"gap": cited})()})()
    return CONTAMINATION_CHECKS["suspicious-gap"].judge(cast("Any", case), GapLimits(max_high_points=1.0))


def test_a_gain_everywhere_is_no_gap(gap: Any) -> None:
    found = gap(task("a", bad=200, clean=400, gain=3), task("b", bad=200, clean=400, gain=3))
    assert found.low < 0 < found.high < 1
    assert found.clean_points == pytest.approx(3, abs=0.2)
    assert (found.num_suspicious, found.num_clean) == (400, 800)
    assert said(found).state == "pass"


def test_a_gain_on_what_leaked_alone_fails_and_rejects(gap: Any) -> None:
    found = gap(task("a", bad=200, clean=400, leak=5), task("b", bad=200, clean=400, leak=5))
    assert found.points == pytest.approx(5, abs=0.3)
    outcome = said(found)
    assert (outcome.state, outcome.severe) == ("fail", True)


def test_a_corpus_without_any_item_has_nothing_to_gain_from(gap: Any) -> None:
    outcome = said(gap(task("a", bad=0, clean=500, gain=3)))
    assert outcome.state == "pass"
    assert outcome.text.startswith("none of the 500 scored items")


def test_a_handful_of_suspicious_items_says_nothing_and_how_to_mend_it(gap: Any) -> None:
    outcome = said(gap(task("a", bad=4, clean=500), task("b", bad=5, clean=500)))
    assert outcome.state == "insufficient"
    assert "decontaminate" in outcome.text


def test_few_items_a_task_are_judged_together(gap: Any) -> None:
    tasks = [task(name, bad=8, clean=100, leak=20) for name in ("a", "b", "c")]
    assert gap(*tasks).points == pytest.approx(20, abs=4)
    together = _together([suspicious._Split(here=one) for one in tasks]).here
    assert len(np.unique(together.scores.clusters)) == 324


def test_tasks_that_nobody_looked_for_or_scored_are_insufficient_with_the_edit(gap: Any) -> None:
    assert said(gap()).state == "insufficient"
    for fact in (_unscored("mine", TIER, ()), None):
        outcome = said(fact)
        assert outcome.state == "insufficient"
        assert "`suites: [small]`" in outcome.text
    assert "may be judged at pico-1x" in said(_unscored("mine", "pico-1x", ("small",))).text


def test_points_are_percent_of_bits_or_percentage_points() -> None:
    here = task("a", bad=1, clean=1)
    assert np.allclose(_in_points(here, bits=False).scores.values, here.scores.values * 100)
    base = np.abs(here.scores.values[:, 3:]).mean()
    assert np.allclose(_in_points(here, bits=True).scores.values, here.scores.values * 100 / base)


def test_items_are_looked_for_in_the_corpus_as_it_is(store: Store) -> None:
    words = [" ".join(f"w{number}x{place}" for place in range(20)) for number in range(3)]
    suite = suite_of("mine", [Item(id=str(number), question=text) for number, text in enumerate(words)])
    with store.building("corpus", "c" * 64) as out:
        (out.path / "data").mkdir()
        texts = [f"before {words[1]} after", "nothing to see here"]
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), out.path / "data" / "train-0.parquet")
        corpus = out.finish({"version": "1", "inputs": {}, "params": {}, "summary": {}})
    planner = Planner(store=store, workers=1, progress=SilentProgress())
    made = planner.materialise(items_node(existing_node(corpus), [suite]))
    split = read_item_lists(made.path).split("mine")
    assert (split.suspicious, split.clean) == ({1}, {0, 2})
    assert made.summary["found"] == 1
