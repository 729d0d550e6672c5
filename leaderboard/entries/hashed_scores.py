"""Scores with digests in place of names: documents and families of a panel, groups of a suite's items.

A digest holds the panel's or suite's own, so the same document pairs across runs and entries of one panel and nowhere
else, and says nothing of its address. Items keep their place in the suite and lose their own ids.
"""

from __future__ import annotations

import hashlib
from typing import cast

import pyarrow as pa

from leaderboard.entries.safe_tables import DOCUMENT_COLUMNS
from train.evals.results import Scored
from train.evals.score_tables import ITEMS_SCHEMA, conformed

DIGITS = 16


def document_digest(panel: str, name: str, what: str = "document") -> str:
    """Return what stands for a document or family of a panel: it pairs there and says nothing of its address."""
    return hashlib.sha256(f"{what}\n{panel}\n{name}".encode()).hexdigest()[:DIGITS]


def hashed_documents(table: pa.Table, panel: str) -> pa.Table:
    """Return scores of panel documents with digests in place of ids and families, by digest."""
    columns = {
        "id": [document_digest(panel, name) for name in table["id"].to_pylist()],
        "family": [document_digest(panel, name, "family") for name in table["family"].to_pylist()],
        "slice": table["slice"],
        "nats": table["nats"],
        "num_bytes": table["num_bytes"],
    }
    found = pa.table({name: columns[name] for name in DOCUMENT_COLUMNS.names}).cast(DOCUMENT_COLUMNS)
    return found.sort_by("id").combine_chunks()


def hashed_items(scored: Scored) -> pa.Table:
    """Return the items of results without their own ids, groups as digests."""
    table = conformed(cast("pa.Table", scored.items), ITEMS_SCHEMA)
    suite = scored.results.suite.digest
    groups = [document_digest(suite, name, "group") for name in table["group"].to_pylist()]
    table = table.set_column(
        table.column_names.index("group"), ITEMS_SCHEMA.field("group"), pa.array(groups, pa.string())
    )
    own = table.column_names.index("own_id")
    return table.set_column(own, ITEMS_SCHEMA.field("own_id"), pa.nulls(table.num_rows, pa.string()))
