"""How fast modifiers are, beside the formatters of datatrove where it has one.

Input: prose of the installed environment, as in `benchmarks/filters.py`.
One thread, CPU seconds, best of several; `changed` and the counters say that both sides did the same work.
Usage: python benchmarks/modifiers.py [--quick] [--docs N] [--repeats N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.filters import environment_texts
from curation.batches import text_array
from filters.modifiers.base import MODIFIERS, find_modifier
from filters.modifiers.rewriting import rewrite_table

SAME_AS_PEER: Mapping[str, Mapping[str, Any]] = {"pii": {"kinds": ["email", "public-ip"]}}
"""Settings under which a modifier does what datatrove's does."""


def peers() -> dict[str, Callable[[str], str]]:
    """Return datatrove's function from text to text by the name of our modifier."""
    from datatrove.pipeline.formatters.ftfy import FTFYFormatter
    from datatrove.pipeline.formatters.pii import PIIFormatter

    return {"ftfy": FTFYFormatter().format, "pii": PIIFormatter().format}


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the fewest CPU seconds of several runs."""
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def line(name: str, megabytes: float, texts: Sequence[str], repeats: int, peer: Callable[[str], str] | None) -> str:
    """Return the measurement of one modifier as a row."""
    modifier = find_modifier(name, "benchmark")
    settings = modifier.settings.model_validate(SAME_AS_PEER.get(name, {}))
    table = pa.table({"text": text_array(list(texts))})
    new = rewrite_table(modifier, settings, table).texts.to_pylist()  # compiles its kernels, too
    changed = sum(old != text for old, text in zip(texts, new, strict=True))
    ours = seconds(lambda: rewrite_table(modifier, settings, table), repeats)
    row = f"{name:18} {megabytes / ours:9.1f} MB/s  changed {changed:6}"
    if peer is None:
        return row
    theirs = seconds(lambda: [peer(text) for text in texts], 1)
    return f"{row}  datatrove {megabytes / theirs:7.1f} MB/s  ratio {theirs / ours:6.1f}"


def main() -> None:
    """Measure and print a row a modifier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few documents, once")
    parser.add_argument("--docs", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    texts = environment_texts(200 if options.quick else options.docs)
    megabytes = sum(len(text.encode("utf-8")) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB of text, one thread")
    known = peers()
    for name in sorted(MODIFIERS.builtin):
        print(line(name, megabytes, texts, 1 if options.quick else options.repeats, known.get(name)), flush=True)


if __name__ == "__main__":
    main()
