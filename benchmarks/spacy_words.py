"""The compiled English word tokenizer beside datatrove's (spaCy): megabytes per CPU second, and whether words agree.

Input: prose of the installed environment, as in `benchmarks/filters.py`; `--pool DIR` takes the first documents of
every JSON Lines shard (`*.jsonl.zst`) below DIR instead. One thread. The first pass of ours, after compiling, is shown
apart: nothing is remembered from text to text, so it differs by caches only. Spread: slowest and fastest repeat.
Usage: python benchmarks/spacy_words.py [--quick] [--docs N] [--repeats N] [--pool DIR]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.filters import MAX_CHARS, environment_texts
from curation.batches import TextView, text_array, text_view
from filters.signal_sets.spacy_words import count_sentences, spacy_tokens


def pool_documents(pool: Path, num_docs: int) -> list[str]:
    """Return `num_docs` documents, as many of each shard as it takes, long ones cut."""
    import zstandard

    shards = sorted(pool.glob("**/*.jsonl.zst"))
    texts: list[str] = []
    for shard in shards:
        with shard.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            rows = map(json.loads, islice(io.TextIOWrapper(stream, "utf-8"), num_docs // len(shards) + 1))
            texts += [row["text"][:MAX_CHARS] for row in rows if "text" in row]
    return texts[:num_docs]


def rates(work: Callable[[], object], megabytes: float, repeats: int) -> list[float]:
    """Return the megabytes per CPU second of each repeat, slowest first."""
    measured = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        measured.append(megabytes / (time.process_time() - started))
    return sorted(measured)


def our_words(view: TextView) -> list[list[str]]:
    """Return the words of each document as strings."""
    table = spacy_tokens(view)
    words = [bytes(view.data[b:e]).decode() for b, e in zip(table.begin, table.end, strict=True)]
    return [words[table.offsets[i] : table.offsets[i + 1]] for i in range(len(view))]


def main() -> None:
    """Measure both on the same documents and compare their words."""
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pool", type=Path)
    parser.add_argument("--quick", action="store_true", help="150 documents, one repeat of datatrove")
    options = parser.parse_args()
    num_docs = 150 if options.quick else options.docs
    texts = pool_documents(options.pool, num_docs) if options.pool else environment_texts(num_docs)
    view = text_view(text_array(texts))
    megabytes = len(view.data) / 1e6
    spacy_tokens(text_view(text_array(["compile and load the rules"])))
    tokenizer = load_word_tokenizer("eng")
    tokenizer.word_tokenize("load the pipeline")
    ranges = view.data, view.offsets[:-1], view.offsets[1:]
    lines = [
        ("ours, first pass", rates(lambda: spacy_tokens(view), megabytes, 1)),
        ("ours", rates(lambda: spacy_tokens(view), megabytes, 3 * options.repeats)),
        ("ours, sentences", rates(lambda: count_sentences(*ranges), megabytes, 3 * options.repeats)),
        (
            "datatrove (spaCy)",
            rates(lambda: [tokenizer.word_tokenize(text) for text in texts], megabytes, 1 if options.quick else 3),
        ),
    ]
    same = sum(a == tokenizer.word_tokenize(text) for a, text in zip(our_words(view), texts, strict=True))
    print(f"{len(texts)} documents, {megabytes:.2f} MB, one thread; medians, spread")
    for name, measured in lines:
        print(f"{name:<18}{statistics.median(measured):>9.2f} MB/cpu-s  ({measured[0]:.2f} to {measured[-1]:.2f})")
    print(
        f"ratio {statistics.median(lines[1][1]) / statistics.median(lines[3][1]):.0f} x; same words: {same} documents"
    )


if __name__ == "__main__":
    main()
