"""A model on a panel: nats of every document, and of each slice nats a token, bits a byte and perplexity (rule 5).

In a slice, bits per byte = Σ nats / Σ bytes / ln 2, nats per token = Σ nats / Σ tokens, perplexity its exponential:
sums over documents of at most the panel's byte cap, never means of documents. The interval is for bits per byte, 95 %:
whole families are drawn again with their bytes, on the logarithm, variance times G/(G - 1) for G families, Student's t
of G - 1 degrees. Languages of a multilingual slice are slices of their own (`curation.panel_slices`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table
from curation.errors import RunError
from curation.numerics import Variance, bootstrap_sums, sample_variance, t_interval
from curation.panel_slices import with_languages
from curation.panel_view import panel_domains
from curation.progress import Progress
from curation.randomness import generator
from curation.store import Artifact
from train.evals.results import SliceResult
from train.evaluate import Subject
from train.score import DOCUMENTS, PanelDocuments, document_nats, read_panel, scores_table

PANEL_METRIC = "panel-slices@2"
"""Version of these definitions, for `metric_versions`."""
SEED = 1
"""Seed of the families' draws; fixed, so that an interval is a function of the scores."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelScores:
    """Scores of one model on one panel."""

    documents: pa.Table
    """id, slice, family, nats, num_bytes, num_tokens; a row a panel document, in the panel's order."""
    unknown_tokens: Mapping[str, int]
    """By slice, tokens of the tokenizer's unknown id: text that it cannot tell apart makes bits per byte too low."""


def panel_documents(panel: Artifact) -> PanelDocuments:
    """Return the panel's documents with languages as slices. Raises: RunError if it is no panel or has none."""
    plain = read_panel(panel)
    names = read_table(panel.path / DOCUMENTS).column_names
    if "lang" not in names:
        return plain
    langs = read_table(panel.path / DOCUMENTS, ["lang"])["lang"]
    split = with_languages(plain.table.append_column("lang", langs), panel_domains(panel))
    return PanelDocuments(table=split, num_bytes=plain.num_bytes)


def score_documents(subject: Subject, panel: Artifact, progress: Progress) -> PanelScores:
    """Return the nats of each document of the panel.

    Raises: RunError if the panel has no documents, a slice has no text, or a score is not finite.
    """
    reader, documents = subject.reader, panel_documents(panel)
    refuse_empty_slices(documents.table["slice"].to_pylist(), documents.num_bytes, panel)
    encoded = reader.encode(documents.table["text"].to_pylist())
    with reader.computing(), progress.task(f"score {subject.name}", float(len(encoded.tokens))) as task:
        nats = document_nats(encoded, reader.eos_id, subject.context_tokens, reader.nats_of, task.advance)
    table = scores_table(documents, nats, np.diff(encoded.offsets))
    return PanelScores(documents=table, unknown_tokens=_unknown(table, encoded.tokens, encoded.offsets, reader.unk_id))


def run_scores(run: Artifact, panel: Artifact, context_tokens: int) -> PanelScores | None:
    """Return the scores that a run holds since it was trained; None unless they are of this panel and context."""
    inputs = cast("Mapping[str, str]", run.manifest.get("inputs", {}))
    path = run.path / DOCUMENTS
    if inputs.get("panel") != panel.fingerprint or run.summary.get("context") != context_tokens or not path.is_file():
        return None
    held, documents = read_table(path), panel_documents(panel)
    if not held["id"].equals(documents.table["id"].cast(held["id"].type)):
        return None
    named = held.set_column(held.column_names.index("slice"), "slice", documents.table["slice"])
    return PanelScores(documents=named, unknown_tokens={})


def refuse_empty_slices(slices: Sequence[str], num_bytes: npt.NDArray[np.int64], panel: Artifact) -> None:
    """Raise RunError that names a slice of the panel without any text."""
    sizes: dict[str, int] = {}
    for name, size in zip(slices, num_bytes.tolist(), strict=True):
        sizes[name] = sizes.get(name, 0) + size
    empty = sorted(name for name, size in sizes.items() if not size)
    if empty:
        raise RunError(
            f"{panel.path}: slice `{empty[0]}` is empty: none of its documents has text; expected bytes to score; "
            "build the panel without it"
        )


def slice_results(documents: pa.Table, marks: Mapping[str, Sequence[str]]) -> dict[str, SliceResult]:
    """Return the sums of each slice of a table of scored documents with its `marks`; order of rows does not matter."""
    slices = np.asarray(documents["slice"].to_pylist(), object)
    families = np.asarray(documents["family"].to_pylist(), object)
    columns = [documents[name].to_numpy().astype(np.float64) for name in ("nats", "num_bytes", "num_tokens")]
    values = np.stack(columns, axis=1)
    return {
        name: _slice(name, values[slices == name], families[slices == name], tuple(marks.get(name, ())))
        for name in sorted(set(slices.tolist()))
    }


def _slice(name: str, values: Floats, families: npt.NDArray[np.object_], marks: tuple[str, ...]) -> SliceResult:
    names, codes = np.unique(families.astype(str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, codes, values)
    nats, num_bytes, num_tokens = (math.fsum(column) for column in values.T.tolist())
    per_token = nats / num_tokens if num_tokens else None
    per_byte = nats / num_bytes / math.log(2) if num_bytes else None
    low, high = family_interval(name, sums[:, :2], per_byte)
    return SliceResult(
        nats_per_token=per_token,
        bits_per_byte=per_byte,
        perplexity=perplexity(per_token),
        low=low,
        high=high,
        num_docs=len(values),
        num_families=len(names),
        num_bytes=int(num_bytes),
        num_tokens=int(num_tokens),
        marks=marks,
    )


def family_interval(name: str, sums: Floats, per_byte: float | None) -> tuple[float | None, float | None]:
    """Return the interval of bits per byte over families, rows (nats, bytes); nothing with fewer than two families."""
    if per_byte is None or per_byte <= 0 or len(sums) < 2:
        return None, None
    drawn = bootstrap_sums(sums, generator(SEED, "panel families", name))
    drawn = drawn[(drawn > 0).all(axis=1)]
    if len(drawn) < 2:
        return None, None
    degrees = len(sums) - 1
    spread = sample_variance(np.log(drawn[:, 0] / drawn[:, 1]), degrees)
    larger = Variance(value=spread.value * len(sums) / degrees, degrees=spread.degrees)
    interval = t_interval(math.log(per_byte), larger)
    low, high = (math.exp(min(edge, 700.0)) for edge in (interval.low, interval.high))
    return low, high


def perplexity(nats_per_token: float | None) -> float | None:
    """Return e to the power of it; None beyond float64."""
    return None if nats_per_token is None or nats_per_token > 700 else math.exp(nats_per_token)


def _unknown(
    table: pa.Table, tokens: npt.NDArray[np.unsignedinteger], offsets: npt.NDArray[np.int64], unk_id: int | None
) -> dict[str, int]:
    if unk_id is None:
        return {}
    counts = np.concatenate([[0], np.cumsum(tokens == unk_id)])
    own = counts[offsets[1:]] - counts[offsets[:-1]]
    found: dict[str, int] = {}
    for name, number in zip(table["slice"].to_pylist(), own.tolist(), strict=True):
        if number:
            found[name] = found.get(name, 0) + number
    return found
