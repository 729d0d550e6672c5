"""fastText inference: held to the library itself on models of every loss, and to a slow twin for the ids."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.batches import text_array, text_view
from curation.errors import PluginError, RecipeError
from filters.models.fasttext_file import read_model_file
from filters.models.fasttext_model import FastTextModel
from filters.models.normalisation import DCLM, NORMALISATIONS, find_normalisation, without_labels

AWKWARD = (
    "", "word", "no newline at the end", "\r\n\r\nCRLF line.\r\nCRLF line.\r\n", "🎉🎉 👩‍👩‍👧 party…",
    "这是一个句子。这是一个句子。", "e\u0301te\u0301 a\u0300 la\u0300", "\x01\x02 \x1c\x1d\x85\u2028\u3000 odd spaces",
    "x" * 5000, "\n\n\n", "# {" * 40, "before </s> after", "</s>", "<s> </s", "__label__a good __label__b", "__label__",
    "a\0b\0", "a\u00a0b \u00a0", "\x1fz\x1f", "one\x0btwo\x0cthree\x85four\u2029five", "ß ﬀ İ ǅ",
    "\u202eright to left\u202c שלום", "w" * 9 + " " + "w" * 8, "\u2027\u2028",
)  # fmt: skip
WORDS = ["good", "bad", "stone", "éclair", "中文字", "water", "x", "extraordinarily", "🎉", "of", "the", "and"]
SHAPES: dict[str, dict[str, Any]] = {
    "softmax": {"wordNgrams": 2, "bucket": 20_000, "dim": 12, "loss": "softmax"},
    "hierarchical": {"minn": 2, "maxn": 4, "bucket": 5_000, "dim": 8, "loss": "hs"},
    "one-against-all": {"wordNgrams": 3, "minn": 1, "maxn": 3, "bucket": 3_000, "dim": 10, "loss": "ova"},
    "words-alone": {"dim": 5, "loss": "softmax"},
    "negative-sampling": {"wordNgrams": 2, "bucket": 17, "dim": 6, "loss": "ns"},
}
TRAIN = """
import json, sys
import fasttext
arguments, out, quantised = json.loads(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
model = fasttext.train_supervised(**arguments)
if quantised:
    model.quantize(input=arguments["input"], **quantised)
model.save_model(out)
"""


def sentences(seed: int, number: int) -> list[str]:
    draw = random.Random(seed)
    words = WORDS + [f"w{i}" for i in range(400)]
    return [" ".join(draw.choices(words, k=draw.randrange(1, 60))) for _ in range(number)]


def train(folder: Path, shape: dict[str, Any], quantised: dict[str, Any] | None = None) -> Path:
    lines = folder / "lines.txt"
    labels = "abcde"
    lines.write_text("".join(f"__label__{labels[i % 7 % 5]} {text}\n" for i, text in enumerate(sentences(1, 300))))
    out = folder / ("model.ftz" if quantised else "model.bin")
    arguments = {"input": str(lines), "thread": 1, "epoch": 5, "lr": 0.5, "verbose": 0, "minCount": 1, **shape}
    import json

    subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps(arguments), str(out), json.dumps(quantised)],
        check=True, capture_output=True, env={**os.environ, "MALLOC_PERTURB_": "255"},
    )  # fmt: skip
    return out


@pytest.fixture(scope="module", params=[*SHAPES, "quantised", "pruned", "quantised-norms"])
def model_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    quantised = {
        "quantised": {"qnorm": False, "verbose": 0},
        "pruned": {"cutoff": 2_000, "qnorm": False, "verbose": 0},
        "quantised-norms": {"qnorm": True, "dsub": 5, "verbose": 0},
    }.get(request.param)
    return train(folder, SHAPES[request.param if quantised is None else "one-against-all"], quantised)


@pytest.fixture(scope="module")
def bigram_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("bigrams"), SHAPES["softmax"])


def library(path: Path, lines: list[str]) -> np.ndarray:
    import fasttext

    model = fasttext.load_model(str(path))
    labels = list(FastTextModel.load(path).labels)
    found = np.zeros((len(lines), len(labels)))
    for row, (names, chances) in enumerate(zip(*model.predict(lines, k=len(labels)), strict=True)):
        found[row, [labels.index(name) for name in names]] = chances
    return found


@pytest.mark.parametrize("recipe", ["dclm", "raw", "stripped", "lower"])
def test_every_loss_and_shape_gives_the_probabilities_of_the_library(model_path: Path, recipe: str) -> None:
    texts = [*AWKWARD, *sentences(2, 200), "\n".join(sentences(3, 50))]
    chosen = NORMALISATIONS[recipe]
    ours = FastTextModel.load(model_path).probabilities(text_array(texts), chosen)
    expected = library(model_path, [chosen.apply(text) for text in texts])
    assert np.abs(ours - expected).max() < 1.1e-5
    assert expected.std() > 0.01


@given(
    st.lists(st.text(st.sampled_from("ab \n\t\0\x1c\x85\u2028\u3000é</s>_l中"), max_size=40), min_size=1, max_size=20)
)
def test_any_text_gives_the_probabilities_of_the_library(bigram_path: Path, texts: list[str]) -> None:
    ours = FastTextModel.load(bigram_path).probabilities(text_array(texts))
    assert np.abs(ours - library(bigram_path, [DCLM.apply(text) for text in texts])).max() < 1.1e-5


def fnv(data: bytes) -> int:
    state = 2166136261
    for byte in data:
        state = ((state ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return state


def twin_ids(model: FastTextModel, line: str) -> Iterator[int]:
    """The ids of fastText's `getLine`, written from its rules."""
    file = model.file
    bounds = file.entry_offsets
    names = [file.entries[bounds[i] : bounds[i + 1]].tobytes() for i in range(len(bounds) - 1)]
    numbers = {name: i for i, name in enumerate(names)}
    for byte in (b"\t", b"\n", b"\v", b"\f", b"\r", b"\0"):
        line = line.replace(byte.decode(), " ")
    tokens = [token.encode() for token in line.split(" ") if token]
    tokens = [*tokens, b"</s>"][: [*tokens, b"</s>"].index(b"</s>") + 1]
    kept = [
        t for t in tokens if numbers.get(t, -1) < file.num_words and not (t not in numbers and t[:9] == b"__label__")
    ]
    for token in kept:
        if token in numbers:
            yield numbers[token]
        if token != b"</s>" and file.max_chars:
            chars = f"<{token.decode()}>"
            for i in range(len(chars)):
                for n in range(file.min_chars, min(file.max_chars, len(chars) - i) + 1):
                    if n > 1 or 0 < i < len(chars) - 1:
                        yield file.num_words + fnv(chars[i : i + n].encode()) % file.buckets
    hashes = [fnv(token) - (1 << 32 if fnv(token) >= 1 << 31 else 0) for token in kept]
    for i in range(len(hashes)):
        state = hashes[i]
        for other in hashes[i + 1 : i + file.word_ngrams]:
            state = (state * 116049371 + other) % (1 << 64)
            yield file.num_words + state % file.buckets


@pytest.mark.parametrize("text", [*AWKWARD, sentences(9, 1)[0]], ids=range(len(AWKWARD) + 1))
@pytest.mark.parametrize("shape", ["negative-sampling", "one-against-all"])
def test_the_ids_are_those_of_the_twin(tmp_path_factory: pytest.TempPathFactory, shape: str, text: str) -> None:
    """A matrix of unit vectors makes the hidden vector a count of ids."""
    model = _one_hot(tmp_path_factory, shape)
    rows = len(model.file.input)
    hidden = model.hidden(text_view(text_array([text])), np.zeros(1, np.int64), model.settings(DCLM))[0]
    expected = Counter(twin_ids(model, DCLM.apply(text)))
    total = sum(expected.values())
    assert np.allclose(hidden * total, [expected.get(i, 0) for i in range(rows)], atol=1e-3)


_MODELS: dict[str, FastTextModel] = {}


def _one_hot(factory: pytest.TempPathFactory, shape: str) -> FastTextModel:
    if shape not in _MODELS:
        loaded = FastTextModel.load(train(factory.mktemp(shape), SHAPES[shape]))
        size = len(loaded.file.input)
        _MODELS[shape] = replace(loaded, file=replace(loaded.file, input=np.eye(size, dtype=np.float32), dim=size))
    return _MODELS[shape]


def test_a_document_longer_than_a_segment_differs_by_rounding_only(bigram_path: Path) -> None:
    text = " ".join(sentences(4, 4000))
    assert text.count(" ") > 70_000
    ours = FastTextModel.load(bigram_path).probabilities(text_array([text]))
    assert np.abs(ours - library(bigram_path, [text])).max() < 1e-4


def test_rows_and_slices_of_a_column_score_as_the_whole(bigram_path: Path) -> None:
    model, texts = FastTextModel.load(bigram_path), sentences(5, 40)
    whole = model.probabilities(text_array(texts))
    rows = np.array([3, 0, 39])
    assert (model.probabilities(text_array(texts), rows=rows) == whole[rows]).all()
    chunks = pa.chunked_array([text_array(texts[:7]), text_array(texts[7:])])
    assert (model.probabilities(chunks.slice(5, 20)) == whole[5:25]).all()
    assert model.probabilities(text_array([])).shape == (0, 5)


def test_a_model_without_any_known_word_gives_nothing(bigram_path: Path) -> None:
    model = FastTextModel.load(bigram_path)
    bare = replace(model, slots=np.zeros(16, np.uint64), file=replace(model.file, word_ngrams=1))
    settings = model.settings(DCLM).copy()
    assert np.isnan(bare.hidden(text_view(text_array(["a b"])), np.zeros(1, np.int64), _without_eos(settings))).all()


def _without_eos(settings: np.ndarray) -> np.ndarray:
    from filters.models.fasttext_kernels import EOS_NUMBER, WORD_NGRAMS

    settings[EOS_NUMBER], settings[WORD_NGRAMS] = -1, 1
    return settings


@pytest.mark.parametrize("shape", ["softmax", "pruned"])
def test_a_file_cut_anywhere_is_one_clear_error(tmp_path: Path, shape: str) -> None:
    quantised = {"cutoff": 500, "verbose": 0} if shape == "pruned" else None
    data = train(tmp_path, SHAPES["softmax"], quantised).read_bytes()
    cut = tmp_path / "cut.bin"
    for size in [0, 3, 7, 8, 60, 100, 200, 2_000, 9_000, len(data) // 2, len(data) - 5, len(data) - 1]:
        cut.write_bytes(data[:size])
        with pytest.raises(PluginError, match=r"cut\.bin: .*fetch or train it again"):
            read_model_file(cut)
    cut.write_bytes(data + b"\0")
    with pytest.raises(PluginError, match="1 bytes follow the output matrix"):
        read_model_file(cut)


@given(st.data())
def test_a_file_with_any_damaged_byte_in_its_head_is_read_or_refused(bigram_path: Path, data: st.DataObject) -> None:
    """Never a crash, never an allocation beyond the file: a wrong size is refused before it is believed."""
    content = bytearray(bigram_path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 120))] = data.draw(st.integers(0, 255))
    damaged = bigram_path.with_name("damaged.bin")
    damaged.write_bytes(content)
    try:
        model = FastTextModel.load(damaged)
    except PluginError:
        return
    assert model.probabilities(text_array(["good bad"])).shape == (1, 5)


def test_another_kind_of_file_is_refused_by_its_magic_number(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"PK\3\4" + bytes(500))
    with pytest.raises(PluginError, match="magic number 67324752, a fastText model starts with 793712314"):
        read_model_file(tmp_path / "a.bin")


def test_word_vectors_are_refused_as_no_classifier(tmp_path: Path, bigram_path: Path) -> None:
    data = bytearray(bigram_path.read_bytes())
    data[8 + 7 * 4 : 8 + 8 * 4] = struct.pack("<i", 2)
    (tmp_path / "vectors.bin").write_bytes(data)
    with pytest.raises(PluginError, match="model kind 2"):
        read_model_file(tmp_path / "vectors.bin")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, bigram_path: Path) -> None:
    data = bytearray(bigram_path.read_bytes())
    data[-4:] = struct.pack("<f", float("nan"))
    (tmp_path / "nan.bin").write_bytes(data)
    with pytest.raises(PluginError, match="output matrix holds numbers that are not finite"):
        read_model_file(tmp_path / "nan.bin")


def test_weights_that_overflow_are_an_error_not_a_score(bigram_path: Path) -> None:
    model = FastTextModel.load(bigram_path)
    huge = np.full_like(model.file.input, 3e38)
    broken = replace(model, file=replace(model.file, input=huge))
    with pytest.raises(PluginError, match="gives NaN"):
        broken.probabilities(text_array(["good bad good"]))


def test_an_unknown_label_lists_the_labels_and_offers_the_nearest(bigram_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no label `__label__f`, it has .*__label__a.*did you mean `__label__"):
        FastTextModel.load(bigram_path).label_index("__label__f", "stages[0]")


def test_a_model_that_changed_since_it_was_planned_is_refused(bigram_path: Path) -> None:
    with pytest.raises(PluginError, match="its bytes changed since it was planned"):
        FastTextModel.load(bigram_path, sha256="0" * 64)


def test_a_label_in_a_text_is_no_label_in_training() -> None:
    assert without_labels("__label__hq a __label__ x__label__y \t__label__cc") == " a  x__label__y \t"


@pytest.mark.parametrize(("name", "message"), [("dcml", "did you mean `dclm`"), ("dclm@2", "has dclm@1")])
def test_an_unknown_normalisation_is_an_error(name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        find_normalisation(name, "here")
