"""What the size of row groups costs a loader: size on disk, CPU to read all, to the first row, memory, one document.

    python benchmarks/row_groups.py [--megabytes 256]

Text of the shared pool in shards of 64 MB, as a corpus has them, read by `datasets` as a stream. Every measurement is
a process of its own; the CPU seconds of `import datasets` are taken off.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SHARED = Path(os.environ.get("CURATE_SHARED", "../shared"))
SHARD_BYTES = 64_000_000
SIZES = {"1 MB": 1_000_000, "4 MB": 4_000_000, "16 MB": 16_000_000, "64 MB": 64_000_000, "8,192 rows": None}


def texts(limit: int) -> Iterator[dict[str, str]]:
    """Yield documents of the shared pool, up to `limit` bytes of text, over and over if it has fewer."""
    import zstandard

    number, done = 0, 0
    while True:
        for path in sorted(SHARED.glob("pool/*/*.jsonl.zst")):
            with path.open("rb") as file:
                for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8", newline="\n"):
                    text = json.loads(line).get("text") or ""
                    done += len(text.encode())
                    number += 1
                    yield {"id": f"{number:09d}", "text": text, "source": path.parent.name, "slice": "web"}
                    if done >= limit:
                        return


def write(folder: Path, limit: int) -> None:
    """Write the same shards once for each size of row groups."""
    import pyarrow as pa

    from curation.batches import TEXT_SCHEMA, write_pieces

    shards: list[list[dict[str, str]]] = [[]]
    size = 0
    for row in texts(limit):
        if size >= SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(row)
        size += len(row["text"].encode())
    for name, group in SIZES.items():
        for number, rows in enumerate(shards):
            path = folder / name.replace(" ", "-") / f"train-{number:05d}-of-{len(shards):05d}.parquet"
            path.parent.mkdir(exist_ok=True)
            write_pieces(path, TEXT_SCHEMA, [pa.Table.from_pylist(rows, TEXT_SCHEMA)], group)


def read(folder: str, what: str) -> None:
    """Read as asked and print CPU seconds and peak memory in MB."""
    import datasets

    before = time.process_time()
    files = sorted(str(path) for path in Path(folder).glob("*.parquet"))
    if what == "one":
        import pyarrow.parquet as pq

        file = pq.ParquetFile(files[0])
        file.read_row_group(file.num_row_groups // 2, columns=["text"])
    else:
        stream = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        stream = stream.shuffle(seed=1, buffer_size=1_000) if what == "shuffled" else stream
        for _ in stream:
            if what == "first":
                break
    used = time.process_time() - before
    print(json.dumps([used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))


def main() -> None:
    """Measure every size and print a table."""
    options = argparse.ArgumentParser()
    options.add_argument("--megabytes", type=int, default=256)
    options.add_argument("--read", nargs=2)
    given = options.parse_args()
    if given.read:
        read(*given.read)
        return
    print(
        "| row groups | MB on disk | all: CPU s | MB of memory | first row: CPU s | shuffled: MB | one group: CPU s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.megabytes * 1_000_000)
        for name in SIZES:
            place = Path(folder) / name.replace(" ", "-")
            found = {}
            for what in ("all", "first", "shuffled", "one"):
                done = subprocess.run(
                    [sys.executable, __file__, "--read", str(place), what], capture_output=True, text=True, check=True
                )
                found[what] = json.loads(done.stdout.splitlines()[-1])
            size = sum(path.stat().st_size for path in place.iterdir()) / 1e6
            print(
                f"| {name} | {size:.1f} | {found['all'][0]:.1f} | {found['all'][1]:.0f} | {found['first'][0]:.2f} | "
                f"{found['shuffled'][1]:.0f} | {found['one'][0]:.2f} |"
            )


if __name__ == "__main__":
    main()
