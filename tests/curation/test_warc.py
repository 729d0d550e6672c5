"""WARC and ARC: every record is read or counted, damage costs what it covers, decoding never runs away."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import brotli
import pytest
import zstandard

from curation.errors import ShardError
from curation.sources import decompress
from curation.sources.http_bodies import decoded_body
from curation.sources.inputs import Input
from curation.sources.records import Page, Placed, Rejected
from curation.sources.warc import warc_records

SHARED = Path(os.environ.get("CURATE_SHARED", "../shared")) / "pool" / "web_warc"
FILES = sorted(SHARED.glob("*")) if SHARED.is_dir() else []
LIMIT = 10_000_000


def record(number: int, body: bytes = b"<html><p>text</p></html>", kind: str = "response") -> bytes:
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"WARC-Target-URI: http://example.com/{number}\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def read(path: Path) -> list[Any]:
    found = [value for _, value in warc_records(Input(path=path, container="warc", digest="0" * 64), LIMIT)]
    return [value.value if isinstance(value, Placed) else value for value in found]


def summary(values: list[Any]) -> Counter[str]:
    return Counter("page" if isinstance(value, Page) else value.reason for value in values)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstandard.compress}


@pytest.mark.skipif(not FILES, reason="needs the shared web_warc files")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[-40:])
def test_as_many_records_are_found_as_the_better_of_warcio_and_fastwarc_finds(path: Path) -> None:
    values = read(path)
    stretches = {"stray-bytes", "truncated-file", "damaged-member"}
    found = sum(not (isinstance(value, Rejected) and value.reason in stretches) for value in values)
    assert found >= max(_by_warcio(path), _by_fastwarc(path)) - _MISREAD.get(path.name.partition("__")[2], 0)


_MISREAD = {"bad.arc": 2}
"""Lines without their fields, which warcio takes for ARC records; here they are stray bytes."""


def _by_warcio(path: Path) -> int:
    from warcio.archiveiterator import ArchiveIterator

    found = 0
    try:
        with path.open("rb") as stream:
            for _ in ArchiveIterator(stream, arc2warc=True):
                found += 1
    except Exception:
        return found
    return found


def _by_fastwarc(path: Path) -> int:
    from fastwarc.warc import ArchiveIterator

    found = 0
    try:
        with path.open("rb") as stream:
            for _ in ArchiveIterator(stream):
                found += 1
    except Exception:
        return found
    return found


@pytest.mark.parametrize("seed", range(20))  # in some of these worlds damage decodes as text: the checksum tells
@pytest.mark.parametrize("suffix", PACK)
def test_a_damaged_member_costs_itself_alone(suffix: str, seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    members = [PACK[suffix](record(number, rng.randbytes(3000).hex().encode())) for number in range(5)]
    broken = bytearray(members[2])
    broken[len(broken) // 2 :] = b"\xff" * (len(broken) - len(broken) // 2)
    members[2] = bytes(broken)
    values = read(put(tmp_path / f"a.warc.{suffix}", b"".join(members)))
    lost = [value for value in values if isinstance(value, Rejected)]
    whole = [value.record["url"] for value in values if isinstance(value, Page) and "truncated" not in value.record]
    assert whole == [f"http://example.com/{number}" for number in (0, 1, 3, 4)]
    assert [(value.reason, value.lost_bytes) for value in lost] == [("damaged-member", len(broken))]


def test_foreign_bytes_between_members_are_counted_to_the_byte(tmp_path: Path) -> None:
    data = gzip.compress(record(0)) + b"not gzip at all" + gzip.compress(record(1))
    values = read(put(tmp_path / "a.warc.gz", data))
    assert summary(values) == {"page": 2, "damaged-member": 1}
    assert [value.lost_bytes for value in values if isinstance(value, Rejected)] == [15]


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_cut_in_a_record_says_so_and_marks_the_page(suffix: str, tmp_path: Path) -> None:
    whole = PACK[suffix](record(0)) + PACK[suffix](record(1, os.urandom(40_000).hex().encode()))
    values = read(put(tmp_path / f"a.warc.{suffix}", whole[:-9000]))
    assert summary(values)["truncated-file"] == 1
    assert "truncated" not in values[0].record


def test_an_uncompressed_file_cut_in_a_record_says_so(tmp_path: Path) -> None:
    values = read(put(tmp_path / "a.warc", (record(0) + record(1))[:-12]))
    assert summary(values) == {"page": 2, "truncated-file": 1}
    assert [value.record.get("truncated") for value in values if isinstance(value, Page)] == [None, "clipped"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_content_length_too_small_leaves_stray_bytes_and_no_record_behind(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    short = record(1).replace(b"Content-Length: ", b"Content-Length: 2 \r\nX-Was: ", 1)
    values = read(put(tmp_path / "a.warc", pack(record(0) + short + record(2))))
    assert summary(values)["stray-bytes"] == 1
    assert [value.record["url"][-1] for value in values if isinstance(value, Page)][-1] == "2"


def test_whole_gzip_and_gzip_by_record_hold_the_same_pages(tmp_path: Path) -> None:
    records = [record(number) for number in range(4)]
    whole = read(put(tmp_path / "whole.warc.gz", gzip.compress(b"".join(records))))
    single = read(put(tmp_path / "single.warc.gz", b"".join(map(gzip.compress, records))))
    plain = read(put(tmp_path / "plain.warc", b"".join(records)))
    assert whole == single == plain
    assert len(plain) == 4


def test_a_zstd_dictionary_in_front_is_used(tmp_path: Path) -> None:
    samples = [record(number) for number in range(300)]
    shared = zstandard.train_dictionary(2000, samples)
    frame = b"\x5d\x2a\x4d\x18" + len(shared.as_bytes()).to_bytes(4, "little") + shared.as_bytes()
    packer = zstandard.ZstdCompressor(dict_data=shared)
    path = put(tmp_path / "a.warc.zst", frame + b"".join(packer.compress(item) for item in samples[:3]))
    assert summary(read(path)) == {"page": 3}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("request", "warc-request"),
        ("metadata", "warc-metadata"),
        ("revisit", "warc-revisit"),
        ("odd", "warc-unknown-type"),
    ],
)
def test_a_record_that_is_no_page_is_passed_over_by_name(kind: str, reason: str, tmp_path: Path) -> None:
    values = read(put(tmp_path / "a.warc", record(0, kind=kind)))
    assert [(value.reason, value.harmless) for value in values] == [(reason, True)]


def test_pages_do_not_depend_on_the_clock_or_chance(tmp_path: Path) -> None:
    body = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>x</html>"
    line = f"http://example.com/ 127.0.0.1 20140216050221 text/html {len(body)}\n".encode()
    path = put(tmp_path / "a.arc", line + body + b"\n")
    assert read(path) == read(path)  # warcio gives ARC records ids by chance


def test_a_warc_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "RATIO_FREE_BYTES", 1_000_000)
    with pytest.raises(ShardError, match="expands"):
        read(put(tmp_path / "a.warc.gz", gzip.compress(record(0, b"\0" * 3_000_000))))


# Bodies


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress,
}  # fmt: skip


def decode(body: bytes, transfer: str = "", content: str = "", limit: int = LIMIT) -> Any:
    return decoded_body(io.BytesIO(body).read, transfer, content, limit)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_content_encoding_is_undone(coding: str) -> None:
    text = b"some page " * 20_000
    assert decode(CODINGS[coding](text), content=coding).data == text


def test_raw_deflate_and_two_encodings_are_undone() -> None:
    assert decode(deflated(b"page"), content="deflate").data == b"page"
    assert decode(brotli.compress(gzip.compress(b"page")), content="gzip, br").data == b"page"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_is_not_encoded_as_it_says_is_taken_as_it_is(coding: str) -> None:
    assert decode(b"<html>plain", content=coding).data == b"<html>plain"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_expands_beyond_the_limit_is_too_long_and_not_held(coding: str) -> None:
    assert decode(CODINGS[coding](bytes(5_000_000)), content=coding, limit=1_000_000).fault == "too-long"


def test_chunks_are_joined_and_wrong_ones_taken_as_they_are() -> None:
    assert decode(b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n", transfer="chunked").data == b"Wikipedia"
    assert decode(b"<html>never chunked\n</html>", transfer="chunked").data == b"<html>never chunked\n</html>"


def test_an_unknown_encoding_is_named() -> None:
    assert decode(b"x", content="snappy")[1:] == ("unknown-encoding", "snappy")
