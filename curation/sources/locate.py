"""Which files a pool consists of, and how each is read.

`path` entries are files, directories (searched recursively) or globs. `include` and `exclude` are globs relative to
a directory in `path`: one without `/` matches any name along the way (`*.jsonl`, `html_*`), one with `/` the path from
its start; a match on a folder covers all below it. The order and spelling of paths never matter: each file counts once.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from curation.errors import ShardError
from curation.sources.inputs import Compression as Compression
from curation.sources.inputs import Input as Input

_TEXT_SUFFIXES = (".jsonl", ".ndjson", ".json")
_COMPRESSIONS: dict[str, Compression] = {"": "none", ".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
READABLE = "`.jsonl`, `.ndjson`, `.json` (each also with `.gz` or `.zst`) and `.parquet`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Input files sorted by path, and how many files in the given directories were not of a known kind."""

    files: tuple[Input, ...]
    num_ignored: int


def find_inputs(paths: Sequence[str], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Inputs:
    """Return every input file of a pool once.

    Raises: ShardError for a missing path, a glob or directory without a readable file, a file of unknown kind.
    """
    found: dict[Path, Input] = {}
    ignored = 0
    for entry in paths:
        for path in _expand(entry):
            if path.is_dir():
                inside, others = _inside(path, include, exclude)
                ignored += others
                if not inside:
                    raise ShardError(_nothing_in(path, include, exclude))
            else:
                inside = [_named(path)]
            found.update({item.path.resolve(): item for item in inside})
    return Inputs(files=tuple(found[key] for key in sorted(found)), num_ignored=ignored)


def kind_of_file(path: Path) -> Input | None:
    """Return how `path` is read, judged by its name; None when it is no known kind."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        return Input(path=path, container="parquet")
    for suffix, compression in _COMPRESSIONS.items():
        if name.endswith(tuple(stem + suffix for stem in _TEXT_SUFFIXES)):
            return Input(path=path, container="jsonl", compression=compression)
    return None


def matches(relative: PurePosixPath, pattern: str) -> bool:
    """Return whether `pattern` names the path or a folder above it."""
    regex = _regex(pattern.strip("/"))
    if "/" not in pattern.strip("/"):
        return any(regex.fullmatch(name) for name in relative.parts)
    return any(regex.fullmatch(str(prefix)) for prefix in (relative, *relative.parents))


def _expand(entry: str) -> list[Path]:
    path = Path(entry).expanduser()
    if path.exists():
        return [path]
    if not glob.has_magic(entry):
        raise ShardError(f"{entry}: no such file or directory; expected a pool's file, directory or glob; mend `path`")
    # Path.glob wants a relative pattern and a root; people write absolute ones
    matched = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    # `data/**` names folders and all that lies in them: the files alone say it once, and unknown kinds are skipped
    chosen = [path for path in matched if path.is_file() and kind_of_file(path)] if "**" in entry else matched
    if not chosen:
        raise ShardError(f"{entry}: the glob matches no file; expected at least one of {READABLE}; mend `path`")
    return chosen


def _named(path: Path) -> Input:
    known = kind_of_file(path)
    if known is None:
        raise ShardError(f"{path}: unknown kind of file; expected {READABLE}; rename or convert it")
    return known


def _inside(root: Path, include: Sequence[str], exclude: Sequence[str]) -> tuple[list[Input], int]:
    """Return the readable files under `root` and the number of chosen ones that are not readable."""
    chosen: list[Input] = []
    ignored = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            relative = PurePosixPath(path.relative_to(root).as_posix())
            if name.startswith(".") or any(matches(relative, pattern) for pattern in exclude):
                continue
            if include and not any(matches(relative, pattern) for pattern in include):
                continue
            known = kind_of_file(path)
            if known is None:
                ignored += 1
            else:
                chosen.append(known)
    return chosen, ignored


def _nothing_in(root: Path, include: Sequence[str], exclude: Sequence[str]) -> str:
    limits = [f"{name} {list(patterns)}" for name, patterns in (("include", include), ("exclude", exclude)) if patterns]
    under = f" under {' and '.join(limits)}" if limits else ""
    return f"{root}: no readable file in this directory{under}; expected at least one of {READABLE}; mend `path`"


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """Translate a glob: `**/` any folders, `**` anything, `*` and `?` within one name, `[...]` a character."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    out = [known.get(part) or (part.replace("[!", "[^") if part.startswith("[") else re.escape(part)) for part in parts]
    return re.compile("".join(out), re.DOTALL)
