"""Token streams: a corpus as one stream of ids a slice, each document followed by EOS.

Files `stream-00000.bin` ... hold little-endian uint16, slices in order of name, documents in the corpus' canonical
order. Window w of a stream is ids w·T to w·T + T, both inclusive: T inputs and, shifted by one, T targets; so n ids
hold (n - 1) // T windows and no window crosses slices. An empty slice has no file; one shorter than a window is kept
but never drawn (`mixtures.draws`), and every run says so.

The byte shares of the corpus' schedule decide how much of each slice is drawn; they become token shares under this
tokenizer, whatever tokenizer the recipe counted with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.batches import read_table, text_view
from curation.corpus_counts import SliceCounts
from curation.errors import RunError, ShardError
from curation.files import Json, replacing
from curation.nodes import Node, NodeRun
from curation.store import Artifact
from curation.tokenizers import Tokenizer, load_tokenizer
from mixtures.weights import token_shares

VERSION = "tokens@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of a corpus, memory-mapped, and the share of tokens to draw from each."""

    shares: Mapping[str, float]
    tokens: Mapping[str, npt.NDArray[np.uint16]]

    def num_windows(self, window_tokens: int) -> dict[str, int]:
        """Return how many whole windows each slice has."""
        return {name: max(0, len(ids) - 1) // window_tokens for name, ids in self.tokens.items()}

    def window(self, name: str, index: int, window_tokens: int) -> npt.NDArray[np.uint16]:
        """Return the T + 1 ids of one window."""
        return self.tokens[name][index * window_tokens : (index + 1) * window_tokens + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What one corpus shard adds to one slice."""

    docs: int
    num_bytes: int
    ids: npt.NDArray[np.uint16]


@dataclass(slots=True, kw_only=True)
class _Total:
    docs: int = 0
    num_bytes: int = 0
    num_ids: int = 0


def tokens_node(corpus: Node, tokenizer: str) -> Node:
    """Return the node of the token streams of `corpus` under the shipped tokenizer of that name."""
    frozen = load_tokenizer(tokenizer)

    def run(context: NodeRun) -> Mapping[str, Json]:
        return _build(context, frozen)

    return Node(
        kind="tokens",
        version=VERSION,
        params={"tokenizer": frozen.name, "digest": frozen.digest},
        inputs={"corpus": corpus},
        run=run,
        label=f"tokens {frozen.name}",
    )


def open_streams(artifact: Artifact) -> Streams:
    """Return the streams of a tokens artifact, mapped from disk.

    Raises: ShardError if a file does not hold the ids that the manifest counts.
    """
    summary = artifact.summary
    tokens = {}
    for name, held in cast("Mapping[str, Mapping[str, Json]]", summary["slices"]).items():
        path = artifact.path / str(held["file"])
        ids = np.memmap(path, np.dtype("<u2"), mode="r")
        if len(ids) != held["stream_tokens"]:
            raise ShardError(
                f"{path}: {len(ids):,} ids, the manifest says {held['stream_tokens']}; rebuild {artifact.path}"
            )
        tokens[name] = ids
    return Streams(shares=cast("Mapping[str, float]", summary["token_shares"]), tokens=tokens)


def schedule_of(corpus: Artifact) -> dict[str, float]:
    """Return the byte share of every slice by the corpus' schedule."""
    entries = cast("Sequence[Mapping[str, Json]]", corpus.summary["schedule"])
    return {str(entry["slice"]): float(cast("float", entry["byte_share"])) for entry in entries}


def _build(context: NodeRun, tokenizer: Tokenizer) -> Mapping[str, Json]:
    corpus = context.inputs["corpus"]
    byte_shares = schedule_of(corpus)
    names = sorted(byte_shares)
    files = {name: f"stream-{number:05d}.bin" for number, name in enumerate(names)}
    totals = {name: _Total() for name in names}
    paths = sorted((corpus.path / "data").glob("train-*.parquet"))
    with ExitStack() as stack, context.progress.task("tokenise", len(paths)) as task:
        targets: dict[str, IO[bytes]] = {}
        for pieces in _encoded(paths, tokenizer, context.workers):
            for name, piece in pieces.items():
                if name not in files:
                    raise ShardError(f"{corpus.path}: slice `{name}` is not in its schedule; rebuild the corpus")
                if name not in targets:
                    temporary = stack.enter_context(replacing(context.out.path / files[name]))
                    targets[name] = stack.enter_context(temporary.open("wb"))
                targets[name].write(piece.ids.astype("<u2").tobytes())
                total = totals[name]
                total.docs += piece.docs
                total.num_bytes += piece.num_bytes
                total.num_ids += len(piece.ids)
            task.advance()
    held = {name: total for name, total in totals.items() if total.num_ids}
    if not held:
        raise RunError(f"{corpus.path}: no documents; expected a corpus with text; loosen the recipe's filters")
    counts = {
        name: SliceCounts(docs=total.docs, bytes=total.num_bytes, tokens=total.num_ids - total.docs)
        for name, total in held.items()
    }
    shares = token_shares({name: byte_shares[name] for name in held}, counts, str(corpus.path))
    return {
        "tokenizer": tokenizer.name,
        "vocab_size": tokenizer.vocab_size,
        "unique_tokens": sum(counts[name].stream_tokens for name in shares),
        "token_shares": shares,
        "schedule": corpus.summary["schedule"],
        "slices": {
            name: {
                "file": files[name],
                "docs": total.docs,
                "bytes": total.num_bytes,
                "tokens": total.num_ids - total.docs,
                "stream_tokens": total.num_ids,
            }
            for name, total in held.items()
        },
    }


def _encoded(paths: Sequence[Path], tokenizer: Tokenizer, workers: int) -> Iterator[dict[str, _Piece]]:
    """Yield, shard by shard in order, what each slice gets; at most `workers` shards are in memory."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for start in range(0, len(paths), workers):
            yield from pool.map(lambda path: _encode_shard(path, tokenizer), paths[start : start + workers])


def _encode_shard(path: Path, tokenizer: Tokenizer) -> dict[str, _Piece]:
    table = read_table(path, ["text", "slice"])
    slices = np.asarray(table["slice"].to_pylist(), object)
    pieces = {}
    for name in sorted(set(slices.tolist())):
        view = text_view(table["text"].filter(pa.array(slices == name)))
        encoded = tokenizer.encode(view)
        # EOS goes in at the end of every document; `insert` places them all before it shifts anything
        ids = np.insert(encoded.tokens, encoded.offsets[1:], np.uint16(tokenizer.eos_id))
        pieces[name] = _Piece(docs=len(view), num_bytes=int(view.num_bytes.sum()), ids=ids)
    return pieces
