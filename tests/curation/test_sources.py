"""Input files: which are found, and what happens to damaged ones."""

from __future__ import annotations

import gzip
import resource
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curation.errors import ShardError
from curation.recipe import PoolSpec
from curation.sources import decompress
from curation.sources.decompress import byte_chunks
from curation.sources.jsonl import jsonl_records
from curation.sources.locate import Input, find_inputs, kind_of_file, matches
from curation.sources.parquet import parquet_records
from curation.sources.records import RecordReader, Rejected, Row

PAYLOAD = b"".join(b'{"text": "line %d"}\n' % number for number in range(20_000))


def read(path: Path) -> bytes:
    item = kind_of_file(path)
    assert item is not None
    return b"".join(byte_chunks(item))


def put(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


PACK = {"gz": gzip.compress, "zst": zstandard.compress}


@pytest.mark.parametrize("suffix", PACK)
def test_concatenated_members_are_read_as_one_file(suffix: str, tmp_path: Path) -> None:
    packed = PACK[suffix](PAYLOAD) + PACK[suffix](b"") + PACK[suffix](b"tail")
    assert read(put(tmp_path / f"a.jsonl.{suffix}", packed)) == PAYLOAD + b"tail"


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("cut", [0, 1, 12, 200, -1])
def test_a_truncated_file_is_refused_by_name(suffix: str, cut: int, tmp_path: Path) -> None:
    file = put(tmp_path / f"a.jsonl.{suffix}", PACK[suffix](PAYLOAD)[:cut])
    with pytest.raises(ShardError, match=r"truncated") as error:
        read(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("suffix", PACK)
def test_damaged_or_foreign_bytes_are_refused_by_name(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"a\.jsonl.*damaged"):
        read(put(tmp_path / f"a.jsonl.{suffix}", PAYLOAD))


def test_a_flipped_byte_of_a_gzip_file_is_noticed(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(PAYLOAD, 0))
    packed[5000] ^= 1  # stored, not compressed: only the checksum can tell
    with pytest.raises(ShardError, match="damaged"):
        read(put(tmp_path / "a.jsonl.gz", bytes(packed)))


def test_zero_padding_after_a_gzip_member_is_accepted(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.jsonl.gz", gzip.compress(PAYLOAD) + b"\0" * 600_000)) == PAYLOAD


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_that_explodes_is_refused(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "RATIO_FREE_BYTES", 1_000_000)
    with pytest.raises(ShardError, match="expands"):
        read(put(tmp_path / f"a.jsonl.{suffix}", PACK[suffix](b"\0" * 60_000_000)))


def test_highly_repetitive_gzip_is_read_to_its_end(tmp_path: Path) -> None:
    data = b"a" * (3 * decompress.CHUNK_BYTES)  # output waits inside zlib when the input is already used up
    assert read(put(tmp_path / "a.jsonl.gz", gzip.compress(data))) == data
    assert zlib.crc32(data) == zlib.crc32(read(tmp_path / "a.jsonl.gz"))


def test_a_line_beyond_the_limit_is_passed_over_without_being_held(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    with file.open("wb") as stream:
        stream.write(b'{"text": "first"}\n{"text": "')
        for _ in range(300):
            stream.write(b"x" * 1_000_000)
        stream.write(b'"}\n{"text": "last"}')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = list(jsonl_records(Input(path=file, container="jsonl"), 1000))
    assert found == [(1, {"text": "first"}), (2, Rejected("too-long")), (3, {"text": "last"})]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KB


def parquet(path: Path, columns: dict[str, Any]) -> Input:
    pq.write_table(pa.table(columns), path)
    return Input(path=path, container="parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"content": ["x"]}, "no column `text`"),
        ({"text": [1]}, "holds int64, expected strings"),
        ({"text": [["x"]]}, "expected strings"),
        ({"text": [b"x"]}, "holds binary"),
    ],
)
def test_a_parquet_file_without_a_fit_text_column_is_refused(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ShardError, match=message):
        list(parquet_records(parquet(tmp_path / "a.parquet", columns), PoolSpec(path="x")))


@pytest.mark.parametrize("damage", ["magic", "footer", "half", "empty"])
def test_a_damaged_parquet_file_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    item = parquet(tmp_path / "a.parquet", {"text": [f"t{i}" for i in range(5000)]})
    data = item.path.read_bytes()
    cut = {"magic": b"XXXX" + data[4:-4] + b"XXXX", "footer": data[:-3], "half": data[: len(data) // 2], "empty": b""}
    item.path.write_bytes(cut[damage])
    with pytest.raises(ShardError, match=r"a\.parquet: not an intact Parquet file"):
        list(parquet_records(item, PoolSpec(path="x")))


def test_invalid_utf8_in_parquet_rejects_the_row_only(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 2, 3)))
    text = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"a\xffb"))
    item = parquet(tmp_path / "a.parquet", {"text": text, "url": ["u", "v", None]})
    found = [record for _, record in parquet_records(item, PoolSpec(path="x"))]
    assert found == [{"text": "a", "url": "u"}, Rejected("invalid-utf8"), {"text": "b", "url": None}]


def test_values_only_parquet_has_become_json_in_meta(tmp_path: Path) -> None:
    import datetime
    import decimal

    columns = {
        "text": ["x"],
        "at": [datetime.date(2020, 1, 2)],
        "cost": [decimal.Decimal("1.50")],
        "bad": [float("nan")],
    }
    ((_, record),) = parquet_records(parquet(tmp_path / "a.parquet", columns), PoolSpec(path="x"))
    row = RecordReader(spec=PoolSpec(path="x")).row(record)
    assert isinstance(row, Row)
    assert row.meta == '{"at":"2020-01-02","bad":null,"cost":"1.50"}'


def test_a_directory_is_searched_recursively_for_known_kinds(tmp_path: Path) -> None:
    for name in ["a.jsonl", "b/c.json.gz", "b/d.parquet", "b/e/f.ndjson.zst", "g.txt", ".hidden.jsonl", ".git/h.jsonl"]:
        put(tmp_path / name)
    found = find_inputs([str(tmp_path)])
    assert [item.path.name for item in found.files] == ["a.jsonl", "c.json.gz", "d.parquet", "f.ndjson.zst"]
    assert found.num_ignored == 1


def test_a_file_named_twice_counts_once(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl")
    assert len(find_inputs([str(file), str(tmp_path), str(tmp_path / "*.jsonl"), str(tmp_path / "**")]).files) == 1


def test_a_glob_that_matches_files_and_folders_reads_both(tmp_path: Path) -> None:
    files = {put(tmp_path / "a.jsonl"), put(tmp_path / "sub/b.jsonl")}
    assert {item.path for item in find_inputs([str(tmp_path / "*")]).files} == files


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("*.jsonl", "a/b/c.jsonl", True),
        ("*.jsonl", "c.jsonl.gz", False),
        ("html_*", "html_docs/x.jsonl", True),
        ("a/*.jsonl", "a/c.jsonl", True),
        ("a/*.jsonl", "a/b/c.jsonl", False),
        ("a/**", "a/b/c.jsonl", True),
        ("**/c.jsonl", "c.jsonl", True),
        ("a/b", "a/b/c.jsonl", True),
        ("b", "a/b/c.jsonl", True),
        ("[!b]", "a", True),
    ],
)
def test_globs_match_names_or_paths(pattern: str, path: str, matched: bool) -> None:
    assert matches(PurePosixPath(path), pattern) is matched


def test_include_and_exclude_choose_inside_directories(tmp_path: Path) -> None:
    for name in ["code/a.jsonl", "math/b.jsonl", "html_x/c.jsonl"]:
        put(tmp_path / name)
    assert [i.path.name for i in find_inputs([str(tmp_path)], exclude=["html_*", "math"]).files] == ["a.jsonl"]
    assert [i.path.name for i in find_inputs([str(tmp_path)], include=["code", "math/b*"]).files] == [
        "a.jsonl",
        "b.jsonl",
    ]


@pytest.mark.parametrize("name", ["missing.jsonl", "none-*.jsonl", "empty", "notes.txt"])
def test_a_path_that_leads_to_nothing_readable_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "notes.txt")
    with pytest.raises(ShardError, match=name.split("*")[0].split(".")[0]):
        find_inputs([str(tmp_path / name)])
