"""Comparison of extractors: sums by hand arithmetic, hostile pages escaped, the command on a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.cli import main
from curation.extraction import Page, compare_view
from curation.extraction.compare import boilerplate_fraction, scores, words
from curation.extraction.compare_view import differences
from curation.extraction.page_files import Sample

MAIN = " ".join(f"In the {n}th year the team walked along the river and wrote down what they saw." for n in range(9))


def sample(url: str | None) -> Sample:
    return Sample(name="x", page=Page(content=b"", url=url))


def test_agreement_is_f1_over_words_with_multiplicity() -> None:
    assert scores(words("a a b"), words("A b c d")) == (2 / 3, 2 / 4, 4 / 7)
    assert scores(words(""), words("")) == (1.0, 1.0, 1.0)
    assert scores(words(""), words("a")) == (0.0, 0.0, 0.0)


def test_characters_without_spaces_between_words_count_one_by_one() -> None:
    assert words("今日は river, River").total() == 5


def test_lines_that_pages_of_a_host_share_are_boilerplate() -> None:
    samples = [*(sample(f"http://a.example/{n}") for n in range(3)), sample("http://b.example/"), sample(None)]
    texts = ["menu\nbody0", "menu\nbody1", "menu\nbody2", "menu", "menu"]
    assert boilerplate_fraction(samples, texts) == 12 / 27
    assert boilerplate_fraction(samples[:2], texts[:2]) is None


def test_differences_put_together_give_both_texts() -> None:
    pieces = differences("a\nb\nc", "a\nx\nc\nd")
    assert "".join(text for kind, text in pieces if kind != "new") == "a\nb\nc\n"
    assert "".join(text for kind, text in pieces if kind != "gone") == "a\nx\nc\nd\n"


def test_the_command_compares_a_folder_and_escapes_what_pages_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "&lt;script&gt;alert(1)&lt;/script&gt;"
    for name in ("a", "b"):
        page = f"<html><head><title>{name}</title></head><body><p>{MAIN} {hostile} {name}</p></body></html>"
        (tmp_path / f"{name}.html").write_text(page)
    (tmp_path / "empty.html").write_text("<html></html>")
    out = tmp_path / "view" / "page.html"
    with pytest.raises(SystemExit) as stop:
        main(["show", "--extract", "resiliparse,resiliparse-all", str(tmp_path), "--out", str(out), "--json"])
    assert stop.value.code in (0, None)
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["extractors"]] == ["resiliparse@1", "resiliparse-all@1"]
    assert [one["num_empty"] for one in told["extractors"]] == [1, 1]
    assert [one["titles"] for one in told["extractors"]] == [2, 2]
    assert told["agreement"][0]["f1"] == 1.0
    view = out.read_text()
    assert "alert(1)" in view
    assert "<script" not in view


@pytest.mark.parametrize("words", [["--extract", "trafilatura"], ["--extract", "nonesuch", "HERE"]])
def test_wrong_usage_is_one_line_and_exit_2(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>x")
    with pytest.raises(SystemExit) as stop:
        main(["show", *(word.replace("HERE", str(tmp_path)) for word in words)])
    assert stop.value.code == 2


def test_pages_beyond_the_limit_are_said_to_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_view, "MAX_PAGES", 2)
    for number in range(3):
        (tmp_path / f"{number}.html").write_text(f"<p>Page {number} of a folder.</p>")
    compare_view.give_extract("resiliparse-all", str(tmp_path), None, as_json=True)
    said = capsys.readouterr()
    assert [page["name"] for page in json.loads(said.out)["pages"]] == ["0.html", "1.html"]
    assert "only the first 2 are compared" in said.err
