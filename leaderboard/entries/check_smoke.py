"""L1, smoke: gate G0 asked again of every arm, by the shipped gates, from the entry's own result.

An arm whose smoke failed enters no table. An entry in which no arm is left does not pass. What could not be measured is
no failure, but a submitter must not pass by leaving it out: runs without a record of their training, and runs that did
not learn beside a baseline that did not either, are flagged for an audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from leaderboard.entries.checks import Check, verdict
from leaderboard.gates.collect import candidate_arms, evidence_of
from leaderboard.gates.definition import Gates, load_gates
from leaderboard.gates.judge import judge
from leaderboard.studies.facts import RunFacts
from leaderboard.studies.results import StudyResult
from leaderboard.studies.study import BASELINE

SMOKE_GATE = "G0"
REMEDY = (
    "see `curate study gate STUDY_DIR --gate G0 --explain`; mend the recipe, `curate study run STUDY.yaml`, submit that"
)


AUDIT = "audit it: `curate leaderboard verify ENTRY --level 2 --store STORE`, or train at a larger budget"
LEARNED = 0.75
"""Of the initial loss, the most that is left of one that learned. Source: G0 of `gates@1`."""
MAX_NAMED = 3


def smoke_failures(result: StudyResult) -> Mapping[str, str]:
    """Return what failed at G0 by arm; arms whose smoke did not fail are left out."""
    gates = _gates()
    found: dict[str, str] = {}
    for arm in candidate_arms(result):
        report = judge(evidence_of(result, arm), gates, SMOKE_GATE)
        failed = [f"{one.name}: {one.text}" for one in report.conditions if one.state == "fail"]
        if failed:
            found[arm] = "; ".join(failed)
    for one in result.facts.promotion:
        if one.gate == SMOKE_GATE and not one.promoted:
            found.setdefault(one.arm, one.reason)
    return found


@cache
def _gates() -> Gates:
    return load_gates()


def smoke_check(result: StudyResult) -> Check:
    """Check that smoke was passed by at least one arm; those that failed it are named."""
    failed = smoke_failures(result)
    arms = candidate_arms(result)
    told = [f"arm {arm} failed smoke (G0): {text}" for arm, text in failed.items()]
    if arms and len(failed) < len(arms):
        good = "; ".join([*told, f"{len(arms) - len(failed)} of {len(arms)} arms may enter a table"])
        if unknown := _untold(result, {BASELINE, *arms} - set(failed)):
            return Check(name="smoke", level=1, state="flag", text=f"{'; '.join(unknown)}; {good}", remedy=AUDIT)
        return Check(name="smoke", level=1, state="pass", text=good)
    return verdict("smoke", told or ["the study has no arm to judge"], "", remedy=REMEDY)


def _untold(result: StudyResult, arms: set[str]) -> list[str]:
    """Return what smoke could not see of the trainings of the arms that may enter a table."""
    runs = [run for run in result.runs if run.arm in arms]
    bare = [f"{run.arm} {run.tier} seed {run.seed}" for run in runs if not _recorded(run.facts)]
    flat = [f"{run.arm} {run.tier} seed {run.seed}" for run in runs if _flat(run.facts)]
    found = [f"{len(bare)} runs without a record of how training went ({_some(bare)})"] if bare else []
    return found + (
        [f"{len(flat)} runs kept over {LEARNED:.0%} of their initial loss ({_some(flat)}): nothing was learned"]
        if flat
        else []
    )


def _recorded(facts: RunFacts | None) -> bool:
    return facts is not None and facts.initial_loss is not None and facts.final_loss is not None


def _flat(facts: RunFacts | None) -> bool:
    if facts is None or facts.initial_loss is None or facts.final_loss is None:
        return False
    return facts.final_loss > LEARNED * facts.initial_loss


def _some(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
