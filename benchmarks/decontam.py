"""The 13-gram scan beside datatrove's filter and a plain Python set, then all detectors in one pass.

The same documents and the same 20,000 items for all; CPU seconds of the scan alone, indexes made before. datatrove's
indexer refuses to start without lighteval, so its own `compute_hashes` makes its index. The plain set holds the n-grams
of the same normal form as joined words and counts the different ones in each document: its counts must equal ours.

Usage: python benchmarks/decontam.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decontam_quality import EVALS, POOL, pool_texts, records
from curation.batches import TextView, text_array, text_view
from curation.decontamination.detectors import DETECTORS, Scan, detector, hashed_text, scan_all
from curation.decontamination.ngram import NgramDetector, NgramSettings
from curation.decontamination.ngram_index import MIN_ALPHABETIC, units_of
from curation.randomness import generator
from curation.suites import Suite, load_suites
from curation.words import split_words

T = TypeVar("T")
NGRAM, NUM_ITEMS, MAX_ITEMS = 13, 20_000, 10


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` returns and the CPU seconds that it took."""
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def chosen_suites() -> list[Suite]:
    """Return the suites cut to 20,000 items in all, drawn with a seed."""
    suites = load_suites([str(EVALS)], "benchmark")
    total = sum(len(suite.items) for suite in suites)
    drawn = np.zeros(total, np.bool_)
    drawn[generator(0, "decontam").permutation(total)[:NUM_ITEMS]] = True
    cut, first = [], 0
    for suite in suites:
        mask = drawn[first : first + len(suite.items)]
        first += len(suite.items)
        items = tuple(item for item, keep in zip(suite.items, mask, strict=True) if keep)
        if items:
            cut.append(Suite(name=suite.name, digest=suite.digest, items=items))
    return cut


def telling(window: Sequence[str]) -> bool:
    """Return whether a window holds enough different words of two letters or more."""
    return len({word for word in window if sum(not 48 <= byte <= 57 for byte in word.encode()) >= 2}) >= MIN_ALPHABETIC


def plain_set(suites: Sequence[Suite]) -> set[str]:
    """Return the n-grams of all items, joined, without those that say nothing or belong to many items."""
    units = units_of(suites, passages=True)
    holders: dict[str, set[int]] = {}
    for text, item in zip(units.texts, units.items.tolist(), strict=True):
        words = split_words(text)
        for i in range(len(words) - NGRAM + 1):
            if telling(words[i : i + NGRAM]):
                holders.setdefault(" ".join(words[i : i + NGRAM]), set()).add(item)
    return {gram for gram, items in holders.items() if len(items) <= MAX_ITEMS}


def plain_scan(grams: set[str], texts: Sequence[str]) -> list[int]:
    """Return how many different n-grams of the set each document holds."""
    counts = []
    for text in texts:
        words = split_words(text)
        windows = (" ".join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1))
        counts.append(len({window for window in windows if window in grams}))
    return counts


def our_counts(scan: Scan, num_docs: int) -> list[int]:
    """Return the same of our scan."""
    pairs = Counter(doc for doc, _ in set(zip(scan.column("doc").tolist(), scan.column("ngram").tolist(), strict=True)))
    return [pairs[doc] for doc in range(num_docs)]


def datatrove_filter(suites: Sequence[Suite], folder: str) -> Any:
    """Return datatrove's filter with an index of the items, or None if it is not installed."""
    try:
        from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
        from datatrove.utils.hashing import create_hash_func
        from datatrove.utils.word_tokenizers import load_word_tokenizer
    except ImportError:
        return None
    config = NGramsDecontConfig(n_grams=NGRAM, find_query_ngrams=True)
    indexer = object.__new__(NGramsDecontIndexer)  # its constructor asks for lighteval, which hashing does not use
    indexer.config, indexer.tokenizer = config, load_word_tokenizer("eng")
    indexer.hash_func = create_hash_func(config.hash_config)
    hashes: set[int] = set()
    for suite in suites:
        for item in suite.items:
            hashes.update(indexer.compute_hashes(item.answer, f"{item.passage} {item.question}"))
    np.array(sorted(hashes), dtype=config.hash_config.np_descr).tofile(f"{folder}/items.index.hashes")
    judge = NGramsDecontFilter(folder, config)
    judge.load_index_hashes()
    return judge


def datatrove_scan(judge: Any, texts: Sequence[str]) -> int:
    """Return how many documents datatrove's filter drops."""
    from datatrove.data import Document

    return sum(judge.filter(Document(text=text, id=str(i))) is not True for i, text in enumerate(texts))


def all_detectors(suites: Sequence[Suite], text: TextView) -> list[str]:
    """Return one line a detector and one for all in one pass: MB a CPU-second."""
    megabytes = int(text.num_bytes.sum()) / 1e6
    indexes = {name: detector(name, {}, "benchmark").index(suites) for name in sorted(DETECTORS.builtin)}
    documents, seconds = timed(lambda: hashed_text(text))
    lines = [f"  {'hashing words, once':<22}{megabytes / seconds:8.1f} MB/CPU-s"]
    _, seconds = timed(lambda: documents.tokens)
    lines.append(f"  {'cutting tokens, once':<22}{megabytes / seconds:8.1f} MB/CPU-s")
    for name, index in indexes.items():
        _, seconds = timed(lambda index=index: index.scan(documents))  # type: ignore[misc]
        lines.append(f"  {name:<22}{megabytes / seconds:8.1f} MB/CPU-s")
    _, seconds = timed(lambda: scan_all(list(indexes.values()), text))
    return [*lines, f"  {'all in one pass':<22}{megabytes / seconds:8.1f} MB/CPU-s"]


def main() -> None:
    """Print the comparison and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Fewer documents.")
    quick = parser.parse_args().quick
    suites = chosen_suites()
    planted = [record["text"] for record in records(POOL / "seeded_leaks")]  # so that there is something to find
    texts = pool_texts(POOL, every=40 if quick else 8) + planted[:: 4 if quick else 1]
    few = texts[:: 5 if quick else 8]
    view, few_view = text_view(text_array(texts)), text_view(text_array(few))
    index = NgramDetector(ngram=NGRAM, given=NgramSettings(min_item_words=NGRAM)).index(suites)
    scan_all([index], few_view)  # kernels compiled
    (scan,), ours = timed(lambda: scan_all([index], view))
    grams = plain_set(suites)
    counts, plain = timed(lambda: plain_scan(grams, texts))
    equal = sum(a == b for a, b in zip(counts, our_counts(scan, len(texts)), strict=True))
    rate = {"curate": len(texts) / ours, "plain set": len(texts) / plain}
    print(f"{len(texts):,} documents, {view.num_bytes.sum() / 1e6:.1f} MB; {NUM_ITEMS:,} items, {len(grams):,} n-grams")
    print(f"  equal counts of n-grams in {equal:,} of {len(texts):,} documents, {sum(map(bool, counts))} of them hit")
    with tempfile.TemporaryDirectory() as folder:
        judge = datatrove_filter(suites, folder)
        if judge is None:
            print("  datatrove is not installed: skipped")
        else:
            dropped, seconds = timed(lambda: datatrove_scan(judge, few))
            rate["datatrove"] = len(few) / seconds
            (_,), own = timed(lambda: scan_all([index], few_view))
            rate["curate, same documents"] = len(few) / own
            print(f"  datatrove: {dropped} of {len(few)} documents dropped (of the {len(few)} it was given)")
    for name, value in rate.items():
        print(f"  {name:<22}{value:12,.0f} documents/CPU-s")
    ratios = {"plain set": rate["curate"] / rate["plain set"]}
    if "datatrove" in rate:
        ratios["datatrove"] = rate["curate, same documents"] / rate["datatrove"]
    for name, value in ratios.items():
        print(f"  ours / {name:<15}{value:12,.1f}x")
    print("\n".join(all_detectors(suites, view)))
    print(json.dumps({"equal_documents": equal, "documents": len(texts), "ratios": ratios}))


if __name__ == "__main__":
    main()
