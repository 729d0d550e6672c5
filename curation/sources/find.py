"""Which files a pool consists of: local or remote, single, in directories, behind globs or in path lists.

Without `format` a directory is read as the most structured kind that it holds (`kinds.RANKS`): the README beside a
dataset is no document of it. With `format` its files of that kind are read, and with `include` too every file that
`include` chooses. Metadata of datasets is never read as records.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import cast

from curation.errors import ShardError
from curation.pool_spec import PoolSpec
from curation.sources import code_trees, hugging_face, kinds, path_lists, remote
from curation.sources.inputs import Container, Input, Limits, kind_of_node
from curation.sources.kinds import Kind
from curation.sources.locate import Inputs, matches

READABLE = (
    "JSONL, Parquet, Arrow, CSV, TSV, WARC, WET, ARC, HTML, text, Markdown (compressed or in a zip or tar too); "
    "name any other with `pool.format`"
)
METADATA = frozenset(
    """
    dataset_info.json dataset_infos.json dataset_dict.json state.json manifest.json funnel.json contamination.json
    recipe.json croissant.json provenance.json
    """.split()
)
"""Files beside records, by name; ours and those of the `datasets` library."""


_OF_A_CORPUS, _COMPLETE = "contamination.json", "manifest.json"
"""Of the files of a corpus the first and the last that is published."""


def pool_inputs(spec: PoolSpec) -> Inputs:
    """Return every input file of a pool once, sorted by place.

    Raises: ShardError for a missing path, a glob or directory without a readable file, an unreadable directory, a file
    of unknown kind, a protocol that is not allowed; IncompleteError when a server cannot be reached.
    """
    found: dict[str, Input] = {}
    ignored = 0
    for entry in spec.path:
        chosen, others = _remote(entry, spec) if remote.protocol_of(entry) else _local(entry, spec)
        ignored += others
        found.update({item.key: item for item in chosen})
    files: list[Input] = []
    for key in sorted(found):
        item = found[key]
        files.extend(path_lists.entries(item, spec) if item.container == "paths" else [item])
    limits = Limits(max_ratio=spec.max_expansion, max_bytes=spec.max_expanded_bytes)
    told = remote.describe_all(files)
    return Inputs(files=tuple(replace(item, limits=limits) for item in told), num_ignored=ignored)


def _remote(entry: str, spec: PoolSpec) -> tuple[list[Input], int]:
    url = remote.check_allowed(entry, spec.protocols)
    listed = remote.list_remote(url)
    if len(listed) == 1 and not listed[0][1]:
        return [remote.remote_input(listed[0][0], _kind_or_refuse(listed[0][0], listed[0][0], spec))], 0
    below = {relative or link: link for link, relative in listed}
    _refuse_unfinished(below, url)
    names = [name for name in below if _chosen(PurePosixPath(name), spec)]
    has_card = "README.md" in below and not remote.has_wildcard(url)
    readme = remote.read_small(f"{url.rstrip('/')}/README.md", 1 << 20) if has_card else None
    names = hugging_face.chosen_files(names, readme, spec, url)
    ranked = _by_rank([(name, _kind(name, spec)) for name in names], spec)
    if not ranked:
        raise ShardError(f"{url}: no readable file in this folder; expected {READABLE}; mend `path`")
    kept = _sampled((name for name, _ in ranked), spec)
    chosen = [remote.remote_input(below[name], kind, name) for name, kind in ranked if name in kept]
    return chosen, len(below) - len(ranked)


def _local(entry: str, spec: PoolSpec) -> tuple[list[Input], int]:
    found: list[Input] = []
    ignored = 0
    for path in _expand(entry):
        if path.is_dir():
            inside, others = _directory(path, spec)
            ignored += others
            found += inside
        else:
            found.append(_file(path, spec, one_of_many="**" in entry))
    return found, ignored


def _sampled(names: Iterable[str], spec: PoolSpec) -> frozenset[str]:
    """Return which of many files are read; of path lists all, since theirs are the entries that are drawn."""
    return frozenset(names if spec.format == "paths" else path_lists.sampled(names, spec))


def _expand(entry: str) -> list[Path]:
    path = Path(entry).expanduser()
    try:
        if path.exists() or path.is_symlink():
            return [path]
    except OSError as error:
        raise ShardError(f"{entry}: cannot be looked at ({error.strerror}); mend `path`") from None
    if not glob.has_magic(entry):
        raise ShardError(f"{entry}: no such file or directory; expected a pool's file, directory or glob; mend `path`")
    # Path.glob wants a relative pattern and a root; people write absolute ones
    matched = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    # `data/**` names folders and all that lies in them: the files alone say it once, and unknown kinds are skipped
    chosen = (
        [path for path in matched if path.is_file() and kinds.kind_of_name(path.name)] if "**" in entry else matched
    )
    if not chosen:
        raise ShardError(f"{entry}: the glob matches no file; expected {READABLE}; mend `path`")
    return chosen


def _file(path: Path, spec: PoolSpec, *, one_of_many: bool) -> Input:
    try:
        path.stat()
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); mend `path` or the file") from None
    if not path.is_file():
        raise ShardError(f"{path}: is {kind_of_node(path)}, expected a file or directory; mend `path`")
    kind = _kind(path.name, spec) if one_of_many else None
    kind = kind or _kind_or_refuse(path.name, str(path), spec, path)
    return Input(path=path, container=kind.container, compression=kind.compression, root=path.parent)


def _kind(name: str, spec: PoolSpec) -> Kind | None:
    """Return how a file among others is read: by its name, under the pool's format."""
    known = kinds.kind_of_name(name)
    if spec.reader is not None:
        return Kind("datatrove", "none")
    wanted = spec.format
    if wanted in (None, "huggingface"):
        return None if known is None or known.container == "paths" else known
    if known is not None and known.container == wanted:
        return known
    if wanted == "code":
        return Kind("code", "none")
    return _as(wanted, name) if spec.include and known is None else None


def _as(container: str, name: str) -> Kind:
    return Kind(cast("Container", container), kinds.split_compression(name.lower())[1])


def _kind_or_refuse(name: str, where: str, spec: PoolSpec, path: Path | None = None) -> Kind:
    """Return how a file that was named itself is read: any name will do if a format or its first bytes say how."""
    known = kinds.kind_of_name(name)
    if spec.reader is not None:
        return Kind("datatrove", "none")
    if known is not None and (
        spec.format in (None, "huggingface", known.container) or known.container in ("zip", "tar")
    ):
        return known
    if spec.format not in (None, "huggingface"):
        return _as(spec.format, name)
    sniffed = _sniffed(path) if path is not None else None
    if sniffed is None:
        raise ShardError(f"{where}: unknown kind of file; expected {READABLE}")
    return sniffed


def _sniffed(path: Path) -> Kind | None:
    from curation.sources.decompress import byte_chunks

    try:
        with path.open("rb") as stream:
            head = stream.read(kinds.HEAD_BYTES)
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); mend `path` or the file") from None
    packed = kinds.compression_of(head)
    if packed != "none":
        head = next(byte_chunks(Input(path=path, container="text", compression=packed)), b"")[: kinds.HEAD_BYTES]
    container = kinds.container_of(head)
    return None if container is None else Kind(container, packed)


def _directory(root: Path, spec: PoolSpec) -> tuple[list[Input], int]:
    """Return the chosen files under `root` and the number of others."""
    seen = list(_walk(root, spec))
    _refuse_unfinished(seen, str(root))
    readme = root / "README.md"
    text = readme.read_bytes()[: 1 << 20] if readme.is_file() else None
    names = hugging_face.chosen_files(
        [name for name in seen if _chosen(PurePosixPath(name), spec)], text, spec, str(root)
    )
    hugging_face.check_saved(root, names)
    ranked = _by_rank([(name, _kind(name, spec)) for name in names], spec)
    if not ranked:
        limits = [
            f"{name} {list(value)}" for name, value in (("include", spec.include), ("exclude", spec.exclude)) if value
        ]
        under = f" under {' and '.join(limits)}" if limits else ""
        raise ShardError(f"{root}: no readable file in this directory{under}; expected {READABLE}; mend `path`")
    licences = code_trees.licences_of_tree(root, seen) if spec.format == "code" else None
    kept = _sampled((name for name, _ in ranked), spec)
    found = [
        Input(
            path=root / name,
            container=kind.container,
            compression=kind.compression,
            relative=name,
            root=root,
            license=licences.nearest(name) if licences else None,
        )
        for name, kind in ranked
        if name in kept
    ]
    return found, len(seen) - len(ranked)


def _refuse_unfinished(names: Collection[str], where: str) -> None:
    """Raise ShardError for a corpus whose publication or download was cut: part of it would pass for all of it."""
    if _OF_A_CORPUS in names and _COMPLETE not in names:
        raise ShardError(
            f"{where}: a corpus without {_COMPLETE}, expected all of it: its publication was cut short, or its "
            "download; publish or fetch it again, or name the files to read (`data/*.parquet`)"
        )


def _walk(root: Path, spec: PoolSpec) -> Iterator[str]:
    """Yield the paths of all files below `root`; links to folders are not followed, hidden names are passed over."""

    def fail(error: OSError) -> None:
        raise ShardError(
            f"{error.filename}: cannot be listed ({error.strerror}); expected a readable directory; mend its "
            "permissions or leave it out with `pool.exclude`"
        )

    for folder, folders, names in os.walk(root, followlinks=False, onerror=fail):
        below = Path(folder).relative_to(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not _excluded(PurePosixPath(below.as_posix()) / name, spec)
        )
        yield from ((below / name).as_posix() for name in sorted(names) if not name.startswith("."))


def _excluded(relative: PurePosixPath, spec: PoolSpec) -> bool:
    return any(matches(relative, pattern) for pattern in spec.exclude)


def _chosen(relative: PurePosixPath, spec: PoolSpec) -> bool:
    if relative.name in METADATA or _excluded(relative, spec):
        return False
    return not spec.include or any(matches(relative, pattern) for pattern in spec.include)


def _by_rank(known: Sequence[tuple[str, Kind | None]], spec: PoolSpec) -> list[tuple[str, Kind]]:
    """Return the files that are read: all of the pool's format, or those of the lowest rank."""
    usable = [(name, kind) for name, kind in known if kind is not None]
    if spec.format not in (None, "huggingface") or spec.reader is not None or not usable:
        return usable
    lowest = min(kinds.RANKS[kind.container] for _, kind in usable)
    return [(name, kind) for name, kind in usable if kinds.RANKS[kind.container] == lowest]


def member_kinds(names: Sequence[str], spec: PoolSpec) -> list[tuple[str, Kind]]:
    """Return which members of an archive are read and how, by the rules for directories; archives inside are not."""
    chosen = [name for name in names if _chosen(PurePosixPath(name), spec)]
    known = [(name, kind) for name in chosen if (kind := _kind(name, spec)) and kind.container not in ("zip", "tar")]
    return _by_rank(known, spec)
