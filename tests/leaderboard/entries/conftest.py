"""A finished study in a store, made by hand: real artifacts with made-up scores, in milliseconds."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.batches import write_table
from curation.files import Json, canonical_json, digest_json, sha256_file, write_json, write_text
from curation.nodes import existing_node
from curation.panel import panel_digest
from curation.randomness import generator
from curation.recipe import as_json
from curation.store import Artifact, Store
from leaderboard.entries.entry import Entry, entry_folders, read_entry
from leaderboard.entries.local_board import Submitted
from leaderboard.entries.manifest import ENTRY_FILE
from leaderboard.entries.places import place_of
from leaderboard.entries.study_source import StudySource, find_study
from leaderboard.entries.submit import Request, submit
from leaderboard.entries.tracks import make_board
from leaderboard.studies.arms import Arm, resolve_arms
from leaderboard.studies.assemble import Findings, assemble
from leaderboard.studies.assemble_facts import Gathered
from leaderboard.studies.facts import Promotion
from leaderboard.studies.frozen import freeze, study_dir
from leaderboard.studies.identity import study_fingerprint, study_identity
from leaderboard.studies.results import RESULT_FILE, Failure, write_result
from leaderboard.studies.study import Study, parse_study
from leaderboard.studies.trained import BuiltArm, TrainedRun
from leaderboard.studies.variants import trained_tier
from train.run import run_node
from train.score import bits_per_byte
from train.shards import tokens_node
from train.tiers import load_tier, tier_digest

TIER = "pico-1x"
NUM_DOCS = 6
SLICES = ("docs", "licences")


def _words(*labels: str | int) -> str:
    rng = generator(7, "words", *labels)
    return " ".join("".join(chr(97 + int(x)) for x in rng.integers(0, 26, 6)) for _ in range(60))


@dataclass(kw_only=True)
class MadeStudy:
    """Makes a study's artifacts, result and directory in a store."""

    store: Store
    name: str = "made"
    seeds: int = 2
    gain: float = 0.02
    """What the arm takes off the baseline's ln bits per byte."""
    silent: bool = False
    """Whether promotion is said nowhere."""
    leak: bool = False
    """Whether the arm's corpus holds a panel document."""
    failed: tuple[tuple[str, int], ...] = ()
    stopped: tuple[str, ...] = ()
    """Arms that promotion stopped after the first tier, with their controls."""
    loss: Callable[[str, int], float] = lambda arm, step: 6.0 - 0.04 * step
    """(arm, fiftieth of the run) -> training loss."""
    vary: Mapping[str, Any] = field(default_factory=lambda: {"mine": {"filter": "gopher-quality"}})
    words: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Path:
        """Write everything and return the study's directory."""
        study = parse_study(
            {
                "name": self.name,
                "hypothesis": "the rules help",
                "kind": "filter",
                "base": "baseline",
                "vary": dict(self.vary),
                "tiers": {TIER: self.seeds},
                **self.words,
            },
            "s.yaml",
        )
        panel = self._panel()
        built, trained, failures = [], [], []
        arms = resolve_arms(study, "s.yaml")
        for arm in arms:
            corpus = self._corpus(arm.name, panel)
            built.append(BuiltArm(arm=arm, corpus=corpus))
            for tier, seed in self._runs_of(study, arm):
                if (arm.name, seed) in self.failed:
                    failures.append(Failure(arm=arm.name, tier=tier, seed=seed, message="killed: out of memory"))
                    continue
                artifact = self._run(arm.name, seed, corpus, panel, trained=trained_tier(tier, arm.training, arm.name))
                trained.append(TrainedRun(arm=arm.name, tier=tier, seed=seed, artifact=artifact))
        corpora = {one.arm.name: one.corpus.fingerprint for one in built}
        identity = study_identity(study, corpora, "a" * 64, panel.fingerprint, arms)
        fingerprint = study_fingerprint(identity)
        folder = study_dir(self.store, study, fingerprint)
        recipes = {arm.name: as_json(arm.recipe) for arm in arms}
        frozen = freeze(folder, fingerprint, identity, recipes=recipes, runs_before=0)
        findings = Findings(
            arms=built,
            runs=trained,
            failures=failures,
            unigram={},
            seconds={"train": 60.0},
            code="test",
            packs=[],
            gathered=Gathered(promotion=self._promotion(study)),
        )
        write_result(folder / RESULT_FILE, assemble(study, frozen, findings))
        return folder

    def _runs_of(self, study: Study, arm: Arm) -> list[tuple[str, int]]:
        stopped = {arm.name, arm.of} & set(self.stopped)
        tiers = list(study.tiers)[: 1 if stopped else None]
        return [(tier, seed) for tier in tiers for seed in range(1, study.tiers[tier] + 1)]

    def _promotion(self, study: Study) -> tuple[Promotion, ...]:
        told = {"tier": next(iter(study.tiers)), "gate": "G1", "reason": "the gain is not resolved"}
        return (
            ()
            if self.silent
            else tuple(Promotion(arm=arm, promoted=False, evidence=(), **told) for arm in self.stopped)
        )

    def confirm(self, arm: str, corpus: str, seed: int) -> None:
        """Write the run of an arm with another seed where training would."""
        held = self.store.find("corpus", corpus)
        panel = self._panel()
        assert held is not None
        tokens = tokens_node(existing_node(held), load_tier(TIER).tokenizer)
        node = run_node(tokens, existing_node(panel), TIER, seed)
        self._run(arm, seed, held, panel, node.fingerprint)

    def _panel(self) -> Artifact:
        rows = [(f"https://site-{n}.example/{name}", name, n) for name in SLICES for n in range(NUM_DOCS)]
        table = pa.table(
            {
                "id": pa.array([row[0] for row in rows], pa.large_string()),
                "text": pa.array([_words("panel", *row[1:]) for row in rows], pa.large_string()),
                "slice": pa.array([row[1] for row in rows], pa.large_string()),
                "family": pa.array([f"site-{row[2]}.example" for row in rows], pa.large_string()),
            }
        )
        with self.store.building("panel", digest_json(["panel"])) as out:
            write_table(out.path / "documents.parquet", table)
            summary: dict[str, Json] = {"digest": panel_digest(table), "slices": {}}
            return out.finish({"inputs": {}, "params": {}, "version": "1", "summary": summary})

    def _corpus(self, arm: str, panel: Artifact) -> Artifact:
        texts = [_words("corpus", arm, n) for n in range(5)]
        if self.leak and arm == "mine":
            texts.append(_words("panel", "docs", 0))
        fingerprint = digest_json(["corpus", arm, self.leak])
        with self.store.building("corpus", fingerprint) as out:
            (out.path / "data").mkdir(exist_ok=True)
            table = pa.table(
                {
                    "id": pa.array([f"{arm}-{n}" for n in range(len(texts))], pa.large_string()),
                    "text": pa.array(texts, pa.large_string()),
                }
            )
            write_table(out.path / "data" / "train-00000.parquet", table)
            sample = {"id": "a", "slice": "docs", "reason": "too-few-words", "value": 1.0, "text": "a secret page"}
            funnel: Json = [{"step": "filter", "docs_in": 9, "docs_out": 5, "reasons": {}, "samples": [sample]}]
            write_json(out.path / "funnel.json", funnel)
            write_json(out.path / "contamination.json", {"checked": True, "reports": []})
            summary: dict[str, Json] = {
                "num_docs": len(texts),
                "num_bytes": 9_000_000,
                "num_tokens": 3_000_000,
                "selected_for": [],
                "license_file": "/data/somebody/licences.txt",
            }
            inputs: dict[str, Json] = {"panel": panel.fingerprint}
            return out.finish({"inputs": inputs, "params": {}, "version": "1", "summary": summary})

    def _run(
        self, arm: str, seed: int, corpus: Artifact, panel: Artifact, fingerprint: str = "", trained: str = TIER
    ) -> Artifact:
        tier = load_tier(trained)
        own = [] if trained == TIER else [trained]
        named = fingerprint or digest_json(["run", arm, seed, self.gain, self.leak, *own])
        with self.store.building("tokens", digest_json(["tokens", corpus.fingerprint])) as out:
            inputs: dict[str, Json] = {"corpus": corpus.fingerprint}
            tokens = out.finish({"inputs": inputs, "params": {}, "version": "1", "summary": {}})
        documents = self._documents(arm, seed, *own)
        with self.store.building("run", named) as out:
            write_table(out.path / "documents.parquet", documents)
            (out.path / "model.safetensors").write_bytes(f"weights of {arm} {seed}".encode())
            steps = [round(tier.num_steps * share / 50) for share in range(1, 51)]
            lines = [
                json.dumps({"step": step, "tokens": step * tier.batch_tokens, "loss": self.loss(arm, place)})
                for place, step in enumerate(steps)
            ]
            write_text(out.path / "metrics.jsonl", "\n".join(lines) + "\n")
            last = [self.loss(arm, place) for place in range(45, 50)]
            unique = 3_000_000
            summary: dict[str, Json] = {
                "tier": trained,
                "tier_digest": tier_digest(tier),
                "seed": seed,
                "tokens_seen": tier.num_tokens,
                "unique_tokens": unique,
                "epochs": tier.num_tokens / unique,
                "epochs_by_slice": {},
                "bpb": bits_per_byte(documents),
                "final_train_loss": sum(last) / len(last),
                "steps": tier.num_steps,
                "flops": float(tier.num_tokens * tier.shape.flops_per_token),
                "params": {"matmul": tier.shape.matmul_params, "total": tier.shape.total_params},
                "tokenizer": tier.tokenizer,
                "context": tier.eval_context_tokens,
                "panel_digest": str(panel.summary["digest"]),
                "skipped_steps": [],
                "stable": True,
                "spike_score": 0.0,
                "execution": {"device": "cpu", "world_size": 1},
            }
            run_inputs: dict[str, Json] = {"panel": panel.fingerprint, "tokens": tokens.fingerprint}
            return out.finish({"inputs": run_inputs, "params": {}, "version": "1", "summary": summary})

    def _documents(self, arm: str, seed: int, *tier: str) -> pa.Table:
        noise = generator(3, arm, seed, *tier)
        level = 1.6 - (self.gain if arm == "mine" else 0.0)
        rows = [
            (f"https://site-{n}.example/{name}", name, f"site-{n}.example") for name in SLICES for n in range(NUM_DOCS)
        ]
        sizes = [2_000 + 100 * n for n in range(len(rows))]
        nats = [math.exp(level + 0.002 * noise.normal()) * size * math.log(2) / 2 for size in sizes]
        return pa.table(
            {
                "id": pa.array([row[0] for row in rows], pa.large_string()),
                "slice": pa.array([row[1] for row in rows], pa.large_string()),
                "family": pa.array([row[2] for row in rows], pa.large_string()),
                "nats": pa.array(nats, pa.float64()),
                "num_bytes": pa.array(sizes, pa.int64()),
            }
        )


@pytest.fixture
def make_study(store: Store) -> Callable[..., Path]:
    """Return a maker of finished studies in the test's store; its keywords are `MadeStudy`'s."""
    return lambda **changes: MadeStudy(store=store, **changes).make()


@pytest.fixture(scope="session")
def study_in() -> Callable[..., Path]:
    """Return a maker of finished studies in a store that is given; its keywords are `MadeStudy`'s."""
    return lambda store, **changes: MadeStudy(store=store, **changes).make()


@pytest.fixture
def made(template: Path, tmp_path: Path) -> MadeStudy:
    """The study of `entry`, in a store that the test may change."""
    shutil.copytree(template / "store", tmp_path / "own")
    return MadeStudy(store=Store.open(tmp_path / "own"))


@pytest.fixture
def make_source(make_study: Callable[..., Path]) -> Callable[..., StudySource]:
    """Return a maker of studies as `submit` finds them."""
    return lambda **changes: find_study(make_study(**changes), None)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """An empty board."""
    folder = tmp_path / "board"
    make_board(folder, "board", [])
    return folder


@pytest.fixture
def submit_made(make_source: Callable[..., StudySource], board: Path) -> Callable[..., Submitted]:
    """Return a maker of entries on the test's board."""

    def make(*, submitter: str = "", with_text: bool = False, dry_run: bool = False, **changes: Any) -> Submitted:
        request = Request(submitter=submitter, with_text=with_text, dry_run=dry_run)
        return submit(make_source(**changes), place_of(str(board)), request)

    return make


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `store/` and `board/`, which holds one entry by `A Lab`; made once, never changed."""
    root = tmp_path_factory.mktemp("template")
    folder = MadeStudy(store=Store.open(root / "store")).make()
    make_board(root / "board", "board", [])
    submit(find_study(folder, None), place_of(str(root / "board")), Request(submitter="A Lab"))
    return root


@pytest.fixture
def entry(template: Path, board: Path) -> Entry:
    """One valid entry on the test's board."""
    shutil.copytree(template / "board", board, dirs_exist_ok=True)
    (folder,) = entry_folders(board)
    return read_entry(folder)


Forge = Callable[[Entry, Callable[[dict[str, Any]], None]], Path]


@pytest.fixture
def forge() -> Forge:
    """Return what a clever forger does: change the manifest and give the folder the name of its new digest."""

    def change(entry: Entry, edit: Callable[[dict[str, Any]], None]) -> Path:
        path = entry.folder / ENTRY_FILE
        value = json.loads(path.read_text())
        edit(value)
        for facts in value["files"]:
            held = entry.folder / facts["path"]
            if held.is_file():
                facts.update(bytes=held.stat().st_size, sha256=sha256_file(held))
        path.write_text(canonical_json(value) + "\n")
        return entry.folder.rename(entry.folder.parent / f"{value['study']['name']}-{sha256_file(path)[:16]}")

    return change
