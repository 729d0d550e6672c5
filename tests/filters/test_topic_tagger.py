"""Topics by fastText: models of many labels trained from labelled documents, and pools tagged with them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from curation.batches import text_array
from curation.cli import main
from curation.errors import CurateError
from curation.ingest import ensure_pool, known_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.sources.taggers import find_model
from curation.store import Store
from filters.models.train_topics import TopicSettings, read_topics

WORDS = {name: [f"{name}{i}" for i in range(40)] for name in ("news", "how to", "forum")}
SMALL = ("--set", "dim=8", "--set", "buckets=1000", "--set", "min_fit_bytes=0", "--set", "epochs=20")
Train = Callable[..., tuple[int, str, str]]


def documents(number: int, seed: int) -> list[dict[str, str]]:
    draw = random.Random(seed)
    return [
        {"text": " ".join(draw.choices(words, k=30)), "topic": name}
        for name, words in WORDS.items()
        for _ in range(number)
    ]


def write(path: Path, docs: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(doc) + "\n" for doc in docs), encoding="utf-8")
    return path


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Train:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["classifier", "train", *map(str, arguments), "--quiet", "--store", str(tmp_path / "store")])
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def model(train: Train, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    docs = write(tmp_path / "docs.jsonl", documents(40, 1))
    out = tmp_path / "topics.curate-classifier"
    code, stdout, stderr = train("--labelled", docs, "--label-field", "topic", "--out", out, *SMALL, "--json")
    assert code == 0, stderr
    return out, json.loads(stdout)


def test_three_labels_are_trained_measured_and_reproduced_bit_by_bit(
    model: tuple[Path, dict[str, Any]], train: Train, tmp_path: Path
) -> None:
    out, card = model
    assert card["labels"] == ["__label__forum", "__label__how_to", "__label__news"]
    assert card["held_out"]["accuracy"] == 1.0
    assert card["held_out"]["num_docs"] == 15
    again = tmp_path / "again.curate-classifier"
    docs = write(tmp_path / "turned.jsonl", documents(40, 1)[::-1])
    assert train("--labelled", docs, "--label-field", "topic", "--out", again, *SMALL)[0] == 0
    assert (again / "model.bin").read_bytes() == (out / "model.bin").read_bytes()


def test_a_pool_has_the_labels_as_slices_and_the_model_counts_by_its_bytes(
    model: tuple[Path, dict[str, Any]], tmp_path: Path, store: Store
) -> None:
    out, _ = model
    docs = [{"text": doc["text"]} for doc in documents(12, 7)] + [
        {"text": "1 2 3 news1"},
        {"text": "\U0001f600"},
    ]
    spec = PoolSpec(path=(str(write(tmp_path / "p.jsonl", docs)),), tagger=f"fasttext:{out}", default_slice="rest")
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    slices = cast("dict[str, dict[str, int]]", pool.summary["slices"])
    assert {name: own["docs"] for name, own in slices.items()} == {"forum": 12, "how_to": 12, "news": 12, "rest": 2}
    moved = shutil.copytree(out, tmp_path / "moved")
    assert known_pool(store, spec.model_copy(update={"tagger": f"fasttext:{moved}"})) is not None
    assert known_pool(store, spec.model_copy(update={"tagger": f"fasttext:{moved}?threshold=0.9"})) is None


def test_a_tag_is_the_same_alone_and_in_a_column_and_a_threshold_leaves_none(
    model: tuple[Path, dict[str, Any]],
) -> None:
    out, _ = model
    texts = [doc["text"] for doc in documents(4, 3)] + ["", "news1 how to1 forum1", "x" * 1_000_000]
    tagger = find_model(f"fasttext:{out}", "test")
    tags, confidence = tagger.column(text_array(texts))
    assert [tagger.tag(text, None) for text in texts] == [tagger.tags[i] if i >= 0 else None for i in tags.tolist()]
    strict = find_model(f"fasttext:{out}?threshold=0.99", "test").column(text_array(texts))[0]
    assert (strict >= 0).tolist() == (confidence >= 0.99).tolist()
    assert (strict < 0).any()


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("fasttext:gone.bin", "gone.bin: no such file; give the path of a fastText model"),
        ("fasttext:{out}?threshold=x", "threshold is `x`, expected a number from 0 to 1"),
        ("fasttext:{out}?normalize=raw@1", "was trained on text normalised by `dclm@1`, not `raw@1`"),
        ("fasttext:{out}?label=news", "unknown setting `label`"),
    ],
)
def test_a_wrong_tagger_is_one_error(model: tuple[Path, dict[str, Any]], uri: str, said: str) -> None:
    with pytest.raises(CurateError) as raised:
        find_model(uri.format(out=model[0]), "pool.tagger")
    assert said in str(raised.value)


def test_a_model_of_topics_as_a_filter_asks_for_its_label(model: tuple[Path, dict[str, Any]]) -> None:
    from filters.models.card import choose_model

    with pytest.raises(CurateError, match="no `label` given .* its labels are __label__"):
        choose_model(model[0], "stages[0]")
    assert choose_model(model[0], "stages[0]", label="__label__news").label == "__label__news"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--labelled", "{docs}"), "the documents have 1 label (all), expected at least two; name the field"),
        (("--labelled", "{docs}", "--positive", "{docs}"), "--labelled beside --positive"),
        (("--positive", "{docs}"), "no --negative; expected both, or --labelled PATHS"),
        (("--labelled", "{few}", "--label-field", "topic"), "forum has 4"),
    ],
)
def test_training_refuses_what_it_cannot_fit(
    train: Train, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = {
        "docs": write(tmp_path / "d.jsonl", documents(30, 1)),
        "few": write(tmp_path / "f.jsonl", documents(9, 1)),
    }
    code, _, stderr = train(*(item.format(**places) for item in arguments), "--out", tmp_path / "m", *SMALL)
    assert code == 2
    assert said in " ".join(stderr.split())


def test_a_document_under_two_labels_is_fitted_under_none(tmp_path: Path, store: Store) -> None:
    docs = [*documents(30, 1), *({"text": "the same text twice", "topic": name} for name in ("news", "forum"))]
    spec = PoolSpec(path=(str(write(tmp_path / "p.jsonl", docs)),), slice="topic")
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    topics = read_topics(pool, TopicSettings(), SilentProgress())
    assert topics.num_in_two == 1
    assert sum(map(len, [*topics.fitted.values(), *topics.held_out.values()])) == 90
