"""A published corpus is a data set: `datasets` and Croissant read every config, and the card's numbers are theirs."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from curation.batches import GROUP_BYTES
from curation.publishing.described import SAMPLE_DOCS, _drawn
from tests.curation.publishing.conftest import Built, curate

CONFIGS = ("default", "sample", "removed")
PLACES = {"default": "data", "sample": "sample", "removed": "removed"}


def rows(built: Built, config: str) -> list[dict[str, Any]]:
    paths = sorted((built.out / PLACES[config]).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the library `datasets` with a cache of its own and no network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    return datasets


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_loads_whole_and_as_a_stream_with_the_types_of_the_card(
    built: Built, offline: Any, config: str
) -> None:
    loaded = offline.load_dataset(str(built.out), config, split="train")
    stream = offline.load_dataset(str(built.out), config, split="train", streaming=True)
    assert loaded.to_list() == list(stream) == rows(built, config)
    assert loaded.features == stream.features
    assert stream.num_shards == len(list((built.out / PLACES[config]).glob("*.parquet")))


def test_the_stream_goes_on_where_its_state_says(built: Built, offline: Any) -> None:
    stream = offline.load_dataset(str(built.out), split="train", streaming=True)
    reading = iter(stream)
    first = [next(reading)["id"] for _ in range(70)]
    again = offline.load_dataset(str(built.out), split="train", streaming=True)
    again.load_state_dict(stream.state_dict())
    assert first + [row["id"] for row in again] == [row["id"] for row in rows(built, "default")]


def test_the_card_names_configs_size_languages_and_counts_licences_by_source(built: Built) -> None:
    _, front, body = (built.out / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(front)
    found = rows(built, "default")
    assert [entry["config_name"] for entry in told["configs"]] == list(CONFIGS)
    assert told["size_categories"] == ["n<1K"]
    assert sorted(told["language"]) == ["de", "en"]
    assert told["license"] == "other"
    examples = {entry["config_name"]: entry["splits"][0]["num_examples"] for entry in told["dataset_info"]}
    assert examples == {config: len(rows(built, config)) for config in CONFIGS}
    for (source, name), number in Counter((row["source"], row["license"] or "unknown") for row in found).items():
        assert f"| {source} | {name} | {number:,} | {number / len(found):.2%} |" in body


def test_the_dropped_documents_are_those_that_the_funnel_counts_and_none_of_the_panel(built: Built) -> None:
    found = rows(built, "removed")
    funnel = json.loads((built.out / "funnel.json").read_text())
    counted = {
        (step["step"], reason): number["docs"]
        for step in funnel if step["step"] not in ("ingest", "panel split")
        for reason, number in step["reasons"].items() if number["docs"]
    }  # fmt: skip
    assert Counter((row["step"], row["reason"]) for row in found) == counted
    assert counted
    texts = {json.loads(line)["text"] for line in built.pool.read_text().splitlines()}
    assert {row["text"] for row in found} <= texts
    assert not {row["id"] for row in found} & {row["id"] for row in rows(built, "default")}


def test_the_sample_is_drawn_from_the_corpus_and_stays_small() -> None:
    import numpy as np

    drawn = _drawn(np.full(50_000, 2_000, np.int64))
    assert len(np.unique(drawn)) == SAMPLE_DOCS
    assert abs(float(drawn.mean()) / 50_000 - 0.5) < 0.05
    assert len(_drawn(np.full(10_000, 2_000_000, np.int64))) == 4
    assert len(_drawn(np.array([90_000_000], np.int64))) == 1


def test_every_shard_has_a_page_index_and_row_groups_within_the_limit(built: Built) -> None:
    for path in built.out.glob("*/*.parquet"):
        if pq.read_metadata(path).num_rows == 0:
            continue
        column = pq.read_metadata(path).row_group(0).column(1)
        assert (column.has_offset_index, column.has_column_index) == (True, True)
        for group in range(pq.read_metadata(path).num_row_groups):
            assert pq.read_metadata(path).row_group(group).column(1).total_uncompressed_size < 2 * GROUP_BYTES


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_croissant_is_valid_and_its_records_are_the_documents(built: Built) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    found = mlcroissant.Dataset(str(built.out / "croissant.json"))
    assert found.metadata.issues.errors == set()
    for config in CONFIGS:
        texts = [record[f"{config}/text"].decode() for record in found.records(config)]
        assert sorted(texts) == sorted(row["text"] for row in rows(built, config))


def test_croissant_lists_the_digest_of_every_file_licences_and_what_it_was_made_from(built: Built) -> None:
    told = json.loads((built.out / "croissant.json").read_text())
    listed = {item["@id"]: item["sha256"] for item in told["distribution"] if item["@type"] == "cr:FileObject"}
    there = {
        path.relative_to(built.out).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in built.out.glob("*/*.parquet")
    }
    assert listed == there
    assert told["license"] == ["CC-BY-4.0", "MIT", "unknown"]
    inputs = json.loads((built.out / "manifest.json").read_text())["inputs"]
    assert told["prov:wasDerivedFrom"] == sorted({f"urn:sha256:{value}" for value in inputs.values()})


def test_the_published_recipe_makes_the_same_corpus_of_the_same_pool(built: Built, tmp_path: Path) -> None:
    words = ("--pool", built.pool, "--store", built.store, "--out", tmp_path / "again", "-q")
    assert curate("build", built.out / "recipe.json", *words) == 0
    assert json.loads((tmp_path / "again/manifest.json").read_text())["fingerprint"] == built.fingerprint
