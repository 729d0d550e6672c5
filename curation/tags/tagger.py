"""`tagger: "kmeans:PATH?threshold=0.2"`: a document's slice is the cluster of a tag model that it is nearest to.

A document with fewer than 20 characters in words, with no feature that the model knows, or with a cosine below
`threshold` gets the pool's default slice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.sources.taggers import ModelTagger, chosen_threshold
from curation.tags.model import read_model
from curation.uris import Uri

VERSION = "kmeans-tagger@1"


def kmeans_tagger(uri: Uri, where: str) -> ModelTagger:
    """Return the tagger of the model file that `uri` names. Raises: PluginError, RecipeError."""
    threshold = chosen_threshold(uri, where, most=1.0)
    model = read_model(uri.path, where)

    def column(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        labels, cosine = model.nearest(model.rows(texts))
        return np.where(cosine >= np.float32(threshold), labels, -1), cosine

    return ModelTagger(
        identity=f"{VERSION} sha256 {model.sha256} threshold {threshold:g}",
        tags=model.names,
        column=column,
        confidence="cosine to the cluster's centroid",
        about={"model": "kmeans", "sha256": model.sha256, "threshold": threshold, "version": VERSION},
    )
