"""Our filter pass beside datatrove's chain on the same documents: documents and megabytes per CPU second.

Input: prose of the installed environment (slices docs, docstrings, licences), so it runs wherever datatrove and
spaCy do. Ours: all signals and the rules of `quality_v2` over an Arrow column. Datatrove's: Gopher repetition, Gopher
quality, C4 (without its end-mark rule, as FineWeb uses it) and FineWeb, all four judged for every document. Both in
this process, one thread. Usage: python benchmarks/filters.py [--docs N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.batches import text_array
from curation.progress import SilentProgress
from filters.rules import find_rule_set, judge_rows
from filters.signal_sets.text import TEXT
from filters.signals import compute_signals

SLICES = ("docs", "docstrings", "licences")
MAX_CHARS = 20_000
NAMES = {
    "gopher-repetition": "GopherRepetitionFilter",
    "gopher-quality": "GopherQualityFilter",
    "c4-page": "C4QualityFilter",
    "fineweb": "FineWebQualityFilter",
}


def environment_prose(num_docs: int) -> list[str]:
    """Return up to `num_docs` prose documents of the environment, evenly taken, long ones cut."""
    from curation.sources.environment import environment_records
    from curation.sources.records import Rejected

    records = [record for record in environment_records(SilentProgress()) if not isinstance(record, Rejected)]
    texts = [str(record["text"])[:MAX_CHARS] for record in records if record["slice"] in SLICES]
    step = max(1, len(texts) // num_docs)
    return texts[::step][:num_docs]


def ours(texts: Sequence[str]) -> dict[str, list[bool]]:
    """Return kept or not by rule set."""
    table = pa.table({"text": text_array(list(texts))})
    columns = {f"text.{name}": values for name, values in compute_signals(TEXT, table).items()}
    judged = np.ones(len(texts), np.bool_)
    return {
        name: judge_rows(find_rule_set(f"{name}/curate", "benchmark").rules, columns, judged).kept.tolist()
        for name in NAMES
    }


def theirs() -> Callable[[Sequence[str]], dict[str, list[bool]]]:
    """Return datatrove's chain as a function like `ours`."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    chain = {
        "gopher-repetition": GopherRepetitionFilter(),
        "gopher-quality": GopherQualityFilter(),
        "c4-page": C4QualityFilter(filter_no_terminal_punct=False),
        "fineweb": FineWebQualityFilter(),
    }

    def kept(name: str, text: str) -> bool:
        try:
            return chain[name].filter(Document(text=text, id="0")) is True
        except ZeroDivisionError:  # a text without words or lines
            return False

    return lambda texts: {name: [kept(name, text) for text in texts] for name in chain}


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU time of `work`."""
    measured = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        measured.append(time.process_time() - started)
    return statistics.median(measured)


def main() -> None:
    """Measure both and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    texts = environment_prose(options.docs)
    megabytes = sum(len(text.encode("utf-8")) for text in texts) / 1e6
    print(f"{len(texts)} documents, {megabytes:.2f} MB; medians of {options.repeats}; one thread")
    chain = theirs()
    verdicts = {"curate": ours(texts), "datatrove": chain(texts[:5]) and chain(texts)}  # the first calls warm up
    seconds = {
        "curate": cpu_seconds(lambda: ours(texts), max(options.repeats, 5)),
        "datatrove": cpu_seconds(lambda: chain(texts), options.repeats),
    }
    for name, taken in seconds.items():
        print(f"{name:<10} {len(texts) / taken:>10,.0f} docs/cpu-s {megabytes / taken:>8.2f} MB/cpu-s")
    print(f"ratio      {seconds['datatrove'] / seconds['curate']:>10.0f} x")
    print("verdicts are NOT at parity yet (words are cut differently); same verdict on:")
    for name in NAMES:
        same = np.array(verdicts["curate"][name]) == np.array(verdicts["datatrove"][name])
        print(
            f"  {name:<18} {same.mean():6.1%}   kept: {np.mean(verdicts['curate'][name]):.1%} ours, "
            f"{np.mean(verdicts['datatrove'][name]):.1%} datatrove"
        )


if __name__ == "__main__":
    main()
