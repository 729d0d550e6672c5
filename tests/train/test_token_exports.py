"""Exported token streams hold the ids and the documents of the stream, read by each format's own rules."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.store import load_artifact
from tests.train.conftest import sentences
from train.shards import open_streams

ENDINGS = {"megatron": (".bin", ".idx"), "olmo": (".npy", ".csv.gz"), "datatrove": (".ds", ".ds.index", ".ds.metadata")}


def curate(*words: str | Path) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def wide_tokenizer(path: Path) -> Path:
    """Write a tokenizer of 70,000 words, whose ids take four bytes."""
    words = {f"w{number}": number for number in range(70_000)}
    end = {"id": 70_000, "content": "<|endoftext|>", "special": True, "single_word": False, "lstrip": False,
           "rstrip": False, "normalized": False}  # fmt: skip
    model = {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    space = {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False}
    value = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [end], "normalizer": None,
             "pre_tokenizer": space, "post_processor": None, "decoder": {"type": "Fuse"}, "model": model}  # fmt: skip
    path.write_text(json.dumps(value))
    return path


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Token streams of two slices and two sources."""
    folder = tmp_path_factory.mktemp("tokens")
    texts = sentences("exports", 40)
    rows = {"text": texts, "slice": [f"of {i % 2}" for i in range(40)], "source": ["a,b", 'c"d'] * 20}
    pq.write_table(pa.table(rows), folder / "docs.parquet")
    words = ("--slice-column", "slice", "--source-column", "source", "--tokenizer", "ladder-nano@1", "-q")
    assert curate("tokenize", folder / "docs.parquet", "-o", folder / "out", *words) == 0
    return folder / "out"


def exported(tokens: Path, out: Path, wanted: str) -> Path:
    assert curate("export-tokens", tokens, "--to", wanted, "-o", out, "-q", "--json") == 0
    return out


def documents(tokens: Path) -> dict[str, list[list[int]]]:
    """Return every document's ids, cut after each EOS: the slow reading."""
    artifact = load_artifact(tokens)
    end: Any = artifact.summary["eos_id"]
    found: dict[str, list[list[int]]] = {}
    for name, ids in open_streams(artifact).tokens.items():
        found[name] = [[]]
        for token in ids.tolist():
            found[name][-1].append(token)
            if token == end:
                found[name].append([])
        assert found[name].pop() == []
    return found


def megatron(path: Path) -> list[list[int]]:
    """Read an index and its ids one number at a time, as the published format says."""
    data = path.with_suffix(".idx").read_bytes()
    assert data[:9] == b"MMIDIDX\x00\x00"
    version, code, num_sequences, num_bounds = struct.unpack_from("<QBQQ", data, 9)
    kind, size = {4: ("i", 4), 8: ("H", 2)}[code]
    place = 9 + 8 + 1 + 8 + 8
    lengths = struct.unpack_from(f"<{num_sequences}i", data, place)
    pointers = struct.unpack_from(f"<{num_sequences}q", data, place + 4 * num_sequences)
    bounds = struct.unpack_from(f"<{num_bounds}q", data, place + 12 * num_sequences)
    assert (version, list(bounds)) == (1, list(range(num_sequences + 1)))
    assert len(data) == place + 12 * num_sequences + 8 * num_bounds
    ids = path.with_suffix(".bin").read_bytes()
    assert sum(lengths) * size == len(ids)
    pairs = zip(lengths, pointers, strict=True)
    return [list(struct.unpack_from(f"<{length}{kind}", ids, start)) for length, start in pairs]


def olmo(path: Path, dtype: Any) -> list[list[int]]:
    ids = np.memmap(path.with_suffix(".npy"), dtype, mode="r")
    rows = gzip.decompress(path.with_suffix(".csv.gz").read_bytes()).decode().splitlines()
    bounds = [tuple(map(int, row.split(",")[:2])) for row in rows]
    return [ids[start:end].tolist() for start, end in bounds]


def datatrove(folder: Path, size: int) -> list[list[int]]:
    """Read all slices as datatrove's own data set gives them, windows of one id, and cut at its index."""
    module = pytest.importorskip("datatrove.utils.dataset")
    found = []
    for path in sorted(folder.glob("*.ds")):
        read = module.DatatroveFileDataset(str(path), seq_len=0, token_size=size)
        ids = [int(read[i]["input_ids"][0]) for i in range(len(read))]
        ends = np.fromfile(f"{path}.index", "<u8").tolist()
        found += [ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return found


def test_megatrons_index_gives_every_document(tokens: Path, tmp_path: Path) -> None:
    out = exported(tokens, tmp_path / "out", "megatron")
    slices: Any = load_artifact(out).summary["slices"]
    read = {name: megatron(out / held["file"]) for name, held in slices.items()}
    assert read == documents(tokens)


def test_olmos_rows_give_every_document_and_its_source(tokens: Path, tmp_path: Path) -> None:
    out = exported(tokens, tmp_path / "out", "olmo")
    slices: Any = load_artifact(out).summary["slices"]
    assert {name: olmo(out / held["file"], np.uint16) for name, held in slices.items()} == documents(tokens)
    rows = gzip.decompress((out / f"{slices['of 0']['file']}.csv.gz").read_bytes()).decode().splitlines()
    assert rows[0].endswith(',0,"a,b",0')


def test_datatroves_own_reader_gives_every_document(tokens: Path, tmp_path: Path) -> None:
    out = exported(tokens, tmp_path / "out", "datatrove")
    assert datatrove(out, 2) == [doc for docs in documents(tokens).values() for doc in docs]
    path = next(iter(sorted(out.glob("*.metadata"))))
    total = sum(map(len, documents(tokens)["of 0"]))
    assert path.read_text().split("\n")[:2] == ["ladder-nano@1|2", str(total)]


def test_datatroves_reader_gives_windows_with_positions_that_begin_anew_in_each_document(
    tokens: Path, tmp_path: Path
) -> None:
    module = pytest.importorskip("datatrove.utils.dataset")
    out = exported(tokens, tmp_path / "out", "datatrove")
    folder = module.DatatroveFolderDataset(str(out), seq_len=63, filename_pattern="*.ds", return_positions=True)
    first = documents(tokens)["of 0"]
    expected = [place for doc in first for place in range(len(doc))][:64]
    assert folder[0]["positions"].tolist() == expected
    assert folder[0]["input_ids"].tolist() == [token for doc in first for token in doc][:64]


@pytest.mark.parametrize("wanted", ENDINGS)
def test_ids_of_a_large_vocabulary_take_four_bytes(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "w69999"}) + "\n" + json.dumps({"text": "w1"}) + "\n")
    words = ("--tokenizer", wide_tokenizer(tmp_path / "tokenizer.json"), "-q")
    assert curate("tokenize", tmp_path / "docs.jsonl", "-o", tmp_path / "tokens", *words) == 0
    out = exported(tmp_path / "tokens", tmp_path / "out", wanted)
    slices: Any = load_artifact(out).summary["slices"]
    (path,) = [out / held["file"] for held in slices.values()]
    read = {
        "megatron": lambda: megatron(path),
        "olmo": lambda: olmo(path, np.uint32),
        "datatrove": lambda: datatrove(out, 4),
    }
    assert read[wanted]() == [[69_999, 70_000], [1, 70_000]]


@pytest.mark.parametrize("wanted", ENDINGS)
def test_twice_gives_the_same_bytes_and_a_third_time_writes_nothing(tokens: Path, tmp_path: Path, wanted: str) -> None:
    one, two = (exported(tokens, tmp_path / name, wanted) for name in ("one", "two"))
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }
    written = {path: path.stat().st_mtime_ns for path in one.iterdir()}
    exported(tokens, tmp_path / "one", wanted)
    assert {path: path.stat().st_mtime_ns for path in one.iterdir()} == written
    assert {"".join(path.suffixes) for path in one.iterdir()} == {*ENDINGS[wanted], ".json"}


@pytest.mark.parametrize(
    ("words", "said"), [(("--to", "webdataset"), "unknown format"), (("--to", "olmo"), "holds something else")]
)
def test_what_cannot_be_exported_is_one_block_with_exit_2(
    tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert curate("export-tokens", tokens, *words, "-o", tmp_path) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
