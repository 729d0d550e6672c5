"""Building noise packs: causes, checkpoints and items from runs, tables and results; strays are refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import RunError
from curation.files import write_json
from curation.store import Artifact, Store
from leaderboard.noise.build import build_pack
from leaderboard.noise.checkpoints import Point
from leaderboard.noise.items import pair_ratio_error
from leaderboard.noise.pack import Measure, NoisePack
from leaderboard.noise.read_runs import gather_runs, runs_in
from train.tiers import load_tier

Make = Callable[..., NoisePack]
CODE = ("slice", "code", "bits_per_byte")


def built(store: Store, artifacts: list[Artifact]) -> NoisePack:
    return build_pack(gather_runs(store, [str(one.path) for one in artifacts], None), date="2026-01-31")


def measure_of(pack: NoisePack) -> Measure:
    found = pack.measure(*CODE)
    assert found is not None
    return found


def test_a_crossed_table_tells_initialisation_from_order(store: Store, noise_run: Any) -> None:
    table = [[1.0, 2.0], [3.0, 6.0]]  # by hand: 4, 1.5, 1 and 6.5 (test_spread)
    runs = [
        noise_run(init + 1, order + 1, 1, math.exp(value))
        for init, row in enumerate(table)
        for order, value in enumerate(row)
    ]
    parts = measure_of(built(store, runs)).parts
    found = {name: part.variance for name, part in parts.items()}
    assert found == pytest.approx({"init": 4, "order": 1.5, "rest": 1, "fixed-subset": 6.5})


def test_other_subsets_of_the_text_are_a_cause_of_their_own(store: Store, noise_run: Any) -> None:
    runs = [noise_run(1, 1, subset, math.exp(value)) for subset, value in ((1, 1.0), (2, 2.0), (3, 3.0))]
    parts = measure_of(built(store, runs)).parts
    assert {name: (part.variance, part.design) for name, part in parts.items()} == {
        "variable-subset": (pytest.approx(1.0), "3 runs")
    }


def test_an_unfinished_table_is_read_one_at_a_time(store: Store, noise_run: Any) -> None:
    runs = [noise_run(init, order, 1, 2.0 + init) for init, order in ((1, 1), (2, 1), (1, 2))]
    parts = measure_of(built(store, runs)).parts
    assert {name: part.design for name, part in parts.items()} == {"init": "2 runs", "order": "2 runs"}


def test_families_are_measured_alone_and_in_pairs(store: Store, make_pack: Make, baseline: Any) -> None:
    facts = measure_of(make_pack()).items
    assert facts is not None
    assert (facts.count, facts.clusters) == (60, 60)
    assert facts.naive == pytest.approx(facts.clustered)
    assert facts.clustered == pytest.approx(0.05 / math.sqrt(60), rel=0.3)  # families spread by 5 % (conftest)
    assert facts.pair == pytest.approx(0, abs=1e-9)  # and alike in all runs
    assert pair_ratio_error(np.ones((1, 4))) is None


def test_scores_on_the_way_give_the_noise_of_checkpoints(store: Store, baseline: Any) -> None:
    gathered = gather_runs(store, [str(one.path) for one in baseline(2)], None)
    decay = 0.79 * load_tier("micro").num_tokens
    points = [
        Point(tokens=decay * n / 6, value=value) for n, value in ((2, 2.0), (3, 2.01), (4, 1.99), (5, 2.01), (6, 2.0))
    ]
    late = Point(tokens=decay * 1.2, value=1.0)  # the rate falls already
    runs = tuple(replace(one, points={"code": [*points, late]}) for one in gathered.runs)
    pack = build_pack(replace(gathered, runs=runs), date="2026-01-31")
    found = measure_of(pack).checkpoints
    assert found is not None
    assert found.degrees == 2 * 2
    assert 0.002 < found.sigma < 0.02
    assert [one.checkpoints for one in pack.measures if one.name == "docs"] == [None]


def test_provenance_says_where_it_is_from(make_pack: Make) -> None:
    facts = make_pack().provenance
    assert (facts.device, facts.date, facts.panel) == ("a card", "2026-01-31", "p" * 64)


def test_a_table_of_runs_made_elsewhere_is_enough_for_the_spread_of_seeds(store: Store, table: Path) -> None:
    pack = build_pack(gather_runs(store, [str(table)], "micro-0.25x"), date="")
    assert (pack.status, len(pack.runs), pack.context) == ("measured", 8, 1_024)
    assert (pack.provenance.panel, measure_of(pack).items) == (None, None)


@pytest.mark.parametrize(
    ("names", "tier", "said"),
    [
        (["table.json"], None, "holds runs of micro-0.25x, smoke-0.1x"),
        (["table.json"], "nano-1x", "no run of nano-1x"),
        (["table.json", "run-x"], None, "expected it alone"),
        (["none.json"], None, "cannot be read"),
        (["run-abc"], None, "no such run"),
    ],
)
def test_what_cannot_be_gathered_is_named(
    store: Store, table: Path, names: list[str], tier: str | None, said: str
) -> None:
    with pytest.raises(RunError, match=said):
        gather_runs(store, [str(table.parent / name) for name in names], tier)


def test_a_table_without_scores_is_refused_with_the_place(store: Store, table: Path) -> None:
    value = json.loads(table.read_text())
    value["runs"][2]["bpb"] = {}
    value["runs"][3]["steps"] = 0
    write_json(table, value)
    with pytest.raises(RunError, match=r"runs\.2\.bpb") as caught:
        gather_runs(store, [str(table)], "micro-0.25x")
    assert "runs.3.steps" in str(caught.value)


def test_runs_of_two_panels_or_tiers_make_no_pack(store: Store, baseline: Any, make_run: Any, write_run: Any) -> None:
    other = write_run(
        store, replace(make_run("baseline", 9, lambda *_: 2.0, {"docs": 60, "code": 60}), panel="q" * 64),
        unique_tokens=10,
    )  # fmt: skip
    with pytest.raises(RunError, match="rule 1"):
        built(store, [*baseline(2), other])
    smoke = write_run(
        store, make_run("baseline", 10, lambda *_: 2.0, {"docs": 60, "code": 60}, tier="smoke-1x"), unique_tokens=10
    )
    with pytest.raises(RunError, match="rule 6"):
        built(store, [*baseline(2), smoke])


def test_a_run_given_twice_is_refused(store: Store, baseline: Any) -> None:
    (run,) = baseline(1)
    with pytest.raises(RunError, match="given twice"):
        built(store, [run, run])


def test_all_runs_of_a_tier_are_found_in_the_store(store: Store, baseline: Any) -> None:
    made = baseline(3)
    baseline(1, tier="smoke-1x")
    assert sorted(runs_in(store, "micro")) == sorted(str(one.path) for one in made)
