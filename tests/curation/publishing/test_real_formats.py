"""Corpora of web archives and of publications: their chain holds, and half of a corpus is not taken for all of it."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.curation.publishing.conftest import Built, curate

SENTENCE = "The harbour of place {0} was built in the year {0} by people who carried stone number {0} from the hill."


def write_archive(path: Path, num_pages: int) -> None:
    """Write a WARC of pages with main text, and one page of an error; each record packed alone."""
    with path.open("wb") as file:
        for number in range(num_pages + 1):
            lines = "".join(f"<p>{SENTENCE.format(number * 1000 + line)}</p>" for line in range(6))
            body = f"<html><head><title>Harbour {number}</title></head><body><article>{lines}</article></body></html>"
            status = "404 Not Found" if number == num_pages else "200 OK"
            http = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}".encode()
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://h{number}.example/\r\n"
                f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{number:032x}>\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + http + b"\r\n\r\n", mtime=0))


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A corpus of the pages of one archive."""
    folder = tmp_path_factory.mktemp("archived")
    write_archive(folder / "a.warc.gz", 30)
    found = Built(pool=folder / "a.warc.gz", store=folder / "store", out=folder / "out")
    words = ("--pool", found.pool, "--store", found.store, "--out", found.out, "-q", "--workers", "1")
    assert curate("build", *words, "--set", "stages=[]", "--set", "panel.bytes_per_slice=2000") == 0
    return found


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    capsys.readouterr()
    assert curate("show", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("with_store", [True, False])
def test_the_chain_of_a_web_archives_corpus_holds_with_its_store_and_by_its_record(
    archived: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str], with_store: bool
) -> None:
    store = archived.store if with_store else tmp_path / "empty"
    told = shown(capsys, archived.out, "--provenance", "--store", store)
    (pool,) = [link for link in told["links"].values() if link["kind"] == "pool"]
    assert (told["ok"], pool["state"]) == (True, "verified" if with_store else "recorded")


def test_a_documents_place_leads_by_the_chain_to_its_file(archived: Built, capsys: pytest.CaptureFixture[str]) -> None:
    from pyarrow import parquet

    told = shown(capsys, archived.out, "--provenance", "--store", archived.store)
    (pool,) = [link for link in told["links"].values() if link["kind"] == "pool"]
    (path,) = archived.out.glob("data/*.parquet")
    place = json.loads(parquet.read_table(path)["meta"][0].as_py())["place"]
    assert [file["name"] for file in pool["files"] if file["sha256"].startswith(place["file"])] == [str(archived.pool)]


@pytest.mark.parametrize("command", [("import-corpus",), ("build", "--pool"), ("train",)])
def test_a_publication_without_its_manifest_is_refused(
    archived: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    shutil.copytree(archived.out, tmp_path / "half")
    (tmp_path / "half/manifest.json").unlink()
    tier = ("--tier", "pico-0.1x") if command == ("train",) else ()
    assert curate(*command, tmp_path / "half", *tier, "--store", tmp_path / "s") == 2
    assert "manifest.json" in capsys.readouterr().err
    assert not list((tmp_path / "s").glob("*/manifest.json"))


def test_a_published_corpus_is_imported_without_its_sample(archived: Built, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert curate("import-corpus", archived.out, "--store", archived.store, "-q", "--json", "--workers", "1") == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["num_docs"] == json.loads((archived.out / "manifest.json").read_text())["summary"]["num_docs"]


def test_the_funnel_draws_what_became_of_the_records_of_each_file(
    archived: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    page = tmp_path / "funnel.html"
    assert curate("show", archived.out, "--funnel", "--store", archived.store, "--out", page) == 0
    assert "Records by file" in capsys.readouterr().out
    row = page.read_text().partition("Records by file")[2].partition("</table>")[0]
    assert [word in row for word in (str(archived.pool), ">31<", ">30<", "http-status 1")] == [True] * 4
