"""The parts of `quality_v3` on a real pool: what each keeps alone, and what the whole keeps without it.

Builds one corpus a row from one annotation and reads their funnels; shares are of the judged (prose) tokens that reach
the filter. Usage: python benchmarks/quality_v3.py [--pool ../shared/pool] [--store DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.nodes import Planner
from curation.pipeline import plan_corpus
from curation.progress import SilentProgress
from curation.recipe import Recipe, validate
from curation.slices import kind_of
from curation.store import Store

EXCLUDED = ["html_*/**", "web_warc/**", "seeded_*/**"]  # raw pages, broken archives, planted copies and leaks
PARTS = ("gopher-quality", "gopher-repetition", "c4-page", "fineweb")
ROWS: Mapping[str, dict[str, Any]] = {
    "quality_v3": {"filter": "quality_v3"},
    **{f"without {part}": {"filter": "quality_v3", "without": part} for part in PARTS},
    "without the classifier (quality_v2)": {"filter": "quality_v2"},
    **{f"{part} alone": {"filter": part} for part in PARTS},
    "classifier alone": {"filter": "fasttext-quality"},
}


def main(words: Sequence[str] | None = None) -> None:
    """Build every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", default="../shared/pool")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        store = Store.open(options.store or Path(scratch))
        rows = {name: kept_shares(stage, options.pool, store) for name, stage in ROWS.items()}
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("| part | documents kept | tokens kept | " + " | ".join(slices_of(rows)) + " |")
    print("|---|---|---|" + "---|" * len(slices_of(rows)))
    for name, row in rows.items():
        by_slice = " | ".join(f"{row['slices'].get(slice_, 0):.0%}" for slice_ in slices_of(rows))
        print(f"| {name} | {row['docs']:.1%} | {row['tokens']:.1%} | {by_slice} |")


def slices_of(rows: Mapping[str, Any]) -> list[str]:
    """Return the judged slices."""
    return sorted(next(iter(rows.values()))["slices"])


def kept_shares(stage: dict[str, Any], pool: str, store: Store) -> dict[str, Any]:
    """Return the shares of judged documents and tokens that `stage` keeps, in all and of tokens by slice."""
    from curation.ingest import ensure_pool

    recipe: Recipe = validate(
        Recipe,
        {
            "name": "parts",
            "pool": {"path": pool, "exclude": EXCLUDED, "id": "id"},
            "panel": {"bytes_per_slice": 400_000, "max_doc_bytes": 16_384, "reference_fraction": 0.15},
            "stages": [stage],
        },
        "benchmark",
    )
    progress = SilentProgress()
    plan = plan_corpus(recipe, ensure_pool(store, recipe.pool, workers=2, progress=progress))
    corpus = Planner(store=store, workers=2, progress=progress).materialise(plan.corpus)
    step = json.loads((corpus.path / "funnel.json").read_text())[2]
    judged = {name: row for name, row in step["by_slice"].items() if kind_of(name, {}) == "prose"}
    return {
        "docs": sum(row["docs_out"] for row in judged.values()) / sum(row["docs_in"] for row in judged.values()),
        "tokens": sum(row["tokens_out"] for row in judged.values()) / sum(row["tokens_in"] for row in judged.values()),
        "slices": {name: row["tokens_out"] / max(1, row["tokens_in"]) for name, row in judged.items()},
    }


if __name__ == "__main__":
    main()
