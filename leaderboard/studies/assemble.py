"""From corpora and runs to a study's result: every aggregate recomputed from per-document scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from curation.errors import RunError
from curation.files import Json, read_json
from curation.store import Artifact
from leaderboard.compare_arms import Rules
from leaderboard.noise.find import noise_for
from leaderboard.noise.pack import NoisePack
from leaderboard.scores import ScoredRun, TierScores, gather, load_documents
from leaderboard.studies.assemble_facts import Gathered, Judged, facts_of
from leaderboard.studies.facts import CorpusIntegrity
from leaderboard.studies.results import (
    SCHEMA,
    ArmResult,
    Assessment,
    Failure,
    RunResult,
    StudyResult,
    Supply,
    UnigramCheck,
)
from leaderboard.studies.run_results import run_result
from leaderboard.studies.study import BASELINE, Study
from leaderboard.studies.trained import BuiltArm, TrainedRun
from leaderboard.studies.training_change import TrainingChange
from leaderboard.studies.variants import trained_tier
from leaderboard.studies.verdict import ArmNames, Terms, assess, epochs_flag
from train.supply import epochs_flag as repeats_flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What was fixed before the first training."""

    fingerprint: str
    pool: str
    panel: str
    runs_before_freeze: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What building and training gave, before any comparison."""

    arms: Sequence[BuiltArm]
    runs: Sequence[TrainedRun]
    failures: Sequence[Failure]
    unigram: Mapping[tuple[str, str], Mapping[str, float]]
    """(arm, tier) -> unigram bits per byte by slice."""
    seconds: Mapping[str, float]
    code: str
    packs: Sequence[tuple[Path, NoisePack]] = ()
    """All noise packs that are known."""
    gathered: Gathered = field(default_factory=Gathered)
    """What was found beside runs: integrity, suites, costs, promotion."""


def assemble(study: Study, frozen: Frozen, found: Findings) -> StudyResult:
    """Return the study's result; tiers where the baseline did not finish have runs but no assessment.

    Raises: RunError if runs cannot be compared or an aggregate does not follow from its scores.
    """
    arms = tuple(_arm_result(built, found.gathered.integrity.get(built.arm.name)) for built in found.arms)
    selected = frozenset(study.selected_for).union(*(arm.selected_for for arm in arms))
    changes = {built.arm.name: built.arm.training for built in found.arms}
    scored = [(run, _scored_as(run, changes.get(run.arm))) for run in found.runs]
    runs = tuple(run_result(run, score) for run, score in scored)
    supply = _supplies(runs)
    assessments: list[Assessment] = []
    judged: dict[str, Judged] = {}
    for tier in study.tiers:
        at_tier = [score for run, score in scored if run.tier == tier]
        if at_tier:
            here = {item.arm: item for item in supply if item.tier == tier}
            scores = gather(at_tier, across_tokenizers=study.kind == "tokenizer")
            noise = noise_for(at_tier, scores, found.packs, selected)
            terms = replace(
                _terms(study, tier, runs, selected),
                noise=noise.priors,
                noise_reason=noise.reason,
                noise_note=noise.note,
            )
            assessments += _assessments(found.arms, scores, here, terms)
            rules = Rules(selected_for=selected, noise=terms.noise, interventions=terms.interventions)
            judged[tier] = Judged(scores=scores, noise=noise, rules=rules)
    return StudyResult(
        schema=SCHEMA,
        fingerprint=frozen.fingerprint,
        name=study.name,
        hypothesis=study.hypothesis,
        kind=study.kind,
        base=found.arms[0].arm.recipe.name,
        tiers=dict(study.tiers),
        multi_factor=study.multi_factor,
        pool=frozen.pool,
        panel=runs[0].panel if runs else frozen.panel,
        selected_for=tuple(sorted(selected)),
        runs_before_freeze=frozen.runs_before_freeze,
        arms=arms,
        runs=runs,
        supply=supply,
        unigram=tuple(_unigram_checks(runs, found.unigram)),
        assessments=tuple(assessments),
        failures=tuple(found.failures),
        seconds=dict(found.seconds),
        code=found.code,
        protect=study.protect,
        trade=dict(study.trade),
        decision=study.decision,
        facts=facts_of(found.arms, found.runs, assessments, judged, found.gathered),
    )


def _scored_as(run: TrainedRun, change: TrainingChange | None) -> ScoredRun:
    """Return a run's scores under the study's name of its tier.

    Raises: RunError if it trained another tier than the study gives its arm, or another seed (rules 6 and 10).
    """
    score = scored_run(run.artifact, run.arm)
    expected = trained_tier(run.tier, change, f"arm {run.arm}")
    if (score.tier, score.seed) != (expected, run.seed):
        raise RunError(
            f"{run.artifact.path}: trained {score.tier} with seed {score.seed}, but stands for {run.arm} at "
            f"{expected}, seed {run.seed}; expected equal tiers (rule 6) and seeds 1..n (rule 10); remove the run and "
            "rerun `curate study run`"
        )
    return replace(score, tier=run.tier)


def scored_run(artifact: Artifact, arm: str) -> ScoredRun:
    """Return the scores of a run artifact and what makes them comparable.

    Raises: RunError if it is no run.
    """
    if artifact.kind != "run":
        raise RunError(f"{artifact.path}: holds a {artifact.kind}, expected a run; see `curate show {artifact.path}`")
    summary = artifact.summary
    if "noise" in summary:
        raise RunError(
            f"{artifact.path}: is a noise run, expected one with a seed 1..n (rule 10); it enters noise packs only"
        )
    return ScoredRun(
        arm=arm,
        tier=str(summary["tier"]),
        seed=int(cast("int", summary["seed"])),
        panel=str(summary["panel_digest"]),
        tokenizer=str(summary["tokenizer"]),
        context=int(cast("int", summary["context"])),
        documents=load_documents(artifact.path),
        tier_digest=str(summary.get("tier_digest", "")),
        fingerprint=artifact.fingerprint,
    )


def _terms(study: Study, tier: str, runs: Sequence[RunResult], selected: frozenset[str]) -> Terms:
    """Return what the study froze for `tier`, and how much of it finished."""
    here = [run for run in runs if run.tier == tier]
    return Terms(
        kind=study.kind,
        protect=study.protect,
        trade=study.trade,
        selected_for=selected,
        num_budgets=_num_budgets(runs, tier),
        num_seeds=study.tiers[tier],
        unstable=frozenset((run.arm, run.seed) for run in here if not run.stable),
        multi_factor=study.multi_factor,
        interventions={(run.arm, run.seed): run.interventions for run in here if run.intervened},
    )


def _assessments(
    built: Sequence[BuiltArm], scores: TierScores, supply: Mapping[str, Supply], terms: Terms
) -> list[Assessment]:
    present = {arm for arm, _ in scores.runs}
    if BASELINE not in present:
        return []
    controls = {(item.arm.of, item.arm.role): item.arm.name for item in built if item.arm.name in present}
    found = []
    for name in (item.arm.name for item in built if item.arm.role == "arm" and item.arm.name in present):
        names = ArmNames(
            arm=name, random=controls.get((name, "random")), matched=controls.get((name, "random-matched"))
        )
        found.append(assess(scores, names, supply, terms))
    return found


def _num_budgets(runs: Sequence[RunResult], tier: str) -> int:
    """Count the token budgets of a tier's model that have runs: `nano-0.1x` and `nano-1x` are two."""
    budgets = {run.tier.partition("@")[0] for run in runs if "@lr" not in run.tier}  # a probe is no budget
    model = tier.partition("@")[0].rpartition("-")[0]
    return len({budget for budget in budgets if budget.rpartition("-")[0] == model})


def _arm_result(built: BuiltArm, integrity: CorpusIntegrity | None) -> ArmResult:
    summary = built.corpus.summary
    return ArmResult(
        name=built.arm.name,
        role=built.arm.role,
        of=built.arm.of,
        change=built.arm.change,
        recipe=built.arm.recipe.name,
        corpus=built.corpus.fingerprint,
        num_docs=int(cast("int", summary["num_docs"])),
        num_bytes=int(cast("int", summary["num_bytes"])),
        num_tokens=int(cast("int", summary["num_tokens"])),
        funnel=tuple(cast("list[Mapping[str, Any]]", read_json(built.corpus.path / "funnel.json"))),
        contamination=cast("Mapping[str, Any]", read_json(built.corpus.path / "contamination.json")),
        selected_for=tuple(str(name) for name in cast("list[Json]", summary.get("selected_for", []))),
        integrity=integrity,
    )


def _supplies(runs: Sequence[RunResult]) -> tuple[Supply, ...]:
    """Return one supply an arm and tier (the same for every seed), flagged against the tier's baseline."""
    first = {(run.arm, run.tier): run for run in reversed(runs)}
    supplies = [
        Supply(
            arm=arm,
            tier=tier,
            unique_tokens=run.unique_tokens,
            tokens_seen=run.tokens_seen,
            epochs=run.epochs,
            flag="",
            repeats=repeats_flag(run.epochs, run.epochs_by_slice),
        )
        for (arm, tier), run in reversed(first.items())
    ]
    baselines = {item.tier: item for item in supplies if item.arm == BASELINE}
    flagged = [
        replace(item, flag=epochs_flag(item, baselines[item.tier])) if item.tier in baselines else item
        for item in supplies
    ]
    return tuple(flagged)


def _unigram_checks(
    runs: Sequence[RunResult], unigram: Mapping[tuple[str, str], Mapping[str, float]]
) -> list[UnigramCheck]:
    checks = []
    for (arm, tier), bpb in unigram.items():
        own = [run for run in runs if (run.arm, run.tier) == (arm, tier)]
        gaps = {name: value - max(run.bpb[name] for run in own) for name, value in bpb.items()} if own else {}
        checks.append(UnigramCheck(arm=arm, tier=tier, bpb=dict(bpb), gap=gaps))
    return checks
