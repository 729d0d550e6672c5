"""Peak memory of `curate dedup run` on the corpus of the dedup benchmark and on one so many times larger.

The larger one is written from the plain one: the same documents in other words (ASCII letters and digits of repeat k
rotated by k, as `dedup_corpus.py --times` does), so duplicates stay duplicates and repeats are strangers but for text
without such letters. It takes 16 KB of disk a document of the plain one while the command runs, and is removed.
Verified at 0.7, 14 bands of 8 over 5 words, two workers; a process of its own with its start, memory polled.

Usage: python benchmarks/dedup_memory.py [--docs 200000] [--times 20] [--cache DIR]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import dedup_corpus
from dedup import RUN_CURATE, WORKERS
from measured import Measured, measured

from curation.batches import text_view


def rotation(times: int) -> npt.NDArray[np.uint8]:
    """Return what each byte becomes: `dedup_corpus.rotated`, which leaves all but ASCII as it is."""
    plain = bytes(range(128)).decode()
    rotated = dedup_corpus.rotated(plain, times).encode()
    return np.concatenate([np.frombuffer(rotated, np.uint8), np.arange(128, 256, dtype=np.uint8)])


def rotated_texts(column: pa.ChunkedArray, times: int) -> pa.Array:
    """Return texts with ASCII letters and digits moved on by `times`."""
    view = text_view(column)
    data = rotation(times)[view.data]
    buffers = [None, pa.py_buffer(np.ascontiguousarray(view.offsets)), pa.py_buffer(data)]
    return pa.LargeStringArray.from_buffers(len(view), buffers[1], buffers[2])


def write_larger(corpus: dedup_corpus.Corpus, folder: Path, times: int) -> list[Path]:
    """Write the corpus so many times over, each time in other words and under other ids; return the files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = []
    for path in corpus.files:
        table = pq.read_table(path)
        names = table["id"].to_pylist()
        for repeat in range(times):
            ids = pa.array([f"r{repeat:02d}{name[3:]}" for name in names], pa.large_string())
            changed = table.set_column(0, "id", ids).set_column(1, "text", rotated_texts(table["text"], repeat))
            assert changed.column_names[:2] == table.column_names[:2]
            written.append(folder / f"{path.stem}-{repeat:02d}.parquet")
            options = {"compression": "zstd", "compression_level": 1, "row_group_size": dedup_corpus.DOCS_A_GROUP}
            pq.write_table(changed, written[-1], **options)
    return written


def run(files: list[Path], out: Path) -> Measured:
    """Deduplicate files; the result is removed."""
    shutil.rmtree(out, ignore_errors=True)
    arguments = ["dedup", "run", *map(str, files), "--out", str(out), "--set", "verify=0.7", "--workers", str(WORKERS)]
    try:
        return measured([sys.executable, "-c", RUN_CURATE, *arguments, "--json", "-q"])
    finally:
        shutil.rmtree(out, ignore_errors=True)


def main() -> None:
    """Print memory and time at both sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=20, help="how many times larger, up to 26 (20)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "curate-dedup-benchmark")
    given = parser.parse_args()
    corpus = dedup_corpus.make(given.cache / f"corpus-{given.docs}", num_docs=given.docs)
    larger = given.cache / f"corpus-{given.docs}-times-{given.times}"
    try:
        for times in (1, given.times):
            files = corpus.files if times == 1 else write_larger(corpus, larger, times)
            found = run(files, given.cache / "memory-out")
            size = corpus.num_bytes * times / 1e6
            print(
                f"{times:>3} x {corpus.num_docs:,} documents, {size:,.0f} MB: peak {found.peak_mb:,.0f} MB, "
                f"{found.cpu_seconds:.1f} CPU s, {found.seconds:.1f} s",
                flush=True,
            )
    finally:
        shutil.rmtree(larger, ignore_errors=True)


if __name__ == "__main__":
    main()
