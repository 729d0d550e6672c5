"""Our fastText scoring beside the library's own batch `predict`: same model, same documents, documents per second.

One core: documents per CPU second of this process, one thread each. Two cores: documents per wall second, ours on two
threads, the library's on two threads too (it holds the interpreter's lock, so one is as fast; the better one counts).
The library gets strings that are normalised already; ours reads the Arrow column and normalises in the kernel. Input:
prose of the installed environment; `--pool DIR` takes JSON Lines instead. Runs of both alternate; medians are printed.
Usage: python benchmarks/fasttext_scoring.py [--docs N] [--repeats N] [--dim N] [--pool DIR] [--model FILE] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.filters import MAX_CHARS, environment_texts
from curation.batches import text_array
from filters.models.fasttext_model import FastTextModel
from filters.models.fasttext_training import train_apart
from filters.models.normalisation import DCLM, without_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured; rates are documents per second."""

    docs: int
    megabytes: float
    dim: int
    ours_per_cpu_second: float
    library_per_cpu_second: float
    ratio_one_core: float
    ours_two_threads: float
    library_wall: float
    ratio_two_cores: float
    largest_difference: float


def pool_texts(folder: Path, num_docs: int) -> list[str]:
    """Return up to `num_docs` texts of the JSON Lines files below `folder`, evenly taken, long ones cut."""
    from curation.sources.jsonl import jsonl_records
    from curation.sources.locate import find_inputs

    records = [record for item in find_inputs([str(folder)]).files for _, record in jsonl_records(item, 10**9)]
    texts = [record["text"][:MAX_CHARS] for record in records if isinstance(record, dict)]
    return texts[:: max(1, len(texts) // num_docs)][:num_docs]


def trained(texts: list[str], dim: int, folder: Path) -> Path:
    """Return a model with DCLM's word bigrams and 500,000 buckets, fitted to tell even documents from odd ones."""
    lines = folder / "lines.txt"
    lines.write_text(
        "".join(f"__label__{i % 2} {without_labels(DCLM.apply(text))}\n" for i, text in enumerate(texts)), "utf-8"
    )
    settings = {"lr": 0.1, "dim": dim, "epoch": 1, "wordNgrams": 2, "bucket": 500_000, "minCount": 1, "seed": 0}
    return train_apart(lines, settings, folder / "model.bin")


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the time of one call."""
    started = clock()
    work()
    return clock() - started


def alternated(works: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return the median time of each work, their runs taken in turns so that a slow minute hits all."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            measured[name].append(seconds(work, clock))
    return {name: statistics.median(values) for name, values in measured.items()}


def measure(texts: list[str], path: Path, repeats: int) -> Result:
    """Return the rates of both and their largest difference."""
    import fasttext

    library, ours = fasttext.load_model(str(path)), FastTextModel.load(path)
    column: pa.Array = text_array(texts)
    lines = [DCLM.apply(text) for text in texts]
    num_labels = len(ours.labels)
    halves = [np.arange(part, len(texts), 2) for part in range(2)]
    threads = ThreadPoolExecutor(2)

    def predicted(rows: Any = None) -> Any:
        return library.predict(lines if rows is None else [lines[i] for i in rows], k=num_labels)

    def scored(rows: Any = None) -> Any:
        return ours.probabilities(column, DCLM, rows)

    difference = largest_difference(scored(), predicted(), ours.labels)
    cpu = alternated({"ours": scored, "library": predicted}, repeats, time.process_time)
    wall = alternated(
        {
            "ours": lambda: list(threads.map(scored, halves)),
            "library-2": lambda: list(threads.map(predicted, halves)),
            "library-1": predicted,
        },
        repeats,
        time.perf_counter,
    )
    library_wall = min(wall["library-1"], wall["library-2"])
    return Result(
        docs=len(texts),
        megabytes=sum(len(text.encode()) for text in texts) / 1e6,
        dim=ours.file.dim,
        ours_per_cpu_second=len(texts) / cpu["ours"],
        library_per_cpu_second=len(texts) / cpu["library"],
        ratio_one_core=cpu["library"] / cpu["ours"],
        ours_two_threads=len(texts) / wall["ours"],
        library_wall=len(texts) / library_wall,
        ratio_two_cores=library_wall / wall["ours"],
        largest_difference=difference,
    )


def largest_difference(ours: Any, theirs: Any, labels: tuple[str, ...]) -> float:
    """Return the largest |Δp| over all documents and labels."""
    expected = np.zeros_like(ours)
    for row, (names, chances) in enumerate(zip(*theirs, strict=True)):
        for name, chance in zip(names, chances, strict=True):
            expected[row, labels.index(name)] = chance
    return float(np.abs(expected - ours).max())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--pool", type=Path)
    parser.add_argument("--model", type=Path, help="score with this model instead of one trained here")
    parser.add_argument("--quick", action="store_true", help="1,000 documents, 3 repeats")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    num_docs, repeats = (1_000, 3) if options.quick else (options.docs, options.repeats)
    texts = pool_texts(options.pool, num_docs) if options.pool else environment_texts(num_docs)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(texts, options.model or trained(texts, options.dim, Path(folder)), repeats)
    if options.json:
        print(json.dumps(asdict(result), indent=2, sort_keys=True))
        return
    print(f"{result.docs:,} documents, {result.megabytes:.1f} MB, dim {result.dim}; medians of {repeats}")
    for name, ours, library, unit, ratio in (
        ("one core", result.ours_per_cpu_second, result.library_per_cpu_second, "docs/cpu-s", result.ratio_one_core),
        ("two threads", result.ours_two_threads, result.library_wall, "docs/s", result.ratio_two_cores),
    ):
        print(f"{name:<12} ours {ours:>9,.0f}   library {library:>9,.0f} {unit:<10}  ratio {ratio:.2f} x")
    print(f"max |Δp| {result.largest_difference:.1e} over {result.docs:,} documents (bound 2e-3)")


if __name__ == "__main__":
    main()
