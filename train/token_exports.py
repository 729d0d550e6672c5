r"""Token streams written for other trainers: Megatron-LM, OLMo-core, datatrove.

One file a slice, in order of the streams' files; documents in the order of the stream, each with the EOS that ends it,
so every format has the ids of the stream, byte for byte the same ids, and nothing is shuffled. Ids take two bytes where
the vocabulary has at most 65,536 ids, else four. Nothing in a file depends on place, day or machine.

- `megatron`: `NAME.bin` (ids) and `NAME.idx`: magic `MMIDIDX\0\0`, version 1 (u64), type (u8: 8 = uint16, 4 = int32),
  number of sequences (u64) and of bounds (u64), lengths (int32), byte offsets (int64), document bounds (int64).
  A sequence is a document. Source: megatron/core/datasets/indexed_dataset.py, NVIDIA/Megatron-LM.
- `olmo`: `NAME.npy`, ids without a header (the library maps it with np.memmap, whatever the name says), and
  `NAME.csv.gz`, a row a document: start, end (ids; EOS included), id, source, place. Source: allenai/dolma
  (python/dolma/tokenizer) and OLMo-core's NumpyDatasetBase.
- `datatrove`: `NAME.ds` (ids), `NAME.ds.index` (uint64 ends) and `NAME.ds.metadata` (tokenizer|bytes, tokens, tokens
  for people). Source: datatrove/pipeline/tokens/tokenizer.py.
"""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from curation.errors import RunError
from curation.files import Json, appearing, digest_json
from curation.progress import Progress, Task
from curation.store import MANIFEST, Artifact, ArtifactWriter, load_artifact
from train.shards import TokenStream, open_streams
from train.stream_documents import Documents

VERSION = "token-export@1"
FORMATS = ("megatron", "olmo", "datatrove")
MEGATRON_TYPES: Mapping[int, tuple[int, str]] = {2: (8, "<u2"), 4: (4, "<i4")}
"""Code and type of an id by its bytes; Megatron has no unsigned type of four."""
COPY_IDS = 4 << 20
ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """One slice as it is written."""

    slice: str
    ids: TokenStream
    documents: Documents
    path: Path
    """Without an ending."""

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        return self.documents.ends

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])


def export_tokens(tokens: Artifact, wanted: str, out: Path, progress: Progress) -> Artifact:
    """Write the streams of a tokens artifact to the directory `out`, which appears whole, and return what is there.

    Raises: RunError for an unknown format, streams without the places of documents, or a directory that holds
    something else; ShardError if a stream is not what its manifest says.
    """
    if wanted not in FORMATS:
        raise RunError(f"--to {wanted}: unknown format, expected one of {', '.join(FORMATS)}")
    fingerprint = export_fingerprint(tokens, wanted)
    if (known := _known(out, fingerprint)) is not None:
        return known
    streams = open_streams(tokens)
    lacking = sorted(streams.tokens.keys() - streams.documents.keys())
    if lacking:
        raise RunError(
            f"{tokens.path}: no file of documents beside the stream of slice `{lacking[0]}`, expected one: other "
            "trainers ask where documents end; tokenize again"
        )
    summary = cast("Mapping[str, Any]", tokens.summary)
    writes: Mapping[str, Callable[[_Stream, Mapping[str, Any], Task], None]]
    writes = {"megatron": _megatron, "olmo": _olmo, "datatrove": _datatrove}
    held: dict[str, Json] = {}
    with appearing(out) as folder, progress.task(f"export for {wanted}", _num_bytes(summary), unit="bytes") as task:
        for name, said in summary["slices"].items():
            label = file_label(name, str(said["file"]))
            ids, documents = streams.tokens[name], streams.documents[name]
            stream = _Stream(slice=name, ids=ids, documents=documents, path=folder / label)
            writes[wanted](stream, summary, task)
            held[name] = {"file": label, "docs": len(documents.ends), "tokens": len(ids)}
        facts = {key: summary[key] for key in ("tokenizer", "tokenizer_digest", "vocab_size", "eos_id")}
        writer = ArtifactWriter(path=folder, kind="token-export", fingerprint=fingerprint)
        writer.finish(
            {
                **_identity(tokens, wanted),
                "summary": {**facts, "dtype": _dtype(summary, wanted), "slices": held},
            }
        )
    return load_artifact(out)


def export_fingerprint(tokens: Artifact, wanted: str) -> str:
    """Return the identity of an export."""
    return digest_json({"kind": "token-export", **_identity(tokens, wanted)})


def _identity(tokens: Artifact, wanted: str) -> dict[str, Json]:
    return {"version": VERSION, "params": {"format": wanted}, "inputs": {"tokens": tokens.fingerprint}}


def file_label(slice_name: str, stream_file: str) -> str:
    """Return the name of a slice's files: its number among the streams, and the slice where that can be a file name."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", slice_name).strip("-")
    return "-".join(filter(None, [stream_file.removesuffix(".bin").removeprefix("stream-"), safe]))


def _known(out: Path, fingerprint: str) -> Artifact | None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file, expected a directory or a free name; choose another")
    if not out.is_dir() or not any(out.iterdir()):
        return None
    if not (out / MANIFEST).is_file() or (known := load_artifact(out)).fingerprint != fingerprint:
        raise RunError(f"{out}: holds something else; nothing is overwritten: choose another directory or remove it")
    return known


def _num_bytes(summary: Mapping[str, Any]) -> int:
    size = np.dtype(summary["dtype"]).itemsize
    return sum(int(held["stream_tokens"]) * size for held in summary["slices"].values())


def _dtype(summary: Mapping[str, Any], wanted: str) -> str:
    """Return the type of an id in a file of this format."""
    own = np.dtype(summary["dtype"])
    return MEGATRON_TYPES[own.itemsize][1] if wanted == "megatron" else own.newbyteorder("<").str


def _write_ids(path: Path, stream: _Stream, dtype: str, task: Task) -> None:
    with path.open("wb") as file:
        for start in range(0, len(stream.ids), COPY_IDS):
            piece = np.asarray(stream.ids[start : start + COPY_IDS])
            file.write(piece.astype(dtype).data)
            task.advance(piece.nbytes)


def _megatron(stream: _Stream, summary: Mapping[str, Any], task: Task) -> None:
    dtype = _dtype(summary, "megatron")
    size = np.dtype(dtype).itemsize
    _write_ids(stream.path.with_name(f"{stream.path.name}.bin"), stream, dtype, task)
    lengths = stream.ends - stream.starts
    if len(lengths) and int(lengths.max()) > np.iinfo(np.int32).max:
        raise RunError(f"slice `{stream.slice}`: a document of {lengths.max():,} ids, Megatron's index holds 2^31 - 1")
    with stream.path.with_name(f"{stream.path.name}.idx").open("wb") as file:
        file.write(b"MMIDIDX\x00\x00" + struct.pack("<QB", 1, MEGATRON_TYPES[size][0]))
        file.write(struct.pack("<QQ", len(lengths), len(lengths) + 1))
        file.write(lengths.astype("<i4").data)
        file.write((stream.starts * size).astype("<i8").data)
        file.write(np.arange(len(lengths) + 1, dtype="<i8").data)


def _olmo(stream: _Stream, summary: Mapping[str, Any], task: Task) -> None:
    _write_ids(stream.path.with_name(f"{stream.path.name}.npy"), stream, _dtype(summary, "olmo"), task)
    documents = stream.documents
    names: Sequence[str] = documents.sources or (stream.slice,)
    codes = documents.codes if documents.sources else np.zeros(len(documents.ends), np.uint16)
    quoted = [_csv(name) for name in names]
    path = stream.path.with_name(f"{stream.path.name}.csv.gz")
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file:
        for first in range(0, len(documents.ends), ROWS):
            last = first + ROWS
            _write_rows(file, stream.starts[first:last], documents.ends[first:last], codes[first:last], quoted, first)


def _write_rows(
    file: IO[bytes] | gzip.GzipFile,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint16],
    sources: Sequence[str],
    first: int,
) -> None:
    rows = zip(starts.tolist(), ends.tolist(), codes.tolist(), strict=True)
    lines = [f"{start},{end},{first + i},{sources[code]},{first + i}\n" for i, (start, end, code) in enumerate(rows)]
    file.write("".join(lines).encode())


def _csv(text: str) -> str:
    plain = " ".join(text.splitlines())
    return '"' + plain.replace('"', '""') + '"' if any(char in plain for char in ',"') else plain


def _datatrove(stream: _Stream, summary: Mapping[str, Any], task: Task) -> None:
    dtype = _dtype(summary, "datatrove")
    path = stream.path.with_name(f"{stream.path.name}.ds")
    _write_ids(path, stream, dtype, task)
    path.with_name(f"{path.name}.index").write_bytes(stream.ends.astype("<u8").tobytes())
    told = [
        f"{summary['tokenizer']}|{np.dtype(dtype).itemsize}",
        str(len(stream.ids)),
        f"{len(stream.ids) / 1e6:.1f} MT",
    ]
    path.with_name(f"{path.name}.metadata").write_text("\n".join(told))
