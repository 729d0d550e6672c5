"""Level 2: the evaluations again, from the checkpoints. Weights are safetensors, read and never unpickled.

Every run's weights must be the file that its record names; the panel must be the one of its digest. Each document is
scored again and compared, so a score that no model gave is found even where the mean was kept. Results on suites are
made again in a store of their own. Between machines sums differ in the last bits: a slice may differ by 1e-4.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation.batches import text_view
from curation.errors import CurateError
from curation.files import sha256_file
from curation.nodes import Planner
from curation.panel_check import verified
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from curation.tokenizers import load_tokenizer
from leaderboard.entries.check_scores import slice_bpb
from leaderboard.entries.checks import Check, Subject, absent, verdict
from leaderboard.entries.hashed_scores import hashed_documents
from leaderboard.entries.manifest import RunRecord, SuiteScores
from train.score import PanelDocuments, document_nats, model_nats, read_panel, scores_table
from train.tiers import Tier, load_tier, tier_digest

SLICE_TOLERANCE = 1e-4
"""Of a slice's bits per byte, relative: other machines add in another order."""
DOCUMENT_TOLERANCE = 1e-2
TASK_TOLERANCE = 1e-3
MAX_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where weights, panel and benchmark files come from."""

    store: Store | None
    weights: dict[str, Path]
    """By sha256, of `--checkpoint`."""
    panel: Artifact


def rescored(subject: Subject, store: Store | None, checkpoint: Path | None, say: Callable[[str], None]) -> list[Check]:
    """Return the checks of level 2."""
    remedy = f"`curate leaderboard verify {subject.folder} --level 2 --store STORE` with the store that trained it"
    panel = _panel(subject, store)
    if isinstance(panel, str):
        return [absent("rescored", panel, remedy, level=2)]
    source = Source(store=store, weights=_weights(checkpoint) if checkpoint else {}, panel=panel)
    faults: list[str] = []
    done = 0
    documents = read_panel(panel)
    for run in _distinct(subject):
        say(f"score {run.label} again")
        found = list(_run_faults(subject, run, source, documents))
        faults += [f"{run.label}: {fault}" for fault in found]
        done += not found
    checks = [verdict("rescored", faults, f"{done} runs scored again, document by document", level=2, remedy=remedy)]
    if any(run.suites for run in subject.manifest.runs):
        checks.append(_suites(subject, source, say))
    return checks


def score_documents(path: Path, tier: Tier, panel: Artifact, documents: PanelDocuments, digest: str) -> pa.Table:
    """Return a model's scores of a panel as entries hold them."""
    from train.loop import fixed_threads
    from train.run import scoring_model

    tokenizer = load_tokenizer(tier.tokenizer)
    encoded = tokenizer.encode(text_view(documents.table["text"]))
    with fixed_threads(tier.threads):
        nats_of = model_nats(scoring_model(path, tier))
        nats = document_nats(encoded, tokenizer.eos_id, tier.eval_context_tokens, nats_of, lambda _: None)
    return hashed_documents(scores_table(documents, nats, encoded.offsets[1:] - encoded.offsets[:-1]), digest)


def _distinct(subject: Subject) -> list[RunRecord]:
    return list({run.fingerprint: run for run in subject.manifest.runs}.values())


def _panel(subject: Subject, store: Store | None) -> Artifact | str:
    """Return the panel that was scored, or why it is not here."""
    if store is None:
        return "no --store with the panel and the runs"
    named = str(subject.frozen.get("identity", {}).get("panel", ""))
    found = store.find("panel", named) if named else None
    if found is None:
        return f"panel {subject.manifest.panel[:8]} is not in the store"
    try:
        digest = str(verified(found).summary["digest"])
    except CurateError as error:
        return str(error)
    return found if digest == subject.manifest.panel else f"the store's panel has digest {digest[:16]}"


def _weights(folder: Path) -> dict[str, Path]:
    """Return the safetensors files below a folder by their sha256."""
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else [folder]
    return {sha256_file(path): path for path in files[:MAX_FILES] if path.is_file() and not path.is_symlink()}


def _run_faults(subject: Subject, run: RunRecord, source: Source, panel: PanelDocuments) -> Iterator[str]:
    if run.checkpoint is None or run.documents is None:
        yield "its record names no weights or no scores"
        return
    artifact = source.store.find("run", run.fingerprint) if source.store else None
    path = source.weights.get(run.checkpoint.sha256) or (artifact.path / "model.safetensors" if artifact else None)
    if path is None:
        yield f"weights {run.checkpoint.sha256[:16]} are neither in the store nor below --checkpoint"
        return
    if (held := sha256_file(path)) != run.checkpoint.sha256:
        yield f"weights have sha256 {held[:16]}, expected {run.checkpoint.sha256[:16]}"
        return
    try:
        tier = load_tier(run.trained)
        if tier_digest(tier) != run.tier_digest:
            yield f"this version has another tier of the name {run.trained}"
            return
        again = score_documents(path, tier, source.panel, panel, run.panel)
    except CurateError as error:
        yield str(error)
        return
    yield from document_differences(subject.documents[run.fingerprint], again)


def document_differences(said: pa.Table, found: pa.Table) -> Iterator[str]:
    """Yield where scores of documents differ from those found now."""
    said, found = said.sort_by("id"), found.sort_by("id")
    if not said.select(["id", "slice", "num_bytes"]).equals(found.select(["id", "slice", "num_bytes"])):
        yield "its documents are not the panel's"
        return
    ours, theirs = slice_bpb(found), slice_bpb(said)
    for name, value in ours.items():
        if not math.isclose(value, theirs[name], rel_tol=SLICE_TOLERANCE):
            yield f"slice {name}: {value:.6f} bits per byte now, {theirs[name]:.6f} said"
    now, then = found["nats"].to_numpy(), said["nats"].to_numpy()
    far = np.flatnonzero(np.abs(now - then) > DOCUMENT_TOLERANCE * np.maximum(1.0, now))
    if len(far):
        place = int(far[0])
        name = said["id"][place].as_py()
        yield f"document {name}: {now[place]:.3f} nats now, {then[place]:.3f} said ({len(far)} such)"


def _suites(subject: Subject, source: Source, say: Callable[[str], None]) -> Check:
    """Return the check of all results on suites; they are made again in a store of their own."""
    remedy = "give the store with the runs, and the benchmark files in CURATE_EVALS"
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Store(Path(temporary))
        for run in _distinct(subject):
            for suite in run.suites:
                say(f"{suite.name} on {run.label} again")
                faults += [
                    f"{run.label} on {suite.name}: {one}" for one in _suite_faults(subject, run, suite, source, scratch)
                ]
    count = sum(len(run.suites) for run in _distinct(subject))
    return verdict("suites-again", faults, f"{count} results on suites made again", level=2, remedy=remedy)


def _suite_faults(
    subject: Subject, run: RunRecord, suite: SuiteScores, source: Source, scratch: Store
) -> Iterator[str]:
    from curation.suites.task_data import evals_directory
    from leaderboard.entries.suite_definitions import definition_of
    from train.evals.engines import engine_choice
    from train.evals.models import run_model
    from train.evals.results import RESULTS, Results, read_results
    from train.evals.suite_scores import ask, scores_node

    said = Results.model_validate_json((subject.folder / suite.folder / RESULTS).read_bytes())
    artifact = source.store.find("run", run.fingerprint) if source.store else None
    if artifact is None:
        yield "the run is not in the store"
        return
    try:
        definition = definition_of(subject.folder / suite.folder, said)
        if definition is None:
            yield "no definition of the suite"
            return
        asked = ask(definition, evals_directory())
        node = scores_node(run_model(artifact, suite.context), asked, engine_choice("curate"))
        planner = Planner(store=scratch, workers=1, progress=SilentProgress())
        again = read_results(planner.materialise(node).path).results
    except CurateError as error:
        yield str(error)
        return
    if again.suite.digest != said.suite.digest:
        yield f"the files here make suite {again.suite.digest[:16]}, the entry's is {said.suite.digest[:16]}"
        return
    for name, task in said.tasks.items():
        for metric, value in task.metrics.items():
            held = again.tasks[name].metrics.get(metric) if name in again.tasks else None
            now = held.value if held else None
            if held is not None and now is None and value.value is None:
                continue
            if now is None or value.value is None or abs(now - value.value) > TASK_TOLERANCE * max(1.0, abs(now)):
                yield f"task {name}, {metric}: {now} now, {value.value} said"
