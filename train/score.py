"""Scoring a model on the panel: every byte of every document exactly once, in nats.

A document is EOS followed by its tokens, cut into consecutive windows of the evaluation context; a window sees only
itself. Sums are float64. In a slice, bits per byte = Σ nats / Σ bytes / ln 2 (rule 5).
Shapes: B windows, T positions, D width, N positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table, text_view
from curation.errors import RunError
from curation.store import Artifact
from curation.tokenizers import TokenizedView, Tokenizer
from train.shards import open_streams

if TYPE_CHECKING:
    from train.model import LanguageModel

DOCUMENTS = "documents.parquet"
BATCH_POSITIONS = 4_096

Floats: TypeAlias = npt.NDArray[np.float64]
WindowNats: TypeAlias = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""(ids, B rows of T + 1) -> nats of the last T ids of each row, B rows of T."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelDocuments:
    """The panel's documents, in its order."""

    table: pa.Table
    num_bytes: npt.NDArray[np.int64]

    @property
    def slices(self) -> npt.NDArray[np.object_]:
        """Slice of each document."""
        found: npt.NDArray[np.object_] = self.table["slice"].to_numpy(zero_copy_only=False)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Part of one document: `length` targets from `first` on, in the sequence EOS + tokens."""

    document: int
    first: int
    length: int


def read_panel(panel: Artifact) -> PanelDocuments:
    """Return the documents of a panel artifact.

    Raises: RunError if it is no panel or has no documents.
    """
    path = panel.path / DOCUMENTS
    if panel.kind != "panel" or not path.is_file():
        raise RunError(f"{panel.path}: holds a {panel.kind}, expected a panel with {DOCUMENTS}; give a panel artifact")
    table = read_table(path, ["id", "text", "slice", "family"])
    if table.num_rows == 0:
        raise RunError(f"{path}: no documents; expected at least one; use a larger pool or raise panel.bytes_per_slice")
    return PanelDocuments(table=table, num_bytes=text_view(table["text"]).num_bytes.copy())


def document_nats(
    encoded: TokenizedView, eos_id: int, context_tokens: int, nats_of: WindowNats, advance: Callable[[float], None]
) -> Floats:
    """Return the summed nats of each document; `advance` is told the tokens as they are done.

    Windows are batched by length, longest first, so that the result does not depend on anything but the documents.
    """
    totals = np.zeros(len(encoded))
    for batch in _batches(_windows(encoded, context_tokens)):
        longest = max(window.length for window in batch)
        ids = np.full((len(batch), longest + 1), eos_id, np.int64)
        for row, window in enumerate(batch):
            ids[row, : window.length + 1] = _sequence(encoded, eos_id, window)
        nats = nats_of(ids)
        for row, window in enumerate(batch):
            totals[window.document] += nats[row, : window.length].sum(dtype=np.float64)
        advance(float(sum(window.length for window in batch)))
    return totals


def model_nats(model: LanguageModel) -> WindowNats:
    """Return the scorer of one of our models, on the device that holds it."""
    import torch

    from train.losses import token_nats

    device = model.lm_head.weight.device

    @torch.inference_mode()
    def nats_of(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        ids_BT = torch.from_numpy(ids).to(device)
        stream_BTD = model.hidden(ids_BT[:, :-1])
        nats_N = token_nats(stream_BTD.flatten(0, 1), model.lm_head.weight, ids_BT[:, 1:].flatten())
        found: npt.NDArray[np.float32] = nats_N.view(ids.shape[0], -1).cpu().numpy()
        return found

    return nats_of


def scores_table(panel: PanelDocuments, nats: Floats, num_tokens: npt.NDArray[np.int64]) -> pa.Table:
    """Return one row a panel document: id, slice, family, nats, num_bytes, num_tokens.

    Raises: RunError if a score is not finite.
    """
    if not np.isfinite(nats).all():
        worst = int(np.flatnonzero(~np.isfinite(nats))[0])
        raise RunError(
            f"document {panel.table['id'][worst].as_py()}: {nats[worst]} nats, expected a finite score; "
            "the model is damaged, train it again"
        )
    columns = {name: panel.table[name] for name in ("id", "slice", "family")}
    return pa.table({**columns, "nats": nats, "num_bytes": panel.num_bytes, "num_tokens": num_tokens})


def bits_per_byte(table: pa.Table) -> dict[str, float]:
    """Return Σ nats / Σ bytes / ln 2 of each slice, by name; a slice without bytes is left out."""
    slices = table["slice"].to_numpy(zero_copy_only=False)
    nats, sizes = table["nats"].to_numpy(), table["num_bytes"].to_numpy()
    found = {}
    for name in sorted(set(slices.tolist())):
        rows = slices == name
        if sizes[rows].sum():
            found[name] = float(nats[rows].sum() / sizes[rows].sum() / math.log(2))
    return found


def unigram_bits_per_byte(tokens: Artifact, panel: Artifact, tokenizer: Tokenizer) -> dict[str, float]:
    """Return bits per byte by slice of a model that knows only how often each token is drawn in training.

    Counts are those of the streams, each weighed by its share of the draws (unweighed for a natural mixture), plus
    one for every id of the vocabulary. A trained model that is not far below it has learnt no context.
    """
    streams = open_streams(tokens)
    total = sum(len(ids) for name, ids in streams.tokens.items() if name in streams.shares)
    counts = np.ones(tokenizer.vocab_size)
    for name, share in sorted(streams.shares.items()):
        ids = streams.tokens[name]
        counts += np.bincount(ids, minlength=tokenizer.vocab_size) * (share * total / len(ids))
    surprise = np.log(counts.sum()) - np.log(counts)
    documents = read_panel(panel)
    encoded = tokenizer.encode(text_view(documents.table["text"]))
    sums = np.concatenate([[0.0], np.cumsum(surprise[encoded.tokens])])
    nats = sums[encoded.offsets[1:]] - sums[encoded.offsets[:-1]]
    return bits_per_byte(scores_table(documents, nats, np.diff(encoded.offsets)))


def _windows(encoded: TokenizedView, context_tokens: int) -> list[_Window]:
    windows = [
        _Window(document=document, first=first, length=min(context_tokens, length - first))
        for document, length in enumerate(np.diff(encoded.offsets).tolist())
        for first in range(0, length, context_tokens)
    ]
    return sorted(windows, key=lambda window: (-window.length, window.document, window.first))


def _batches(windows: list[_Window]) -> Iterator[list[_Window]]:
    start = 0
    while start < len(windows):
        rows = max(1, BATCH_POSITIONS // windows[start].length)
        yield windows[start : start + rows]
        start += rows


def _sequence(encoded: TokenizedView, eos_id: int, window: _Window) -> npt.NDArray[np.int64]:
    """Return the ids of a window with the one before it: the document's previous token, or EOS at its start."""
    begin = int(encoded.offsets[window.document]) + window.first
    ids = encoded.tokens[max(begin - 1, 0) : begin + window.length].astype(np.int64)
    if window.first == 0:
        return np.concatenate([np.array([eos_id], np.int64), ids[-window.length :]])
    return ids
