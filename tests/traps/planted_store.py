"""A planted world in a store, as training writes it: assembled, frozen and judged by the code that users run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from planted_worlds import PACK_SEEDS, PANEL, POOL, World, scored, words

from curation.batches import write_table
from curation.files import Json, digest_json, replacing, write_json, write_text
from curation.panel_leak import PanelLeak
from curation.store import Artifact, Store
from leaderboard.noise.build import build_pack
from leaderboard.noise.find import known_packs
from leaderboard.noise.pack_files import write_pack
from leaderboard.noise.read_runs import gather_runs
from leaderboard.scores import ScoredRun, gather
from leaderboard.studies.arms import Arm, resolve_arms
from leaderboard.studies.assemble import Findings, assemble
from leaderboard.studies.assemble_facts import Gathered
from leaderboard.studies.decision_facts import ContaminationGap, Plumbing
from leaderboard.studies.facts import CorpusIntegrity, FamilyDelta
from leaderboard.studies.frozen import freeze, study_dir
from leaderboard.studies.identity import study_fingerprint, study_identity
from leaderboard.studies.results import RESULT_FILE, StudyResult, write_result
from leaderboard.studies.study import Study, load_study
from leaderboard.studies.trained import BuiltArm, TrainedRun
from train.run_clock import timing_path
from train.tiers import load_tier


@dataclass(frozen=True, kw_only=True)
class Made:
    """A world in a store: its result and the study's directory."""

    result: StudyResult
    folder: Path
    store: Store


def write_corpus(store: Store, arm: str, num_tokens: int) -> Artifact:
    """Write a corpus of `num_tokens` tokens without text; one that was written stays."""
    fingerprint = digest_json({"corpus": arm, "tokens": num_tokens})
    found = store.find("corpus", fingerprint)
    if found is not None:
        return found
    with store.building("corpus", fingerprint) as out:
        write_json(out.path / "funnel.json", [])
        write_json(out.path / "contamination.json", {"checked": True, "reports": []})
        summary: dict[str, Json] = {
            "num_docs": num_tokens // 500, "num_bytes": num_tokens * 4, "num_tokens": num_tokens, "selected_for": [],
        }  # fmt: skip
        return out.finish({"inputs": {"panel": PANEL}, "params": {}, "summary": summary})


def log_of(world: World, run: ScoredRun, bpb: Mapping[str, float]) -> str:
    """Return a training's log: the loss at fifty steps, and at ten of them bits per byte of the panel's subset."""
    tier = load_tier(run.tier)
    lines = []
    for place in range(1, 51):
        done = place / 50
        step = round(tier.num_steps * done)
        loss = 3.0 + 7.0 * (1 - done) ** 4
        row: dict[str, Any] = {"step": step, "tokens": step * tier.batch_tokens, "loss": loss}
        row |= {"step_losses": [loss], "step_grad_norms": [0.5]}
        if place % 5 == 0:
            away = 1 + 0.3 * (1 - done)
            scored = {
                name: value * away * (1 + world.effect(run.arm, run.tier, name) * (world.course(done) - 1))
                for name, value in bpb.items()
            }
            row["validation"] = {"step": step, "tokens": row["tokens"], "bpb": scored, "set": "subset"}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


def gathered(world: World, study: Study, arms: list[Arm], store: Store) -> Gathered:
    """Return what is known beside runs: sound corpora, the panel searched for, tasks above chance at every tier."""
    sound = CorpusIntegrity(
        artifact="i" * 64, num_docs=20_000, num_bytes=80_000_000, empty_docs=0, invalid_utf8_docs=0, nul_docs=0,
        exact_duplicate_docs=0, near_duplicate_docs=100, shares={}, max_share_deviation=0.0, sha256_match=True,
        tokenizer="ladder@1", roundtrip_docs=10_000, roundtrip_exact=10_000, items_checked=1_000, items_hit=0,
    )  # fmt: skip
    names = [arm.name for arm in arms]
    leaks = {
        name: PanelLeak(
            docs_checked=20_000, exact=world.leaks.get(name, 0), near=world.leaks.get(name, 0), first_ids=()
        )
        for name in names
    }
    families = tuple(
        FamilyDelta(
            tier=tier, arm=arm.name, against="baseline", suite="tasks", family=family, points=points, low=points - 1,
            high=points + 1, num_tasks=2, num_items=900, seeds=tuple(range(1, seeds + 1)), eligible=True,
        )
        for arm in arms if arm.role == "arm"
        for tier, seeds in study.tiers.items()
        for family, points in world.families.items()
    )  # fmt: skip
    return Gathered(
        store=store.root,
        integrity=dict.fromkeys(names, sound),
        leaks=leaks,
        corpus_seconds=dict.fromkeys(names, 60.0),
        families=families,
    )


def with_decision_facts(result: StudyResult, world: World) -> StudyResult:
    """Return the result with facts that a study measures on tokens and items, of which these worlds have none."""
    plumbing = tuple(
        Plumbing(
            tier=tier, loader_reproducible=True, resume_exact=True, every_parameter_learns=True, export_max_logit=1e-5,
            export_nll=1e-8,
        )
        for tier in result.tiers
    )  # fmt: skip
    arms = [item.name for item in result.arms if item.role == "arm"]
    gaps = tuple(
        ContaminationGap(arm=arm, tier=tier, points=world.gap[0], low=world.gap[1], high=world.gap[2])
        for arm in arms if world.gap is not None
        for tier in result.tiers
    )  # fmt: skip
    epochs = {arm: world.epochs.get(arm, 1.0) for arm in arms}
    decision = replace(result.facts.decision, plumbing=plumbing, gaps=gaps, epochs_at_target=epochs)
    return replace(result, facts=replace(result.facts, decision=decision))


def write_run(store: Store, run: ScoredRun, world: World, corpus: str) -> Artifact:
    """Write a finished run as training does."""
    tier = load_tier(run.tier)
    seen = tier.num_tokens
    unique = int(seen / world.epochs.get(run.arm, 1.0))
    bpb = {name: float(one.bpb[0]) for name, one in gather([run]).slices.items()}
    content = digest_json({"bpb": bpb, "arm": run.arm, "tier": run.tier, "seed": run.seed, "world": world.world})
    with store.building("run", content) as out:
        with replacing(out.path / "documents.parquet") as temporary:
            write_table(temporary, run.documents)
        write_text(out.path / "metrics.jsonl", log_of(world, run, bpb))
        summary: dict[str, Json] = {
            "tier": run.tier, "seed": run.seed, "tokens_seen": seen, "unique_tokens": unique,
            "epochs": seen / unique, "epochs_by_slice": {}, "bpb": bpb, "final_train_loss": 3.08,
            "steps": tier.num_steps, "flops": 6.0 * tier.shape.total_params * seen,
            "tokenizer": run.tokenizer, "context": run.context, "panel_digest": run.panel,
            "tier_digest": run.tier_digest, "stable": (run.arm, run.seed) not in world.unstable,
            "skipped_steps": [], "spike_score": 0.0, "num_spikes": 0, "sample_hash": "h", "resumed_exactly": True,
            **world.summary.get(run.arm, {}),
        }  # fmt: skip
        inputs: dict[str, Json] = {"panel": PANEL, "tokens": digest_json({"tokens of": corpus})}
        made = out.finish({"inputs": inputs, "params": {}, "summary": summary})
    clock = timing_path(store.root, content)
    clock.parent.mkdir(exist_ok=True)
    clock.write_text(json.dumps({"seconds": {"train": 100.0, "score": 10.0}}))
    return made


def measure_noise(store: Store, world: World, tier: str) -> None:
    """Write the noise pack of `tier`, of baseline seeds that the study does not compare; equal worlds share one."""
    slices = tuple(sorted(world.slices.items()))
    name, text = noise_pack(slices, (world.sigma, world.family_sigma), world.packs, tier)
    place = store.root / "noise" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)


@cache
def noise_pack(
    slices: tuple[tuple[str, int], ...], sigmas: tuple[float, float], num: int, tier: str
) -> tuple[str, str]:
    """Return name and content of a pack as `curate noise build` writes it."""
    seeds = {seed: seed + PACK_SEEDS for seed in range(1, num + 1)}
    measured = World(slices=dict(slices), sigma=sigmas[0], family_sigma=sigmas[1], packs=num, same_run=seeds)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        runs = [scored(measured, "baseline", tier, seed) for seed in seeds]
        paths = [str(write_run(store, run, measured, "noise").path) for run in runs]
        pack = build_pack(gather_runs(store, paths, None), date="2026-01-31", device="a card")
        write_pack(store.root / pack.file_name, pack)
        return pack.file_name, (store.root / pack.file_name).read_text()


def study_of(world: World, folder: Path) -> Study:
    """Return the world's study as a user's file gives it."""
    path = folder / "planted.yaml"
    path.write_text(yaml.safe_dump(words(**world.study), sort_keys=False))
    return load_study(path)


def make(world: World, folder: Path) -> Made:
    """Write the world into a store and return its result, assembled and frozen by the study's own functions."""
    folder.mkdir(parents=True, exist_ok=True)
    store, study = Store.open(folder / "store"), study_of(world, folder)
    arms = resolve_arms(study, "planted.yaml")
    if world.packs:
        for tier in study.tiers:
            measure_noise(store, world, tier)
    built = [BuiltArm(arm=arm, corpus=_corpus(store, world, study, arm)) for arm in arms]
    trained = [
        TrainedRun(
            arm=one.arm.name,
            tier=tier,
            seed=seed,
            artifact=write_run(store, scored(world, one.arm.name, tier, seed), world, one.corpus.fingerprint),
        )
        for one in built
        for tier, seeds in study.tiers.items()
        for seed in world.seeds.get(one.arm.name, range(1, seeds + 1))
        if (one.arm.name, tier, seed) not in world.absent
    ]
    identity = study_identity(study, {one.arm.name: one.corpus.fingerprint for one in built}, POOL, PANEL)
    home = study_dir(store, study, study_fingerprint(identity))
    home.mkdir(parents=True, exist_ok=True)
    frozen = freeze(home, study_fingerprint(identity), identity, recipes={}, runs_before=0)
    findings = Findings(
        arms=built, runs=trained, failures=(), unigram={}, seconds={"train": 60.0}, code="test",
        packs=known_packs(store.root), gathered=gathered(world, study, arms, store),
    )  # fmt: skip
    result = with_decision_facts(assemble(study, frozen, findings), world)
    write_result(home / RESULT_FILE, result)
    return Made(result=result, folder=home, store=store)


def _corpus(store: Store, world: World, study: Study, arm: Arm) -> Artifact:
    """Return an arm's corpus: as many tokens as its runs at the largest tier see, over its epochs."""
    largest = max(load_tier(tier).num_tokens for tier in study.tiers)
    return write_corpus(store, arm.name, int(largest / world.epochs.get(arm.name, 1.0)))
