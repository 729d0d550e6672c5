"""Remote sources against real servers on this machine: S3 (moto), HTTP with and without ranges, a hub of datasets."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from curation.errors import EXIT_INCOMPLETE, EXIT_USAGE, IncompleteError, ShardError
from curation.ingest import ensure_pool
from curation.pool_spec import PoolSpec
from curation.progress import SilentProgress
from curation.sources import remote
from curation.sources.find import pool_inputs
from curation.sources.inputs import Input
from curation.store import Store

LINES = b"".join(json.dumps({"text": f"document {number}"}).encode() + b"\n" for number in range(3))


class Site:
    """Files behind HTTP, with switches for what servers do wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.failures = 0
        self.status: int | None = None
        self.answer: Callable[[str], bytes | None] = self.files.get
        self.gets: list[tuple[str, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                data = site.answer(self.path)
                wanted = self.headers.get("Range")
                status = site.status or (404 if data is None else 200)
                if self.command == "GET":
                    site.gets.append((self.path, wanted))
                    if site.failures and data is not None:
                        site.failures -= 1
                        status, data = 503, b""
                data = data if data is not None and status == 200 else b""
                start, end, whole = 0, len(data), len(data)
                if wanted and site.ranges and status == 200 and (found := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)):
                    start, end = int(found[1]), min(whole, int(found[2] or whole) + 1)
                    status = 206
                self.send_response(status)
                self.send_header("Content-Length", str(end - start))
                self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
                if site.ranges:
                    self.send_header("Accept-Ranges", "bytes")
                if status == 206:
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{whole}")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data[start:end])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote, "FIRST_PAUSE_SECONDS", 0.01)
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


def web(*urls: str, **settings: Any) -> PoolSpec:
    return PoolSpec(path=urls, protocols=("http", "https", "s3", "hf"), **settings)


def texts(root: Path, chosen: PoolSpec) -> list[str]:
    from curation.batches import read_table

    pool = ensure_pool(Store.open(root), chosen, workers=1, progress=SilentProgress())
    return sorted(text for path in pool.part_paths() for text in read_table(path, ["text"])["text"].to_pylist())


EXPECTED = ["document 0", "document 1", "document 2"]


@pytest.mark.parametrize(
    "entry",
    ["file:///etc/passwd", "file://../../x.jsonl", "ftp://h/x.jsonl", "simplecache::s3://b/x.jsonl", "zip://a::s3://b/c",
     "http://h/x.jsonl", "memory://x.jsonl", "github://a:b@main/x.jsonl", "https://169.254.169.254/latest/x.jsonl",
     "https://metadata.google.internal/x.jsonl"],
)  # fmt: skip
def test_what_is_not_allowed_is_refused_by_name_before_anything_is_opened(entry: str) -> None:
    with pytest.raises(ShardError, match=r"not allowed|never opened") as error:
        pool_inputs(PoolSpec(path=(entry,)))
    assert str(error.value).startswith(entry)
    assert error.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_is_read_over_http_with_and_without_ranges(ranges: bool, site: Site, tmp_path: Path) -> None:
    site.ranges, site.files["/a.jsonl.gz"] = ranges, gzip.compress(LINES)
    assert texts(tmp_path, web(f"{site.url}/a.jsonl.gz")) == EXPECTED


def test_large_files_come_in_ranges_and_a_failing_server_is_asked_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "BLOCK_BYTES", 20)
    site.files["/a.jsonl"], site.failures = LINES, 2
    assert texts(tmp_path, web(f"{site.url}/a.jsonl")) == EXPECTED
    assert len({wanted for _, wanted in site.gets}) == -(-len(LINES) // 20)


def test_a_server_that_keeps_failing_is_incomplete_and_a_missing_file_is_not(site: Site, tmp_path: Path) -> None:
    site.files["/a.jsonl"], site.failures = LINES, 1000
    with pytest.raises(IncompleteError, match="run the same command again") as error:
        texts(tmp_path, web(f"{site.url}/a.jsonl"))
    assert error.value.exit_code == EXIT_INCOMPLETE
    with pytest.raises(ShardError, match=r"none\.jsonl: not found"):
        texts(tmp_path, web(f"{site.url}/none.jsonl"))


def test_a_forbidden_file_says_permission(site: Site, tmp_path: Path) -> None:
    site.files["/a.jsonl"], site.status = LINES, 403
    with pytest.raises(ShardError, match="no permission"):
        texts(tmp_path, web(f"{site.url}/a.jsonl"))


def test_a_file_changed_on_its_server_makes_another_pool(site: Site, tmp_path: Path) -> None:
    for number in range(2):
        site.files["/a.jsonl"] = json.dumps({"text": f"version {number}"}).encode()
        assert texts(tmp_path, web(f"{site.url}/a.jsonl")) == [f"version {number}"]


def test_a_path_list_on_a_server_is_read(site: Site, tmp_path: Path) -> None:
    site.files.update({"/wet.paths.gz": gzip.compress(b"crawl/a.jsonl\n"), "/crawl/a.jsonl": LINES})
    assert texts(tmp_path, web(f"{site.url}/wet.paths.gz", base=site.url)) == EXPECTED


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    pytest.importorskip("s3fs", reason="needs the extra `s3`")
    server_module = pytest.importorskip("moto.server", reason="needs moto")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    import s3fs

    host, port = s3.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    if not fs.exists("pool"):
        fs.mkdir("pool")
    fs.pipe("pool/data/a.jsonl", LINES)
    fs.pipe("pool/data/notes.txt", b"no record")
    yield fs
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("path", ["s3://pool/data/a.jsonl", "s3://pool/data", "s3://pool/*/a.jsonl"])
def test_objects_folders_and_globs_of_a_bucket_are_read(path: str, bucket: Any, tmp_path: Path) -> None:
    assert texts(tmp_path, web(path)) == EXPECTED


@pytest.mark.parametrize("path", ["s3://pool/none.jsonl", "s3://no-such-bucket/a.jsonl"])
def test_a_missing_object_or_bucket_is_one_clear_error(path: str, bucket: Any) -> None:
    with pytest.raises(ShardError, match="not found"):
        pool_inputs(web(path))


def test_no_credentials_are_one_clear_error(bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    type(bucket).clear_instance_cache()
    with pytest.raises(ShardError, match="no credentials found"):
        pool_inputs(web("s3://pool/data/a.jsonl"))


def test_a_bucket_without_permission_is_one_clear_error(
    bucket: Any, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.status = 403  # moto lets everybody in; this is what a real bucket answers
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url)
    type(bucket).clear_instance_cache()
    with pytest.raises(ShardError, match=r"s3://pool/data/a\.jsonl: no permission"):
        pool_inputs(web("s3://pool/data/a.jsonl"))


def test_a_dataset_of_the_hub_needs_a_revision() -> None:
    with pytest.raises(ShardError, match="the revision .* is required"):
        pool_inputs(PoolSpec(path=("hf://datasets/org/name/data/a.jsonl",)))


def test_a_dataset_of_the_hub_is_pinned_to_its_commit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"

    class Api:
        def dataset_info(self, repo: str, *, revision: str) -> Any:
            assert (repo, revision) == ("org/name", "v1")
            return type("Info", (), {"sha": commit})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    allowed = remote.check_allowed("hf://datasets/org/name@v1/data/a.jsonl", ("hf",))
    assert allowed == f"hf://datasets/org/name@{commit}/data/a.jsonl"


def test_a_remote_file_keeps_size_and_etag(site: Site) -> None:
    site.files["/a.jsonl"] = LINES
    (item,) = pool_inputs(web(f"{site.url}/a.jsonl")).files
    assert isinstance(item, Input)
    assert item.stamp == f'{len(LINES)}/"{hashlib.md5(LINES).hexdigest()}"'
