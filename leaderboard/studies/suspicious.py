"""The contamination gap of a study's arms: what they gain on items that their corpus holds beyond the others (rule 14).

    gap = (arm − baseline on suspicious items) − (arm − baseline on clean items)

Suspicious items share 13 words in a row with the corpus as it was trained on (`ngram-13`), or a stage of the recipe
found them and left them there; clean ones were looked for and not found. An artifact of kind `suite-items` holds the
lists, one a corpus. Points are percentage points of accuracy, or per cent fewer bits per byte of the right answers: of
each task the first of the two that may be judged at the tier. The gap is the mean over tasks with 10 independent items
of either sort; where none has them, that of all their items together. Without an interval the record says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from curation.batches import read_table, text_view
from curation.files import Json, digest_json
from curation.nodes import Node, NodeRun, Planner, existing_node
from leaderboard.studies.decision_facts import ContaminationGap
from leaderboard.studies.results import ArmResult, RunResult, StudyResult
from leaderboard.studies.study import BASELINE

if TYPE_CHECKING:
    from curation.decontamination.item_lists import ItemLists
    from curation.suites.items import Suite
    from leaderboard.contaminated.items import ItemScores, TaskItems
    from leaderboard.part_means import Estimate
    from train.evals.results import Scored

VERSION = "suite-items@1"
DETECTOR = "ngram-13"
PERCENT = 100.0


def gaps_of(
    result: StudyResult, suites: Sequence[str], scored: Mapping[str, Sequence[Scored]], planner: Planner
) -> list[ContaminationGap]:
    """Return the gap of every arm at every tier where it was compared; `scored` are the runs' scores."""
    found = []
    looked: dict[str, tuple[ItemLists, ...]] = {}
    corpora = {item.name: item for item in result.arms}
    for item in result.assessments:
        here = [run for run in result.runs if run.tier == item.tier]
        sides = [_scores(here, arm, scored) for arm in (item.arm, BASELINE)]
        if not suites or not all(sides):
            found.append(_unscored(item.arm, item.tier, suites))
            continue
        if item.arm not in looked:
            looked[item.arm] = _looked_for(corpora[item.arm], suites, planner)
        found.append(_gap(item.arm, item.tier, (sides[0], sides[1]), looked[item.arm]))
    return found


def items_node(corpus: Node, suites: Sequence[Suite]) -> Node:
    """Return the node that looks for the items of suites in a corpus: `items.jsonl`."""
    from curation.decontamination.detectors import detector

    digests: list[Json] = [{"suite": suite.name, "digest": suite.digest} for suite in suites]
    params: dict[str, Json] = {"detector": detector(DETECTOR, {}, "suites").version, "items": digest_json(digests)}
    run = partial(_look, suites=suites)
    return Node(
        kind="suite-items", version=VERSION, params=params, inputs={"corpus": corpus}, run=run, label="suite items"
    )  # fmt: skip


def suites_of_tasks(names: Sequence[str]) -> tuple[Suite, ...]:
    """Return the items of every task of these suites whose file is here."""
    from curation.suites import load_suites
    from curation.suites.names import present
    from curation.suites.task_data import evals_directory
    from curation.suites.tasks import load_task_suite

    here = present(evals_directory(None))
    files = [next((name for name in task.data if name in here), None)
             for suite in names for task in load_task_suite(suite).tasks]  # fmt: skip
    return load_suites([name for name in dict.fromkeys(files) if name is not None], "suites")


def _look(context: NodeRun, *, suites: Sequence[Suite]) -> Mapping[str, Json]:
    from curation.decontamination.detectors import Scan, detector, scan_all
    from curation.decontamination.item_lists import ITEMS, Judged, write_item_lists

    corpus, chosen = context.inputs["corpus"], detector(DETECTOR, {}, "suites")
    index = chosen.index(suites)
    scans: list[Scan] = []
    manifest = cast("Mapping[str, Any]", corpus.manifest)
    for one in manifest["files"]:
        if str(one["path"]).endswith(".parquet"):
            scans += scan_all([index], text_view(read_table(corpus.path / one["path"], ["text"])["text"]))
    findings = index.judge(scans)
    judged = Judged(detector=chosen, findings=findings, findable=index.findable)
    write_item_lists(context.out.path / ITEMS, suites, [judged], chosen.name)
    digests: dict[str, Json] = {suite.name: suite.digest for suite in suites}
    return {"suites": digests, "items": int(index.findable.sum()), "found": len(np.unique(findings.items))}


def _looked_for(arm: ArmResult, suites: Sequence[str], planner: Planner) -> tuple[ItemLists, ...]:
    """Return the lists of an arm's corpus: this study's own, and those of its recipe's stages."""
    from curation.decontamination.item_lists import ITEMS, read_item_lists

    corpus = planner.store.find("corpus", arm.corpus)
    assert corpus is not None, "a study's corpora were built before its runs"
    own = planner.materialise(items_node(existing_node(corpus), suites_of_tasks(suites)))
    lists = [read_item_lists(own.path)]
    if (corpus.path / ITEMS).is_file():
        lists.append(read_item_lists(corpus.path))
    return tuple(lists)


def _scores(runs: Sequence[RunResult], arm: str, scored: Mapping[str, Sequence[Scored]]) -> list[list[Scored]]:
    """Return the scores of an arm's runs, a list a run; empty unless every run has the same suites."""
    found = [list(scored.get(run.fingerprint, ())) for run in sorted(runs, key=lambda one: one.seed) if run.arm == arm]
    return found if found and all(len(one) == len(found[0]) > 0 for one in found) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A task's items in points, and what is found of them."""

    here: TaskItems

    @property
    def judged(self) -> bool:
        from leaderboard.part_means import MIN_CLUSTERS

        clusters = self.here.scores.clusters
        return all(len(np.unique(clusters[mask])) >= MIN_CLUSTERS for mask in (self.here.suspicious, self.here.clean))

    def estimates(self) -> tuple[Estimate | None, Estimate | None]:
        """Return the gap, and the gain on clean items alone."""
        from leaderboard.part_means import WeightedArm, WeightedPart, estimate

        here = self.here
        sides = [WeightedArm(here.candidates, 1.0), WeightedArm(here.baselines, -1.0)]
        clean = WeightedPart(here.clean, 1.0)
        parts = [WeightedPart(here.suspicious, 1.0), WeightedPart(here.clean, -1.0)]
        return (
            estimate(here.scores.units, parts, sides, ("gap", here.task)),
            estimate(here.scores.units, [clean], sides, ("gain", here.task)),
        )


def _gap(
    arm: str, tier: str, sides: tuple[list[list[Scored]], list[list[Scored]]], lists: Sequence[ItemLists]
) -> ContaminationGap:
    from leaderboard.part_means import WeightedArm, mean_estimate

    splits = [_Split(here=here) for here in _tasks(tier, sides, lists)]
    suspicious, clean = (sum(int(mask.sum()) for mask in masks) for masks in (
        [one.here.suspicious for one in splits], [one.here.clean for one in splits]))  # fmt: skip
    plain = ContaminationGap(
        arm=arm, tier=tier, points=None, low=None, high=None, num_suspicious=suspicious, num_clean=clean
    )
    if not splits:
        return replace(
            plain, num_suspicious=None, num_clean=None,
            why=f"no scored task whose items were looked for may be judged at {tier}",
            mend="score a suite with such a task, `suites: [small]`",
        )  # fmt: skip
    if not suspicious:
        return plain
    able = [one for one in splits if one.judged] or [one for one in [_together(splits)] if one.judged]
    if not able:
        return replace(
            plain, why=f"{suspicious:,} suspicious and {clean:,} clean items: fewer than 10 independent ones of a sort",
            mend="take the items out of the corpus (a stage `decontaminate: ngram-13` with these suites in the base), "
            "or score larger suites",
        )  # fmt: skip
    found = [one.estimates() for one in able]
    columns = [WeightedArm(able[0].here.candidates, 1.0), WeightedArm(able[0].here.baselines, -1.0)]
    gap, gain = (mean_estimate([one for one in several if one], columns) for several in zip(*found, strict=True))
    if gap is None or gap.low is None or gap.high is None:
        return replace(plain, why="the gap has no interval: one run a side, or one item", mend="add seeds")
    return replace(
        plain, points=gap.value, low=gap.low, high=gap.high,
        clean_points=gain.value if gain else None, clean_low=gain.low if gain else None,
        clean_high=gain.high if gain else None,
    )  # fmt: skip


def _tasks(
    tier: str, sides: tuple[list[list[Scored]], list[list[Scored]]], lists: Sequence[ItemLists]
) -> list[TaskItems]:
    """Return the items of every task that may be judged at the tier and was looked for, in points."""
    from curation.suites.eligibility import eligibility
    from leaderboard.comparison.tasks import ACCURACIES, BITS
    from leaderboard.contaminated.items import items_of, list_name

    found = []
    for place in range(len(sides[0][0])):
        candidates, baselines = ([run[place] for run in side] for side in sides)
        results = candidates[0].results
        for task in results.tasks:
            listed = list_name(results, task, lists[0])
            metric = next((one for one in (BITS, ACCURACIES[0])
                           if eligibility(task, one, tier=tier, suite=results.suite.name).level == "judged"
                           and one in results.tasks[task].metrics), None)  # fmt: skip
            if listed is None or metric is None or any(task not in one.results.tasks for one in baselines):
                continue
            here = items_of(
                candidates, baselines, task, lists[0], suite=listed, detector=lists[0].default, metric=metric
            )
            found.append(_in_points(_with_stages(here, lists[1:], lists[0].digests[listed]), metric == BITS))
    return found


def _with_stages(here: TaskItems, stages: Sequence[ItemLists], digest: str) -> TaskItems:
    """Return the items with those marked that a stage of the recipe found and left in the corpus."""
    left: set[int] = set()
    for one in stages:
        if one.digests.get(here.suite) == digest:
            kept = {name for name, removed in one.removed.items() if removed == "none"}
            left |= {int(row["item"]) for row in one.rows[here.suite] if kept & set(row["found"])}
    marked = here.suspicious | np.isin(here.scores.places, sorted(left))
    return replace(here, suspicious=marked, clean=here.clean & ~marked)


def _in_points(here: TaskItems, bits: bool) -> TaskItems:
    """Return the items with values in points: per cent of the baseline's bits, or percentage points."""
    values = here.scores.values
    scale = PERCENT / max(1e-12, float(np.abs(values[:, list(here.baselines)]).mean())) if bits else PERCENT
    scores: ItemScores = replace(here.scores, values=values * scale)
    return replace(here, scores=scores)


def _together(splits: Sequence[_Split]) -> _Split:
    """Return all tasks' items as those of one task; each task's clusters stay its own."""
    first = splits[0].here
    starts = np.cumsum([0, *(int(one.here.scores.clusters.max()) + 1 for one in splits)])
    scores = replace(
        first.scores,
        places=np.concatenate([one.here.scores.places for one in splits]),
        clusters=np.concatenate([one.here.scores.clusters + start for one, start in zip(splits, starts, strict=False)]),
        values=np.concatenate([one.here.scores.values for one in splits]),
    )
    return _Split(here=replace(
        first, task="all", scores=scores,
        clean=np.concatenate([one.here.clean for one in splits]),
        suspicious=np.concatenate([one.here.suspicious for one in splits]),
        found_scores=np.concatenate([one.here.found_scores for one in splits]),
    ))  # fmt: skip


def _unscored(arm: str, tier: str, suites: Sequence[str]) -> ContaminationGap:
    if suites:
        why, mend = f"no task of {', '.join(suites)} may be judged at {tier}", "name a suite with easier tasks"
    else:
        why, mend = "no suite of tasks is scored", "write `suites: [small]` in the study"
    return ContaminationGap(arm=arm, tier=tier, points=None, low=None, high=None, why=why, mend=mend)
