"""What is checked of a study before anything trains: machines, text enough, corpora fit to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from curation.nodes import Planner
from curation.panel_leak import PanelLeak, panel_leak_node
from curation.store import Artifact
from leaderboard.studies.arms import Arm
from leaderboard.studies.facts import CorpusIntegrity
from leaderboard.studies.integrity import integrity_node, integrity_of
from leaderboard.studies.prepared import Prepared
from leaderboard.studies.study import BASELINE
from train.cpu_plan import infeasible
from train.packing import visible_gpus
from train.tiers import load_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found of every arm's corpus."""

    integrity: Mapping[str, CorpusIntegrity]
    leaks: Mapping[str, PanelLeak]


def tiers_that_cannot(names: Sequence[str]) -> list[str]:
    """Return why this machine cannot train some of these tiers; empty when it can."""
    return [problem for name in names if (problem := infeasible(load_tier(name), visible_gpus))]


def same_as_baseline(arms: Sequence[Arm], corpora: Mapping[str, Artifact]) -> list[str]:
    """Return the faults of arms whose built corpus is the baseline's, document for document, and trained alike.

    Their recipes differ, their controls come out the same: every number of theirs would be a comparison with itself.
    """

    def content(name: str) -> tuple[object, object]:
        summary = corpora[name].summary
        return summary["logical_digest"], summary.get("schedule")

    kept = f"{cast('int', corpora[BASELINE].summary['num_docs']):,} documents"
    return [
        f"vary.{arm.name}: made the same corpus as the baseline ({kept}): nothing to compare, nothing was trained; "
        "drop the arm, or change its settings until `curate study plan STUDY.yaml --build` shows another corpus"
        for arm in arms
        if arm.role == "arm" and arm.training is None and content(arm.name) == content(BASELINE)
    ]


def check_corpora(ready: Prepared, planner: Planner) -> Checked:
    """Return the integrity of every arm's corpus, and what of the panel it holds; kept in the store."""
    integrity: dict[str, CorpusIntegrity] = {}
    leaks: dict[str, PanelLeak] = {}
    for arm in ready.arms:
        plan = ready.corpora[arm.name]
        tokenizers = list(dict.fromkeys(load_tier(one.trained).tokenizer for one in ready.runs if one.arm == arm.name))
        integrity[arm.name] = integrity_of(planner.materialise(integrity_node(plan.corpus, arm.recipe, tokenizers)))
        leaks[arm.name] = _leak(planner.materialise(panel_leak_node(plan.corpus, plan.panel)))
    return Checked(integrity=integrity, leaks=leaks)


def _leak(artifact: Artifact) -> PanelLeak:
    found = cast("Mapping[str, Any]", artifact.summary)
    return PanelLeak(
        docs_checked=int(found["docs_checked"]),
        exact=int(found["exact"]),
        near=int(found["near"]),
        first_ids=tuple(map(str, found["first_ids"])),
    )
