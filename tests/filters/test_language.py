"""The filter `language`: verdicts with a model trained here; the second opinion against its package; real slices."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from curation.errors import RecipeError
from filters.models import classifier
from filters.signal_sets.language import find_model, language_model, language_set, second_language_set
from filters.signals import Columns, compute_signals

WORKER = Path(classifier.__file__).with_name("fasttext_worker.py")
ENGLISH = "The harbour of the old town was built by people who had come from the north to trade with them."
GERMAN = "Der Hafen der alten Stadt wurde von Leuten gebaut, die aus dem Norden kamen, um mit ihnen zu handeln."
FRENCH = "Le port de la vieille ville a été construit par des gens venus du nord pour faire du commerce avec eux."


def doc(id_: str, text: str, slice_: str = "prose") -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": slice_, "role": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of two languages that it tells apart with near certainty."""
    folder = tmp_path_factory.mktemp("lid")
    lines = [f"__label__en {word}" for word in ENGLISH.split()] + [f"__label__de {word}" for word in GERMAN.split()]
    (folder / "train.txt").write_text("\n".join(lines * 20), encoding="utf-8")
    settings = {"input": str(folder / "train.txt"), "dim": 8, "epoch": 20, "lr": 0.5, "thread": 1, "seed": 1}
    given = {**settings, "minn": 2, "maxn": 3, "bucket": 1000, "verbose": 0}
    command = [sys.executable, str(WORKER), json.dumps(given), str(folder / "two.bin")]  # why a process: see there
    subprocess.run(command, env={**os.environ, "MALLOC_PERTURB_": "255"}, check=True, capture_output=True)
    return str(folder / "two.bin")


@pytest.fixture(scope="module")
def lid176() -> str:
    try:
        return str(find_model(None, "test"))
    except RecipeError as error:
        pytest.skip(str(error))


def test_wanted_languages_stay_and_others_go_with_their_reason(make_world: Callable[..., Any], model: str) -> None:
    world = make_world([doc("e", ENGLISH), doc("d", GERMAN), doc("code", GERMAN, "code"), doc("none", "\n ")])
    artifact = world.build("language", model=model)
    assert world.verdicts(artifact) == {"e": None, "d": "wrong-language", "code": None, "none": "wrong-language"}
    assert artifact.summary["languages"] == {"de": 1, "en": 1, "none": 1}
    assert world.judge("language", model=model, keep=["de", "en"])["d"] is None


def test_a_document_that_is_half_and_half_is_uncertain(make_world: Callable[..., Any], model: str) -> None:
    world = make_world([doc("both", f"{ENGLISH} {GERMAN}")])
    assert world.judge("language", model=model, keep=["de", "en"], min_score=0.999)["both"] == "language-uncertain"


def test_other_languages_and_bounds_reuse_the_scores(make_world: Callable[..., Any], model: str) -> None:
    world = make_world([doc("e", ENGLISH)])
    world.build("language", model=model)
    world.build("language", model=model, keep=["de"], min_score=0.3)
    kinds = [artifact.kind for artifact in world.planner.store.artifacts()]
    assert (kinds.count("signals"), kinds.count("verdict")) == (1, 2)


def test_the_model_is_known_by_its_content_not_its_path(model: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bin"
    copy.write_bytes(Path(model).read_bytes())
    first, second = (language_set(language_model(Path(path), "test")) for path in (model, copy))
    assert first.params == second.params


def test_a_disputed_language_is_dropped_only_when_asked(make_world: Callable[..., Any], model: str) -> None:
    world = make_world(
        [doc("e", ENGLISH), doc("f", FRENCH)]
    )  # the model of two languages has to call French one of them
    keep = {"model": model, "keep": ["de", "en"], "min_score": 0.0}
    assert world.judge("language", **keep) == {"e": None, "f": None}
    assert world.judge("language", second_opinion=True, **keep) == {"e": None, "f": "language-disputed"}


def test_py3langid_can_be_the_only_opinion_and_needs_no_file(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_LID_MODEL", "absent.bin")
    world = make_world([doc("e", ENGLISH), doc("f", FRENCH), doc("none", "")])
    artifact = world.build("language", model="py3langid", min_score=0.2)
    assert world.verdicts(artifact) == {"e": None, "f": "wrong-language", "none": "wrong-language"}
    with pytest.raises(RecipeError, match="`model` names already"):
        world.build("language", model="py3langid", second_opinion=True)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"keep": ["eng"]}, "unknown language `eng` in `keep`; did you mean `en`"),
        ({"keep": []}, "no language is kept"),
        ({"min_score": 65}, "min_score"),
        ({"model": "absent.bin"}, "language model absent.bin does not exist"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_any_work(
    make_world: Callable[..., Any], model: str, params: Mapping[str, Any], message: str
) -> None:
    world = make_world([doc("e", ENGLISH)])
    with pytest.raises(RecipeError, match=message):
        world.build("language", **{"model": model, **params})


def test_a_file_that_is_no_model_is_refused(make_world: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "not.bin").write_bytes(b"not a model")
    with pytest.raises(RecipeError, match="expected a supervised fastText model"):
        make_world([]).build("language", model=str(tmp_path / "not.bin"))


def test_without_any_model_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURATE_LID_MODEL", raising=False)
    monkeypatch.setattr("filters.signal_sets.language.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="--no-deps"):
        find_model(None, "here")


def test_both_opinions_survive_awkward_text(model: str, awkward_text: str) -> None:
    table = pa.table({"text": text_array([awkward_text, "\0" + awkward_text, "שלום עולם"])})
    for chosen in (language_set(language_model(Path(model), "test")), second_language_set()):
        columns = compute_signals(chosen, table)
        assert ((columns["score"] >= 0) & (columns["score"] <= 1)).all()


def test_ten_million_characters_without_a_space_are_survived(model: str) -> None:
    table = pa.table({"text": text_array(["x" * 10_000_000])})
    for chosen in (language_set(language_model(Path(model), "test")), second_language_set()):
        assert np.isfinite(compute_signals(chosen, table)["score"]).all()


def opinions(texts: list[str], chosen: Any) -> tuple[list[str], Columns]:
    columns = compute_signals(chosen, pa.table({"text": text_array(texts)}))
    codes = ("none", *chosen.params["languages"])
    return [codes[int(best) + 1] for best in columns["best"]], columns


def test_the_compiled_second_opinion_is_that_of_its_package(awkward_text: str) -> None:
    langid = import_module("py3langid.langid")
    slow = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    texts = [
        ENGLISH,
        GERMAN,
        FRENCH,
        "ЭТО ТЕКСТ",
        "ข้อความภาษาไทย",
        "e\u0301te\u0301 " * 5,
        awkward_text + " and more words",
    ]
    codes, columns = opinions(texts, second_language_set())
    expected = [slow.classify(text) for text in texts]
    assert codes == [code for code, _ in expected]
    assert columns["score"] == pytest.approx([score for _, score in expected], abs=1e-4)


def pool_documents(source: str, most: int) -> list[dict[str, Any]]:
    zstandard = import_module("zstandard")
    path = Path(os.environ.get("CURATE_SHARED", "../shared")) / "pool" / source / "dev-00000.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"no shared pool at {path}")
    with path.open("rb") as stream:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(stream), encoding="utf-8")
        return [json.loads(line) for line in lines][:: max(1, 13_046 // most) if source == "multi_docs" else 1][:most]


@pytest.mark.parametrize(
    ("source", "least"), [("multi_docs", 0.9), ("multi_books", 1.0), ("legal_de", 0.99), ("gov_web", 0.99)]
)
def test_real_slices_are_told_by_their_language(source: str, least: float, lid176: str) -> None:
    first = language_set(language_model(Path(lid176), "test"))
    known = set(first.params["languages"]) & set(second_language_set().params["languages"])  # type: ignore[arg-type]
    found = [item for item in pool_documents(source, 800) if language_of(item) in known and len(item["text"]) >= 200]
    expected = [language_of(item) for item in found]
    texts = [item["text"][:5000] for item in found]
    for chosen in (first, second_language_set()):
        codes, _ = opinions(texts, chosen)
        assert np.mean([code == truth for code, truth in zip(codes, expected, strict=True)]) >= least


def language_of(item: Mapping[str, Any]) -> str:
    return str(item.get("lang") or "").replace("_", "-").partition("-")[0].lower()


def test_the_compiled_reader_gives_the_library_s_language_and_probability(lid176: str) -> None:
    import fasttext

    path = Path(lid176)
    texts = [
        "Guten Morgen, wie geht es dir heute?",
        "Bonjour à tous les amis",
        "今日はとても良い天気です",
        "the\nold harbour",
        "x",
    ]
    model = language_model(path, "test")
    found = language_set(model).compute(pa.table({"text": text_array(texts)}))
    library = fasttext.load_model(str(path))
    for (best, score), text in zip(found.tolist(), texts, strict=True):
        labels, chances = library.predict(text.replace("\n", " "))
        assert model.codes[int(best)] == labels[0].removeprefix("__label__")
        assert score == pytest.approx(min(1.0, float(chances[0])), abs=1e-5)
