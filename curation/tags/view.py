"""What `curate tags` prints: a model's tags and measures, tagged documents, tables of tags against labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.console import printable
from curation.files import Json

if TYPE_CHECKING:
    from rich.console import Console

    from curation.tags.model import TagModel

SHOWN_LABELS = 4
SHOWN_WORDS = 6
NO_TAG = "(no tag)"


def model_json(model: TagModel, path: Path) -> dict[str, Json]:
    """Return everything that a model says of itself."""
    return {"path": str(path), "sha256": model.sha256, **model.header.model_dump(mode="json")}


def draw_model(console: Console, model: TagModel, path: Path) -> None:
    """Print a model: tags with sizes and words, measures, the labels they were compared with."""
    from rich.table import Table

    header, fit, measures = model.header, model.header.fit, model.header.measures
    table = Table("tag", "documents", "cosine", "words", "nearest id", box=None, pad_edge=False)
    for cluster in header.clusters:
        words = printable(" ".join(cluster.words[:SHOWN_WORDS]))
        example = printable(cluster.examples[0])[:24] if cluster.examples else ""
        table.add_row(cluster.name, f"{cluster.docs:,}", f"{cluster.cosine:.2f}", words, example)
    console.print(table)
    if fit:
        console.print(
            f"fitted on {fit['sample_docs']:,} of {fit['pool_docs']:,} documents of pool {fit['pool'][:8]}, "
            f"{fit['docs_without_tag']:,} of them without a tag"
        )
    if measures:
        console.print(
            f"cosine within {measures['within_cosine']:.3f}, between centroids {measures['between_cosine']:.3f}, "
            f"silhouette {measures['silhouette']:.3f}; {measures['starts']} starts agree with ARI "
            f"{measures['stability_ari_mean']:.2f} (least {measures['stability_ari_min']:.2f})"
        )
    if "against" in measures:
        draw_against(console, measures["against"])
    console.print(f"model: {printable(str(path))}, sha256 {model.sha256[:12]}", markup=False, soft_wrap=True)
    console.print(f'use it: pool: {{path: ..., tagger: "kmeans:{printable(str(path))}"}}', markup=False, soft_wrap=True)


def draw_against(console: Console, found: Mapping[str, Any]) -> None:
    """Print how tags agree with labels, and the commonest labels of each tag."""
    console.print(
        f"against {found['column']}: purity {found['purity']:.3f}, NMI {found['nmi']:.3f}, ARI {found['ari']:.3f} "
        f"over {found['num_docs']:,} documents"
    )
    for tag, counts in found["table"].items():
        common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{label} {count:,}" for label, count in common[:SHOWN_LABELS])
        rest = f", {len(common) - SHOWN_LABELS} more" if len(common) > SHOWN_LABELS else ""
        console.print(f"  {printable(tag)}: {printable(shown)}{rest}", markup=False, soft_wrap=True)


def draw_applied(console: Console, value: Mapping[str, Any]) -> None:
    """Print how many documents and bytes got which tag."""
    from rich.table import Table

    table = Table("tag", "documents", "MB", box=None, pad_edge=False)
    rows = {**value["tags"], NO_TAG: value["without_tag"]}
    for name, counts in rows.items():
        if counts["docs"]:
            table.add_row(printable(name), f"{counts['docs']:,}", f"{counts['bytes'] / 1e6:,.1f}")
    console.print(table)
    if "against" in value:
        draw_against(console, value["against"])
    console.print(f"{value['num_docs']:,} documents: {printable(value['path'])}", markup=False, soft_wrap=True)


def compare_tags(path: Path) -> dict[str, Json]:
    """Return how the tags in a file of `curate tags apply` agree with its slices; no tag is a tag of its own."""
    from curation.batches import read_table
    from curation.tags.agreement import Agreement

    table = read_table(path, ["tag", "slice"])
    return Agreement.of([tag or NO_TAG for tag in table["tag"].to_pylist()], table["slice"].to_pylist()).as_json()
