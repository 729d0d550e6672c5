"""What a step of the funnel says: which documents it judged, warnings, notes of its filter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.build_command import build
from curation.funnel_remarks import judged_entry, judged_text, remarks, warning_text
from curation.show_command import show

SLICES = ("code", "web", "wiki")


def entry(*unjudged: str) -> dict[str, Any]:
    """Return the entry of a step that 5 code, 10 web and no wiki documents entered."""
    entered = np.array([[5, 50, 5], [10, 100, 10], [0, 0, 0]], np.int64)
    return judged_entry({"judged_slices": [], "unjudged_slices": list(unjudged)}, entered, SLICES)


def step(judged: int, unjudged: int, left: int) -> dict[str, Any]:
    told = {"docs": judged, "unjudged_docs": unjudged, "slices": {}, "unjudged_slices": {"code": unjudged}}
    return {"step": "filter: x", "docs_in": judged + unjudged, "docs_out": left, "judged": told}


def test_documents_that_entered_are_counted_by_slice_judged_or_not() -> None:
    found = entry("code", "wiki")["judged"]
    assert found == {"docs": 10, "unjudged_docs": 5, "slices": {"web": 10}, "unjudged_slices": {"code": 5}}


def test_a_step_says_which_slices_it_did_not_judge_and_nothing_if_it_judged_all() -> None:
    assert judged_text({"docs_in": 15, **entry("code")}) == "judged 10 of 15 (not: code)"
    assert judged_text({"docs_in": 15, **entry("wiki")}) == ""
    assert judged_entry({"reasons": []}, np.zeros((3, 3), np.int64), SLICES) == {}


def test_many_slices_that_were_not_judged_are_counted_after_four() -> None:
    passed = {f"s{number}": 9 - number for number in range(6)}
    told = {"docs_in": 99, "judged": {"docs": 60, "unjudged_slices": passed}}
    assert judged_text(told) == "judged 60 of 99 (not: s0, s1, s2, s3, 2 more)"


@pytest.mark.parametrize(
    ("counts", "says"),
    [((0, 5, 5), "judged no document"), ((10, 5, 5), "dropped all 10 documents that it judged"), ((10, 5, 6), None)],
)
def test_a_step_that_judged_nothing_or_kept_nothing_of_it_is_a_warning(
    counts: tuple[int, int, int], says: str | None
) -> None:
    assert (says in warning_text(step(*counts))) if says else warning_text(step(*counts)) == ""


def test_notes_of_a_verdict_are_remarks_of_its_step() -> None:
    told = judged_entry({"notes": ["no list given"]}, np.zeros((3, 3), np.int64), SLICES)
    assert remarks({"docs_in": 0, **told}) == ["no list given"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one corpus of prose and code; its filters drop all prose, then judge `math` (none)."""
    folder = tmp_path_factory.mktemp("remarks")
    docs = [{"id": f"{s}{i}", "text": f"{s} number{i}", "slice": s} for s in ("web", "code") for i in range(60)]
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, docs)))
    stages = "[{filter: word-count, min_words: 5}, {filter: word-count, applies_to: math}]"
    (folder / "r.yaml").write_text(f"{{name: r, pool: {folder / 'docs.jsonl'}, stages: {stages}}}")
    build(folder / "r.yaml", store=folder / "store", json_output=True, workers=1)
    return folder / "store"


def test_the_json_the_terminal_and_the_page_say_who_was_judged(
    built: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show("corpus", store=built, funnel=True, json_output=True, out=tmp_path / "x.html")
    prose, math = json.loads(capsys.readouterr().out)["steps"][2:4]
    assert (set(prose["judged"]["slices"]), set(prose["judged"]["unjudged_slices"])) == ({"web"}, {"code"})
    assert math["judged"]["docs"] == 0
    show("corpus", store=built)
    text, page = " ".join(capsys.readouterr().out.split()), (tmp_path / "x.html").read_text()
    for words in ("judged no document", "dropped all"):
        assert words in text
        assert words in page
    assert f"judged {prose['judged']['docs']} of {prose['docs_in']} (not: code)" in page


def test_a_build_warns_on_stderr_of_a_filter_that_judged_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs.jsonl").write_text("\n".join(json.dumps({"text": f"number {i}"}) for i in range(60)))
    stages = "[{filter: word-count, applies_to: code}]"
    (tmp_path / "r.yaml").write_text(f"{{name: r, pool: {tmp_path / 'docs.jsonl'}, stages: {stages}}}")
    build(tmp_path / "r.yaml", store=tmp_path / "store", json_output=True, workers=1)
    assert "warning: filter: word-count judged no document" in capsys.readouterr().err
