"""What became of the records of each file that ingest tallied: archives, tables; not rows, nor one-document files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from curation.files import Json
from curation.store import Artifact, Store

FILE_HEADINGS = ["file", "records", "documents", "lost MB", "the others counted as"]
MAX_REASONS = 6


def file_names(store: Store, corpus: Artifact) -> dict[str, str]:
    """Return names of the pool's files by the first 16 digits of their digests; none that another store read."""
    from curation.ingest import files_of

    inputs = corpus.manifest.get("inputs")
    fingerprint = inputs.get("pool") if isinstance(inputs, Mapping) else None
    pool = store.find("pool", str(fingerprint)) if fingerprint else None
    listed = files_of(store, pool) if pool else []
    digests = ((str(entry.get("sha256") or entry.get("stamp_sha256") or ""), entry) for entry in listed)
    return {digest[:16]: str(entry["name"]) for digest, entry in digests if digest}


def file_rows(steps: Sequence[Mapping[str, Json]], names: Mapping[str, str]) -> list[list[object]]:
    """Return a row for each tallied file, most records that are no documents first."""
    told = [tally for step in steps for tally in cast("list[Mapping[str, Json]]", step.get("files") or [])]
    rows: list[list[object]] = []
    for tally in sorted(told, key=lambda tally: (-_others(tally), str(tally["file"]))):
        counted = cast("Mapping[str, int]", tally["rejected"])
        top = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        more = f", {len(top) - MAX_REASONS} more reasons" if len(top) > MAX_REASONS else ""
        lost = cast("int", tally.get("lost_bytes", 0))
        rows.append(
            [
                names.get(str(tally["file"]), str(tally["file"])),
                tally["records"],
                tally["documents"],
                f"{lost / 1e6:,.2f}" if lost else None,
                ", ".join(f"{reason} {number:,}" for reason, number in top[:MAX_REASONS]) + more,
            ]
        )
    return rows


def _others(tally: Mapping[str, Json]) -> int:
    return cast("int", tally["records"]) - cast("int", tally["documents"])
