"""Tags of the shared pool against its true slices and sources: k-means at several K, fastText trained on one half.

k-means never sees a label. The pool's families are parted in two by hash, with at most --docs-per-slice documents of
a slice in all. k-means is fitted on one half without its labels, fastText on the same half by the true slices; both
are measured on the other half, whose families neither saw. CPU seconds are of this process and its children.

Usage: python benchmarks/tags.py [--pool ../shared/pool] [--clusters 12 16 24] [--docs-per-slice 1500]
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import xxhash

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from curation.batches import read_table, text_view  # noqa: E402
from curation.families import family_of  # noqa: E402
from curation.ingest import ensure_pool  # noqa: E402
from curation.progress import SilentProgress  # noqa: E402
from curation.recipe import PoolSpec  # noqa: E402
from curation.slices import KNOWN_SLICES  # noqa: E402
from curation.sources.taggers import ModelTagger, find_model  # noqa: E402
from curation.store import Artifact, Store  # noqa: E402
from curation.tags.agreement import Agreement  # noqa: E402
from curation.tags.fitting import fit_tags  # noqa: E402
from curation.tags.model import write_model  # noqa: E402
from curation.tags.settings import FitSettings  # noqa: E402
from filters.models.train_topics import TopicSettings, read_topics, train_topics  # noqa: E402

LEFT_OUT = ("html_", "seeded_", "web_warc")
"""Sources without text or made for other tests."""
T = TypeVar("T")


def cpu_seconds() -> float:
    """Return the processor time of this process and of its finished children."""
    return sum(os.times()[:4])


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` does and its CPU seconds."""
    before = cpu_seconds()
    result = work()
    return result, cpu_seconds() - before


def halves(pool: Artifact, docs_per_slice: int, folder: Path) -> list[Path]:
    """Write the documents of either half of the families, with slice and source as in the pool."""
    drawn: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for path in pool.part_paths():
        for row in read_table(path, ["id", "text", "slice", "source", "url", "meta"]).to_pylist():
            family = family_of(row["id"], row["url"], row["meta"], KNOWN_SLICES.get(row["slice"], "prose"))
            record = {name: row[name] for name in ("text", "slice", "source")}
            drawn[row["slice"]].append((xxhash.xxh64_intdigest(row["id"]), family, json.dumps(record)))
    paths = [folder / "fit.jsonl", folder / "test.jsonl"]
    kept = [item for docs in drawn.values() for item in heapq.nsmallest(docs_per_slice, docs)]
    for number, path in enumerate(paths):
        lines = [line for _, family, line in kept if xxhash.xxh64_intdigest(family) % 2 == number]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def measured(name: str, tagger: ModelTagger, test: pa.Table) -> str:
    """Return one row of the table: agreement with slices and sources, and speed, on the test half."""
    (tags, _), seconds = timed(lambda: tagger.column(test["text"]))
    named = [tagger.tags[i] if i >= 0 else "(no tag)" for i in tags.tolist()]
    size = text_view(test["text"]).num_bytes.sum() / 1e6
    cells = []
    for column in ("slice", "source"):
        found = Agreement.of(named, test[column].to_pylist())
        cells.append(f"{found.purity():.3f} | {found.nmi():.3f} | {found.ari():.3f}")
    return f"| {name} | {' | '.join(cells)} | {size / max(seconds, 1e-9):.0f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, train, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("CURATE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--pool", type=Path, default=shared / "pool")
    parser.add_argument("--clusters", type=int, nargs="+", default=[12, 16, 24])
    parser.add_argument("--docs-per-slice", type=int, default=1500)
    parser.add_argument("--set", dest="settings", default="{}", help="JSON of other settings of the fit.")
    given = parser.parse_args(arguments)
    folders = [
        str(path) for path in sorted(given.pool.iterdir()) if path.is_dir() and not path.name.startswith(LEFT_OUT)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store = Store.open(folder / "store")

        def pool_of(*paths: str) -> Artifact:
            spec = PoolSpec(path=paths, max_bad_fraction=1.0)
            return ensure_pool(store, spec, workers=1, progress=SilentProgress())

        fit_pool, test_pool = (pool_of(str(path)) for path in halves(pool_of(*folders), given.docs_per_slice, folder))
        test = pa.concat_tables([read_table(path, ["text", "slice", "source"]) for path in test_pool.part_paths()])
        print(f"fit {fit_pool.summary['num_docs']} documents, test {test.num_rows}")
        head = "| tags | purity, slice | NMI | ARI | purity, source | NMI | ARI | MB per CPU-s |"
        print(f"{head}\n|{'---|' * 8}")
        notes = []
        for clusters in given.clusters:
            settings = FitSettings(clusters=clusters, **json.loads(given.settings))
            model, seconds = timed(lambda chosen=settings: fit_tags(fit_pool, chosen, SilentProgress()))
            path = folder / f"{clusters}.tags"
            write_model(path, model)
            print(measured(f"k-means, K = {clusters}", find_model(f"kmeans:{path}", "benchmark"), test), flush=True)
            told = model.header.measures
            notes.append(
                f"K = {clusters}: {seconds:.1f} CPU-s to fit; silhouette {told['silhouette']}, cosine within "
                f"{told['within_cosine']}, between {told['between_cosine']}; ARI of starts "
                f"{told['stability_ari_mean']} (least {told['stability_ari_min']})"
            )
        topics = TopicSettings(max_doc_chars=4_000)
        out = folder / "slices.curate-classifier"
        read = read_topics(fit_pool, topics, SilentProgress())
        card, seconds = timed(lambda: train_topics(read, topics, out, SilentProgress()))
        print(measured("fastText, true slices of the other half", find_model(f"fasttext:{out}", "benchmark"), test))
        notes.append(f"fastText: {seconds:.1f} CPU-s to train, accuracy held out {card.held_out['accuracy']}")
        print("\n".join(notes))


if __name__ == "__main__":
    main()
