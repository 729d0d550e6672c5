"""What a person or a program is told of a panel: its slices, their languages and whether they may be judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa

from curation.batches import read_table, text_view
from curation.files import Json
from curation.panel import DOCUMENTS
from curation.panel_slices import BY_DOCUMENTS, WORDS, slice_facts, why_shown_only, with_languages
from curation.randomness import stable_hash
from curation.slices import Domain, domain_of
from curation.store import Artifact


def described(panel: Artifact, samples: int = 0) -> dict[str, Json]:
    """Return the panel as JSON; `samples` documents of each slice, chosen by a hash of their ids."""
    summary = cast("Mapping[str, Any]", panel.summary)
    domains = panel_domains(panel)
    table = documents_of(panel)
    facts = slice_facts(table, text_view(table["text"]).num_bytes.tolist(), domains)
    held = cast("Mapping[str, Mapping[str, Json]]", summary.get("slices", {}))
    parts = slice_facts(*_languages(table, domains), domains)
    slices: dict[str, Json] = {}
    for name in sorted({*facts, *held}):
        found = facts.get(name, {"docs": 0, "families": 0, "bytes": 0, "domain": domain_of(name, domains)})
        inside = {part: own for part, own in parts.items() if part.startswith(f"{name}/") and part not in facts}
        languages = {part.removeprefix(f"{name}/"): _with_reasons(own) for part, own in inside.items()}
        whole = {**found, **held.get(name, {})}
        slices[name] = {**_with_reasons(whole), "languages": languages}
    return {
        "path": str(panel.path),
        "fingerprint": panel.fingerprint,
        "digest": summary["digest"],
        "name": panel_name(panel),
        "version": panel_version(panel),
        "external": is_external(panel),
        "excluded": summary.get("excluded", {}),
        "targets_excluded": summary.get("targets_excluded", {}),
        "slices": slices,
        "samples": _samples(table, samples) if samples else {},
    }


def panel_name(panel: Artifact) -> str:
    """Return what the panel is called: the name of an external one, else `panel` with its digits."""
    return str(panel.summary.get("name") or panel.path.name)


def panel_version(panel: Artifact) -> str:
    """Return the panel's version as whoever made it gave it."""
    params = cast("Mapping[str, Any]", panel.manifest.get("params", {}))
    return str(panel.summary.get("panel_version") or params.get("spec", {}).get("version", 1))


def is_external(panel: Artifact) -> bool:
    """Return whether somebody else chose its documents, so that nothing was kept apart from them."""
    return bool(panel.summary.get("external"))


def panel_domains(panel: Artifact) -> dict[str, Domain]:
    """Return the domains that the panel's settings gave to its slices."""
    params = cast("Mapping[str, Any]", panel.manifest.get("params", {}))
    return dict(params.get("domains") or params.get("spec", {}).get("domains", {}))


def documents_of(panel: Artifact) -> pa.Table:
    """Return the panel's documents."""
    return read_table(panel.path / DOCUMENTS)


def _languages(table: pa.Table, domains: Mapping[str, Domain]) -> tuple[pa.Table, list[int]]:
    split = with_languages(table, domains)
    return split, text_view(split["text"]).num_bytes.tolist()


def _with_reasons(facts: Mapping[str, Json]) -> dict[str, Json]:
    counts = cast("Mapping[str, Any]", facts)
    marks = why_shown_only(counts["domain"], counts["families"], counts["bytes"])
    if facts.get("split_by") == "documents":
        marks = (*marks, BY_DOCUMENTS)
    words: list[Json] = ["empty: no document"] if not counts["docs"] else [WORDS[mark] for mark in marks]
    return {**facts, "judged": not words, "why": words}


def _samples(table: pa.Table, count: int) -> dict[str, Json]:
    rows = table.select(["id", "slice", "text"]).to_pylist()
    rows.sort(key=lambda row: (row["slice"], stable_hash("sample", row["id"]), row["id"]))
    chosen: dict[str, list[Json]] = {}
    for row in rows:
        own = chosen.setdefault(row["slice"], [])
        if len(own) < count:
            own.append({"id": row["id"], "text": row["text"]})
    return {name: list(own) for name, own in chosen.items()}
