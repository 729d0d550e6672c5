"""Hugging Face datasets as files: a repository's `configs`, splits by name, and what `save_to_disk` wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from curation.errors import ShardError, nearest
from curation.files import read_json
from curation.pool_spec import PoolSpec
from curation.sources.locate import matches

_FRONT = re.compile(r"\A---\r?\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in file names by split, as the `datasets` library finds splits that no card names."""


def chosen_files(names: Sequence[str], readme: bytes | None, spec: PoolSpec, where: str) -> list[str]:
    """Return the files of the configuration and split that the pool asks for; without any card or wish, all.

    Raises: ShardError for a configuration or split that is not there.
    """
    wanted = [name for name in names if not PurePosixPath(name).name.startswith("cache-")]
    configs = _configs(readme)
    if configs:
        chosen = spec.config or next((name for name, item in configs.items() if item.get("default")), "default")
        if chosen not in configs and spec.config is None and len(configs) == 1:
            chosen = next(iter(configs))
        if chosen not in configs:
            raise ShardError(f"{where}: no configuration `{chosen}`; set `pool.config`; {nearest(chosen, configs)}")
        return _of_splits(_splits(configs[chosen]), wanted, spec, where)
    if spec.config is not None:
        raise ShardError(f"{where}: its README names no configurations, but `pool.config` is `{spec.config}`; drop it")
    if spec.split is None:
        return wanted
    words = _SPLITS.get(spec.split, (spec.split,))
    named = re.compile(rf"(?:^|[^a-zA-Z0-9])(?:{'|'.join(map(re.escape, words))})(?:[^a-zA-Z0-9]|$)")
    found = [name for name in wanted if named.search(name)]
    if not found:
        raise ShardError(
            f"{where}: no file of the split `{spec.split}`; expected its name in theirs; mend `pool.split`"
        )
    return found


def _configs(readme: bytes | None) -> dict[str, Mapping[str, Any]]:
    front = _FRONT.match(readme.decode("utf-8", "replace")) if readme else None
    if front is None:
        return {}
    import yaml

    try:
        head = yaml.safe_load(front[1])
    except yaml.YAMLError:
        return {}
    listed = head.get("configs") if isinstance(head, dict) else None
    entries = (
        [item for item in listed if isinstance(item, dict) and item.get("data_files")]
        if isinstance(listed, list)
        else []
    )
    return {str(item.get("config_name", "default")): item for item in entries}


def _splits(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the globs of each split of a configuration, whichever of the card's spellings it uses."""
    folder = str(config.get("data_dir", "")).strip("/")
    files = config["data_files"]
    if isinstance(files, Mapping):
        files = [{"split": split, "path": path} for split, path in files.items()]
    entries = files if isinstance(files, list) else [files]
    found: dict[str, list[str]] = {}
    for entry in entries:
        split, path = (
            (entry.get("split", "train"), entry.get("path")) if isinstance(entry, Mapping) else ("train", entry)
        )
        paths = path if isinstance(path, list) else [path]
        found.setdefault(str(split), []).extend(
            f"{folder}/{item}".lstrip("/") for item in paths if isinstance(item, str)
        )
    return found


def _of_splits(splits: Mapping[str, list[str]], names: Sequence[str], spec: PoolSpec, where: str) -> list[str]:
    if spec.split is not None and spec.split not in splits:
        raise ShardError(f"{where}: no split `{spec.split}`; mend `pool.split`; {nearest(spec.split, splits)}")
    patterns = splits[spec.split] if spec.split is not None else [item for items in splits.values() for item in items]
    return [name for name in names if any(_matches(name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    """Match from the repository's root, also a pattern without `/`."""
    pattern = pattern.removeprefix("./")
    return matches(PurePosixPath(name), pattern) and ("/" in pattern or "/" not in name)


def check_saved(root: Path, names: Sequence[str]) -> None:
    """Raise ShardError if a dataset of `save_to_disk` lacks a file that its `state.json` lists."""
    folders = {(root / name).parent for name in names if name.endswith(".arrow")}
    for folder in sorted(folders):
        state = folder / "state.json"
        if not state.is_file():
            continue
        try:
            held = read_json(state)
        except ValueError as error:
            raise ShardError(f"{state}: no JSON ({error}); write the dataset again") from None
        listed = held.get("_data_files") if isinstance(held, Mapping) else None
        for entry in listed if isinstance(listed, list) else []:
            name = entry.get("filename") if isinstance(entry, Mapping) else None
            if isinstance(name, str) and not (folder / name).is_file():
                raise ShardError(f"{folder / name}: missing, although {state.name} lists it; write the dataset again")
