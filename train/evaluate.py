"""Scores of a run or of any local Hugging Face model on a panel: the same documents, windows and sums for both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import text_view
from curation.errors import RunError
from curation.files import Json
from curation.progress import Progress
from curation.store import Artifact, Store
from curation.tokenizers import TokenizedView, load_tokenizer
from train.run import MODEL, scoring_model
from train.score import (
    PanelDocuments,
    WindowNats,
    bits_per_byte,
    document_nats,
    model_nats,
    read_panel,
    scores_table,
)
from train.tiers import load_tier

CONTEXT_TOKENS = 512


def score_run(store: Store, run: Artifact, panel: Artifact, progress: Progress) -> dict[str, Json]:
    """Return the scores of a run; those it holds when it was scored on this very panel, else computed anew."""
    from train.loop import fixed_threads

    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    described: dict[str, Json] = {"model": run.path.name, "tier": tier.name, "context": tier.eval_context_tokens}
    if cast("Mapping[str, Json]", run.manifest["inputs"])["panel"] == panel.fingerprint:
        return {**described, "panel_digest": panel.summary["digest"], "bpb": run.summary["bpb"]}
    tokenizer = load_tokenizer(tier.tokenizer)
    documents = read_panel(panel)
    encoded = tokenizer.encode(text_view(documents.table["text"]))
    with fixed_threads(tier.threads):
        nats_of = model_nats(scoring_model(run.path / MODEL, tier))
        table = _scored(documents, encoded, tokenizer.eos_id, tier.eval_context_tokens, nats_of, progress)
    return {**described, "panel_digest": panel.summary["digest"], "bpb": bits_per_byte(table)}


def score_directory(path: Path, panel: Artifact, progress: Progress) -> dict[str, Json]:
    """Return the scores of the causal language model in the Hugging Face directory `path`, in float32.

    Its own tokenizer is used; windows have 512 tokens, or fewer if the model takes fewer (rule 6).
    Raises: RunError if it cannot be loaded or its tokenizer has no EOS.
    """
    model, tokenizer = _load_directory(path)
    if tokenizer.eos_token_id is None:
        raise RunError(f"{path}: its tokenizer has no EOS token, which documents begin with; set `eos_token`")
    context = min(CONTEXT_TOKENS, int(getattr(model.config, "max_position_embeddings", CONTEXT_TOKENS)))
    documents = read_panel(panel)
    texts = documents.table["text"].to_pylist()
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    offsets = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    flat = np.fromiter((token for document in ids for token in document), np.int64, int(offsets[-1]))
    encoded = TokenizedView(tokens=cast("npt.NDArray[np.uint16]", flat), offsets=offsets)
    table = _scored(documents, encoded, int(tokenizer.eos_token_id), context, _library_nats(model), progress)
    return {
        "model": path.name, "tier": None, "context": context,
        "panel_digest": panel.summary["digest"], "bpb": bits_per_byte(table),
    }  # fmt: skip


def _scored(
    documents: PanelDocuments,
    encoded: TokenizedView,
    eos_id: int,
    context: int,
    nats_of: WindowNats,
    progress: Progress,
) -> pa.Table:
    with progress.task("score", float(len(encoded.tokens))) as task:
        nats = document_nats(encoded, eos_id, context, nats_of, task.advance)
    return scores_table(documents, nats, np.diff(encoded.offsets))


def _load_directory(path: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        # Only what lies in the directory, as safetensors, and no code from it.
        options = {"local_files_only": True, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, use_safetensors=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: cannot be loaded as a causal language model: {error}") from None
    return model.eval(), tokenizer


def _library_nats(model: Any) -> WindowNats:
    import torch

    @torch.inference_mode()
    def nats_of(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        ids_BT = torch.from_numpy(ids)
        logits_BTV = model(ids_BT[:, :-1]).logits.float()
        nats_N = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
        found: npt.NDArray[np.float32] = nats_N.view(ids.shape[0], -1).numpy()
        return found

    return nats_of
