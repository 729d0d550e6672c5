"""`curate tokenize`: files in, streams out, whatever workers, kills and row groups; bad input is named."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.cli import main
from curation.dedup import file_units
from curation.files import sha256_file
from curation.randomness import generator
from curation.token_engines import encode_reference, view_of
from curation.tokenizers import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
PICO = "ladder-pico@1"


def write(path: Path, texts: Sequence[str | None], group: int = 8, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": pa.array(texts, pa.string()), **columns})
    pq.write_table(table, path, compression="zstd", row_group_size=group)
    return path


def curate(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["tokenize", *(str(word) for word in words), "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def slow_stream(texts: Sequence[str | None]) -> list[int]:
    """Return the stream that the definition asks for: the reference's ids and EOS, document by document."""
    tokenizer = load_tokenizer(PICO)
    present = [text for text in texts if text is not None]
    return [
        int(i)
        for text in present
        for i in (*encode_reference(tokenizer.file, view_of([text])).tokens, tokenizer.eos_id)
    ]


def words(name: str, count: int) -> list[str]:
    stream = generator(1, name)
    return [" ".join(str(number) for number in stream.integers(0, 99_999, 30)) for _ in range(count)]


@settings(max_examples=25)
@given(
    texts=st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",)))), min_size=1, max_size=12),
    group=st.integers(1, 5),
    workers=st.sampled_from([1, 2]),
)
def test_a_stream_is_every_document_followed_by_eos(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], group: int, workers: int
) -> None:
    if all(text is None for text in texts):
        texts = [*texts, "one"]
    folder = tmp_path_factory.mktemp("tokens")
    write(folder / "in" / "a.parquet", texts, group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_units, "UNIT_BYTES", 1)  # a unit a row group
        with pytest.raises(SystemExit):
            main(["tokenize", str(folder / "in"), "--tokenizer", PICO, "-o", str(folder / "out"), "-q",
                  "--workers", str(workers)])  # fmt: skip
    assert np.fromfile(folder / "out" / "stream-00000.bin", "<u2").tolist() == slow_stream(texts)


def test_slices_get_streams_of_their_own_in_the_order_of_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts, topics = words("x", 30), ["b", "a", "c"] * 10
    write(tmp_path / "in" / "0.parquet", texts[:20], topic=topics[:20])
    write(tmp_path / "in" / "1.parquet", texts[20:], topic=topics[20:])
    code, made = curate(
        capsys, tmp_path / "in", "--tokenizer", PICO, "-o", tmp_path / "out", "--slice-column", "topic", "--verify"
    )
    assert (code, sorted(made["slices"]), made["verified"]) == (0, ["a", "b", "c"], True)
    for name, held in made["slices"].items():
        own = [text for text, topic in zip(texts, topics, strict=True) if topic == name]
        assert np.fromfile(tmp_path / "out" / held["file"], made["dtype"]).tolist() == slow_stream(own)
        assert (held["docs"], held["max_id"]) == (10, max(slow_stream(own)))


def test_json_lines_and_parquet_give_the_same_stream(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    texts = words("x", 20)
    write(tmp_path / "a.parquet", texts)
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    digests = set()
    for kind in ("parquet", "jsonl"):
        curate(capsys, tmp_path / f"a.{kind}", "--tokenizer", PICO, "-o", tmp_path / kind)
        digests.add(sha256_file(tmp_path / kind / "stream-00000.bin"))
    assert len(digests) == 1


def test_a_document_longer_than_a_piece_has_the_ids_of_the_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["short", "one two  three\n" * 400, "", "middle " * 9, "ü" * 50 + " a b c" * 100, "end"]
    monkeypatch.setattr("curation.tokenizers.PIECE_BYTES", 64)
    write(tmp_path / "a.parquet", texts)
    curate(capsys, tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert np.fromfile(tmp_path / "out" / "stream-00000.bin", "<u2").tolist() == slow_stream(texts)


def test_a_dry_run_writes_nothing_and_a_second_run_reuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["one"])
    call = (tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert curate(capsys, *call, "--dry-run")[1]["action"] == "build"
    assert not (tmp_path / "out").exists()
    curate(capsys, *call)
    before = (tmp_path / "out" / "manifest.json").stat().st_mtime_ns
    assert curate(capsys, *call, "--dry-run")[1]["action"] == "reuse"
    assert curate(capsys, *call)[0] == 0
    assert (tmp_path / "out" / "manifest.json").stat().st_mtime_ns == before


def test_a_killed_command_goes_on_from_its_pieces_and_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(6):
        origins = [("web", "book", None)[(number + row) % 3] for row in range(2_000)]
        write(tmp_path / "in" / f"{number}.parquet", words(str(number), 2_000), origin=origins)
    script = "import sys; from curation.cli import main; main(sys.argv[1:])"

    def start(out: Path, workers: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, "tokenize", str(tmp_path / "in"), "--tokenizer", PICO, "-o", str(out),
                   "--workers", str(workers), "--source-column", "origin", "-q"]  # fmt: skip
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)

    assert start(tmp_path / "whole", 2).wait() == 0
    killed = tmp_path / "killed"
    process = start(killed, 1)
    while process.poll() is None and not list(killed.glob(".work/*/result/pieces/piece-00001.json")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    pieces = {path: path.stat().st_mtime_ns for path in killed.glob(".work/*/result/pieces/*.bin")}
    if len(pieces) >= 2:  # a damaged piece is made again, the others are taken over
        damaged = sorted(pieces)[0]
        damaged.write_bytes(bytes(damaged.stat().st_size))
    assert start(killed, 1).wait() == 0
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == ["manifest.json", "stream-00000.bin", "stream-00000.documents.bin", "streams.json"]
    assert names == sorted(path.name for path in killed.iterdir())
    assert all(sha256_file(killed / name) == sha256_file(tmp_path / "whole" / name) for name in names)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_text_that_does_not_survive_names_document_and_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    write(tmp_path / "a.parquet", ["one", "two"], id=["doc-1", "doc-2"])
    monkeypatch.setattr("curation.tokenizers.Tokenizer.decode", lambda self, ids: b"one")
    monkeypatch.setattr("curation.tokenizers.Tokenizer.engine", engine)
    code, made = curate(capsys, tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert code == 2
    assert "a.parquet: document `doc-2` (row 1): its" in made["error"]["message"]
    assert "decode to other text" in made["error"]["message"]


def test_an_engine_that_differs_on_a_document_is_replaced_for_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curation import tokenizers

    fast = tokenizers.encode_fast

    def wrong(file: Any, view: Any) -> Any:
        encoded = fast(file, view)
        return type(encoded)(tokens=(encoded.tokens + 1).astype(encoded.tokens.dtype), offsets=encoded.offsets)

    monkeypatch.setattr(tokenizers, "encode_fast", wrong)  # the probe's own call is in token_engines
    texts = words("x", 20)
    write(tmp_path / "a.parquet", texts)
    code, made = curate(capsys, tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert (code, made["engine"]) == (0, "reference")
    assert "gives other ids than `tokenizers`" in made["engine_note"]
    assert np.fromfile(tmp_path / "out" / "stream-00000.bin", "<u2").tolist() == slow_stream(texts)


def test_a_flipped_bit_is_found_by_verify(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", words("x", 9))
    call = (tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    curate(capsys, *call)
    path = tmp_path / "out" / "stream-00000.bin"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    assert curate(capsys, *call)[0] == 0
    code, refused = curate(capsys, *call, "--verify")
    assert (code, "stream-00000.bin: sha256" in refused["error"]["message"]) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text-column", "txt"], "no column `txt`"),
        (["--text-column", "n"], "holds int64, expected strings; use --text-column COLUMN"),
        (["--slice-column", "topik"], "no column `topik`, which --slice-column names"),
        (["--tokenizer", "missing.json"], "missing.json: no such file"),
        (["--tokenizer", "ladder-pico"], "did you mean `ladder-pico@1`"),
    ],
)
def test_a_mistake_is_named_and_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], message: str
) -> None:
    write(tmp_path / "a.parquet", ["one"], n=[1], topic=["a"])
    given_words = ["--tokenizer", PICO, *options]  # the last one of an option counts
    code, made = curate(capsys, tmp_path / "a.parquet", *given_words, "-o", tmp_path / "out")
    assert code == 2
    assert message in made["error"]["message"]


def test_bytes_that_are_no_utf8_are_refused_with_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    code, made = curate(capsys, tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert (code, "a.parquet: text is not UTF-8" in made["error"]["message"]) == (2, True)


def test_a_directory_that_is_not_ours_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ["one"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    code, made = curate(capsys, tmp_path / "a.parquet", "--tokenizer", PICO, "-o", tmp_path / "out")
    assert (code, "is not empty and not ours" in made["error"]["message"]) == (2, True)


def test_show_says_how_to_read_streams_and_train_what_it_wants_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(tmp_path / "a.parquet", words("shown", 5), kind=["x", "x", "y", "y", "y"])
    out = tmp_path / "out"
    assert curate(capsys, table, "--tokenizer", PICO, "-o", out, "--slice-column", "kind", "-q")[0] == 0
    with contextlib.suppress(SystemExit):
        main(["show", str(out)])
    shown = capsys.readouterr().out
    assert "a.parquet" in re.sub(r"[│\s]", "", shown)  # a long path goes on in the next line of its cell
    assert [line.split()[5] for line in shown.splitlines() if "stream-0000" in line and "│" in line] == ["2", "3"]
    line = next(line for line in shown.splitlines() if line.startswith("ids = numpy.memmap"))
    found: dict[str, Any] = {"numpy": np}
    exec(line, found)  # it is to be pasted
    assert len(found["ids"]) == (out / "stream-00000.bin").stat().st_size // 2
    with pytest.raises(SystemExit) as ended:
        main(["train", str(out), "--store", str(tmp_path / "s")])
    assert ended.value.code == 2
    assert "expected a corpus; make one of the same files with `curate build --pool" in capsys.readouterr().err
