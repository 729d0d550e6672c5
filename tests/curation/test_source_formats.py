"""Formats of sources: what becomes a document, what is counted, what is refused; ids never depend on names."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.errors import RecipeError, ShardError
from curation.ingest import ensure_pool
from curation.pool_spec import PoolSpec
from curation.progress import SilentProgress
from curation.sources import decompress
from curation.sources.code_trees import licences_of
from curation.sources.find import pool_inputs
from curation.sources.licences import linked, recognised
from curation.sources.read import records_of
from curation.sources.records import Page, Placed, Rejected
from curation.store import Artifact, Store

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy of it, to deal without restriction"


def put(path: Path, data: bytes | str = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def spec(*paths: Path, **settings: Any) -> PoolSpec:
    return PoolSpec(path=tuple(map(str, paths)), **settings)


def read(chosen: PoolSpec) -> list[Any]:
    """Values of all records in the pool's files, with their places."""
    return [value for item in pool_inputs(chosen).files for _, value in records_of(item, chosen, lambda n: None)]


def bare(chosen: PoolSpec) -> list[Any]:
    return [value.value if isinstance(value, Placed) else value for value in read(chosen)]


def reasons(values: list[Any]) -> Counter[str]:
    return Counter(value.reason for value in values if isinstance(value, Rejected))


def texts(values: list[Any]) -> list[str]:
    return sorted(value["text"] for value in values if isinstance(value, dict))


def build(root: Path, chosen: PoolSpec) -> Artifact:
    return ensure_pool(Store.open(root), chosen, workers=1, progress=SilentProgress())


def rows(pool: Artifact) -> list[dict[str, Any]]:
    from curation.batches import read_table

    return [row for path in pool.part_paths() for row in read_table(path).to_pylist()]


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, members: dict[str, bytes], mode: str = "w", extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


# Text, Markdown, CSV, Arrow


@pytest.mark.parametrize(
    ("documents", "expected"),
    [("file", ["a\nb\n\n\nc\n"]), ("lines", ["a", "b", "c"]), ("paragraphs", ["a\nb", "c"])],
)
def test_a_text_file_is_one_document_or_its_paragraphs_or_lines(
    documents: str, expected: list[str], tmp_path: Path
) -> None:
    put(tmp_path / "a.txt", "a\nb\n\n\nc\n")
    assert texts(bare(spec(tmp_path, documents=documents))) == expected


def test_utf_16_with_a_mark_and_a_named_charset_are_read(tmp_path: Path) -> None:
    assert texts(bare(spec(put(tmp_path / "a.txt", "größer".encode("utf-16"))))) == ["größer"]
    assert texts(bare(spec(put(tmp_path / "b.txt", "größer".encode("cp1252")), charset="cp1252"))) == ["größer"]


def test_text_in_another_charset_is_counted_and_an_unknown_charset_refused(tmp_path: Path) -> None:
    file = put(tmp_path / "a.txt", "größer".encode("cp1252"))
    assert reasons(bare(spec(file))) == {"wrong-charset": 1}
    with pytest.raises(ShardError, match="pool.charset"):
        bare(spec(file, charset="klingon"))


def test_front_matter_gives_fields_and_stays_in_the_text(tmp_path: Path) -> None:
    text = "---\ntitle: 'A page'\nlicense: CC-BY-4.0\ndate: 2024-01-02\n---\nBody"
    (found,) = bare(spec(put(tmp_path / "a.md", text)))
    assert found == {"text": text, "title": "A page", "license": "CC-BY-4.0", "date": "2024-01-02"}


def test_csv_rows_keep_quoted_newlines_and_wrong_ones_are_counted(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", 'text,url\n"one\ntwo",http://a/\nthree,\nfour\n')
    values = bare(spec(file))
    assert texts(values) == ["one\ntwo", "three"]
    assert reasons(values) == {"wrong-columns": 1}


def test_a_csv_without_the_text_column_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no column `text`.*columns: body, url"):
        read(spec(put(tmp_path / "a.csv", "body,url\nx,y\n")))


def test_a_saved_dataset_is_read_and_one_with_a_missing_shard_refused(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": ["a", "b"]}).save_to_disk(tmp_path / "saved")
    assert texts(bare(spec(tmp_path / "saved"))) == ["a", "b"]
    next((tmp_path / "saved").glob("*.arrow")).rename(tmp_path / "saved" / "cache-1.arrow")
    with pytest.raises(ShardError):
        read(spec(tmp_path / "saved"))


def test_a_truncated_arrow_file_is_refused_by_name(tmp_path: Path) -> None:
    table = pa.table({"text": ["x" * 1000] * 50})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    data = (tmp_path / "a.arrow").read_bytes()
    with pytest.raises(ShardError, match=r"a\.arrow: not an intact Arrow file"):
        read(spec(put(tmp_path / "a.arrow", data[: len(data) // 2])))


# Directories


def test_a_readme_beside_a_dataset_is_no_document(tmp_path: Path) -> None:
    put(tmp_path / "README.md", "# Data")
    put(tmp_path / "dataset_info.json", "{}")
    put(tmp_path / "data" / "a.jsonl", '{"text": "a"}\n')
    assert texts(bare(spec(tmp_path))) == ["a"]


def test_configurations_and_splits_of_a_dataset_are_chosen(tmp_path: Path) -> None:
    head = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
    head += "  - {split: test, path: data/test-*}\n- {config_name: removed, data_files: removed/*.jsonl}\n---\n"
    put(tmp_path / "README.md", head)
    for name in ("data/train-0", "data/test-0", "removed/x"):
        put(tmp_path / f"{name}.jsonl", json.dumps({"text": name}) + "\n")
    assert texts(bare(spec(tmp_path))) == ["data/test-0", "data/train-0"]
    assert texts(bare(spec(tmp_path, split="train"))) == ["data/train-0"]
    assert texts(bare(spec(tmp_path, config="removed"))) == ["removed/x"]
    with pytest.raises(ShardError, match="no configuration `remved`.*did you mean `removed`"):
        pool_inputs(spec(tmp_path, config="remved"))


def test_a_path_list_is_read_below_its_base_and_its_sample_ignores_order(tmp_path: Path) -> None:
    names = [f"crawl/{number}.jsonl" for number in range(6)]
    for name in names:
        put(tmp_path / name, json.dumps({"text": name}) + "\n")
    forth = put(tmp_path / "a.paths", "\n".join(names))
    back = put(tmp_path / "b.paths", "\n".join(reversed(names)) + "\n")
    assert texts(bare(spec(forth, base=str(tmp_path)))) == names
    chosen = [texts(bare(spec(file, base=str(tmp_path), sample=2))) for file in (forth, back)]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 2


def test_an_entry_of_a_path_list_that_leaves_the_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"a\.paths:1: '\.\./x\.jsonl' is no path below"):
        pool_inputs(spec(put(tmp_path / "a.paths", "../x.jsonl\n"), base=str(tmp_path)))


def test_symlink_loops_end(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.jsonl", '{"text": "a"}\n')
    (tmp_path / "in" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert texts(bare(spec(tmp_path))) == ["a"]
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    with pytest.raises(ShardError, match=r"loop\.jsonl"):
        build(tmp_path / "store", spec(tmp_path / "loop.jsonl"))


def test_a_named_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    for chosen in (spec(tmp_path / "a.jsonl"), spec(tmp_path)):
        with pytest.raises(ShardError, match=r"a\.jsonl: is a named pipe"):
            build(tmp_path.parent / f"{tmp_path.name}-store", chosen)


def test_a_directory_that_cannot_be_listed_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.jsonl", '{"text": "a"}\n')
    (tmp_path / "shut").mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:  # permission bits do not bind the user that tests may run as
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ShardError, match=r"shut: cannot be listed \(Permission denied\)"):
        pool_inputs(spec(tmp_path))


def test_a_directory_named_like_a_file_is_a_directory(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl" / "b.jsonl", '{"text": "b"}\n')
    assert texts(bare(spec(tmp_path / "a.jsonl"))) == ["b"]


def test_a_file_of_another_name_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    assert texts(bare(spec(put(tmp_path / "a.dump", '{"text": "a"}\n')))) == ["a"]
    with pytest.raises(ShardError, match="unknown kind of file"):
        pool_inputs(spec(put(tmp_path / "b.dump", b"\x00\x01")))


# Source code


def test_a_source_tree_gives_languages_slices_and_the_nearest_licence(tmp_path: Path) -> None:
    put(tmp_path / "LICENSE", MIT)
    put(tmp_path / "src" / "a.py", "print(1)\n")
    put(tmp_path / "src" / "b.rs", "// SPDX-License-Identifier: Apache-2.0\nfn main() {}\n")
    found = {value["language"]: value for value in bare(spec(tmp_path, format="code")) if isinstance(value, dict)}
    assert {name: (item["slice"], item.get("license")) for name, item in found.items()} == {
        "Licence": ("licences", "MIT"), "Python": ("code-python", "MIT"), "Rust": ("code", "Apache-2.0"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("node_modules/x/a.js", b"x", "vendored"),
        ("a.min.js", b"x", "generated"),
        ("a.go", b"// Code generated by protoc. DO NOT EDIT.\n", "generated"),
        ("a.py", b"x\0y", "binary"),
        ("a.bin", b"xy", "unknown-language"),
        ("a.c", b"x" * 20_001, "long-lines"),
    ],
)
def test_what_is_no_source_is_counted_by_reason(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    put(tmp_path / name, data)
    put(tmp_path / ".git" / "b.py", "never looked at")
    assert [(value.reason, value.harmless) for value in bare(spec(tmp_path, format="code"))] == [(reason, True)]


def test_a_zipped_source_tree_has_the_same_documents(tmp_path: Path) -> None:
    members = {"LICENSE": MIT.encode(), "src/a.py": b"print(1)\n", "img.png": b"\x89PNG"}
    for name, data in members.items():
        put(tmp_path / "tree" / name, data)
    packed = [zipped(tmp_path / "tree.zip", members), tarred(tmp_path / "tree.tar.gz", members, "w:gz")]
    trees = [read(spec(path, format="code")) for path in (tmp_path / "tree", *packed)]
    assert [sorted(map(repr, tree)) for tree in trees] == [sorted(map(repr, trees[0]))] * 3


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (MIT, "MIT"),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1", "LGPL-2.1"),
        ("All rights reserved.", None),
    ],
)
def test_a_licence_is_named_only_where_it_is_certain(text: str, licence: str | None) -> None:
    assert recognised(text) == licence


def test_the_nearest_licence_wins_over_the_trees() -> None:
    licences = licences_of({"LICENSE": MIT, "lib/COPYING": "GNU GENERAL PUBLIC LICENSE\nVersion 3"})
    assert [licences.nearest(name) for name in ("a.py", "lib/b/c.py")] == ["MIT", "GPL-3.0"]


def test_a_page_says_its_own_licence() -> None:
    assert linked(b'<a rel="license" href="https://creativecommons.org/licenses/by-sa/3.0/de/">') == "CC-BY-SA-3.0-DE"
    assert linked(b'<link href="http://creativecommons.org/publicdomain/zero/1.0/" rel=license>') == "CC0-1.0"
    assert linked(b'<a href="https://creativecommons.org/licenses/by/4.0/">some photo</a>') is None


# Archives


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "C:\\evil.txt", "..\\evil.txt"])
def test_a_member_that_would_leave_its_archive_is_refused_by_name(name: str, tmp_path: Path) -> None:
    for path in (zipped(tmp_path / "a.zip", {name: b"x"}), tarred(tmp_path / "a.tar", {name: b"x"})):
        with pytest.raises(ShardError, match="zip-slip") as error:
            read(spec(path))
        assert repr(name) in str(error.value)


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_links_inside_are_counted_and_links_out_and_devices_refused(tmp_path: Path) -> None:
    inside = special("b/link.txt", tarfile.SYMTYPE, "../a.txt")
    values = bare(spec(tarred(tmp_path / "a.tar", {"a.txt": b"text"}, extra=(inside,))))
    assert (texts(values), reasons(values)) == (["text"], {"archive-link": 1})
    for info in (special("l", tarfile.SYMTYPE, "/etc/passwd"), special("l", tarfile.SYMTYPE, "../x")):
        with pytest.raises(ShardError, match="links to"):
            read(spec(tarred(tmp_path / "b.tar", {"a.txt": b"text"}, extra=(info,))))
    with pytest.raises(ShardError, match="device or pipe"):
        read(spec(tarred(tmp_path / "c.tar", {"a.txt": b"text"}, extra=(special("p", tarfile.FIFOTYPE),))))


def test_archive_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "RATIO_FREE_BYTES", 100_000)
    members = {"a.txt": bytes(2_000_000)}
    for path in (zipped(tmp_path / "a.zip", members), tarred(tmp_path / "a.tar.gz", members, "w:gz")):
        with pytest.raises(ShardError, match=r"expands .*-fold"):
            read(spec(path))
        with pytest.raises(ShardError, match="pool.max_expanded_bytes"):
            read(spec(path, max_expansion=1e9, max_expanded_bytes=1_000_000))


def test_a_truncated_archive_is_refused_by_name(tmp_path: Path) -> None:
    members = {f"{number}.txt": os.urandom(5000) for number in range(5)}
    for path in (zipped(tmp_path / "a.zip", members), tarred(tmp_path / "a.tar.gz", members, "w:gz")):
        path.write_bytes(path.read_bytes()[:-8000])
        with pytest.raises(ShardError, match=rf"{path.name}: "):
            read(spec(path))


def test_a_damaged_member_of_a_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.txt": b"the text of it"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"the text", b"teh text"))
    with pytest.raises(ShardError, match="not an intact zip archive"):
        read(spec(path))


def test_a_zip_member_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "text")
        info = zipfile.ZipInfo("l.txt")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert reasons(bare(spec(tmp_path / "a.zip"))) == {"archive-link": 1}


# HTML and whole pools


def test_a_page_beyond_the_limit_is_too_long_without_being_held(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    with file.open("wb") as stream:
        stream.truncate(100_000_000)
    assert reasons(bare(spec(file, max_doc_bytes=1_000_000))) == {"too-long": 1}


def test_an_html_folder_becomes_pages_known_by_their_paths(tmp_path: Path) -> None:
    put(tmp_path / "b" / "a.htm", "<html>x")
    (found,) = read(spec(tmp_path))
    assert found == Placed(Page({}, b"<html>x", None, html=True), {"path": "b/a.htm"})


def test_ids_do_not_depend_on_the_names_of_text_files(tmp_path: Path) -> None:
    for folder, names in (("one", "ab"), ("two", "yx")):
        for name, text in zip(names, ("first", "second"), strict=True):
            put(tmp_path / folder / f"{name}.txt", text)
    one, two = (rows(build(tmp_path / "store", spec(tmp_path / folder))) for folder in ("one", "two"))
    assert [(row["id"], row["text"]) for row in one] == [(row["id"], row["text"]) for row in two]
    assert {row["text"]: json.loads(row["meta"])["place"]["path"] for row in two} == {
        "first": "y.txt",
        "second": "x.txt",
    }


PAGE = "<html><head><title>T</title></head><body><article>{}</article></body></html>"
LONG = "<p>" + "The library opens at nine and closes at six, every day but Sunday, as the town decided. " * 6 + "</p>"


def test_pages_of_a_folder_and_of_a_column_are_extracted_and_empty_ones_are_not_bad(tmp_path: Path) -> None:
    put(tmp_path / "pages" / "a.html", PAGE.format(LONG))
    put(tmp_path / "pages" / "b.html", PAGE.format(""))
    pool = build(tmp_path / "store", spec(tmp_path / "pages"))
    assert pool.summary["rejected"] == {"no-main-text": 1}
    (row,) = rows(pool)
    assert row["text"].startswith("The library opens")
    assert json.loads(row["meta"]) == {"place": {"path": "a.html"}, "title": "T"}
    put(tmp_path / "a.jsonl", json.dumps({"html": PAGE.format(LONG), "url": "http://a.org/"}) + "\n")
    (same,) = rows(build(tmp_path / "store", spec(tmp_path / "a.jsonl", text="html", extract="trafilatura@1")))
    assert same["text"] == row["text"]


def test_what_an_archive_gave_adds_up_by_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.txt": b"one", "b.txt": b"two", "c.bin": b"?"})
    pool = build(tmp_path / "store", spec(path))
    (told,) = pool.summary["files"]  # type: ignore[misc,union-attr]
    assert told["records"] == told["documents"] + sum(told["rejected"].values()) == 3  # type: ignore[index,call-overload]


def test_a_reader_of_datatrove_is_used_and_what_it_skips_is_counted(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", '{"body": "one", "language": "en"}\n{"body": ""}\n{"body": "two"}\nnot json\n')
    chosen = spec(file, reader={"name": "datatrove:JsonlReader", "args": {"text_key": "body"}})
    values = bare(chosen)
    assert texts(values) == ["one", "two"]
    assert sum(reasons(values).values()) == 2
    assert all("file_path" not in value for value in values if isinstance(value, dict))


def test_an_unknown_reader_or_argument_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jsonl", '{"text": "one"}\n')
    with pytest.raises(RecipeError, match="did you mean `WarcReader`"):
        build(tmp_path / "store", spec(file, reader="datatrove:WarkReader"))
    with pytest.raises(RecipeError, match="did you mean `text_key`"):
        build(tmp_path / "store", spec(file, reader={"name": "datatrove:JsonlReader", "args": {"text_kee": "b"}}))
