"""A tag model as one frozen file, safetensors with a header of ours: read without running anything, checked by digest.

Tensors: `projection` (buckets x dims) and `centroids` (clusters x dims), float32. The one metadata entry `curate-tags`
is canonical JSON: format, version of the features, their settings, clusters, what was fitted on, measures, and the
sha256 of all of it with the tensors. The model's identity is the sha256 of the file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curation.batches import text_view
from curation.errors import PluginError
from curation.files import Json, canonical_json, write_bytes
from curation.recipe import Spec
from curation.tags.settings import FeatureSettings

FORMAT = 1
FEATURES = "tag-features@1"
METADATA = "curate-tags"
_REMEDY = "make it again with `curate tags fit`, or restore the file"

Rows = npt.NDArray[np.float32]


class Cluster(Spec):
    """One tag."""

    name: str
    docs: int
    """Documents of the sample."""
    cosine: float
    """Mean cosine of the sample's documents to the centroid."""
    words: tuple[str, ...]
    """Most distinctive first."""
    examples: tuple[str, ...]
    """Ids of the documents nearest to the centroid."""


class Header(Spec):
    """What a model's file says beside its numbers."""

    format: int = FORMAT
    features: str = FEATURES
    settings: FeatureSettings
    clusters: tuple[Cluster, ...]
    fit: dict[str, Any] = Field(default_factory=dict)
    """Settings of the fit and what it was fitted on."""
    measures: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagModel:
    """A model ready to tag; safe to use from several threads."""

    header: Header
    projection: Rows
    centroids: Rows
    sha256: str = ""
    """Of its file; empty before it is written."""

    @property
    def names(self) -> tuple[str, ...]:
        """The tags, in the order of the centroids."""
        return tuple(cluster.name for cluster in self.header.clusters)

    def rows(self, texts: pa.Array | pa.ChunkedArray) -> Rows:
        """Return the unit row of each text, zero for one of which the model says nothing."""
        from curation.tags.feature_kernels import project_documents

        view = text_view(texts)
        found: Rows = project_documents(view.data, view.offsets, self.header.settings.shape(), self.projection)
        return found

    def nearest(self, rows: Rows) -> tuple[npt.NDArray[np.int64], Rows]:
        """Return the cluster of each row (-1 for a zero one) and its cosine."""
        from curation.tags.feature_kernels import nearest_centroids

        return nearest_centroids(rows, self.centroids)


def write_model(path: Path, model: TagModel) -> TagModel:
    """Write the model's file and return the model with its identity; equal models give equal bytes."""
    from safetensors.numpy import save

    value = model.header.model_dump(mode="json")
    tensors = {"projection": model.projection, "centroids": model.centroids}
    value["digest"] = _digest(value, tensors)
    data = save(tensors, {METADATA: canonical_json(value)})
    write_bytes(path, data)
    return TagModel(
        header=model.header,
        projection=model.projection,
        centroids=model.centroids,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def read_model(path: Path, where: str) -> TagModel:
    """Return the model in `path`; a file at rest is read once.

    Raises: PluginError for a missing, foreign or damaged file, or one of another format or version.
    """
    try:
        status = path.stat()
    except OSError:
        status = None
    if status is None or not path.is_file():
        raise PluginError(f"{where}: {path}: no such tag model; give the file that `curate tags fit --out FILE` wrote")
    try:
        return _read(path.resolve(), where, (status.st_size, status.st_mtime_ns, status.st_ino))
    except OSError as error:
        raise PluginError(f"{where}: {path}: cannot be read ({error.strerror}); {_REMEDY}") from None


@lru_cache(maxsize=4)
def _read(path: Path, where: str, _: tuple[int, ...]) -> TagModel:
    data = path.read_bytes()
    return parse_model(data, f"{where}: {path}")


def parse_model(data: bytes, where: str) -> TagModel:
    """Return the model that `data` holds. Raises: PluginError as `read_model`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + size]).get("__metadata__", {}).get(METADATA)
        value = None if text is None else json.loads(text)
    except (SafetensorError, ValueError, UnicodeDecodeError, RecursionError) as error:
        raise PluginError(f"{where}: is no tag model, or is damaged ({error}); {_REMEDY}") from None
    if not isinstance(value, dict) or set(tensors) != {"projection", "centroids"}:
        raise PluginError(f"{where}: is a safetensors file but no tag model (no `{METADATA}` in it); {_REMEDY}")
    _check_versions(value, where)
    digest = value.pop("digest", None)
    if digest != _digest(value, tensors):
        raise PluginError(f"{where}: is damaged: its digest is {str(digest)[:12]}, its content has another; {_REMEDY}")
    header = Header.model_validate(value)
    shapes = (header.settings.buckets, len(header.clusters))
    projection, centroids = tensors["projection"], tensors["centroids"]
    if (len(projection), len(centroids)) != shapes or projection.shape[1:] != centroids.shape[1:]:
        raise PluginError(f"{where}: tensors {projection.shape} and {centroids.shape}, expected {shapes}; {_REMEDY}")
    for tensor in (projection, centroids):
        tensor.flags.writeable = False
    return TagModel(header=header, projection=projection, centroids=centroids, sha256=hashlib.sha256(data).hexdigest())


def _check_versions(value: dict[str, Any], where: str) -> None:
    if value.get("format") != FORMAT or value.get("features") != FEATURES:
        raise PluginError(
            f"{where}: is of format {value.get('format')} with {value.get('features')}, this installation reads "
            f"format {FORMAT} with {FEATURES}; install the release that wrote it, or make it again with "
            "`curate tags fit`"
        )


def _digest(value: Json, tensors: dict[str, Rows]) -> str:
    digest = hashlib.sha256(canonical_json(value).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype.str} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
