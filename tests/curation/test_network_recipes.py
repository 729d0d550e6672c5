"""Recipes for people with a network, without one: a local Hub and local folders behind the protocols, true layouts."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fsspec.implementations.local import LocalFileSystem

from curation.recipe import load_recipe
from curation.sources.survey import survey
from tests.curation.hub_client import hub
from tests.curation.hub_server import Hub
from tests.curation.publishing.conftest import WORDS, curate

__all__ = ["hub"]
RECIPES = ("fineweb-sample", "dclm-pool-sample", "dolma-sample", "common-crawl")
REGISTRY = sys.modules["fsspec.registry"]._registry  # `fsspec.registry` itself is a view of it
SMALL = ("--set", "panel.bytes_per_slice=2000", "--set", "stages=[{dedup: exact}]", "-q")


def prose(seed: int) -> str:
    rng = random.Random(seed)
    return "\n".join(" ".join(rng.choices(WORDS, k=12)).capitalize() + "." for _ in range(6))


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def fineweb(file: int) -> bytes:
    return parquet(
        [
            {
                "text": prose(100 * file + row), "id": f"<urn:uuid:{file}-{row}>", "dump": "CC-MAIN-2021-43",
                "url": f"https://s{row}.example/{file}", "date": "2021-10-22T00:00:00Z", "file_path": "s3://x.warc.gz",
                "language": "en", "language_score": 0.9, "token_count": 72,
            }
            for row in range(20)
        ]
    )  # fmt: skip


def dclm(file: int) -> bytes:
    rows = [
        {"text": prose(5000 + 100 * file + row), "url": f"https://d{row}.example/{file}", "warcinfo": "isPartOf: CC",
         "metadata": {"WARC-Type": "response"}, "language_id_whole_page_fasttext": {"en": 0.9}}
        for row in range(20)
    ]  # fmt: skip
    return zstandard.compress(jsonl(rows))


def dolma(file: int) -> bytes:
    rows = [
        {"id": f"{file}-{row}", "text": prose(9000 + 100 * file + row), "source": "c4" if row % 2 else "reddit",
         "added": "2023-01-01", "created": "2020-01-01", "metadata": {"url": f"https://o{row}.example"}}
        for row in range(20)
    ]  # fmt: skip
    return gzip.compress(jsonl(rows), mtime=0)


def warc(file: int) -> bytes:
    members = []
    for row in range(20):
        page = f"<html><body><article><p>{prose(20000 + 100 * file + row)}</p></article></body></html>".encode()
        body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
        head = (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://w{row}.example/{file}\r\n"
            f"WARC-Date: 2024-02-21T00:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        members.append(gzip.compress(head.encode() + body + b"\r\n\r\n", mtime=0))
    return b"".join(members)


@pytest.fixture
def network(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The places that the recipes name, with made-up documents: a Hub, and https:// as folders."""
    root = tmp_path / "https"

    class Web(LocalFileSystem):
        protocol = "https"
        cachable = False

        @classmethod
        def _strip_protocol(cls, path: Any) -> str:
            return str(root / str(path).removeprefix("https://")) if "https://" in str(path) else str(path)

    monkeypatch.setitem(REGISTRY, "https", Web)
    hub.commit("HuggingFaceFW/fineweb", "main", {f"sample/10BT/{n:03d}_00000.parquet": fineweb(n) for n in range(5)})
    shards = {f"CC_shard_{number:08d}.jsonl.zst": dclm(number) for number in range(5)}
    hub.commit("mlfoundations/dclm-pool-400m-1x", "main", {**shards, "README.md": b"---\nlicense: cc-by-4.0\n---\n"})
    base = "https://olmo-data.org/dolma-v1_6-8B-sample"
    names = [f"v1_5r2_sample-{number:04d}.json.gz" for number in range(8)]
    hub.commit("allenai/dolma", "main", {"urls/v1_6-sample.txt": "\n".join(f"{base}/{n}" for n in names).encode()})
    paths = [f"crawl-data/CC-MAIN-2024-10/segments/17/warc/CC-MAIN-{number:05d}.warc.gz" for number in range(5)]
    listed = {"crawl-data/CC-MAIN-2024-10/warc.paths.gz": gzip.compress("\n".join(paths).encode())}
    pages = {f"data.commoncrawl.org/{name}": data for name, data in listed.items()}
    pages |= {f"data.commoncrawl.org/{name}": warc(number) for number, name in enumerate(paths)}
    pages |= {f"olmo-data.org/dolma-v1_6-8B-sample/{name}": dolma(number) for number, name in enumerate(names)}
    for name, data in pages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return hub


def plan(capsys: pytest.CaptureFixture[str], store: Path, *words: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = curate("build", *words, "--dry-run", "--json", "--store", store)
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err


@pytest.mark.parametrize(
    ("name", "files", "columns"),
    [
        ("fineweb-sample", 2, ["text", "id", "dump", "url", "date", "file_path", "language", "language_score",
                               "token_count"]),
        ("dclm-pool-sample", 2, ["text", "url", "warcinfo", "metadata", "language_id_whole_page_fasttext"]),
        ("dolma-sample", 4, ["id", "text", "source", "added", "created", "metadata"]),
        ("common-crawl", 2, []),
    ],
)  # fmt: skip
def test_a_plan_says_files_bytes_columns_and_commit_and_reads_no_text(
    name: str, files: int, columns: list[str], network: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, _ = plan(capsys, tmp_path / "s", "--base", name)
    (place,) = told["reads"]["places"]
    assert (code, place["files"], told["reads"]["columns"]) == (0, files, columns)
    assert told["reads"]["bytes"] == place["bytes"] > 0
    assert "@main" not in place["pinned"]
    assert all("@" not in link or link.startswith(place["pinned"].split("@")[0]) for link in place["names"])
    assert not list((tmp_path / "s").glob("pool-*"))


@pytest.mark.parametrize("name", [RECIPES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in RECIPES[1:])])
def test_a_recipe_builds_the_same_bytes_twice(
    name: str, network: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for run in ("1", "2"):
        words = ("--store", tmp_path / f"s{run}", "--out", tmp_path / f"out{run}", *SMALL)
        assert curate("build", "--base", name, *words) == 0, capsys.readouterr().err
        made.append({path.name: path.read_bytes() for path in sorted((tmp_path / f"out{run}").glob("data/*"))})
    assert made[0] == made[1] != {}
    table = pq.read_table(next((tmp_path / "out1" / "data").iterdir()))
    assert table["text"].null_count == 0
    assert (table["url"].null_count == 0) == (name != "dolma-sample")


@pytest.mark.slow
def test_the_recipe_in_the_corpus_names_the_commit_and_builds_the_same_when_main_moved(
    network: Hub, tmp_path: Path
) -> None:
    words = ("--store", tmp_path / "s", "--out", tmp_path / "out", *SMALL)
    assert curate("build", "--base", "fineweb-sample", *words) == 0
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    commit = network.branches["HuggingFaceFW/fineweb"]["main"]
    assert recipe["pool"]["path"] == [f"hf://datasets/HuggingFaceFW/fineweb@{commit}/sample/10BT/*.parquet"]
    network.commit("HuggingFaceFW/fineweb", "main", {"sample/10BT/000_00000.parquet": fineweb(99)})
    again = ("--store", tmp_path / "s2", "--out", tmp_path / "out2", "-q")
    assert curate("build", tmp_path / "out" / "recipe.json", *again) == 0
    one, two = (tmp_path / name / "manifest.json" for name in ("out", "out2"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", RECIPES)
def test_without_a_network_the_plan_says_what_was_not_reached_and_ends_with_3(
    name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(LocalFileSystem):
        protocol = "https"
        cachable = False

        def info(self, path: str, **_: Any) -> Any:
            raise ConnectionError("no route")

        isfile = exists = info

    monkeypatch.setitem(REGISTRY, "https", Gone)
    hub.status = 503
    code, told, said = plan(capsys, tmp_path / "s", "--base", name)
    (place,) = told["reads"]["places"]
    assert code == 3
    assert place["path"] in said
    assert place["problem"] in said
    assert "Traceback" not in said


def test_a_revision_that_vanished_is_named(network: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = f"hf://datasets/HuggingFaceFW/fineweb@{'0' * 40}/sample/10BT/*.parquet"
    code, _, said = plan(capsys, tmp_path / "s", "--base", "fineweb-sample", "--set", f"pool.path={gone}")
    assert code == 2
    assert gone in said
    assert "loses its commits" in said


@pytest.mark.parametrize("path", ["sample/99BT/*.parquet", "sample/99BT"])
def test_a_listing_that_is_empty_is_an_error(
    path: str, network: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = f"hf://datasets/HuggingFaceFW/fineweb@main/{path}"
    code, _, said = plan(capsys, tmp_path / "s", "--base", "fineweb-sample", "--set", f"pool.path={wanted}")
    assert (code, "not found" in said) == (2, True)


@pytest.mark.parametrize(("name", "there"), [("fineweb-sample", "token_count"), ("dolma-sample", "metadata")])
def test_a_wrong_column_names_those_that_are_there_before_the_download(
    name: str, there: str, network: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    code = curate("build", "--base", name, "--set", "pool.text=body", "--dry-run", "--store", tmp_path / "s")
    said = capsys.readouterr().err
    assert code == 2
    assert "`body`" in said
    assert there in said


def test_a_sample_keeps_its_files_when_the_revision_changes(network: Hub) -> None:
    def chosen() -> set[str]:
        return {place.relative for place in survey(load_recipe(base="fineweb-sample").pool).places[0].files}

    before = chosen()
    network.commit("HuggingFaceFW/fineweb", "main", {**network.tree("HuggingFaceFW/fineweb"), "new.txt": b"x"})
    assert chosen() == before


def test_five_thousand_files_are_planned_with_few_questions(network: Hub) -> None:
    network.commit("HuggingFaceFW/fineweb", "main", {f"sample/10BT/{n:05d}.parquet": b"x" * n for n in range(5000)})
    from curation.sources.find import pool_inputs

    spec = load_recipe(base="fineweb-sample").pool.model_copy(update={"sample": None})
    network.asked.clear()
    assert sum(item.stored_bytes() for item in pool_inputs(spec).files) == 5000 * 4999 // 2
    assert len(network.asked) < 20
