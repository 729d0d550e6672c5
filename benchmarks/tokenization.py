"""Parquet text to packed token shards: `curate tokenize` against datatrove's DocumentTokenizer, whole commands.

Both read the same zstd Parquet with the same tokenizer.json and write one stream with EOS after each document; the
streams must be equal byte for byte, or the script ends with exit code 1. Each runs in processes of its own: seconds and
CPU-seconds count interpreter start, imports, loading, reading, encoding and writing. datatrove runs as one task
(ParquetReader, DocumentTokenizer with `shuffle_documents=False`, local executor) with whatever threads it takes.
`slope` leaves starting out: ours is then measured as the difference to a run on one file, per token.

Documents are those of the shared pool if `CURATE_SHARED` (or ../shared) holds one, else of the installed environment,
in random order. Documents that hold a special token's characters are left out: datatrove encodes them as control ids,
curate as text. (Called tokenization.py because a file tokenize.py would hide Python's own module.)

Usage: python benchmarks/tokenization.py FOLDER [--tokenizer FILE|NAME ...] [--mb 200] [--workers 1] [--quick]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from dedup_corpus import shared_pool, texts
from measured import Measured, measured

from curation.randomness import generator
from curation.tokenizers import open_tokenizer

FILE_BYTES = 25_000_000
GROUP_ROWS = 2_500
QUICK_MB = 10
SPECIAL = ("<|endoftext|>", "<|padding|>", "<|im_start|>", "<|im_end|>")
OURS = """
import sys
from curation.cli import main
main(["tokenize", sys.argv[1], "--tokenizer", sys.argv[2], "-o", sys.argv[3], "--workers", sys.argv[4], "--quiet"])
"""
DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer
steps = [
    ParquetReader(sys.argv[1], text_key="text", id_key="id"),
    DocumentTokenizer(
        sys.argv[3], tokenizer_name_or_path=sys.argv[2], eos_token=sys.argv[4], shuffle_documents=False
    ),
]
LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=sys.argv[3] + "/logs").run()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one tool took for one corpus, and the stream it wrote."""

    cost: Measured
    stream: Path


def make(folder: Path, num_bytes: int) -> list[Path]:
    """Write the documents as zstd Parquet unless they are there; return the files."""
    done = folder / "done.json"
    settings = {"bytes": num_bytes, "format": 1}
    if not (done.is_file() and json.loads(done.read_text()) == settings):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "first").mkdir(parents=True)
        (folder / "all").mkdir()
        found = [text for _, text in texts(shared_pool()) if not any(token in text for token in SPECIAL)]
        held, number, rows = 0, 0, []
        for place in generator(1, "tokenization").permutation(len(found)).tolist():
            rows.append(found[place])
            held += len(found[place].encode())
            if held >= min(FILE_BYTES, num_bytes - number * FILE_BYTES):
                _write(folder / "all" / f"docs-{number:04d}.parquet", rows)
                held, number, rows = 0, number + 1, []
                if number * FILE_BYTES >= num_bytes:
                    break
        if rows and number == 0:
            _write(folder / "all" / "docs-0000.parquet", rows)
        shutil.copy(folder / "all" / "docs-0000.parquet", folder / "first")
        done.write_text(json.dumps(settings))
    return sorted((folder / "all").glob("*.parquet"))


def _write(path: Path, rows: list[str]) -> None:
    ids = [f"{path.stem}-{i:06d}" for i in range(len(rows))]
    table = pa.table({"id": ids, "text": pa.array(rows, pa.large_string())})
    pq.write_table(table, path, compression="zstd", compression_level=3, row_group_size=GROUP_ROWS)


def ours(source: Path, tokenizer: str, out: Path, workers: int) -> Taken:
    """Run `curate tokenize`."""
    shutil.rmtree(out, ignore_errors=True)
    cost = measured([sys.executable, "-c", OURS, str(source), tokenizer, str(out), str(workers)])
    return Taken(cost=cost, stream=out / "stream-00000.bin")


def datatrove(source: Path, tokenizer: str, out: Path, eos: str) -> Taken:
    """Run datatrove's pipeline."""
    shutil.rmtree(out, ignore_errors=True)
    cost = measured([sys.executable, "-c", DATATROVE, str(source), tokenizer, str(out), eos])
    streams = [path for path in out.glob("*.ds") if path.is_file()]
    return Taken(cost=cost, stream=streams[0])


def compare(folder: Path, name: str, workers: int, num_bytes: int) -> bool:
    """Measure both tools with one tokenizer and print a row each; return whether their streams are equal."""
    tokenizer = open_tokenizer(name)
    mine = ours(folder / "all", name, folder / "ours", workers)
    first = ours(folder / "first", name, folder / "ours-first", workers)
    peer = datatrove(folder / "all", str(tokenizer.path), folder / "datatrove", tokenizer.eos_token)
    equal = mine.stream.read_bytes() == peer.stream.read_bytes()
    size = tokenizer.dtype.itemsize
    num_tokens, num_first = mine.stream.stat().st_size // size, first.stream.stat().st_size // size
    print(f"\n{tokenizer.path.name}: {num_tokens:,} tokens with EOS, streams {'equal' if equal else 'DIFFER'}")
    print(f"{'':24}{'seconds':>9}{'CPU-s':>9}{'MB/s':>9}{'M tok/s':>9}{'M tok/CPU-s':>13}{'peak MB':>9}")
    for label, taken in ((f"curate, {workers} worker(s)", mine), ("datatrove", peer)):
        cost = taken.cost
        print(
            f"{label:24}{cost.seconds:9.1f}{cost.cpu_seconds:9.1f}{num_bytes / 1e6 / cost.seconds:9.1f}"
            f"{num_tokens / 1e6 / cost.seconds:9.2f}{num_tokens / 1e6 / cost.cpu_seconds:13.2f}{cost.peak_mb:9.0f}"
        )
    ratio = peer.cost.cpu_seconds / mine.cost.cpu_seconds
    print(f"ratio: {ratio:.1f}x per CPU-second, {peer.cost.seconds / mine.cost.seconds:.1f}x in wall time", end="")
    if num_tokens > num_first:
        slope = (num_tokens - num_first) / (mine.cost.cpu_seconds - first.cost.cpu_seconds)
        print(f"; ours without starting: {slope / 1e6:.1f}M tokens a CPU-second (slope)")
    else:
        print()
    return equal


def main() -> None:
    """Measure and compare; exit 1 when streams differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write; never inside a repository")
    parser.add_argument("--tokenizer", nargs="+", default=["ladder@1"], help="tokenizer.json files or shipped names")
    parser.add_argument("--mb", type=int, default=200, help="MB of text (200)")
    parser.add_argument("--workers", type=int, default=1, help="threads of ours (1)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_MB} MB: does it run? Starting weighs most")
    given = parser.parse_args()
    files = make(given.folder / "text", (QUICK_MB if given.quick else given.mb) * 1_000_000)
    num_bytes = sum(int(pc.sum(pc.binary_length(pq.read_table(f)["text"])).as_py()) for f in files)
    stored = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {num_bytes / 1e6:,.1f} MB of text in {stored / 1e6:,.1f} MB of zstd Parquet")
    equal = [compare(given.folder / "text", name, given.workers, num_bytes) for name in given.tokenizer]
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()
