"""The files of a local sequence-classification model: which count, their digest, and what is refused unseen.

Weights are read from safetensors alone (a pickle runs code when it is opened), code beside the model is refused, and
nothing is ever downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from curation.errors import PluginError, RecipeError, nearest
from curation.files import digest_json, sha256_file

CONFIG = "config.json"
READ = (".json", ".safetensors", ".txt", ".model", ".jinja")
"""Endings of files that transformers may read from the folder; their content is the model's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerFiles:
    """A checked folder and what its configuration says."""

    path: Path
    digest: str
    """Over names and contents of the files that are read; 64 hex digits."""
    labels: tuple[str, ...]
    """Names of the outputs; one alone means a regression."""
    multi_label: bool
    """Whether outputs are probabilities of their own (sigmoid) and not shares of one (softmax)."""


def inspect_folder(path: Path, where: str) -> TransformerFiles:
    """Return what is known of the model in the folder `path` without loading it.

    Raises: PluginError for a missing folder or file, weights that are no safetensors, or code of its own.
    """
    if not path.is_dir():
        raise PluginError(f"{where}: {path}: no such folder; give the folder of a model saved by `save_pretrained`")
    config = _config(path, where)
    if "auto_map" in config:
        raise PluginError(f"{where}: {path}: brings code of its own (`auto_map` in {CONFIG}); such models are refused")
    if not any(path.glob("*.safetensors")):
        others = ", ".join(sorted(item.name for item in path.iterdir() if item.suffix in (".bin", ".pt", ".pth")))
        raise PluginError(
            f"{where}: {path}: no weights in safetensors{f' (only {others})' if others else ''}; save the model again "
            "with `save_pretrained`, since other formats run code when they are opened"
        )
    names = _labels(config, path, where)
    return TransformerFiles(
        path=path,
        digest=folder_digest(path),
        labels=names,
        multi_label=config.get("problem_type") == "multi_label_classification",
    )


def folder_digest(path: Path) -> str:
    """Return the digest over the files that are read; a file at rest is hashed once."""
    found = sorted(item for item in path.iterdir() if item.is_file() and item.suffix in READ)
    stats = [(item.name, item.stat()) for item in found]
    return _digest(path, tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats))


@lru_cache(maxsize=16)
def _digest(path: Path, stamps: tuple[tuple[str, int, int, int], ...]) -> str:
    return digest_json({stamp[0]: sha256_file(path / stamp[0]) for stamp in stamps})


def label_index(files: TransformerFiles, label: str | None, where: str) -> int:
    """Return the output of `label`; a regression has one and needs none.

    Raises: RecipeError for an unknown or missing label, with the labels that there are.
    """
    shown = ", ".join(files.labels[:20])
    if label is None and len(files.labels) > 1:
        raise RecipeError(f"{where}: no `label` given; the labels of {files.path} are {shown}")
    if label is not None and label not in files.labels:
        raise RecipeError(
            f"{where}: {files.path} has no label `{label}`, it has {shown}; {nearest(label, files.labels)}"
        )
    return 0 if label is None else files.labels.index(label)


def _config(path: Path, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(f"{where}: {path / CONFIG}: cannot be read ({error}); expected a model's folder") from None
    if not isinstance(value, dict):
        raise PluginError(f"{where}: {path / CONFIG}: holds no object; expected a model's configuration")
    return value


def _labels(config: Mapping[str, Any], path: Path, where: str) -> tuple[str, ...]:
    named = config.get("id2label")
    if not isinstance(named, dict):
        return ("LABEL_0", "LABEL_1")  # transformers' default of two classes
    try:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    except ValueError:
        raise PluginError(f"{where}: {path / CONFIG}: `id2label` has keys that are no numbers") from None
