"""Quality and speed of the extractors on raw pages of the shared pool.

Reference text: `web_extracted` (trafilatura with favor_recall, so trafilatura's own names are favoured), by `parent`.

Usage: python benchmarks/extraction.py [--pages N]
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NAMES = ("trafilatura", "trafilatura-fast", "trafilatura-fineweb", "resiliparse", "resiliparse-all", "justext")
SLICES = ("html_trafilatura", "html_numpy_docs")


def records(pool: Path, source: str) -> list[dict[str, Any]]:
    import orjson
    import zstandard

    found = []
    for path in sorted((pool / source).glob("*.jsonl.zst")):
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            found += [orjson.loads(line) for line in io.TextIOWrapper(stream, "utf-8")]
    return found


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=60, help="pages of each slice")
    pages = parser.parse_args().pages
    from curation.extraction import Page
    from curation.extraction.compare import compare
    from curation.extraction.page_files import Sample

    pool = Path(os.environ.get("CURATE_SHARED", "../shared")) / "pool"
    references = {str(record.get("parent") or record.get("meta", {}).get("parent")): record["text"]
                  for record in records(pool, "web_extracted")}  # fmt: skip
    for source in SLICES:
        chosen = records(pool, source)
        if not chosen:
            sys.exit(f"{pool / source}: holds no pages; set CURATE_SHARED to the folder that holds pool/")
        chosen = chosen[:: max(1, len(chosen) // pages)][:pages]
        samples = [
            Sample(name=one["id"], page=Page(content=one["html"].encode(), url=one.get("url")),
                   reference=references.get(one["id"]))
            for one in chosen
        ]  # fmt: skip
        found = compare(NAMES, samples)
        print(f"{source}: {len(samples)} pages, {sum(one.reference is not None for one in samples)} with a reference")
        for one in found.summaries:
            print(
                f"| {one.name} | {one.num_empty} | {number(one.kept_fraction)} | {number(one.boilerplate_fraction)} | "
                f"{number(one.precision)} | {number(one.recall)} | {number(one.f1)} | "
                f"{one.pages_a_cpu_second:.0f} | {one.megabytes_a_cpu_second:.2f} |"
            )


if __name__ == "__main__":
    main()
