"""`curate filters agree`: hand-counted confusion and kappa, what each drops alone, and the same numbers everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import CurateError, RecipeError
from filters.agree_command import filters_agree
from filters.agreement import Confusion

LOOSE, STRICT = "{filter: word-count, min_words: 3}", "{filter: word-count, min_words: 5}"
LONG = "{filter: word-count, min_words: 3, max_words: 6}"


def write(path: Path, num_words: list[int], slice_: str = "web") -> Path:
    rows = [
        {"id": f"{slice_}-{i}", "text": " ".join(f"{slice_}{i}w{k}" for k in range(n)), "slice": slice_}
        for i, n in enumerate(num_words)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(first: str, second: str, *documents: Path | str, **options: Any) -> Any:
        words = [str(item) for item in documents]
        as_json = options.pop("json_output", True)
        filters_agree(first, second, words, store=tmp_path / "store", json_output=as_json, workers=1, **options)
        shown = capsys.readouterr().out
        return json.loads(shown) if as_json else shown

    return run


def test_confusion_and_kappa_are_the_hand_counted_ones(agree: Any, tmp_path: Path) -> None:
    """Words 1 2 3 4 5 6 7 8: A (3 to 6) drops 1 2 7 8, B (5 up) drops 1 2 3 4; equal 4 of 8, by chance 4 of 8."""
    found = agree(LONG, STRICT, write(tmp_path / "a.jsonl", [1, 2, 3, 4, 5, 6, 7, 8]))
    total = found["total"]
    assert [total[key] for key in ("both_keep", "only_a_drops", "only_b_drops", "both_drop")] == [2, 2, 2, 2]
    assert total["kappa"] == pytest.approx(0.0)
    assert total["agreement"] == 0.5
    assert total["agreement_low"] < 0.5 < total["agreement_high"]


def test_kappa_of_a_published_table() -> None:
    """Two readers, 50 applications: 20 both yes, 15 both no, 5 and 10 apart; kappa 0.4 (the textbook example)."""
    table = Confusion(both_keep=20, only_a_drops=10, only_b_drops=5, both_drop=15)
    assert table.kappa == pytest.approx(0.4)


def test_a_filter_agrees_wholly_with_itself(agree: Any, tmp_path: Path) -> None:
    found = agree(STRICT, STRICT, write(tmp_path / "a.jsonl", [1, 9]))
    assert (found["total"]["kappa"], found["total"]["agreement"]) == (1.0, 1.0)
    assert (found["a"]["drops_alone"], found["b"]["samples"]) == ({}, [])


def test_kappa_is_undefined_when_both_keep_everything(agree: Any, tmp_path: Path) -> None:
    assert agree(LOOSE, STRICT, write(tmp_path / "a.jsonl", [9, 9, 9]))["total"]["kappa"] is None


def test_what_one_drops_alone_has_reason_value_and_text(agree: Any, tmp_path: Path) -> None:
    found = agree(LOOSE, STRICT, write(tmp_path / "a.jsonl", [1, 4, 9]))
    assert found["a"]["drops_alone"] == {}
    assert found["b"]["drops_alone"] == {"too-few-words": 1}
    (sample,) = found["b"]["samples"]
    assert (sample["value"], sample["text"].split()[0]) == (4.0, "web1w0")


def test_slices_are_counted_apart_and_those_not_judged_by_both_left_out(agree: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [1, 4, 9])
    write(tmp_path / "b.jsonl", [4, 4], "docs")
    write(tmp_path / "c.jsonl", [4], "code")
    both = "{filter: word-count, min_words: 3, applies_to: [prose, code]}"
    found = agree(both, STRICT, tmp_path / "*.jsonl")
    assert {name: item["only_b_drops"] for name, item in found["by_slice"].items()} == {"web": 1, "docs": 2}
    assert found["not_compared"] == {"code": 1}
    assert found["total"]["docs"] == 5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gopher-quality/curate", "gopher-quality/datatrove"),
        ("gopher-quality/datatrove", "datatrove:GopherQualityFilter"),
        ("quality_v2", "c4-page"),
    ],
)
def test_dialects_and_foreign_filters_can_be_compared(
    first: str, second: str, agree: Any, tmp_path: Path, clean_text: str
) -> None:
    rows = [{"id": str(i), "text": clean_text * (i % 2) + f"number {i}"} for i in range(8)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = agree(first, second, tmp_path / "a.jsonl")
    assert found["total"]["docs"] == 8
    assert found["total"]["both_drop"] == 4


def test_a_filter_that_asks_who_is_alive_is_compared_on_training_documents(agree: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [9] * 60)
    found = agree("{filter: random, keep: 0.5}", LOOSE, path)
    assert found["training_documents_only"]
    assert found["total"]["docs"] < 60
    assert found["a"]["drops_alone"] == {"not-drawn": found["total"]["only_a_drops"]}


def test_the_terminal_and_the_page_say_the_same_numbers(agree: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [1, 4, 9])
    page = tmp_path / "report.html"
    shown = agree(LOOSE, STRICT, path, json_output=False, out=page)
    written = page.read_text()
    for text in ("equal verdicts on 2 of 3 documents", "too-few-words", "web1w0"):
        assert text in " ".join(shown.split())
        assert text in written
    assert "<script" not in written
    assert "http" not in written.replace("http-equiv", "")


def test_text_of_documents_is_escaped_in_the_page(agree: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "1", "text": "<script>alert(1)</script> & more words"}))
    agree("{filter: word-count, min_words: 9}", LOOSE, tmp_path / "a.jsonl", out=tmp_path / "p.html")
    assert "<script" not in (tmp_path / "p.html").read_text()


def test_pools_and_corpora_of_the_store_are_documents_too(
    agree: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from curation.build_command import build
    from curation.store import Store

    path = write(tmp_path / "a.jsonl", [9, 4] * 30)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"{{name: r, pool: {path}, stages: [{STRICT}]}}")
    build(recipe, store=tmp_path / "store", quiet=True, workers=1)
    capsys.readouterr()
    known = {item.kind: item for item in Store.open(tmp_path / "store").artifacts()}
    assert agree(LOOSE, STRICT, known["pool"].path.name)["total"]["docs"] == 60
    corpus = agree(LOOSE, STRICT, known["corpus"].path)["total"]
    assert corpus["docs"] == known["corpus"].summary["num_docs"]
    assert corpus["both_keep"] == corpus["docs"]  # what the strict filter dropped is gone
    with pytest.raises(CurateError, match="is a panel, expected a pool or a corpus"):
        agree(LOOSE, STRICT, known["panel"].path)


def test_columns_are_settings_of_the_pool(agree: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"content": "one two three four", "topic": "sea"}))
    found = agree(LOOSE, STRICT, tmp_path / "a.jsonl", overrides=["pool.text=content", "pool.slice=topic"])
    assert found["by_slice"]["sea"]["only_b_drops"] == 1


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("wrod-count", "did you mean `word-count`"),
        ("{filtr: x}", "names no filter"),
        ("{filter: word-count, min_word: 3}", "did you mean `min_words`"),
    ],
)
def test_a_filter_that_cannot_be_made_is_an_error(first: str, message: str, agree: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        agree(first, LOOSE, write(tmp_path / "a.jsonl", [3]))
