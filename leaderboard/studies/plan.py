"""What a study would do: per arm and tier text, epochs, runs, hours; per tier what its seeds can see; what is in vain.

Nothing is built; text is read only where a mixture has epoch caps. Numbers of corpora that exist are theirs; of
others estimates, marked as such, from the pool's bytes: the share that a filter's `keep` names, else all of it (an
upper bound).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from curation.files import Json
from curation.ingest import known_pool
from curation.nodes import Planner
from curation.progress import Progress
from curation.recipe import Recipe
from curation.store import Artifact, Store
from leaderboard.studies.arms import Arm, resolve_arms
from leaderboard.studies.capped import beyond_caps, held_by
from leaderboard.studies.foresight import doubts_of
from leaderboard.studies.one_change import recipe_identity
from leaderboard.studies.plan_costs import (
    Disk,
    Known,
    artifact_bytes,
    checkpoint_bytes,
    effect_of,
    known_of,
    run_bytes,
    speed_of,
    tokens_to_train,
)
from leaderboard.studies.plan_rows import ArmTier, PlanRow, StudyPlan, TierRow
from leaderboard.studies.pool_guess import PoolGuess, guess_pool
from leaderboard.studies.prepared import Prepared, filtered_docs, prepare, supply_known
from leaderboard.studies.study import Study
from leaderboard.studies.training import RunPlan
from leaderboard.studies.variants import on_own_shelf
from leaderboard.studies.verdict import is_laptop_tier
from leaderboard.studies.versions import versions_seen
from train.supply import epochs_flag, shortage
from train.tiers import load_tier

BYTES_A_TOKEN = 4.0
"""Of the ladder's tokenizers on mixed English text and code, where no corpus of the study says it."""
STORED_FRACTION = 0.4
"""Bytes on disk of a corpus that is not built over those of its text. Source: ours, zstd Parquet of prose and code."""
TOKEN_BYTES = 2


@on_own_shelf
def plan_study(study: Study, where: str, *, store: Store, progress: Progress, workers: int = 1) -> StudyPlan:
    """Return what `run_study` would do; nothing is built.

    Raises: StudyError, RecipeError, ShardError as the parts do.
    """
    arms = resolve_arms(study, where)
    known = known_of(store)
    pool = known_pool(store, arms[0].recipe.pool)
    if pool is None:
        return _unread(study, arms, known, workers, store)
    ready = prepare(study, arms, pool)
    planner = Planner(store=store, workers=1, progress=progress)
    guess = guess_pool(pool, _bytes_a_token(ready, store))
    rows = _capped([_row(ready, arm, planner, guess) for arm in arms], arms, store)
    slices = [name for name in cast("Mapping[str, Json]", pool.summary["slices"]) if name not in study.selected_for]
    panel = store.find("panel", ready.runs[0].panel.fingerprint)
    plan = _plan(study, arms, rows, known, slices, fingerprint=ready.fingerprint, panel=panel, workers=workers)
    return replace(plan, earlier=versions_seen(store, ready.identity, ready.fingerprint))


def _unread(study: Study, arms: Sequence[Arm], known: Known, workers: int, store: Store) -> StudyPlan:
    """Return the plan of a study whose pool was never read: sizes guessed from the files."""
    spec = arms[0].recipe.pool
    guess = guess_pool(spec, BYTES_A_TOKEN)
    rows = _capped([_guessed_row(study, arm, guess) for arm in arms], arms, store)
    plan = _plan(study, arms, rows, known, [], fingerprint=None, panel=None, workers=workers)
    return replace(plan, pool=guess.told)


def _plan(
    study: Study,
    arms: Sequence[Arm],
    rows: Sequence[PlanRow],
    known: Known,
    slices: Sequence[str],
    *,
    fingerprint: str | None,
    panel: Artifact | None,
    workers: int,
) -> StudyPlan:
    priced = [replace(row, tiers=tuple(_priced(one, study, known) for one in row.tiers)) for row in rows]
    tiers = [_tier_row(name, study, priced, slices, known) for name in study.tiers]
    effects = {row.tier: row.effect for row in tiers}
    return StudyPlan(
        study=study.name,
        kind=study.kind,
        fingerprint=fingerprint,
        pool="known",
        arms=tuple(priced),
        tiers=tuple(tiers),
        disk=_disk(priced, tiers, workers),
        tokenizers=tuple(dict.fromkeys(arm.recipe.tokenizer for arm in arms)),
        doubts=tuple(doubts_of(study, arms, priced, effects, panel)),
        decision=study.decision,
    )


def _capped(rows: Sequence[PlanRow], arms: Sequence[Arm], store: Store) -> list[PlanRow]:
    """Return the rows with what epoch caps would refuse, where the corpus is not built and a run cannot say it."""
    by_name = {arm.name: arm for arm in arms}
    found = []
    for row in rows:
        tiers = row.tiers
        arm = by_name[row.arm]
        if row.estimated and arm.recipe.mix.max_epochs is not None and tiers:
            loaded = [load_tier(one.tier) for one in tiers]
            held = held_by(arm, loaded[0], store)
            told = [beyond_caps(arm, tier, held) for tier in loaded]
            tiers = tuple(replace(one, refused=one.refused or why) for one, why in zip(tiers, told, strict=True))
        found.append(replace(row, tiers=tiers))
    return found


def _row(ready: Prepared, arm: Arm, planner: Planner, guess: PoolGuess) -> PlanRow:
    store = planner.store
    corpus = ready.corpora[arm.name].corpus
    own = [plan for plan in ready.runs if plan.arm == arm.name]
    steps = planner.plan(corpus, *(plan.tokens for plan in own))
    known = store.find("corpus", corpus.fingerprint)
    if known is None:
        told, tokens = _estimate(arm, ready.arms, guess)
        docs, corpus_bytes = None, round(tokens * guess.bytes_a_token * STORED_FRACTION)
    else:
        told, docs = "", int(cast("int", known.summary["num_docs"]))
        tokens = int(cast("int", known.summary["num_tokens"]))
        corpus_bytes = artifact_bytes(known)
    token_bytes = _shard_bytes(own, store, tokens)
    return PlanRow(
        arm=arm.name,
        role=arm.role,
        of=arm.of,
        change=arm.change,
        estimated=told,
        to_build=tuple(step.node.name for step in steps if step.action == "build"),
        kept_docs=docs,
        kept_tokens=tokens,
        filtered_docs=filtered_docs(known) if known else None,
        disk_bytes=corpus_bytes + token_bytes,
        token_bytes=token_bytes,
        corpus=corpus.fingerprint,
        shards=tuple(sorted({plan.tokens.fingerprint for plan in own})),
        tiers=tuple(_arm_tier(ready.study, name, own, store, tokens) for name in ready.study.tiers),
    )


def _arm_tier(study: Study, name: str, own: Sequence[RunPlan], store: Store, guessed_tokens: int) -> ArmTier:
    here = [plan for plan in own if plan.tier == name]
    tier = load_tier(here[0].trained if here else name)
    found = sum(store.find("run", plan.node.fingerprint) is not None for plan in here)
    supply = supply_known(here[0], store) if here else None
    unique = supply.unique_tokens if supply else guessed_tokens
    epochs = supply.epochs if supply else tier.num_tokens / max(1, unique)
    flag = epochs_flag(epochs, {item.name: item.epochs for item in supply.slices} if supply else {})
    refused = shortage(supply, study.epochs) if supply else ""
    return ArmTier(
        tier=name,
        unique_tokens=unique,
        tokens_seen=tier.num_tokens,
        epochs=epochs,
        flag=flag,
        refused=refused,
        runs_reused=found,
        runs_to_train=len(here) - found,
        cpu_hours=0.0,
        gpu_hours=0.0,
    )


def _guessed_row(study: Study, arm: Arm, guess: PoolGuess) -> PlanRow:
    told, tokens = _estimate(arm, [arm], guess)
    tiers = []
    for name, seeds in study.tiers.items():
        tier = load_tier(name)
        epochs = tier.num_tokens / max(1, tokens) if guess.num_bytes else None
        tiers.append(
            ArmTier(
                tier=name,
                unique_tokens=tokens if guess.num_bytes else None,
                tokens_seen=tier.num_tokens,
                epochs=epochs,
                flag=epochs_flag(epochs, {}) if epochs else "",
                refused="",
                runs_reused=0,
                runs_to_train=seeds,
                cpu_hours=0.0,
                gpu_hours=0.0,
            )
        )
    return PlanRow(
        arm=arm.name,
        role=arm.role,
        of=arm.of,
        change=arm.change,
        estimated=f"{guess.told}; {told}",
        to_build=("everything",),
        kept_docs=None,
        kept_tokens=tokens if guess.num_bytes else None,
        filtered_docs=None,
        disk_bytes=round(tokens * (guess.bytes_a_token * STORED_FRACTION + TOKEN_BYTES)),
        token_bytes=TOKEN_BYTES * tokens,
        corpus=recipe_identity(arm.recipe, None),
        shards=(str(arm.training.tokenizer if arm.training else None),),
        tiers=tuple(tiers),
    )


def _estimate(arm: Arm, arms: Sequence[Arm], guess: PoolGuess) -> tuple[str, int]:
    """Return how the tokens of a corpus to be were guessed, and the guess; controls keep what their arm does."""
    own = next((one for one in arms if one.name == arm.of), arm)
    kept = keep_fraction(own.recipe) if arm.role != "baseline" else keep_fraction(arm.recipe)
    tokens = round(guess.num_bytes * guess.train_fraction * (kept or 1.0) / guess.bytes_a_token)
    told = f"a share of {kept:g} of the pool's text" if kept else "all of the pool's text, an upper bound"
    return f"not built; estimated as {told}", tokens


def keep_fraction(recipe: Recipe) -> float | None:
    """Return the share that a recipe's filters say they keep (`keep`); None where none says it."""
    share, said = 1.0, False
    for stage in recipe.stages:
        params = stage.params.get("match", stage.params) if stage.kind == "filter" else {}
        keep = params.get("keep") if isinstance(params, Mapping) else None
        if isinstance(keep, (int, float)) and 0 < keep <= 1:
            share, said = share * float(keep), True
    return share if said else None


def _bytes_a_token(ready: Prepared, store: Store) -> float:
    """Return bytes over tokens of the first corpus of the study that exists."""
    for plan in ready.corpora.values():
        found = store.find("corpus", plan.corpus.fingerprint)
        if found is not None and found.summary["num_tokens"]:
            return cast("int", found.summary["num_bytes"]) / cast("int", found.summary["num_tokens"])
    return BYTES_A_TOKEN


def _shard_bytes(own: Sequence[RunPlan], store: Store, tokens: int) -> int:
    shards = {plan.tokens.fingerprint: store.find("tokens", plan.tokens.fingerprint) for plan in own}
    return sum(artifact_bytes(found) if found else TOKEN_BYTES * tokens for found in shards.values())


def _priced(one: ArmTier, study: Study, known: Known) -> ArmTier:
    tier = load_tier(one.tier)
    hours = one.runs_to_train * tokens_to_train(tier, study.tiers) * speed_of(tier, known).hours_a_token
    laptop = is_laptop_tier(one.tier)
    return replace(one, cpu_hours=hours if laptop else 0.0, gpu_hours=0.0 if laptop else hours)


def _tier_row(name: str, study: Study, rows: Sequence[PlanRow], slices: Sequence[str], known: Known) -> TierRow:
    here = [one for row in rows for one in row.tiers if one.tier == name]
    tier = load_tier(name)
    return TierRow(
        tier=name,
        seeds=study.tiers[name],
        runs_reused=sum(one.runs_reused for one in here),
        runs_to_train=sum(one.runs_to_train for one in here),
        cpu_hours=sum(one.cpu_hours for one in here),
        gpu_hours=sum(one.gpu_hours for one in here),
        speed=speed_of(tier, known),
        effect=effect_of(tier, study.tiers[name], slices, known),
    )


def _disk(rows: Sequence[PlanRow], tiers: Sequence[TierRow], workers: int) -> Disk:
    counts = {row.tier: row.runs_to_train + row.runs_reused for row in tiers}
    """Return what the study takes; a corpus or shards that several arms share are there once."""
    corpora = {row.corpus: row.disk_bytes - row.token_bytes for row in rows}
    tokens = sum({(row.corpus, row.shards): row.token_bytes for row in rows}.values())
    return Disk(
        corpora=sum(corpora.values()),
        tokens=tokens,
        runs=sum(count * run_bytes(load_tier(name)) for name, count in counts.items()),
        checkpoints=checkpoint_bytes({row.tier: row.runs_to_train for row in tiers if row.runs_to_train}, workers),
    )
