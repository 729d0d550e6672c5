"""Pools: identity by content, equal bytes whatever the files are called, rejections counted."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import ids, ingest
from curation.batches import TEXT_SCHEMA, read_table
from curation.errors import ShardError
from curation.files import sha256_file
from curation.ingest import ensure_pool, known_pool, pool_node
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.store import Artifact, Store

ROOT = Path(ingest.__file__).resolve().parent.parent


def build(root: Path, *paths: Path, workers: int = 1, **settings: Any) -> Artifact:
    spec = PoolSpec(path=tuple(map(str, paths)), **settings)
    return ensure_pool(Store.open(root), spec, workers=workers, progress=SilentProgress())


def lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def content(artifact: Artifact) -> dict[str, str]:
    """Digest of every file of the artifact, manifest included."""
    return {path.name: sha256_file(path) for path in artifact.path.iterdir() if path.name != "build.lock"}


def rows(artifact: Artifact) -> list[dict[str, Any]]:
    return [row for path in artifact.part_paths() for row in read_table(path).to_pylist()]


def texts(artifact: Artifact) -> list[str]:
    return sorted(row["text"] for row in rows(artifact))


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "PARTITION_BYTES", 2000)


RECORDS = [{"text": f"document {i} " * (i % 7 + 1), "slice": "ab"[i % 2], "n": i % 40} for i in range(200)] + [
    {"text": "twice"},
    {"text": "twice"},
    {"text": "twice"},
]


def as_parquet(path: Path, records: list[dict[str, Any]]) -> Path:
    pq.write_table(
        pa.Table.from_pylist(records, pa.schema([("text", pa.string()), ("slice", pa.string()), ("n", pa.int64())])),
        path,
    )
    return path


LAYOUTS: dict[str, Callable[[Path], list[Path]]] = {
    "renamed": lambda at: [write(at / "other name.jsonl", lines(RECORDS))],
    "reversed": lambda at: [write(at / "x.jsonl", lines(RECORDS[::-1]))],
    "split": lambda at: [write(at / "z.jsonl", lines(RECORDS[:77])), write(at / "a.jsonl", lines(RECORDS[77:]))],
    "gzip": lambda at: [write(at / "x.jsonl.gz", gzip.compress(lines(RECORDS)))],
    "zstd": lambda at: [write(at / "x.jsonl.zst", zstandard.compress(lines(RECORDS)))],
    "parquet": lambda at: [as_parquet(at / "x.parquet", RECORDS)],
    "directory": lambda at: [write(at / "deep" / "er" / "x.jsonl", lines(RECORDS)).parent.parent],
    "glob": lambda at: [
        write(at / "p-1.jsonl", lines(RECORDS[:9])).with_name("p-*.jsonl"),
        write(at / "q.jsonl", lines(RECORDS[9:])),
    ],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_the_input_changes_no_byte_of_the_pool(layout: str, tmp_path: Path) -> None:
    plain = build(tmp_path / "s1", write(tmp_path / "in1.jsonl", lines(RECORDS)))
    (tmp_path / "in").mkdir()
    other = build(tmp_path / "s2", *LAYOUTS[layout](tmp_path / "in"), workers=2)
    assert plain.num_parts > 2
    assert content(other) == content(plain)


def test_a_second_pool_of_the_same_content_reuses_the_first_in_one_store(tmp_path: Path) -> None:
    first = build(tmp_path / "s", write(tmp_path / "a.jsonl", lines(RECORDS)))
    second = build(tmp_path / "s", write(tmp_path / "b.jsonl", lines(RECORDS[::-1])))
    assert second.path == first.path
    assert len(Store.open(tmp_path / "s").artifacts()) == 1


def test_rows_have_the_canonical_columns_sorted_by_id_with_equal_records_numbered(tmp_path: Path) -> None:
    pool = build(tmp_path / "s", write(tmp_path / "a.jsonl", lines(RECORDS)))
    for path in pool.part_paths():
        table = read_table(path)
        assert table.schema.equals(TEXT_SCHEMA)
        assert table["id"].to_pylist() == sorted(table["id"].to_pylist())
    twice = sorted(row["id"] for row in rows(pool) if row["text"] == "twice")
    assert twice[1:] == [f"{twice[0]}-1", f"{twice[0]}-2"]


def test_fields_go_to_their_columns_and_the_rest_to_meta(tmp_path: Path) -> None:
    record = {
        "content": " T\r\n", "key": 7, "topic": "code", "repo": "o/r", "url": "u", "lang": "en", "license": "MIT",
        "date": 2020, "text": "other", "meta": {"n": 1, "stars": 2, "gone": None}, "stars": 3, "none": None,
    }  # fmt: skip
    file = write(tmp_path / "a.jsonl", lines([record]))
    pool = build(tmp_path / "s", file, text="content", id="key", slice="topic", family="repo")
    assert rows(pool) == [
        {
            "id": "7", "text": " T\r\n", "source": "pool", "slice": "code", "url": "u", "lang": "en", "license": "MIT",
            "date": "2020", "meta": '{"family":"o/r","n":1,"stars":3,"text":"other"}',
        }
    ]  # fmt: skip


def test_only_newline_bytes_end_a_record(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\rg\x1ch"
    raw = (
        b"\xef\xbb\xbf" + json.dumps({"text": text}, ensure_ascii=False).encode() + b"\r\n\n  \n" + b'{"text": "last"}'
    )
    assert texts(build(tmp_path / "s", write(tmp_path / "a.jsonl", raw))) == [text, "last"]


BAD_LINES = {
    "no-text": b'{"body": "x"}',
    "no-text ": b"[1]",
    "no-text  ": b'{"text": 7}',
    "empty-text": b'{"text": " \\n\\u2003"}',
    "invalid-utf8": b'{"text": "\xff"}',
    "invalid-utf8 ": b'{"text": "\\ud800"}',
    "nul-byte": b'{"text": "a\\u0000b"}',
    "nul-byte ": b'{"text": "a\0b"}',
    "nul-byte  ": b'{"text": "a", "url": "\\u0000"}',
    "invalid-json": b'{"text": "a"',
    "invalid-json ": b'{"text": "a", "x": NaN}',
    "too-long": b'{"text": "' + "é".encode() * 51 + b'"}',
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_record_is_rejected_and_counted_with_its_reason(case: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", b'{"text": "fine"}\n' + BAD_LINES[case] + b"\n" + b'{"text": "good"}\n')
    pool = build(tmp_path / "s", file, max_bad_fraction=0.5, max_doc_bytes=101)
    assert texts(pool) == ["fine", "good"]
    assert pool.summary["rejected"] == {case.strip(): 1}


def test_too_many_bad_records_stop_the_build_and_name_the_lines(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "fine"}, {"body": "x"}, {"text": ""}]))
    with pytest.raises(ShardError) as error:
        build(tmp_path / "s", file)
    assert f"{file}:2 no-text (fields: body)" in str(error.value)
    assert f"{file}:3 empty-text" in str(error.value)
    assert "1 empty-text, 1 no-text" in str(error.value)
    assert not list((tmp_path / "s").glob("pool-*"))


def test_a_pool_without_a_usable_document_is_an_error_even_when_all_may_be_bad(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="1 of 1 records rejected"):
        build(tmp_path / "s", write(tmp_path / "a.jsonl", b'{"x": 1}\n'), max_bad_fraction=1)


def test_an_empty_file_holds_no_record(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no record"):
        build(tmp_path / "s", write(tmp_path / "a.jsonl", b""))


def test_one_id_with_two_contents_names_both_places(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", lines([{"text": "x", "id": "k"}]))
    second = write(tmp_path / "b.jsonl", lines([{"text": "z", "id": "j"}, {"text": "y", "id": "k"}]))
    with pytest.raises(ShardError) as error:
        build(tmp_path / "s", first, second, id="id")
    assert f"{first}:1" in str(error.value)
    assert f"{second}:2" in str(error.value)


def test_an_own_id_may_not_equal_a_number_given_to_another_record(tmp_path: Path) -> None:
    records = [{"text": "x", "id": "k"}, {"text": "x", "id": "k"}, {"text": "y", "id": "k-1"}]
    with pytest.raises(ShardError, match="k-1"):
        build(tmp_path / "s", write(tmp_path / "a.jsonl", lines(records)), id="id")


def test_records_without_the_named_id_are_rejected(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "x", "id": "k"}, {"text": "y"}]))
    assert build(tmp_path / "s", file, id="id", max_bad_fraction=0.5).summary["rejected"] == {"no-id": 1}


def test_a_text_that_is_no_string_is_named_with_its_type(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "fine"}, {"text": None}]))
    with pytest.raises(ShardError, match="`text` holds NoneType, expected a string"):
        build(tmp_path / "s", file)


def test_missing_ids_are_mended_by_the_id_setting_not_the_text_setting(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "fine"}]))
    with pytest.raises(ShardError, match="set `pool.id` to the id field") as error:
        build(tmp_path / "s", file, id="uuid")
    assert "pool.text" not in str(error.value)


def test_a_slice_field_that_no_record_has_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "fine", "topic": "x"}]))
    with pytest.raises(ShardError, match="no record has a slice under `tpic`"):
        build(tmp_path / "s", file, slice="tpic")
    assert not list((tmp_path / "s").glob("pool-*"))


def test_a_slice_field_that_some_records_lack_gives_those_the_default(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "fine", "topic": "x"}, {"text": "good"}]))
    assert set(build(tmp_path / "s", file, slice="topic").summary["slices"]) == {"all", "x"}


def test_a_cap_cuts_large_slices_to_one_ceiling_whatever_the_order(tmp_path: Path) -> None:
    records = [{"text": f"{i:09d}.", "slice": "small" if i % 5 == 0 else "large"} for i in range(1000)]
    pool = build(tmp_path / "s1", write(tmp_path / "a.jsonl", lines(records)), max_bytes=5000)
    other = build(tmp_path / "s2", write(tmp_path / "b.jsonl", lines(records[::-1])), max_bytes=5000)
    assert pool.summary["slices"] == {"large": {"bytes": 3000, "docs": 300}, "small": {"bytes": 2000, "docs": 200}}
    assert pool.summary["rejected"] == {"over-max-bytes": 500}
    assert content(other) == content(pool)


def test_a_known_pool_is_found_without_parsing_and_lost_when_a_byte_changes(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines(RECORDS))
    store, spec = Store.open(tmp_path / "s"), PoolSpec(path=(str(file),))
    assert known_pool(store, spec) is None
    pool = ensure_pool(store, spec, workers=1, progress=SilentProgress())
    found = known_pool(store, spec)
    assert found is not None
    assert found.path == pool.path
    assert pool_node(pool).fingerprint == pool.fingerprint
    write(file, lines(RECORDS).replace(b"document 3", b"document X"))
    assert known_pool(store, spec) is None


def test_a_remembered_digest_is_dropped_when_the_file_changes(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": "one"}]))
    os.utime(file, (1, 1))  # old enough to be remembered
    first = build(tmp_path / "s", file)
    assert (tmp_path / "s" / "ingest-digests.json").is_file()
    write(file, lines([{"text": "two"}]))
    assert build(tmp_path / "s", file).fingerprint != first.fingerprint


def test_our_own_shards_read_back_as_the_same_documents(tmp_path: Path) -> None:
    pool = build(tmp_path / "s", write(tmp_path / "a.jsonl", lines(RECORDS)))
    again = build(tmp_path / "s2", *pool.part_paths(), id="id")
    assert sorted(rows(again), key=lambda row: row["id"]) == sorted(rows(pool), key=lambda row: row["id"])


def test_rejections_are_part_of_a_pools_identity_because_its_manifest_tells_them(tmp_path: Path) -> None:
    clean = build(tmp_path / "s", write(tmp_path / "a.jsonl", lines([{"text": "x"}])))
    other = build(tmp_path / "s", write(tmp_path / "b.jsonl", lines([{"text": "x"}, {}])), max_bad_fraction=0.5)
    assert other.path != clean.path
    assert other.summary["logical_digest"] == clean.summary["logical_digest"]


def test_spilling_to_disk_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.jsonl", lines(RECORDS))
    held = build(tmp_path / "s1", file)
    monkeypatch.setattr("curation.sources.spill.BATCH_ROWS", 7)
    monkeypatch.setattr("curation.sources.collect.BUFFER_BYTES", 100)
    monkeypatch.setattr("curation.sources.collect.MAX_BUCKETS", 2)  # fewer buckets than partitions
    spilled = build(tmp_path / "s2", file)
    assert content(spilled) == content(held)
    assert not list((tmp_path / "s2").rglob(".tmp-*"))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=20))
def test_every_text_comes_back_unchanged(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> None:
    at = tmp_path_factory.mktemp("texts")
    pool = build(at / "s", write(at / "a.jsonl", lines([{"text": text} for text in documents])))
    assert texts(pool) == sorted(documents)
    assert pool.summary["num_bytes"] == sum(len(text.encode()) for text in documents)


KILLED = """
import sys
from pathlib import Path
from curation.ingest import ensure_pool
from curation.progress import SilentProgress
from curation.recipe import PoolSpec
from curation.store import Store
ensure_pool(Store.open(Path(sys.argv[1])), PoolSpec(path=(sys.argv[2],)), workers=2, progress=SilentProgress())
"""


def test_a_killed_ingest_is_finished_by_the_next_with_the_same_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", lines([{"text": f"document {i} " * 200} for i in range(4000)]))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "s"), str(file)]
    started = time.monotonic()
    subprocess.run([*command[:3], str(tmp_path / "t"), str(file)], cwd=ROOT, check=True)
    whole_seconds = time.monotonic() - started
    for share in (0.5, 0.7, 0.9):
        process = subprocess.Popen(command, cwd=ROOT)
        time.sleep(share * whole_seconds)
        process.kill()
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True)
    (done,), (fresh,) = Store.open(tmp_path / "s").artifacts(), Store.open(tmp_path / "t").artifacts()
    assert content(done) == content(fresh)
