"""Provenance: the chain of artifacts behind one, back to the files of its pool, and whether each link holds.

A link is an artifact's kind, version, parameters and the fingerprints of its inputs. Its fingerprint is the hash of
those (`curation.nodes`); a pool's is that of its content. Links come from the store, and where the store lacks one from
the `provenance.json` of a published corpus or the `entry.json` of a board.

A link is `verified` if the artifact is here, its fingerprint is the hash of what it says of itself and every file has
the digest that its manifest lists; `recorded` if only its record is here and hashes to its fingerprint; `not here` if
nothing but its fingerprint is known; `changed` if anything does not hold. An identity that is no hash of its manifest
(files that `curate tokenize` or `dedup run` read) cannot be recomputed: its files alone are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from curation.errors import CurateError
from curation.files import Json, digest_json, read_json, sha256_file
from curation.progress import Progress, SilentProgress
from curation.store import MANIFEST, Artifact, Store, load_artifact

RECORD = "provenance.json"
ENTRY = "entry.json"
RESULT = "results.json"
FORMAT = 1
COUNTS = (
    "num_docs", "num_bytes", "num_tokens", "unique_tokens", "logical_digest", "digest", "tokenizer", "licenses",
    "files",
)  # fmt: skip
"""What a link repeats of an artifact's summary."""
COUNTED = ("reasons", "rejected")
VERIFIED, RECORDED, NOT_HERE, CHANGED, UNCHECKED = "verified", "recorded", "not here", "changed", "here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One artifact of a chain."""

    fingerprint: str
    kind: str
    version: str = ""
    params: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints by name."""
    told: Mapping[str, Json] = field(default_factory=dict)
    """Counts and digests of its summary."""
    num_bytes: int = 0
    """Of its files."""
    artifact: Artifact | None = None
    state: str = UNCHECKED
    why: str = ""
    """What does not hold, of a changed link."""

    def as_json(self) -> dict[str, Json]:
        """Return what a record of the link holds: nothing of this machine."""
        return {
            "kind": self.kind,
            "version": self.version,
            "params": self.params,
            "inputs": self.inputs,
            "told": self.told,
            "bytes": self.num_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A link and everything that it was made from."""

    root: str
    links: Mapping[str, Link]
    """By fingerprint; inputs come after what was made of them."""
    files: Mapping[str, list[Mapping[str, Json]]]
    """Files read into each pool that this store ingested: name, bytes, sha256."""
    environment: Mapping[str, Json] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no link is changed."""
        return all(link.state != CHANGED for link in self.links.values())

    def portable(self) -> dict[str, Json]:
        """Return the chain as it is published: by content alone, so equal corpora have equal records."""
        links: dict[str, Json] = {key: link.as_json() for key, link in self.links.items() if link.kind}
        return {"format": FORMAT, "root": self.root, "links": links}

    def as_json(self) -> dict[str, Json]:
        """Return the chain with what is known here: states, places, files, environment."""
        links: dict[str, Json] = {
            key: {
                **link.as_json(),
                "state": link.state,
                **({"why": link.why} if link.why else {}),
                **({"path": str(link.artifact.path)} if link.artifact else {}),
                **({"files": list[Json](self.files[key])} if self.files.get(key) else {}),
            }
            for key, link in self.links.items()
        }
        licenses = next((link.told["licenses"] for link in self.links.values() if "licenses" in link.told), {})
        return {
            "root": self.root,
            "ok": self.ok,
            "links": links,
            "environment": self.environment,
            "licenses": licenses,
        }


def chain_of(root: Artifact | Path, store: Store | None) -> Chain:
    """Return the chain behind an artifact, or behind the folder of an entry or of a study's result; nothing is checked.

    Raises: CurateError if the folder is neither.
    """
    first = _link(root) if isinstance(root, Artifact) else _folder_link(root)
    known = _recorded(root.path if isinstance(root, Artifact) else root)
    links: dict[str, Link] = {}
    waiting = [first]
    while waiting:
        link = waiting.pop(0)
        if link.fingerprint in links:
            continue
        links[link.fingerprint] = link
        for fingerprint in link.inputs.values():
            found = find_any(store, fingerprint) if store else None
            waiting.append(_link(found) if found else known.get(fingerprint, Link(fingerprint=fingerprint, kind="")))
    return Chain(root=first.fingerprint, links=links, files=_pool_files(links, store), environment=_environment(links))


def find_any(store: Store, fingerprint: str) -> Artifact | None:
    """Return the store's artifact of that fingerprint, whatever its kind. Raises: ShardError for files cut short."""
    found = (load_artifact(path.parent) for path in sorted(store.root.glob(f"*-{fingerprint[:8]}/{MANIFEST}")))
    return next((artifact for artifact in found if artifact.fingerprint == fingerprint), None)


def is_folder_of_runs(folder: Path) -> bool:
    """Return whether this is the folder of an entry or of a study's result."""
    return not (folder / MANIFEST).is_file() and any((folder / name).is_file() for name in (ENTRY, RESULT))


def verify(chain: Chain, progress: Progress | None = None, *, files: bool = True) -> Chain:
    """Return the chain with the state of every link; without `files` their digests are taken on trust."""
    reading = sum(link.num_bytes for link in chain.links.values() if link.artifact) if files else 0
    with (progress or SilentProgress()).task("verify", reading, unit="bytes") as task:
        links = {}
        for key, link in chain.links.items():
            why = _fault(link) or next(_file_faults(link) if files and link.artifact else iter(()), "")
            here = VERIFIED if link.artifact else RECORDED if link.kind else NOT_HERE
            links[key] = replace(link, state=CHANGED if why else here, why=why)
            task.advance(link.num_bytes if files and link.artifact else 0)
    return replace(chain, links=links)


def _link(artifact: Artifact) -> Link:
    manifest = artifact.manifest
    inputs = manifest.get("inputs")
    told = {key: artifact.summary[key] for key in COUNTS if key in artifact.summary}
    counted = {key: artifact.summary[key] for key in COUNTED if isinstance(artifact.summary.get(key), Mapping)}
    return Link(
        fingerprint=artifact.fingerprint,
        kind=artifact.kind,
        version=str(manifest.get("version", "")),
        params=cast("Mapping[str, Json]", manifest.get("params") or {}),
        inputs={str(name): str(value) for name, value in inputs.items()} if isinstance(inputs, Mapping) else {},
        told={**told, **counted},
        num_bytes=sum(cast("int", entry["bytes"]) for entry in cast("list[Mapping[str, Json]]", manifest["files"])),
        artifact=artifact,
    )


def _folder_link(folder: Path) -> Link:
    """Return the link of an entry or a study's result: it is made from its runs."""
    for name, kind in ((ENTRY, "entry"), (RESULT, "result")):
        path = folder / name
        if path.is_file():
            value = cast("Mapping[str, Json]", read_json(path))
            runs = cast("list[Mapping[str, Json]]", value.get("runs") or [])
            study = value.get("study")
            named = study.get("name") if isinstance(study, Mapping) else value.get("name")
            return Link(
                fingerprint=sha256_file(path),
                kind=kind,
                inputs={f"run {run['arm']} {run['tier']} {run['seed']}": str(run["fingerprint"]) for run in runs},
                told={"name": str(named or folder.name)},
                num_bytes=path.stat().st_size,
            )
    raise CurateError(f"{folder}: no manifest.json, {ENTRY} or {RESULT}; expected an artifact, an entry or a result")


def _recorded(folder: Path) -> dict[str, Link]:
    """Return the links that a published corpus or an entry has records of."""
    found: dict[str, Link] = {}
    if (folder / RECORD).is_file():
        value = cast("Mapping[str, Json]", read_json(folder / RECORD))
        for key, link in cast("Mapping[str, Mapping[str, Json]]", value.get("links") or {}).items():
            found[key] = Link(
                fingerprint=key,
                kind=str(link["kind"]),
                version=str(link["version"]),
                params=cast("Mapping[str, Json]", link["params"]),
                inputs=cast("Mapping[str, str]", link["inputs"]),
                told=cast("Mapping[str, Json]", link["told"]),
                num_bytes=cast("int", link["bytes"]),
            )
    for record in _entry_part(folder, "artifacts"):
        fingerprint = str(record["fingerprint"])
        inputs, told = cast("Mapping[str, str]", record["inputs"]), cast("Mapping[str, Json]", record["counts"])
        found[fingerprint] = Link(fingerprint=fingerprint, kind=str(record["kind"]), inputs=inputs, told=told)
    for run in _entry_part(folder, "runs"):
        made_of = {name: str(run[name]) for name in ("tokens", "corpus") if run.get(name)}
        told = {"tokens_seen": run.get("tokens_seen")}
        key = str(run["fingerprint"])
        found[key] = Link(fingerprint=key, kind="run", inputs=made_of, told=told)
    return found


def _entry_part(folder: Path, name: str) -> list[Mapping[str, Json]]:
    path = folder / ENTRY
    value = cast("Mapping[str, Json]", read_json(path)) if path.is_file() else {}
    return cast("list[Mapping[str, Json]]", value.get(name) or [])


def _fault(link: Link) -> str:
    """Return what of a link's identity does not hold; empty if it does, or cannot be recomputed."""
    if not link.version or (link.artifact and not isinstance(link.artifact.manifest.get("inputs"), Mapping)):
        return ""
    made: dict[str, Json] = {"kind": link.kind, "version": link.version}
    if link.kind == "pool" and not link.inputs:
        made |= {"logical_digest": link.told.get("logical_digest"), "rejected": link.told.get("rejected")}
        made |= {"files": link.told["files"]} if "files" in link.told else {}
    else:
        made |= {"params": link.params, "inputs": link.inputs}
    found = digest_json(made)
    return "" if found == link.fingerprint else f"what it says of itself hashes to {found[:16]}"


def _file_faults(link: Link) -> Iterator[str]:
    assert link.artifact is not None
    for entry in cast("list[Mapping[str, Json]]", link.artifact.manifest["files"]):
        found = sha256_file(link.artifact.path / str(entry["path"]))
        if found != entry["sha256"]:
            yield f"{entry['path']} has sha256 {found[:16]}, the manifest says {str(entry['sha256'])[:16]}"


def _pool_files(links: Mapping[str, Link], store: Store | None) -> dict[str, list[Mapping[str, Json]]]:
    from curation.ingest import files_of

    pools = [link.artifact for link in links.values() if link.kind == "pool" and not link.inputs and link.artifact]
    return {pool.fingerprint: files_of(store, pool) for pool in pools} if store else {}


def _environment(links: Mapping[str, Link]) -> dict[str, Json]:
    """Return where the runs of the chain were made, as they say, and what reads it now."""
    from curation.version import describe_version

    made: dict[str, Json] = {}
    for link in links.values():
        execution = link.artifact.summary.get("execution") if link.artifact else None
        if execution:
            made[f"{link.kind}-{link.fingerprint[:8]}"] = execution
    return {"read_by": describe_version(), "made_on": made}
