"""The panel: validation documents split off by family before anything is fitted (rule 1).

A sidecar of the pool with `role` (index into `sidecars.ROLES`) and `family` per document, and `documents.parquet`: the
panel's documents, text cut to what is scored, sorted by (slice, id). Documents that are near copies of a whole panel
document get the role `near-panel` and leave the pool for every arm. Documents of the user's target domains join the
panel as they are (`curation.panel_targets`). A function of the pool, the settings and the targets only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.batches import TextView, read_table, text_view, write_table
from curation.errors import RecipeError
from curation.families import FAMILIES_VERSION, family_of
from curation.files import Json, replacing
from curation.near_copies import NEAR_COPY_VERSION, NearCopyIndex, near_copy_index
from curation.nodes import Node, NodeRun
from curation.panel_rows import DOCUMENT_COLUMNS
from curation.panel_slices import is_large_enough, slice_facts
from curation.panel_split import Size, single_family_slices, split_families
from curation.panel_targets import Targets, read_targets
from curation.recipe import PanelSpec, as_json
from curation.sidecars import ROLE_NEAR_PANEL, ROLE_PANEL, ROLE_REFERENCE, ROLE_TRAIN, map_parts
from curation.slices import KNOWN_DOMAINS, KNOWN_SLICES, TARGET_PREFIX, Domain, SliceKind, domain_of, kind_of
from curation.store import Artifact

PANEL_VERSION = f"1+{FAMILIES_VERSION}+{NEAR_COPY_VERSION}"
DOCUMENTS = "documents.parquet"


def panel_node(pool: Node, spec: PanelSpec, slice_kinds: Mapping[str, SliceKind]) -> Node:
    """Return the node that splits the panel off `pool`; of the slice kinds only which slices are code matters.

    Raises: ShardError or RecipeError for target documents that cannot be read.
    """
    names = sorted({*KNOWN_SLICES, *slice_kinds})
    code_slices: list[Json] = [name for name in names if kind_of(name, slice_kinds) == "code"]
    targets = read_targets(spec)
    return Node(
        kind="panel",
        version=PANEL_VERSION,
        params={"spec": _identity(spec, slice_kinds, targets), "code_slices": code_slices},
        inputs={"pool": pool},
        run=partial(_build, spec, dict(slice_kinds), targets),
        label="panel",
    )


def _identity(spec: PanelSpec, slice_kinds: Mapping[str, SliceKind], targets: Targets | None) -> dict[str, Json]:
    """Return the settings, of the later ones those that are set; targets by content: where files lie says nothing."""
    value: dict[str, Json] = {key: item for key, item in as_json(spec).items() if key not in ("targets", "domains")}
    if domains := _domains(spec, slice_kinds):
        value["domains"] = dict(domains)
    if targets is not None:
        value["targets"] = targets.digest
    return value


def _domains(spec: PanelSpec, slice_kinds: Mapping[str, SliceKind]) -> dict[str, Domain]:
    """Return the domains of slices whose names do not say them: the panel's settings, else the recipe's kinds."""
    unnamed = {name: domain_of(name, kinds=slice_kinds) for name in sorted(slice_kinds) if name not in KNOWN_DOMAINS}
    return {name: domain for name, domain in unnamed.items() if domain != "other"} | dict(sorted(spec.domains.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Families:
    """One part's documents: family names, slices and sizes, a row each."""

    ids: pa.Array
    families: list[str]
    slices: list[str]
    num_bytes: npt.NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class _Count:
    """What one slice holds, by role."""

    panel: Size = field(default_factory=Size)
    families: set[str] = field(default_factory=set)
    docs: dict[int, int] = field(default_factory=dict)
    num_bytes: dict[int, int] = field(default_factory=dict)


def _build(
    spec: PanelSpec, slice_kinds: Mapping[str, SliceKind], targets: Targets | None, run: NodeRun
) -> Mapping[str, Json]:
    pool = run.inputs["pool"]
    _refuse_other_targets(pool, targets)
    paths = pool.part_paths()
    parts = map_parts(run, "panel families", len(paths), lambda part: _families(pool, part, slice_kinds))
    sizes = _family_sizes(parts, spec)
    by_document = single_family_slices(sizes)
    if by_document:
        parts = [_by_document(part, by_document) for part in parts]
        sizes = _family_sizes(parts, spec)
    family_roles = split_families(sizes, spec)
    roles = [np.array([family_roles[family] for family in part.families], np.uint8) for part in parts]
    panel = _panel_documents(run, parts, roles, targets)
    index = near_copy_index(text_view(panel["text"])) if len(panel) else None
    roles = map_parts(run, "panel near copies", len(paths), lambda part: _mark_near(pool, part, roles[part], index))
    for number, (part, role) in enumerate(zip(parts, roles, strict=True)):
        table = pa.table({"role": role, "family": pa.array(part.families, pa.large_string())})
        with replacing(run.out.part_path(number)) as temporary:
            write_table(temporary, table)
    domains = _domains(spec, slice_kinds)
    scored = cut_documents(panel, spec.max_doc_bytes)
    with replacing(run.out.path / DOCUMENTS) as temporary:
        write_table(temporary, scored)
    summary: dict[str, Json] = {
        "digest": panel_digest(scored),
        "slices": _slice_summary(parts, roles, (spec, domains), by_document),
    }
    if targets is not None:
        summary["slices"] = {**cast("dict[str, Json]", summary["slices"]), **_target_facts(panel, scored)}
        summary["targets_excluded"] = targets.excluded_json()
    return summary


def _families(pool: Artifact, part: int, slice_kinds: Mapping[str, SliceKind]) -> _Families:
    table = read_table(pool.part_paths()[part], ["id", "text", "slice", "url", "meta"])
    slices = table["slice"].to_pylist()
    kinds = {name: kind_of(name, slice_kinds) for name in set(slices)}
    columns = (table["id"].to_pylist(), table["url"].to_pylist(), table["meta"].to_pylist(), slices)
    families = [
        family_of(document_id, url, meta, kinds[name]) for document_id, url, meta, name in zip(*columns, strict=True)
    ]
    return _Families(
        ids=table["id"].combine_chunks(),
        families=families,
        slices=slices,
        num_bytes=text_view(table["text"]).num_bytes.copy(),
    )


def _by_document(part: _Families, slices: frozenset[str]) -> _Families:
    """Make each document of the given slices its own family."""
    ids = part.ids.to_pylist()
    families = [
        own if name in slices else family for own, family, name in zip(ids, part.families, part.slices, strict=True)
    ]
    return _Families(ids=part.ids, families=families, slices=part.slices, num_bytes=part.num_bytes)


def _family_sizes(parts: list[_Families], spec: PanelSpec) -> dict[str, dict[str, Size]]:
    sizes: dict[str, dict[str, Size]] = {}
    for part in parts:
        for family, name, num_bytes in zip(part.families, part.slices, part.num_bytes.tolist(), strict=True):
            size = sizes.setdefault(family, {}).setdefault(name, Size())
            size.add(Size(docs=1, scored_bytes=min(num_bytes, spec.max_doc_bytes), full_bytes=num_bytes))
    return sizes


def _panel_documents(
    run: NodeRun, parts: list[_Families], roles: list[npt.NDArray[np.uint8]], targets: Targets | None
) -> pa.Table:
    """Return the panel's whole documents sorted by (slice, id)."""
    paths = run.inputs["pool"].part_paths()

    def chosen(number: int) -> pa.Table:
        table = read_table(paths[number], [name for name in DOCUMENT_COLUMNS if name != "family"])
        table = table.append_column("family", pa.array(parts[number].families, pa.large_string()))
        return table.filter(pa.array(roles[number] == ROLE_PANEL)).select(list(DOCUMENT_COLUMNS))

    tables = map_parts(run, "panel documents", len(paths), chosen)
    given = [table.cast(tables[0].schema) for table in targets.tables] if targets else []
    panel = pa.concat_tables([*tables, *given]).combine_chunks()
    return panel.take(pc.sort_indices(panel, sort_keys=[("slice", "ascending"), ("id", "ascending")])).combine_chunks()


def _mark_near(
    pool: Artifact, part: int, role: npt.NDArray[np.uint8], index: NearCopyIndex | None
) -> npt.NDArray[np.uint8]:
    """Return the roles with near copies of the panel marked among training and reference documents."""
    others = np.flatnonzero((role == ROLE_TRAIN) | (role == ROLE_REFERENCE))
    if index is None or not len(others):
        return role
    documents = read_table(pool.part_paths()[part], ["text"])["text"].take(pa.array(others))
    marked = role.copy()
    marked[others[index.matches(text_view(documents))]] = ROLE_NEAR_PANEL
    return marked


def _refuse_other_targets(pool: Artifact, targets: Targets | None) -> None:
    """Raise RecipeError if a slice of the pool has the name of a target's."""
    known = cast("Mapping[str, Json]", pool.summary.get("slices", {}))
    taken = (
        sorted({name for table in targets.tables for name in table["slice"].to_pylist()} & set(known))
        if targets
        else []
    )
    if taken:
        raise RecipeError(f"panel.targets: the pool has a slice `{taken[0]}` already; expected a free name; rename one")


def _target_facts(panel: pa.Table, scored: pa.Table) -> dict[str, Json]:
    """Return what the slices of target documents hold."""
    rows = pc.starts_with(panel["slice"], TARGET_PREFIX)
    whole = text_view(panel.filter(rows)["text"]).num_bytes.tolist()
    return {**slice_facts(scored.filter(rows), whole, {})}


def cut_documents(panel: pa.Table, max_doc_bytes: int) -> pa.Table:
    """Return the panel with each text cut to what is scored of it."""
    return panel.set_column(panel.column_names.index("text"), "text", _cut(panel["text"], max_doc_bytes))


def _cut(texts: pa.ChunkedArray, max_doc_bytes: int) -> pa.Array:
    """Return each text up to `max_doc_bytes`, never inside a character."""
    view = text_view(texts)
    ends = view.offsets[:-1] + np.minimum(view.num_bytes, max_doc_bytes)
    for row in np.flatnonzero(view.num_bytes > max_doc_bytes):
        while view.data[ends[row]] & 0xC0 == 0x80:  # a continuation byte: its character began before the cut
            ends[row] -= 1
    return pa.array([_decoded(view, row, int(end)) for row, end in enumerate(ends)], pa.large_string())


def _decoded(view: TextView, row: int, end: int) -> str:
    return view.data[view.offsets[row] : end].tobytes().decode("utf-8")


def panel_digest(scored: pa.Table) -> str:
    """Return the digest over (id, sha256 of the scored text) in id order; it names the panel everywhere."""
    digest = hashlib.sha256()
    for document_id, text in sorted(zip(scored["id"].to_pylist(), scored["text"].to_pylist(), strict=True)):
        digest.update(hashlib.sha256(document_id.encode("utf-8")).digest())
        digest.update(hashlib.sha256(text.encode("utf-8")).digest())
    return digest.hexdigest()


def _slice_summary(
    parts: list[_Families],
    roles: list[npt.NDArray[np.uint8]],
    settings: tuple[PanelSpec, Mapping[str, Domain]],
    by_document: frozenset[str],
) -> dict[str, Json]:
    spec, domains = settings
    counts: dict[str, _Count] = {}
    for part, part_roles in zip(parts, roles, strict=True):
        rows = zip(part.families, part.slices, part.num_bytes.tolist(), part_roles.tolist(), strict=True)
        for family, name, num_bytes, role in rows:
            count = counts.setdefault(name, _Count())
            count.docs[role] = count.docs.get(role, 0) + 1
            count.num_bytes[role] = count.num_bytes.get(role, 0) + num_bytes
            if role == ROLE_PANEL:
                count.families.add(family)
                count.panel.add(Size(docs=1, scored_bytes=min(num_bytes, spec.max_doc_bytes), full_bytes=num_bytes))
    return {
        name: {"domain": domain_of(name, domains), **_described(count, name in by_document)}
        for name, count in sorted(counts.items())
    }


def _described(count: _Count, split_by_document: bool) -> dict[str, Json]:
    judged = is_large_enough(len(count.families), count.panel.scored_bytes)
    return {
        "docs": count.panel.docs,
        "families": len(count.families),
        "bytes": count.panel.scored_bytes,
        "full_bytes": count.panel.full_bytes,
        "split_by": "documents" if split_by_document else "families",
        "train_docs": count.docs.get(ROLE_TRAIN, 0),
        "train_bytes": count.num_bytes.get(ROLE_TRAIN, 0),
        "reference_docs": count.docs.get(ROLE_REFERENCE, 0),
        "reference_bytes": count.num_bytes.get(ROLE_REFERENCE, 0),
        "near_panel_docs": count.docs.get(ROLE_NEAR_PANEL, 0),
        "near_panel_bytes": count.num_bytes.get(ROLE_NEAR_PANEL, 0),
        "judged": judged and not split_by_document,
    }
