"""What a card says of a corpus that its manifest does not: licences by source, languages; and its sample.

The shards are read once for counts, and again only the row groups that hold rows of the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.batches import GROUP_BYTES, TEXT_SCHEMA, write_pieces
from curation.files import Json, replacing
from curation.randomness import generator
from curation.store import Artifact

SAMPLE_DOCS = 1_000
SAMPLE_BYTES = 8_000_000
"""Text in a sample at most, unless its first document alone is larger."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Documents and UTF-8 bytes of text under one licence from one source."""

    source: str
    license: str
    docs: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the documents of a corpus say of themselves."""

    licenses: Sequence[Share]
    """Most documents first, then by name."""
    languages: Mapping[str, int]
    """Documents by the value of `lang`, those without one left out."""
    rows: npt.NDArray[np.int64]
    """Numbers, in the order of the corpus, of the documents of its sample, ascending."""
    arrow_bytes: int
    """Size of the columns in memory."""


def data_paths(corpus: Artifact) -> list[Path]:
    """Return the shards of a corpus in order, as its manifest lists them."""
    files = cast("Sequence[Mapping[str, Json]]", corpus.manifest["files"])
    names = sorted(str(entry["path"]) for entry in files)
    return [corpus.path / name for name in names if name.startswith("data/") and name.endswith(".parquet")]


def describe(corpus: Artifact) -> Described:
    """Return counts by licence, source and language, and which documents make the sample."""
    docs: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    languages: Counter[str] = Counter()
    lengths: list[npt.NDArray[np.int64]] = []
    arrow_bytes = 0
    for table in _groups(corpus):
        lengths.append(pc.binary_length(table["text"]).to_numpy().astype(np.int64))
        arrow_bytes += table.nbytes
        keyed = pa.table(
            {
                "source": table["source"],
                "license": pc.fill_null(table["license"], UNKNOWN),
                "bytes": lengths[-1],
            }
        )
        sums = keyed.group_by(["source", "license"], use_threads=False).aggregate(
            [("bytes", "count"), ("bytes", "sum")]
        )
        for row in sums.to_pylist():
            key = (row["source"], row["license"] or UNKNOWN)
            docs[key] += row["bytes_count"]
            size[key] += row["bytes_sum"]
        for entry in pc.value_counts(table["lang"].drop_null()):
            languages[entry["values"].as_py()] += entry["counts"].as_py()
    ranked = sorted(docs, key=lambda key: (-docs[key], key))
    return Described(
        licenses=[Share(source=key[0], license=key[1], docs=docs[key], bytes=size[key]) for key in ranked],
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
        rows=_drawn(np.concatenate([np.zeros(0, np.int64), *lengths])),
        arrow_bytes=arrow_bytes,
    )


def _groups(corpus: Artifact) -> Iterator[pa.Table]:
    for path in data_paths(corpus):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, use_threads=False)


def _drawn(num_bytes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a sample of row numbers, every document as likely as another but for the limit of bytes."""
    order = generator(0, "sample of a corpus").permutation(len(num_bytes))[:SAMPLE_DOCS]
    fitting = np.cumsum(num_bytes[order]) <= SAMPLE_BYTES
    fitting[:1] = True
    return np.sort(order[fitting]).astype(np.int64)


def write_sample(corpus: Artifact, rows: npt.NDArray[np.int64], path: Path) -> int:
    """Write the documents with these row numbers as one Parquet file; return the columns' size in memory."""
    found = [TEXT_SCHEMA.empty_table()]
    start = 0
    for shard in data_paths(corpus):
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                number = file.metadata.row_group(group).num_rows
                inside = rows[(rows >= start) & (rows < start + number)] - start
                if len(inside):
                    found.append(file.read_row_group(group, use_threads=False).take(inside).cast(TEXT_SCHEMA))
                start += number
    with replacing(path) as temporary:
        write_pieces(temporary, TEXT_SCHEMA, found, GROUP_BYTES)
    return sum(table.nbytes for table in found)
