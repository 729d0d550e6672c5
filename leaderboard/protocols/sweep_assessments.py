"""An optimizer study as gates judge it: each side at the best of its sweep, on seeds that chose nothing.

The centre of a side is one of its points and decides nothing. In place of its comparison an arm gets that of the chosen
point against the base's chosen point on seeds 2..n, with verdict, slices, checkpoints and halves of the same runs. An
arm whose sweep claims nothing keeps the centre's numbers and a reason that no gate may pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from leaderboard.compare_arms import Rules
from leaderboard.noise.find import known_packs, noise_for
from leaderboard.protocols.measured import SweepClaim
from leaderboard.protocols.study_runs import MeasuredRun
from leaderboard.protocols.sweeps import CHOOSING_SEED
from leaderboard.scores import ScoredRun, gather
from leaderboard.studies.assemble import scored_run
from leaderboard.studies.assemble_facts import Judged, halves_of
from leaderboard.studies.decision_facts import HalfDelta
from leaderboard.studies.facts import CheckpointDelta
from leaderboard.studies.results import Assessment, Reason, StudyResult, Supply
from leaderboard.studies.run_facts import checkpoint_deltas, logged
from leaderboard.studies.study import BASELINE
from leaderboard.studies.verdict import ArmNames, Terms, assess

NO_CLAIM = "the best of its sweep claims nothing"
"""Words of the reason by which gates know a centre's comparison that decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    assessment: Assessment
    checkpoints: tuple[CheckpointDelta, ...]
    halves: tuple[HalfDelta, ...]


def judged_by_sweeps(result: StudyResult, runs: Sequence[MeasuredRun], claims: Sequence[SweepClaim]) -> StudyResult:
    """Return the result of an optimizer study with its arms judged at the best of their sweeps."""
    found: dict[tuple[str, str], _Judged] = {}
    for claim in claims:
        if not claim.why and claim.log_ratio is not None:
            arm = _side_arm(result, claim.arm)
            found[arm, claim.tier] = _judge(result, runs, claim, arm)
    assessments = []
    for item in result.assessments:
        judged = found.get((item.arm, item.tier))
        assessments.append(judged.assessment if judged else _undecided(item, claims, result))
    facts, keys = result.facts, found.keys()
    own = [item for item in facts.checkpoints if (item.arm, item.tier) not in keys]
    halves = [item for item in facts.decision.halves if (item.arm, item.tier) not in keys]
    decision = replace(facts.decision, halves=(*halves, *(one for item in found.values() for one in item.halves)))
    checkpoints = (*own, *(one for item in found.values() for one in item.checkpoints))
    return replace(
        result,
        assessments=tuple(assessments),
        facts=replace(facts, checkpoints=checkpoints, decision=decision),
    )


def _side_arm(result: StudyResult, point: str) -> str:
    """Return the arm whose side a point belongs to."""
    found = next(item for item in result.arms if item.name == point)
    return found.name if found.role == "arm" else found.of


def _undecided(item: Assessment, claims: Sequence[SweepClaim], result: StudyResult) -> Assessment:
    why = next((one.why for one in claims if one.tier == item.tier and _side_arm(result, one.arm) == item.arm), "")
    text = f"{NO_CLAIM}: {why or 'no sweep of both sides finished at this tier'}; the numbers are its centre's"
    return replace(item, verdict="insufficient", reasons=(*item.reasons, Reason(rule=10, text=text)))


def _judge(result: StudyResult, runs: Sequence[MeasuredRun], claim: SweepClaim, arm: str) -> _Judged:
    here = [run for run in runs if run.result.tier == claim.tier]
    names = _names(here, claim, arm)
    chosen = (claim.arm, claim.against)
    fresh = [run for run in here if run.result.seed != CHOOSING_SEED or run.result.arm not in chosen]
    scored: list[ScoredRun] = [
        replace(scored_run(run.artifact, names[run.result.arm]), tier=claim.tier) for run in fresh
    ]
    scores = gather(scored)
    selected = frozenset(result.selected_for)
    noise = noise_for(scored, scores, known_packs(runs[0].artifact.path.parent), selected)
    terms = _terms(result, claim, fresh, names)
    terms = replace(terms, noise=noise.priors, noise_reason=noise.reason, noise_note=noise.note)
    found = assess(scores, ArmNames(arm=arm, random=None, matched=None), _supply(result, claim, arm), terms)
    rules = Rules(selected_for=selected, noise=noise.priors, interventions=terms.interventions)
    halves = tuple(halves_of([found], {claim.tier: Judged(scores=scores, noise=noise, rules=rules)}))
    logs = [logged(run.artifact, names[run.result.arm], claim.tier) for run in fresh if run.result.arm in chosen]
    slices = found.total.headline_slices or tuple(one.slice for one in found.total.slices)
    told = Reason(
        rule=10,
        text=f"best of sweep: {claim.arm} against {claim.against}, chosen at seed {CHOOSING_SEED}, judged at seeds "
        f"{', '.join(map(str, claim.fresh_seeds))}",
    )
    total = replace(found.total, arm=claim.arm, against=claim.against)
    return _Judged(
        assessment=replace(found, total=total, notes=(told, *found.notes)),
        checkpoints=tuple(checkpoint_deltas(logs, arm, BASELINE, slices)),
        halves=halves,
    )


def _names(here: Sequence[MeasuredRun], claim: SweepClaim, arm: str) -> dict[str, str]:
    """Return what runs are called: the chosen points as arm and baseline, all others by what no arm is called."""
    chosen = {claim.arm: arm, claim.against: BASELINE}
    others = sorted({run.result.arm for run in here} - chosen.keys())
    return chosen | {name: f"point: {name}" for name in others}


def _terms(result: StudyResult, claim: SweepClaim, runs: Sequence[MeasuredRun], names: Mapping[str, str]) -> Terms:
    model = claim.tier.partition("@")[0].rpartition("-")[0]
    budgets = {run.tier.partition("@")[0] for run in result.runs if "@lr" not in run.tier}
    return Terms(
        kind=result.kind,
        protect=result.protect,
        trade=result.trade,
        selected_for=frozenset(result.selected_for),
        num_budgets=len({name for name in budgets if name.rpartition("-")[0] == model}),
        num_seeds=int(result.tiers[claim.tier]) - 1,
        unstable=frozenset((names[run.result.arm], run.result.seed) for run in runs if not run.result.stable),
        multi_factor=result.multi_factor,
        interventions={
            (names[run.result.arm], run.result.seed): run.result.interventions for run in runs if run.result.intervened
        },
    )


def _supply(result: StudyResult, claim: SweepClaim, arm: str) -> dict[str, Supply]:
    here = {item.arm: item for item in result.supply if item.tier == claim.tier}
    return {arm: replace(here[claim.arm], arm=arm), BASELINE: replace(here[claim.against], arm=BASELINE)}
