"""Panel leak: documents of a finished corpus that are near copies of its panel, counted on what trainings really read.

The panel split takes near copies out of the raw pool (`curation.panel`). What happens later is not seen there: a
modifier that strips what told two pages apart, a stage of a plugin that writes text. So the last text is asked again,
with the same test (`curation.near_copies`), every document, nothing sampled (rule 1). `exact` documents share 50 words
in a row with a scored panel document; `near` ones have Jaccard similarity of at least 1/2 with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq

from curation.batches import read_table, text_view
from curation.files import Json
from curation.near_copies import NEAR_COPY_VERSION, NearCopyIndex, near_copy_index
from curation.nodes import Node, NodeRun
from curation.panel import DOCUMENTS
from curation.store import Artifact

SHOWN = 5
VERSION = f"1+{NEAR_COPY_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelLeak:
    """What of a panel a corpus holds."""

    docs_checked: int
    exact: int
    near: int
    first_ids: tuple[str, ...]
    """The first few documents of either kind."""


def panel_leak_node(corpus: Node, panel: Node) -> Node:
    """Return the node of the count; its summary holds `docs_checked`, `exact`, `near` and `first_ids`."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        found = panel_leak(context.inputs["corpus"], context.inputs["panel"])
        counts: dict[str, Json] = {"docs_checked": found.docs_checked, "exact": found.exact, "near": found.near}
        return {**counts, "first_ids": list[Json](found.first_ids)}

    inputs = {"corpus": corpus, "panel": panel}
    return Node(kind="panel-leak", version=VERSION, params={}, inputs=inputs, run=run, label="search for the panel")


def panel_leak(corpus: Artifact, panel: Artifact) -> PanelLeak:
    """Return which documents of a corpus the panel holds too, as far as it is scored."""
    spans, sets = _indexes(panel)
    checked, exact, near = 0, 0, 0
    first: list[str] = []
    for path in sorted((corpus.path / "data").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=["id", "text"])
                documents = text_view(rows["text"])
                has_span, is_near = spans.matches(documents), sets.matches(documents)
                checked, exact, near = checked + rows.num_rows, exact + int(has_span.sum()), near + int(is_near.sum())
                hits = np.flatnonzero(has_span | is_near)[: SHOWN - len(first)]
                first += [rows["id"][int(place)].as_py() for place in hits]
    return PanelLeak(docs_checked=checked, exact=exact, near=near, first_ids=tuple(first))


def _indexes(panel: Artifact) -> tuple[NearCopyIndex, NearCopyIndex]:
    """Return two indexes of a panel: one that knows only its spans, one only its sets of shingles."""
    whole = near_copy_index(text_view(read_table(panel.path / DOCUMENTS, ["text"])["text"]))
    return replace(whole, posts=np.zeros_like(whole.posts)), replace(whole, spans=whole.spans[:0])
