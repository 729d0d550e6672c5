"""Fitted tag models: k-means against a slow twin, determinism, names, refusals, and pools tagged with them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from curation.batches import text_array
from curation.errors import CurateError, PluginError, RecipeError, ShardError
from curation.ingest import ensure_pool, known_pool
from curation.nodes import Planner
from curation.progress import SilentProgress
from curation.randomness import generator, stable_hash
from curation.recipe import PoolSpec, validate
from curation.sources.taggers import ModelTagger, find_model
from curation.store import Store
from curation.tags.fitting import fit_tags, k_means
from curation.tags.model import TagModel, read_model, write_model
from curation.tags.names import cluster_names, top_words
from curation.tags.settings import FitSettings

TOPICS = {
    "cooking": "oven butter flour recipe simmer garlic onion saucepan whisk dough",
    "sailing": "harbour anchor mast rudder windward regatta keel spinnaker tiller buoy",
    "algebra": "matrix lemma theorem kernel eigenvalue isomorphism basis quotient ideal ring",
    "garden": "посев грядка рассада полив урожай теплица огурец томат корень почва",
}
SMALL = {"clusters": 4, "dims": 8, "buckets": 4096, "starts": 3, "rounds": 20}


def records(per_topic: int = 30, seed: int = 0) -> list[dict[str, str]]:
    draw = random.Random(seed)
    common = "the of and a in to with for on by".split()
    return [
        {"text": " ".join(draw.choices(words.split() + common, k=40)), "slice": name}
        for _ in range(per_topic)
        for name, words in TOPICS.items()
    ]


def write(path: Path, docs: list[dict[str, str]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(doc) + "\n" for doc in docs), encoding="utf-8")
    return str(path)


def fitted(store: Store, *paths: str, workers: int = 1, **settings: int) -> TagModel:
    pool = ensure_pool(store, PoolSpec(path=paths), workers=workers, progress=SilentProgress())
    return fit_tags(pool, FitSettings(**{**SMALL, **settings}), SilentProgress(), against="slice")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tags")
    found = fitted(Store.open(folder / "store"), write(folder / "docs.jsonl", records()))
    write_model(folder / "m.tags", found)
    return folder / "m.tags"


def test_k_means_assigns_as_a_slow_twin_does() -> None:
    rows = np.random.default_rng(3).standard_normal((120, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    settings = FitSettings(clusters=5, starts=2, rounds=40)
    best: tuple[float, list[int]] | None = None
    for start in range(2):
        stream = generator(stable_hash("tags", "k-means", 0, start), "spherical k-means")
        sample = rows[np.sort(stream.choice(120, 120, replace=False))].astype(float).tolist()
        distinct = np.sort(np.unique(np.array(sample), axis=0, return_index=True)[1])
        centres = [sample[i] for i in np.sort(stream.choice(distinct, 5, replace=False))]
        for _ in range(40):
            sums = [[0.0] * 6 for _ in range(5)]
            for row in sample:
                cosines = [sum(a * b for a, b in zip(row, centre, strict=True)) for centre in centres]
                nearest = cosines.index(max(cosines))
                sums[nearest] = [a + b for a, b in zip(sums[nearest], row, strict=True)]
            centres = [[a / sum(b * b for b in total) ** 0.5 for a in total] for total in sums]
        found, objective = [], 0.0
        for row in rows.tolist():
            cosines = [sum(a * b for a, b in zip(row, centre, strict=True)) for centre in centres]
            found.append(cosines.index(max(cosines)))
            objective += max(cosines) / 120
        if best is None or objective > best[0]:
            best = (objective, found)
    runs = k_means(rows, settings)
    assert best is not None
    assert max(runs.objectives) == pytest.approx(best[0], abs=1e-5)
    assert (rows @ runs.centroids.T).argmax(axis=1).tolist() == best[1]


def test_planted_topics_are_found_and_named_by_their_words(model: Path) -> None:
    found = read_model(model, "test")
    measures = found.header.measures
    assert measures["against"]["ari"] == 1.0
    assert measures["stability_ari_mean"] > 0.5
    words = {name: set(text.split()) for name, text in TOPICS.items()}
    for cluster in found.header.clusters:
        (topic,) = measures["against"]["table"][cluster.name]
        assert set(cluster.words[:3]) <= words[topic]
        assert cluster.name == "topic-cyrillic" if topic == "garden" else set(cluster.name.split("-")) <= words[topic]


def test_the_same_documents_give_the_same_bytes_whatever_files_and_workers(tmp_path: Path) -> None:
    docs = records()
    one = fitted(Store.open(tmp_path / "a"), write(tmp_path / "one.jsonl", docs))
    halves = (write(tmp_path / "x.jsonl", docs[70:]), write(tmp_path / "b.jsonl", docs[:70]))
    two = fitted(Store.open(tmp_path / "b"), *halves, workers=2)
    write_model(tmp_path / "1", one)
    write_model(tmp_path / "2", two)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_sample_is_bounded_and_does_not_depend_on_the_rest_of_the_settings(tmp_path: Path, store: Store) -> None:
    path = write(tmp_path / "docs.jsonl", records(40))
    samples = [fitted(store, path, sample_docs=100, dims=dims).header.fit for dims in (4, 8)]
    assert [(fit["sample_docs"], fit["pool_docs"]) for fit in samples] == [(100, 160)] * 2
    assert samples[0]["sample_digest"] == samples[1]["sample_digest"]


def test_names_differ_and_are_safe_as_file_names() -> None:
    words = [["naïve", "a/b", "théorie"], ["naïve", "theorie"], ["港口"], [], ["x" * 40]]
    names = cluster_names(words, ["", "", "港口是由来自北方的人们建造的他们来此与邻居进行贸易往来", "1 2", ""])
    assert names == ("naive-theorie", "naive-theorie-2", "topic-cjk", "topic-other", "topic-other-2")
    assert top_words([["the sea", "the sea"], ["the land"]])[0] == ["sea"]


def test_a_pool_has_the_tags_as_slices_and_hostile_texts_the_default_one(
    model: Path, tmp_path: Path, store: Store
) -> None:
    hostile = ["?", "\U0001f600" * 200, "… — !!", "港口", "7"]
    docs = [{"text": text} for text in hostile] + [{"text": item["text"]} for item in records(20, seed=9)]
    spec = PoolSpec(path=(write(tmp_path / "p.jsonl", docs),), tagger=f"kmeans:{model}", default_slice="rest")
    pool = ensure_pool(store, spec, workers=2, progress=SilentProgress())
    slices = cast("dict[str, dict[str, int]]", pool.summary["slices"])
    assert {name: counts["docs"] for name, counts in slices.items()} == {
        "rest": len(hostile), **dict.fromkeys(read_model(model, "test").names, 20)
    }  # fmt: skip


def test_a_tag_is_the_same_alone_in_a_prefix_and_in_any_order(model: Path) -> None:
    tagger = find_model(f"kmeans:{model}", "test")
    texts = [doc["text"] for doc in records(5, seed=4)] + ["x" * 1_000_000, ""]
    whole = tagger.column(text_array(texts))[0].tolist()
    assert [tagger.tag(text, None) for text in texts] == [tagger.tags[i] if i >= 0 else None for i in whole]
    assert tagger.column(text_array(texts[:7]))[0].tolist() == whole[:7]
    assert tagger.column(text_array(texts[::-1]))[0].tolist() == whole[::-1]


def test_the_pool_is_known_by_the_models_bytes_and_not_by_its_path(model: Path, tmp_path: Path, store: Store) -> None:
    path = write(tmp_path / "p.jsonl", records(5))
    moved = tmp_path / "moved" / "other.tags"
    moved.parent.mkdir()
    moved.write_bytes(model.read_bytes())
    spec = PoolSpec(path=(path,), tagger=f"kmeans:{model}")
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    known = known_pool(store, spec.model_copy(update={"tagger": f"kmeans:{moved}"}))
    assert known is not None
    assert known.fingerprint == pool.fingerprint
    assert known_pool(store, spec.model_copy(update={"tagger": f"kmeans:{moved}?threshold=0.5"})) is None
    write_model(moved, fitted(store, write(tmp_path / "d.jsonl", records()), seed=5))
    assert known_pool(store, spec.model_copy(update={"tagger": f"kmeans:{moved}"})) is None


def test_a_model_that_changes_while_it_tags_is_refused(model: Path, tmp_path: Path, store: Store) -> None:
    own = tmp_path / "own.tags"
    own.write_bytes(model.read_bytes())
    spec = PoolSpec(path=(write(tmp_path / "p.jsonl", records(5)),), tagger=f"kmeans:{own}")

    class Rewriting(SilentProgress):
        def task(self, label: str, total: float | None = None) -> object:  # type: ignore[override]
            if label == "partition":
                write_model(own, fitted(Store.open(tmp_path / "s"), write(tmp_path / "d.jsonl", records()), seed=5))
            return super().task(label, total)

    with pytest.raises(ShardError, match=r"own\.tags: the model changed while it tagged"):
        ensure_pool(store, spec, workers=1, progress=Rewriting())


def test_a_threshold_leaves_the_default_slice(model: Path) -> None:
    tagger = find_model(f"kmeans:{model}?threshold=0.999", "test")
    tags, cosine = tagger.column(text_array([doc["text"] for doc in records(10, seed=2)]))
    assert (tags >= 0).tolist() == (cosine >= np.float32(0.999)).tolist()
    assert (tags < 0).any()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"", "is no tag model, or is damaged"),
        (lambda data: data[:-40], "is no tag model, or is damaged"),
        (lambda data: data[:-4] + b"\1\1\1\1", "is damaged: its digest"),
        (lambda data: data.replace(b'\\"format\\":1', b'\\"format\\":7'), "is of format 7 .* reads format 1"),
        (lambda data: data.replace(b"tag-features@1", b"tag-features@9"), "with tag-features@9"),
        (lambda data: data.replace(b"curate-tags", b"curate-togs"), "safetensors file but no tag model"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_model_is_one_error_with_its_file_and_a_remedy(
    model: Path, tmp_path: Path, spoil: object, said: str
) -> None:
    path = tmp_path / "bad.tags"
    path.write_bytes(spoil(model.read_bytes()))  # type: ignore[operator]
    with pytest.raises(PluginError, match=rf"bad\.tags: .*{said}(?s:.*)`curate tags fit`"):
        find_model(f"kmeans:{path}", "pool.tagger")


@pytest.mark.parametrize(
    ("tagger", "said"),
    [
        ("kmeans:gone.tags", "gone.tags: no such tag model; give the file that `curate tags fit"),
        ("kmeans:gone.tags?threshold=2", "threshold is `2`, expected a number from 0 to 1"),
        ("kmeans:gone.tags?treshold=0.2", "unknown setting `treshold`; did you mean `threshold`"),
    ],
)
def test_a_wrong_uri_is_one_error_before_any_work(tmp_path: Path, store: Store, tagger: str, said: str) -> None:
    spec = PoolSpec(path=(write(tmp_path / "p.jsonl", records(5)),), tagger=tagger)
    with pytest.raises(CurateError) as raised:
        ensure_pool(store, spec, workers=1, progress=SilentProgress())
    assert said in str(raised.value)


def test_an_unknown_scheme_or_a_missing_path_is_refused_with_the_recipe() -> None:
    for tagger in ("kmean:m.tags", "kmeans:"):
        with pytest.raises(RecipeError, match=r"unknown tagger .*kmeans:PATH"):
            validate(PoolSpec, {"path": "x", "tagger": tagger}, "pool")


def test_too_few_documents_and_an_unknown_column_are_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(RecipeError, match="20 of 20 documents of the sample .* at least 40 for 4 clusters"):
        fitted(store, write(tmp_path / "few.jsonl", records(5)))
    pool = ensure_pool(store, PoolSpec(path=(str(tmp_path / "few.jsonl"),)), workers=1, progress=SilentProgress())
    with pytest.raises(RecipeError, match="--against slise: .*did you mean `slice`"):
        fit_tags(pool, FitSettings(clusters=2), SilentProgress(), against="slise")


def test_tagging_a_pool_goes_on_where_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, store: Store
) -> None:
    from curation.ingest import pool_node
    from curation.tags.apply import tags_node

    for module in ("collect", "partitions"):
        monkeypatch.setattr(f"curation.sources.{module}.num_partitions", lambda _: 4)
    spec = PoolSpec(path=(write(tmp_path / "p.jsonl", records(10)),))
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    real = find_model(f"kmeans:{model}", "test")
    asked: list[object] = []
    done: list[object] = []

    def column(texts: object) -> object:
        asked.append(texts)
        if len(asked) == 3:
            raise KeyboardInterrupt
        done.append(texts)
        return real.column(texts)

    tagger = ModelTagger(identity="t", tags=real.tags, column=column, confidence="", about={})  # type: ignore[arg-type]
    planner = Planner(store=store, workers=1, progress=SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        planner.materialise(tags_node(pool_node(pool), tagger))
    assert len(done) in (2, 3)  # the last part may have been on its way
    planner.materialise(tags_node(pool_node(pool), tagger))
    assert len(done) == 4
