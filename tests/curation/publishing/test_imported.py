"""Files in the layouts of FineWeb and DCLM become corpora, every document with its fields, and say where from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.curation.publishing.conftest import curate

TEXTS = [f"Document {number} says something of its own about number {number * 7}." for number in range(30)]


def fineweb(folder: Path) -> Path:
    """Write two files as FineWeb has them, below a snapshot of the Hub's cache."""
    place = folder / "datasets--HuggingFaceFW--fineweb/snapshots/abcdef0123456789/data/CC-MAIN-2024-10"
    place.mkdir(parents=True)
    for file in range(2):
        rows = [
            {
                "text": text, "id": f"<urn:uuid:{number:032x}>", "dump": f"CC-MAIN-2024-{10 + number % 2}",
                "url": f"https://x.example/{number}", "date": "2024-03-01T00:00:00Z", "file_path": "s3://c/1.warc.gz",
                "language": "en", "language_score": 0.9, "token_count": 12,
            }
            for number, text in enumerate(TEXTS) if number % 2 == file
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), place / f"000_{file:05d}.parquet")
    return place.parent.parent


def dclm(folder: Path) -> Path:
    """Write two shards as DCLM has them."""
    place = folder / "global-shard_01_of_10/local-shard_0_of_10"
    place.mkdir(parents=True)
    for file in range(2):
        rows = [
            {
                "text": text, "url": f"https://x.example/{number}", "bff_contained_ngram_count_before_dedupe": 0,
                "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob": 0.25,
                "language_id_whole_page_fasttext": {"en": 0.98}, "metadata": {"WARC-Type": "response"},
            }
            for number, text in enumerate(TEXTS) if number % 2 == file
        ]  # fmt: skip
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (place / f"shard_0000000{file}_processed.jsonl.zst").write_bytes(zstandard.compress(data))
    return folder


def imported(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[Path, Any]:
    capsys.readouterr()
    assert curate("import-corpus", *words, "-q", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    return Path(value["path"]), value["summary"]


def rows(corpus: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(corpus.glob("data/*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_fineweb_comes_whole_with_ids_dumps_and_the_revision_of_the_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (fineweb(tmp_path), "--id", "id", "--slice", "dump", "--store", tmp_path / "s")
    corpus, summary = imported(capsys, *words)
    assert sorted(row["text"] for row in rows(corpus)) == sorted(TEXTS)
    assert {row["id"] for row in rows(corpus)} == {f"<urn:uuid:{number:032x}>" for number in range(30)}
    assert json.loads(rows(corpus)[0]["meta"])["token_count"] == 12
    assert {name: held["docs"] for name, held in summary["slices"].items()} == {
        "CC-MAIN-2024-10": 15, "CC-MAIN-2024-11": 15,
    }  # fmt: skip
    assert summary["imported"] == {"origin": "hf://datasets/HuggingFaceFW/fineweb", "revision": "abcdef0123456789"}


def test_dclm_comes_whole_with_its_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (dclm(tmp_path / "pool"), "--origin", "DCLM", "--revision", "v1", "--store", tmp_path / "s")
    corpus, summary = imported(capsys, *words)
    assert sorted(row["text"] for row in rows(corpus)) == sorted(TEXTS)
    assert (
        json.loads(rows(corpus)[0]["meta"])["fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob"] == 0.25
    )
    assert summary["imported"] == {"origin": "DCLM", "revision": "v1"}
    assert (summary["num_docs"], summary["num_bytes"]) == (30, sum(map(len, TEXTS)))


def test_the_chain_of_an_imported_corpus_holds_and_it_is_published_as_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, _ = imported(capsys, dclm(tmp_path / "pool"), "--store", tmp_path / "s")
    assert curate("publish", corpus, tmp_path / "out", "--store", tmp_path / "s", "-q") == 0
    capsys.readouterr()
    assert curate("show", tmp_path / "out", "--provenance", "--store", tmp_path / "s", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (pool,) = [link for link in told["links"].values() if link["kind"] == "pool"]
    assert len(pool["files"]) == 2
    assert (tmp_path / "out/README.md").read_text().startswith("---\npretty_name: corpus-")


def test_without_a_panel_training_asks_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, _ = imported(capsys, dclm(tmp_path / "pool"), "--store", tmp_path / "s")
    assert curate("train", corpus, "--tier", "pico-0.1x", "--epochs", "9999", "--store", tmp_path / "s") == 2
    assert "--panel" in capsys.readouterr().err


def test_a_wrong_column_of_text_is_one_block_with_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (dclm(tmp_path / "pool"), "--text", "body", "--store", tmp_path / "s", "-q")
    assert curate("import-corpus", *words) == 2
    assert "body" in capsys.readouterr().err
    assert not list((tmp_path / "s").glob("corpus-*/manifest.json"))
