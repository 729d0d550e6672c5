"""A run: corpus × tier × seed as an artifact; trained, then scored on the panel.

Files: `model.safetensors` (Hugging Face names), `metrics.jsonl`, `documents.parquet` (nats of every panel document),
`run.json` (what the training gave) and, if steps were skipped, `quarantine.jsonl`. None holds a clock's reading, so
equal runs are equal bytes; seconds and what happened between starts go to `timing/` beside the artifacts. While it
trains, `checkpoints/` lies in the artifact's directory; it is removed when the weights are on disk.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curation.batches import read_table, text_view, write_table
from curation.errors import RunError
from curation.files import Json, read_json, replacing, write_json
from curation.nodes import Node, NodeRun
from curation.tokenizers import Tokenizer, load_tokenizer
from train.drawing import drawn_facts
from train.metrics import METRICS, Listener, RowFile, RunFacts
from train.mixed import MIXTURE
from train.noise_seeds import NOISE_INDEX, NoiseSeeds
from train.parallel import ALONE, Ranks
from train.recovery import SKIP_ONLY, Recovery, log_json
from train.run_clock import keep_clock
from train.shards import refuse_other_tokens
from train.supply import DEFAULT_EPOCHS, epochs_flag, refuse_shortage, repeats_told, supply_of
from train.tiers import Tier, load_tier, tier_digest

if TYPE_CHECKING:
    from train.orders import Planned
    from train.training import Report, Trained

VERSION = "run@1"
SCORE_VERSION = "score@1"
MODEL = "model.safetensors"
RESULT = "run.json"
DOCUMENTS = "documents.parquet"
MAX_SKIPPED_FRACTION = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who wants to know how a training goes, and may ask it to stop; changes no result."""

    report: Callable[[Report], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    training: Callable[[], AbstractContextManager[None]] = nullcontext
    """Held while there is a state that is worth a checkpoint; asked to stop outside of it, a process just ends."""
    listeners: tuple[Listener, ...] = ()
    keep: tuple[float, ...] = ()
    """Budgets, as multiples of 1x, whose branch points on the way are left in the store (`train.branches`)."""
    epochs: float = DEFAULT_EPOCHS
    """How often the corpus, or a slice, may be read (`train.supply`); permits repeats, part of no identity."""
    ranks: Ranks = ALONE
    """The processes that train it together, all told by rank 0, which calls `run_node` (`train.orders`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    tier: Tier
    seed: int
    recovery: Recovery
    watch: Watch
    noise: NoiseSeeds | None = None


def run_node(
    tokens: Node,
    panel: Node,
    tier: str,
    seed: int,
    watch: Watch | None = None,
    *,
    recovery: Recovery = SKIP_ONLY,
    noise: NoiseSeeds | None = None,
) -> Node:
    """Return the node of run `seed` (1..n, rule 10) of a tier on a corpus' token streams, scored on `panel`.

    Any `recovery` but the default, which is that of scored runs, makes another run; so does `noise`, with `seed` 0.

    Raises: RunError for an unknown tier or a seed below 1.
    """
    loaded = load_tier(tier)
    if (seed < 1) if noise is None else (seed != NOISE_INDEX or recovery != SKIP_ONLY):
        raise RunError(f"run: seed {seed}, expected an index from 1 on (rule 10); 0 and no ladder for a noise run")

    def run(context: NodeRun) -> Mapping[str, Json]:
        plan = _Plan(tier=loaded, seed=seed, recovery=recovery, watch=watch or Watch(), noise=noise)
        refuse_other_tokens(context.inputs["tokens"], loaded)
        if not context.out.has(RESULT):
            supply = supply_of(context.inputs["tokens"], loaded, _own_shares(context))
            refuse_shortage(supply, plan.watch.epochs)
            for warning in repeats_told(supply):
                context.progress.note(f"warning: {warning}")
        return _build(context, plan)

    params: dict[str, Json] = {
        "tier": loaded.name,
        "tier_digest": tier_digest(loaded),
        "seed": seed,
        "score": SCORE_VERSION,
    }
    if recovery != SKIP_ONLY:
        params["recovery"] = recovery.as_json()
    if noise is not None:
        params["noise"] = noise.as_json()
    return Node(
        kind="run",
        version=VERSION,
        params=params,
        inputs={"tokens": tokens, "panel": panel},
        run=run,
        label=f"run {loaded.name} {noise.text if noise else f'seed {seed}'}",
    )


def _own_shares(context: NodeRun) -> Mapping[str, float] | None:
    mixture = context.inputs.get(MIXTURE)
    return None if mixture is None else cast("Mapping[str, float]", mixture.summary["token_shares"])


def _build(context: NodeRun, plan: _Plan) -> Mapping[str, Json]:
    tier = plan.tier
    tokenizer = load_tokenizer(tier.tokenizer)
    history = None if context.out.has(RESULT) else _train(context, plan)
    score_seconds = None
    shutil.rmtree(context.out.path / "checkpoints", ignore_errors=True)
    if not context.out.has(DOCUMENTS):
        started = time.monotonic()
        _score(context, tier, tokenizer)
        score_seconds = time.monotonic() - started
    keep_clock(context.store.root, context.out.fingerprint, history=history, score_seconds=score_seconds)
    return {**_summary(context, tier, plan.seed), **({"noise": plan.noise.as_json()} if plan.noise else {})}


def _train(context: NodeRun, plan: _Plan) -> list[str]:
    """Train, write the run's files but the scores, and return what happened between its starts, in words."""
    from safetensors.torch import save_file

    from train.loop import train
    from train.orders import order_for, planned
    from train.telemetry import Telemetry, telemetry_path
    from train.training import Hooks

    tier, seed, watch = plan.tier, plan.seed, plan.watch
    order = order_for(context, tier, seed, keep=watch.keep, recovery=plan.recovery, noise=plan.noise)
    watch.ranks.told(order)
    ordered = planned(order, watch.ranks, context.progress.note)
    telemetry = Telemetry(tier, telemetry_path(context.store.root, context.out.fingerprint), seed=seed)
    training = replace(ordered.training, companions=(telemetry, *ordered.watching.companions))
    log = RowFile(context.out.path / METRICS)
    facts = RunFacts(
        name=context.out.path.name, tier=tier.name, seed=seed, steps=tier.num_steps, batch_tokens=tier.batch_tokens
    )
    with context.progress.task(f"train {tier.name} seed {seed}", tier.num_steps) as task:
        done = 0

        def report(now: Report, row: Mapping[str, Json]) -> None:
            nonlocal done
            task.advance(now.step - done)
            done = now.step
            log.append(row)
            watch.report(now)
            for listener in watch.listeners:
                listener.row(row, telemetry.last)

        def restored(rows: Sequence[Mapping[str, Json]]) -> None:
            log.begin(rows)
            for listener in watch.listeners:
                listener.begin(facts, rows)

        hooks = Hooks(report=report, note=context.progress.note, should_stop=watch.should_stop, restored=restored)
        try:
            with telemetry.ending(), watch.training():
                trained = train(training, hooks)
        finally:
            log.close()
            for listener in watch.listeners:
                listener.end()
    with replacing(context.out.path / MODEL) as temporary:
        save_file(dict(trained.model.state_dict()), temporary, metadata={"format": "pt"})
    write_json(context.out.path / RESULT, _result(ordered, trained))
    return list(trained.history)


def _result(ordered: Planned, trained: Trained) -> dict[str, Json]:
    """Return what `run.json` holds."""
    tier, readable = ordered.training.tier, ordered.readable
    windows = readable.num_windows(tier.shape.context_tokens)
    return {
        "final_train_loss": trained.final_loss,
        "skipped_steps": list(trained.skipped_steps),
        "tokens_skipped": len(trained.skipped_steps) * tier.batch_tokens,
        "interventions": log_json(trained.interventions),
        "resume_changes": list(trained.changes),
        "execution": dict(trained.execution),
        "sample_hash": trained.sample_hash,
        "tokens_by_slice": {n: d * tier.shape.context_tokens for n, d in trained.draws_by_slice.items()},
        "epochs_by_slice": {n: d / windows[n] for n, d in trained.draws_by_slice.items()},
        "repeated_tokens_by_slice": {
            n: max(0, d - windows[n]) * tier.shape.context_tokens for n, d in trained.draws_by_slice.items()
        },
        "unique_tokens": sum(len(readable.tokens[n]) for n in trained.draws_by_slice),
        **drawn_facts(tier, readable, trained.draws_by_slice),
        "too_short_slices": sorted(n for n in ordered.training.streams.shares if windows[n] == 0),
        **ordered.watching.summary(trained.metrics),
    }


def _score(context: NodeRun, tier: Tier, tokenizer: Tokenizer) -> None:
    from train.loop import fixed_threads
    from train.score import document_nats, model_nats, read_panel, scores_table

    panel = read_panel(context.inputs["panel"])
    encoded = tokenizer.encode(text_view(panel.table["text"]))
    nats_of = model_nats(scoring_model(context.out.path / MODEL, tier))
    with context.progress.task(f"score {tier.name}", float(len(encoded.tokens))) as task, fixed_threads(tier.threads):
        nats = document_nats(encoded, tokenizer.eos_id, tier.eval_context_tokens, nats_of, task.advance)
    with replacing(context.out.path / DOCUMENTS) as temporary:
        write_table(temporary, scores_table(panel, nats, encoded.offsets[1:] - encoded.offsets[:-1]))


def scoring_model(path: Path, tier: Tier) -> Any:
    """Return the trained model in float32 on the device that trains its tier here: scores are float32 everywhere.

    Raises: RunError as `load_model`.
    """
    from train.execution import accelerator_of

    return load_model(path, tier).to(accelerator_of(tier).device)


def load_model(path: Path, tier: Tier) -> Any:
    """Return the trained model whose weights are in `path`.

    Raises: RunError if the file does not hold exactly the tier's parameters.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from train.model import LanguageModel

    model = LanguageModel(tier)
    try:
        model.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, OSError, SafetensorError) as error:
        raise RunError(f"{path}: does not fit tier {tier.name} ({error}); train it again") from None
    return model.eval()


def _summary(context: NodeRun, tier: Tier, seed: int) -> Mapping[str, Json]:
    from train.score import bits_per_byte

    result = cast("Mapping[str, Any]", read_json(context.out.path / RESULT))
    skipped = len(result["skipped_steps"])
    epochs = tier.num_tokens / result["unique_tokens"]
    return {
        **result,
        "tier": tier.name,
        "tier_digest": tier_digest(tier),
        "seed": seed,
        "tokenizer": tier.tokenizer,
        "context": tier.eval_context_tokens,
        "evidence": tier.evidence,
        "scored_checkpoint": tier.scored_checkpoint,
        "steps": tier.num_steps,
        "tokens_seen": tier.num_tokens,
        "tokens_accepted": tier.num_tokens - result["tokens_skipped"],
        "epochs": epochs,
        "epochs_flag": epochs_flag(epochs, result["epochs_by_slice"]),
        "flops": tier.num_tokens * tier.shape.flops_per_token,
        "params": {
            "non_embedding": tier.shape.non_embedding_params,
            "matmul": tier.shape.matmul_params,
            "total": tier.shape.total_params,
        },
        "stable": skipped <= MAX_SKIPPED_FRACTION * tier.num_steps,
        "intervened": bool(result["interventions"]),
        "resumed_exactly": not result["resume_changes"],
        "panel_digest": context.inputs["panel"].summary["digest"],
        "bpb": bits_per_byte(read_table(context.out.path / DOCUMENTS)),
    }
