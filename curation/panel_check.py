"""Finding a panel by name or path, and refusing one whose documents are not those of its digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pyarrow as pa

from curation.batches import read_table
from curation.errors import CurateError, ShardError, SuiteChangedError, nearest
from curation.files import Json, appearing, sha256_file
from curation.panel import DOCUMENTS, panel_digest
from curation.progress import Progress
from curation.store import MANIFEST, Artifact, Store, copy_files, load_artifact
from curation.store_locks import reserved


def verified(panel: Artifact) -> Artifact:
    """Return the panel if its documents are those that its manifest and digest name.

    Raises: SuiteChangedError if not; ShardError if they cannot be read.
    """
    path = panel.path / DOCUMENTS
    if not path.is_file():
        raise ShardError(f"{path}: no such file; expected the documents of the panel; rebuild {panel.path}")
    listed = {entry["path"]: entry["sha256"] for entry in cast("list[Mapping[str, Json]]", panel.manifest["files"])}
    remedy = "restore it, or build the panel again and score all models on the new one"
    if (found := sha256_file(path)) != listed.get(DOCUMENTS):
        raise SuiteChangedError(
            f"{path}: sha256 {found[:16]}, expected {str(listed.get(DOCUMENTS))[:16]}, which the manifest names: the "
            f"panel was changed; {remedy}"
        )
    try:
        digest = panel_digest(read_table(path, ["id", "text"]))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ShardError(f"{path}: not a readable table ({error}); rebuild {panel.path}") from None
    if digest != panel.summary.get("digest"):
        raise SuiteChangedError(
            f"{path}: panel digest {digest[:16]}, expected {str(panel.summary.get('digest'))[:16]}, which "
            f"{panel.path / MANIFEST} names: the panel was changed; {remedy}"
        )
    return panel


def find_any_panel(store: Store, name: str, progress: Progress) -> Artifact:
    """Return the panel that `name` names: an artifact, a corpus for its own, or files of an external panel.

    Raises: CurateError if there is none or more than one, or it is not what its digest says.
    """
    path = Path(name).expanduser()
    if path.is_dir() and (path / MANIFEST).is_file():
        return verified(_panel_in(store, load_artifact(path)))
    if names_files(name):
        from curation.panel_files import external_panel, read_spec

        return verified(external_panel(store, read_spec([name]), progress))
    return verified(_panel_in(store, _in_store(store, name)))


def names_files(name: str) -> bool:
    """Return whether `name` is of files, whose panel is made and kept, and not of what a store holds."""
    path = Path(name).expanduser()
    artifact = path.is_dir() and (path / MANIFEST).is_file()
    return not artifact and (path.exists() or any(char in name for char in "*?["))


def panel_of(store: Store, corpus: Artifact) -> Artifact:
    """Return the panel that was split off before the corpus was made.

    Raises: CurateError if the store does not have it.
    """
    fingerprint = str(cast("Mapping[str, Json]", corpus.manifest["inputs"]).get("panel", ""))
    panel = store.find("panel", fingerprint) if fingerprint else None
    if panel is None:
        raise CurateError(
            f"{corpus.path}: its panel {fingerprint[:8]} is not in {store.root}; "
            "expected the store that built it; give --store or --panel"
        )
    return panel


def copied_to(panel: Artifact, out: Path) -> Artifact:
    """Return the panel copied to `out`, which appears whole; the same panel there already is left alone.

    Raises: CurateError if something else is there.
    """
    if (out / MANIFEST).is_file() and load_artifact(out).fingerprint == panel.fingerprint:
        return load_artifact(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CurateError(f"{out}: holds something else; expected a free name; choose another --out")
    with reserved(out), appearing(out) as temporary:
        copy_files(panel, temporary)
    return load_artifact(out)


def _in_store(store: Store, name: str) -> Artifact:
    kinds = ("corpus",) if name.startswith("corpus-") else ("panel",)
    known = {
        item.parent.name: item.parent for kind in kinds for item in sorted(store.root.glob(f"{kind}-*/{MANIFEST}"))
    }
    matches = [path for key, path in known.items() if key.startswith((name, f"panel-{name}"))]
    named = [path for path in known.values() if load_artifact(path).summary.get("name") == name] if not matches else []
    if len(found := matches or named) != 1:
        problem = f"{len(found)} artifacts match" if found else "no such panel, file or folder"
        raise CurateError(f"{name}: {problem} in {store.root}; {nearest(name, known)}")
    return load_artifact(found[0])


def _panel_in(store: Store, found: Artifact) -> Artifact:
    if found.kind == "panel":
        return found
    if found.kind != "corpus":
        raise CurateError(f"{found.path}: holds a {found.kind}, expected a panel or a corpus; see `curate show`")
    return panel_of(store, found)
