"""`tagger: "fasttext:PATH?threshold=0.5&normalize=dclm@1"`: a document's slice is the likeliest label of a model.

Any supervised fastText model with two labels or more: a `.bin`, a `.ftz`, or a classifier's folder. The prefix
`__label__` is left out. A document with fewer than 20 letters near its start, without any known word, or with a p below
`threshold`, gets the pool's default slice; of equally likely labels the first by name is taken. (A model that knows the
end of a line gives every text some label, an empty one too: hence the letters.)
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import PluginError
from curation.sources.taggers import MIN_LETTERS, SAMPLE_CHARS, ModelTagger, chosen_threshold
from curation.uris import Uri
from filters.models.card import ChosenModel, choose_labels
from filters.models.fasttext_model import FastTextModel

VERSION = "fasttext-tagger@1"
PREFIX = "__label__"


def fasttext_tagger(uri: Uri, where: str) -> ModelTagger:
    """Return the tagger of the model that `uri` names. Raises: PluginError, RecipeError."""
    threshold = chosen_threshold(uri, where, most=1.0, others=("normalize",))
    chosen = choose_labels(uri.path, where, normalize=uri.given.get("normalize"))
    model = _load(chosen.path, chosen.sha256)
    labels = [label.removeprefix(PREFIX) for label in model.labels]
    if len(set(labels)) < 2 or not all(labels):
        raise PluginError(
            f"{where}: {chosen.path}: its labels are {', '.join(model.labels[:20])}; expected at least two with a "
            "name; train one with `curate classifier train --labelled`"
        )
    order = np.argsort(np.array(labels))

    def column(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        found = np.clip(model.probabilities(texts, chosen.normalisation)[:, order], 0.0, 1.0)
        best = found.argmax(axis=1)
        confidence = found[np.arange(len(found)), best]
        said = (confidence > 0) & (confidence >= np.float32(threshold)) & _has_letters(texts)
        return np.where(said, best, -1).astype(np.int64), confidence

    return ModelTagger(
        identity=_identity(chosen, threshold),
        tags=tuple(labels[i] for i in order.tolist()),
        column=column,
        confidence="probability of the label",
        about={
            "model": "fasttext",
            "sha256": chosen.sha256,
            "normalisation": chosen.normalisation.full_name,
            "normalisation_from": chosen.normalisation_from,
            "threshold": threshold,
            "version": VERSION,
        },
    )


def _has_letters(texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which texts have letters enough to be of any topic, as the other taggers ask."""
    heads = pc.utf8_slice_codeunits(texts, 0, SAMPLE_CHARS).to_pylist()
    letters = ((char for char in head if char.isalpha()) for head in heads)
    return np.array([sum(1 for _ in islice(own, MIN_LETTERS)) == MIN_LETTERS for own in letters], np.bool_)


def _identity(chosen: ChosenModel, threshold: float) -> str:
    return f"{VERSION} sha256 {chosen.sha256} {chosen.normalisation.full_name} threshold {threshold:g}"


@lru_cache(maxsize=2)
def _load(path: Path, sha256: str) -> FastTextModel:
    """Read once: a pool asks for its tagger at the plan, before and after it is read."""
    return FastTextModel.load(path, sha256)
