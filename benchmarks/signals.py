"""Megabytes of text per CPU second of each signal set, one thread, over one Arrow column of prose.

Input: prose of the installed environment, as in `benchmarks/filters.py`. Sets that need a file are measured where it is
there: `language` with the language model found by its filter, `toxic` and `url` with lists made here.
Usage: python benchmarks/signals.py [--quick] [--docs N] [--set NAME]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.filters import environment_texts
from curation.batches import text_array
from curation.errors import CurateError
from filters.signal_sets.fertility import fertility_set, token_counter
from filters.signal_sets.language import find_model, language_model, language_set, second_codes, second_language_set
from filters.signal_sets.toxic import toxic_set
from filters.signal_sets.urls import UrlLists, url_set
from filters.signals import SIGNAL_SETS, SignalSet, compute_signals, signal_set
from filters.word_lists import word_list

WORDS = [f"listedword{i}" for i in range(400)]
NO_WORDS = word_list([])


def signal_sets() -> Iterator[SignalSet]:
    """Yield every set that can be made here; what cannot is said."""
    yield from (signal_set(name) for name in SIGNAL_SETS.names())
    yield toxic_set(word_list(WORDS))
    lists = word_list(WORDS)
    yield url_set(UrlLists(domains=lists, urls=NO_WORDS, strict=lists, hard=lists, soft=lists, registrable=True))
    yield fertility_set(token_counter("ladder-nano@1", "benchmark"))
    try:
        second_codes("benchmark")
        yield second_language_set()
        yield language_set(language_model(find_model(None, "benchmark"), "benchmark"))
    except CurateError as error:
        print(f"left out: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=4000)
    parser.add_argument("--quick", action="store_true", help="200 documents")
    parser.add_argument("--set", help="one set only")
    options = parser.parse_args()
    texts = environment_texts(200 if options.quick else options.docs)
    urls = [f"https://www.host{i % 97}.example.com/some/path-{i}?q=word" for i in range(len(texts))]
    table = pa.table({"text": text_array(texts), "url": text_array(urls)})
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {megabytes:.1f} MB")
    for chosen in signal_sets():
        if options.set not in (None, chosen.name):
            continue
        compute_signals(chosen, table.slice(0, 8))  # compiles, loads models
        started = time.process_time()
        compute_signals(chosen, table)
        seconds = time.process_time() - started
        print(f"{chosen.name:18} {megabytes / seconds:9.1f} MB/cpu-s {len(texts) / seconds:11.0f} docs/cpu-s")


if __name__ == "__main__":
    main()
