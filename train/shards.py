"""Token streams: a corpus as one stream of ids a slice, each document followed by EOS, and how they are read.

Files `stream-00000.bin` ... hold little-endian ids (`dtype` in the manifest: two bytes up to 65,536 ids), slices in
order of name, documents in the corpus' canonical order; `stream-00000.documents.bin` says where documents end and of
which source they are (`train.stream_documents`). Window w of a stream is ids w·T to w·T + T, both inclusive: T
inputs and, shifted by one, T targets; so n ids hold (n - 1) // T windows and no window crosses slices. An empty slice
has no file; one shorter than a window is kept but never drawn (`mixtures.draws`), and every run says so, unless the
recipe gives it a weight of its own, which is refused (`train.supply`).

The byte shares of the corpus' schedule decide how much of each slice is drawn; they become token shares under this
tokenizer, whatever tokenizer the recipe counted with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from curation.corpus_counts import SliceCounts
from curation.dedup.file_units import parquet_units
from curation.errors import RunError, ShardError
from curation.files import Json, sha256_file
from curation.mix_names import explicit_slices as named_by
from curation.mix_spec import MixSpec
from curation.nodes import Node, NodeRun
from curation.recipe import validate
from curation.sources.locate import Input
from curation.store import Artifact
from curation.tokenizers import Tokenizer, load_tokenizer
from mixtures.schemes import parent_of
from mixtures.weights import token_shares
from train.drawing import Mixture, mix_of, streams_mixture
from train.stream_building import PACKING, PACKINGS, Built, Source, build_streams
from train.stream_documents import Documents, open_documents, refuse_wrong_documents
from train.tiers import Tier
from train.token_pieces import refuse_ids_beyond
from train.token_rows import Columns

VERSION = "tokens@3"
SAMPLED_IDS = 4_096
"""Ids at either end of a stream that are looked at when it is opened."""

TokenStream = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of a corpus, memory-mapped, and the share of tokens to draw from each."""

    shares: Mapping[str, float]
    tokens: Mapping[str, TokenStream]
    documents: Mapping[str, Documents] = field(default_factory=dict)
    """By slice; of streams that were made before ends and sources were kept there are none."""
    mixture: Mixture | None = None
    """The rules of shares that depend on a budget; `shares` are then those before it."""

    def num_windows(self, window_tokens: int) -> dict[str, int]:
        """Return how many whole windows each slice has."""
        return {name: windows_in(len(ids), window_tokens) for name, ids in self.tokens.items()}

    def window(self, name: str, index: int, window_tokens: int) -> TokenStream:
        """Return the T + 1 ids of one window."""
        return self.tokens[name][index * window_tokens : (index + 1) * window_tokens + 1]


def windows_in(stream_tokens: int, window_tokens: int) -> int:
    """Return how many whole windows a stream holds: T inputs and the token after them."""
    return max(0, stream_tokens - 1) // window_tokens


def tokens_node(corpus: Node, tokenizer: str, packing: str = PACKING) -> Node:
    """Return the node of the token streams of `corpus` under the shipped tokenizer of that name.

    Raises: RecipeError for an unknown tokenizer; RunError for an unknown rule of packing.
    """
    frozen = load_tokenizer(tokenizer)
    if packing not in PACKINGS:
        raise RunError(f"packing: unknown rule `{packing}`, expected one of {', '.join(PACKINGS)}; mend the tier")

    def run(context: NodeRun) -> Mapping[str, Json]:
        return _build(context, frozen, packing)

    return Node(
        kind="tokens",
        version=VERSION,
        params={"tokenizer": frozen.name, "digest": frozen.digest, "packing": packing},
        inputs={"corpus": corpus},
        run=run,
        label=f"tokens {frozen.name}",
    )


def open_streams(artifact: Artifact) -> Streams:
    """Return the streams of a tokens artifact, mapped from disk.

    Raises: ShardError if a file does not hold the ids or documents that the manifest counts, or does not end with EOS;
    RunError for ids outside the vocabulary.
    """
    summary = cast("Mapping[str, Any]", artifact.summary)
    tokens: dict[str, TokenStream] = {}
    documents: dict[str, Documents] = {}
    for name, held in summary["slices"].items():
        path = artifact.path / str(held["file"])
        ids: TokenStream = np.memmap(path, np.dtype(summary["dtype"]), mode="r")
        if len(ids) != held["stream_tokens"]:
            raise ShardError(
                f"{path}: {len(ids):,} ids, the manifest says {held['stream_tokens']:,}; rebuild {artifact.path}"
            )
        sampled = max(int(ids[:SAMPLED_IDS].max()), int(ids[-SAMPLED_IDS:].max()))
        refuse_ids_beyond(max(sampled, held["max_id"]), summary["vocab_size"], path)
        if int(ids[-1]) != summary["eos_id"]:
            raise ShardError(
                f"{path}: ends with id {int(ids[-1]):,}, expected EOS ({summary['eos_id']:,}) after the last "
                f"document; rebuild {artifact.path}"
            )
        tokens[name] = ids
        if "documents" in held:
            documents[name] = open_documents(artifact.path / str(held["documents"]), held, summary["sources"])
    return Streams(
        shares=cast("Mapping[str, float]", summary.get("token_shares", {})),  # none of files tokenized on their own
        tokens=tokens,
        documents=documents,
        mixture=streams_mixture(artifact),
    )


def sources_note(artifact: Artifact) -> str | None:
    """Return why training on these streams gives no losses by source; None if it does, or none were named."""
    slices = cast("Mapping[str, Mapping[str, Json]]", artifact.summary["slices"])
    lacking = sorted(name for name, held in slices.items() if "documents" not in held)
    if not lacking:
        return None
    return (
        f"{artifact.path}: no file of documents beside the stream of slice `{lacking[0]}`, as {VERSION} has it; "
        "metrics will lack losses by source; to have them, tokenize again"
    )


def verify_streams(artifact: Artifact) -> None:
    """Read every id: digests as in the manifest, none beyond the largest that it names, one EOS a document.

    Raises: ShardError that names the file.
    """
    summary = cast("Mapping[str, Any]", artifact.summary)
    for entry in cast("Sequence[Mapping[str, Json]]", artifact.manifest["files"]):
        path = artifact.path / str(entry["path"])
        found = sha256_file(path)
        if found != entry["sha256"]:
            raise ShardError(f"{path}: sha256 {found[:16]}, the manifest says {str(entry['sha256'])[:16]}; rebuild it")
    for held in summary["slices"].values():
        path = artifact.path / str(held["file"])
        ids = np.memmap(path, np.dtype(summary["dtype"]), mode="r")
        eos_places, largest = np.flatnonzero(ids == summary["eos_id"]), int(ids.max(initial=0))
        num_eos = len(eos_places)
        if (num_eos, largest) != (held["docs"], held["max_id"]):
            raise ShardError(
                f"{path}: {num_eos:,} EOS and largest id {largest:,}, the manifest says {held['docs']:,} documents "
                f"and {held['max_id']:,}; rebuild it"
            )
        if "documents" in held:
            path = artifact.path / str(held["documents"])
            refuse_wrong_documents(path, open_documents(path, held, summary["sources"]), eos_places)


def refuse_other_tokens(tokens: Artifact, tier: Tier) -> None:
    """Check that these streams are what the tier reads: tokenizer by name and digest, vocabulary, packing.

    Raises: RunError that says which of them differs.
    """
    summary, tokenizer = tokens.summary, load_tokenizer(tier.tokenizer)
    where = f"{tokens.path}: wrong vocabulary for tier {tier.name}"
    if summary["tokenizer"] != tier.tokenizer:
        raise RunError(f"{where}: tokens of {summary['tokenizer']}, expected {tier.tokenizer} (rule 7); tokenize again")
    if summary["tokenizer_digest"] != tokenizer.digest:
        raise RunError(
            f"{where}: made with a {tier.tokenizer} of digest {str(summary['tokenizer_digest'])[:16]}, expected "
            f"{tokenizer.digest[:16]} (rule 7); tokenize again"
        )
    if cast("int", summary["vocab_size"]) > tier.shape.vocab_size:
        raise RunError(
            f"{where}: {summary['vocab_size']:,} ids, the model has room for {tier.shape.vocab_size:,}; "
            "choose the tier of this tokenizer"
        )
    if summary["packing"] != tier.packing:
        raise RunError(f"{where}: packing `{summary['packing']}`, expected `{tier.packing}`; tokenize again")


def schedule_of(corpus: Artifact) -> dict[str, float]:
    """Return the byte share of every slice by the corpus' schedule."""
    entries = cast("Sequence[Mapping[str, Json]]", corpus.summary["schedule"])
    return {str(entry["slice"]): float(cast("float", entry["byte_share"])) for entry in entries}


def explicit_slices(corpus: Artifact) -> list[str]:
    """Return the slices to which the recipe's mixture gives a weight of their own, sorted."""
    mix = cast("Mapping[str, Any]", cast("Mapping[str, Any]", corpus.manifest.get("params") or {}).get("mix") or {})
    spec: MixSpec = validate(MixSpec, mix, str(corpus.path))
    named = named_by(spec)
    if spec.quality is None:
        return sorted(named)
    entries = [(name, parent_of(name, spec.quality)) for name in schedule_of(corpus)]
    return sorted(
        {*(name for name, slice_ in entries if slice_ in named), *(named - {slice_ for _, slice_ in entries})}
    )


def corpus_source(corpus: Path, tokenizer: Tokenizer) -> Source:
    """Return the shards of a corpus directory, in order, as what is to be tokenized."""
    paths = sorted((corpus / "data").glob("train-*.parquet"))
    units = [unit for path in paths for unit in parquet_units(Input(path=path, container="parquet"), path.stem, "text")]
    return Source(units=units, columns=Columns(), tokenizer=tokenizer)


def stream_facts(tokenizer: Tokenizer, packing: str) -> dict[str, Json]:
    """Return what a manifest says of ids: the tokenizer they are of, their type, how documents are packed."""
    return {
        "tokenizer": tokenizer.name,
        "tokenizer_digest": tokenizer.digest,
        "vocab_size": tokenizer.vocab_size,
        "eos_id": tokenizer.eos_id,
        "dtype": tokenizer.dtype.str,
        "packing": packing,
    }


def _build(context: NodeRun, tokenizer: Tokenizer, packing: str) -> Mapping[str, Json]:
    corpus = context.inputs["corpus"]
    source = corpus_source(corpus.path, tokenizer)
    built = build_streams(source, context.out.path, workers=context.workers, progress=context.progress)
    byte_shares = schedule_of(corpus)
    strange = sorted(built.slices.keys() - byte_shares.keys())
    if strange:
        raise ShardError(f"{corpus.path}: slice `{strange[0]}` is not in its schedule; rebuild the corpus")
    if not built.slices:
        raise RunError(f"{corpus.path}: no documents; expected a corpus with text; loosen the recipe's filters")
    counts = _counts(built)
    shares = token_shares({name: byte_shares[name] for name in counts}, counts, str(corpus.path))
    mix = mix_of(corpus)
    return {
        **stream_facts(tokenizer, packing),
        "unique_tokens": sum(counts[name].stream_tokens for name in shares),
        "token_shares": shares,
        "schedule": corpus.summary["schedule"],
        "explicit_slices": explicit_slices(corpus),
        **({} if mix is None else {"mix": mix}),
        **built.as_json(),
    }


def _counts(built: Built) -> dict[str, SliceCounts]:
    return {
        name: SliceCounts(docs=section.docs, bytes=section.num_bytes, tokens=section.num_ids - section.docs)
        for name, section in built.slices.items()
    }
