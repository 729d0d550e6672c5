"""Ingest: raw files (or the installed environment) become the pool artifact, identified by its content.

Two identities. The *ingest key* (digests of the input files and the settings that read them) leads to a pool already
built. The pool's own fingerprint is a digest over its records in canonical order, so renaming, splitting, reordering
or recompressing the input gives the same fingerprint and the same bytes in every file, manifest included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from curation.errors import ShardError
from curation.files import Json, digest_json, read_json, write_json
from curation.nodes import Node, NodeRun
from curation.progress import Progress
from curation.recipe import PoolSpec
from curation.sources.collect import Collected, collect_environment, collect_files
from curation.sources.find import pool_inputs
from curation.sources.identity import Seen, check_unchanged, digest_inputs, ingest_key
from curation.sources.inputs import ONE_DOCUMENT, ROW_CONTAINERS
from curation.sources.locate import Inputs
from curation.sources.pages import extractor_version, needs_extraction
from curation.sources.partitions import WrittenPool, write_partitions
from curation.sources.taggers import tagger_identity
from curation.store import Artifact, ArtifactWriter, Store

POOL_VERSION = "1"
_ALIAS = "pool.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """What a pool will be made from: its key, and the files behind it (none for the environment)."""

    key: str
    files: tuple[Seen, ...] = ()
    num_ignored: int = 0
    versions: tuple[str, ...] = ()
    """Distributions of the environment."""

    def listed(self) -> list[Json]:
        """Return what was read, for provenance; the place where a file lay is kept in the store alone."""
        return [*map(_listed, self.files), *({"name": version} for version in self.versions)]


def ensure_pool(store: Store, spec: PoolSpec, *, workers: int, progress: Progress, empty_ok: bool = False) -> Artifact:
    """Return the pool that `spec` describes, built unless the store has it.

    With `empty_ok` records without text do not count for `max_bad_fraction`; the pool is the same.

    Raises: ShardError for missing, damaged or ill-suited input; StoreBusyError if another process builds it.
    """
    origin = _origin(store, spec, workers)
    if empty_ok:  # what was accepted so is none that a recipe may take over unchecked
        origin = replace(origin, key=digest_json({"empty_ok": origin.key}))
    known = _known(store, origin.key)
    if known is not None:
        return known
    with store.building("ingest", origin.key) as work:
        known = _known(store, origin.key)
        if known is not None:
            return known
        if origin.num_ignored:
            progress.note(f"ingest: {origin.num_ignored:,} files of other kinds in the pool's directories are not read")
        tagged_by = _tagged_by(spec)
        collected = _collect(origin, spec, work, progress, workers=workers, empty_ok=empty_ok)
        try:
            written = write_partitions(collected, spec, work, workers=workers, progress=progress)
        finally:
            collected.spill.clear()
        check_unchanged(origin.files)
        _check_tagger(spec, tagged_by)
        artifact = _publish(store, written, work)
        write_json(work.path / _ALIAS, {"key": origin.key, "pool": artifact.fingerprint, "files": origin.listed()})
        return artifact


def files_of(store: Store, pool: Artifact) -> list[Mapping[str, Json]]:
    """Return the files that the store read into `pool`: `name`, `bytes`, `sha256`; none of other stores' pools.

    A remote file has its `stamp` and the digest of it as `stamp_sha256`: its bytes were read once and not kept. Either
    digest begins with the document's `meta.place.file`. What is no file (a distribution of the environment) has a name.
    """
    for path in sorted(store.root.glob(f"ingest-*/{_ALIAS}")):
        alias: Json = None
        with contextlib.suppress(OSError, ValueError):
            alias = read_json(path)
        if isinstance(alias, dict) and alias.get("pool") == pool.fingerprint:
            return list(cast("list[Mapping[str, Json]]", alias.get("files") or []))
    return []


def known_pool(store: Store, spec: PoolSpec, inputs: Inputs | None = None) -> Artifact | None:
    """Return the pool if the store has it; input files are hashed at most, their text is not parsed.

    Where nothing was ever ingested, files are not even hashed. `inputs` are its files where they have been looked for
    already.

    Raises: ShardError for missing input.
    """
    if spec.source != "environment" and not any(store.root.glob(f"ingest-*/{_ALIAS}")):
        if inputs is None:
            pool_inputs(spec)
        ingest_key(spec, [])  # its faults are told all the same
        return None
    return _known(store, _origin(store, spec, workers=1, inputs=inputs).key)


def was_ingested(path: Path) -> bool:
    """Return whether `path` is the work place of a finished ingest, which keeps only the name of its pool."""
    return (path / _ALIAS).is_file()


def pool_node(pool: Artifact) -> Node:
    """Return the node of a pool that exists, for other nodes to build on."""

    def run(_: NodeRun) -> Mapping[str, Json]:
        raise ShardError(f"{pool.path}: the pool vanished while it was used; rerun the command to ingest it again")

    return Node(kind="pool", version=POOL_VERSION, params={}, inputs={}, run=run, known_fingerprint=pool.fingerprint)


def _origin(store: Store, spec: PoolSpec, workers: int, inputs: Inputs | None = None) -> _Origin:
    if spec.source == "environment":
        from curation.sources.environment import environment_versions

        versions = environment_versions()
        return _Origin(key=ingest_key(spec, versions), versions=tuple(versions))
    inputs = inputs or pool_inputs(spec)
    seen = digest_inputs(store, inputs.files, workers)
    contents = [f"{entry.sha256}{_names_matter(entry, spec)}" for entry in seen]
    if needs_extraction(inputs.files, spec):
        contents.append(extractor_version(spec))
    key = ingest_key(spec, contents)
    return _Origin(key=key, files=tuple(seen), num_ignored=inputs.num_ignored)


def _tagged_by(spec: PoolSpec) -> list[str]:
    return tagger_identity(spec.tagger) if spec.tagger is not None else []


def _check_tagger(spec: PoolSpec, before: list[str]) -> None:
    if _tagged_by(spec) != before:
        raise ShardError(
            f"pool.tagger: {spec.tagger}: the model changed while it tagged; expected a file at rest; rerun"
        )


def _listed(entry: Seen) -> Json:
    told: dict[str, Json] = {"name": entry.item.name, "bytes": entry.item.stored_bytes()}
    if entry.item.url is None:
        return {**told, "sha256": entry.sha256}
    return {**told, "stamp": entry.stamp, "stamp_sha256": entry.sha256}


def _names_matter(entry: Seen, spec: PoolSpec) -> str:
    """Return what else a file's documents are made from: its path where `meta.place` keeps that, its licence."""
    item = entry.item
    if item.container not in ONE_DOCUMENT or spec.places is False:
        return f"/{item.container}" if item.container not in ROW_CONTAINERS else ""
    return f"/{item.container}/{item.place}/{item.license or ''}"


def _known(store: Store, key: str) -> Artifact | None:
    """Follow the alias of an earlier ingest; a missing or foreign alias only means that nothing is known."""
    alias: Json = None
    with contextlib.suppress(OSError, ValueError):
        alias = read_json(store.path_of("ingest", key) / _ALIAS)
    if not isinstance(alias, dict) or alias.get("key") != key:
        return None
    return store.find("pool", str(alias["pool"]))


def _collect(
    origin: _Origin, spec: PoolSpec, work: ArtifactWriter, progress: Progress, *, workers: int, empty_ok: bool
) -> Collected:
    if spec.source == "environment":
        return collect_environment(spec, work.path, progress)
    items = [entry.item for entry in origin.files]
    return collect_files(items, spec, work.path, progress, workers=workers, empty_ok=empty_ok)


def _publish(store: Store, written: WrittenPool, work: ArtifactWriter) -> Artifact:
    """Move the parts to where their content says they belong, and finish the artifact there."""
    summary = written.summary
    fingerprint = digest_json(
        {
            "kind": "pool",
            "version": POOL_VERSION,
            "logical_digest": summary["logical_digest"],
            "rejected": cast("Mapping[str, Json]", summary["rejected"]),
            **({"files": summary["files"]} if "files" in summary else {}),
        }
    )
    sources = [work.part_path(part) for part in range(written.num_parts)]
    with store.building("pool", fingerprint) as out:
        existing = store.find("pool", fingerprint)
        if existing is not None:  # the same documents under other names
            for path in sources:
                path.unlink()
            return existing
        for part, path in enumerate(sources):
            path.replace(out.part_path(part))
        return out.finish({"version": POOL_VERSION, "params": {}, "inputs": {}, "summary": summary})
