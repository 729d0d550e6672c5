from __future__ import annotations

from pathlib import Path

import pytest

from curation.files import appearing, canonical_json, digest_json, replacing, write_bytes


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"old")

    def fail() -> None:
        with replacing(tmp_path / "f") as temporary:
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


@pytest.mark.parametrize("empty_before", [False, True])
def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path, empty_before: bool) -> None:
    if empty_before:
        (tmp_path / "d").mkdir()

    def make(fault: str) -> None:
        with appearing(tmp_path / "d") as temporary:
            (temporary / "f").write_text("half")
            if fault:
                raise OSError(fault)

    with pytest.raises(OSError, match="disk full"):
        make("disk full")
    assert [path.name for path in tmp_path.rglob("*")] == ["d"] * empty_before
    make("")
    assert [path.name for path in tmp_path.rglob("*")] == ["d", "f"]


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})


def test_not_a_number_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest_json({"x": float("nan")})
