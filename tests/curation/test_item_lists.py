"""Lists of clean and suspicious items: what is written is read, for the suites it was made against."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curation.decontamination.detectors import detector
from curation.decontamination.findings import ANSWER, DTYPES, QUESTION, Findings
from curation.decontamination.item_lists import Judged, read_item_lists, write_item_lists
from curation.errors import ShardError, SuiteChangedError
from curation.suites import Item, Suite
from curation.suites.items import suite_of

SUITES = (
    suite_of("alpha", [Item(id=str(n), question=f"alpha {n}", own_id=f"a{n}") for n in range(3)]),
    suite_of("beta", [Item(id=str(n), question=f"beta {n}") for n in range(2)]),
)


def findings(*rows: tuple[int, int, float, int]) -> Findings:
    """Rows of document, item, score, fields."""
    columns = {name: np.zeros(len(rows), dtype) for name, dtype in DTYPES.items()}
    for name, place in (("docs", 0), ("items", 1), ("scores", 2), ("fields", 3)):
        columns[name] = np.array([row[place] for row in rows], DTYPES[name])
    return Findings(**columns)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    found = findings((0, 1, 0.8, QUESTION), (2, 1, 0.9, ANSWER), (2, 4, 1.0, QUESTION))
    findable = np.array([True, True, False, True, True])
    thirteen = Judged(detector=detector("ngram-13", {}, "test"), findings=found, findable=findable)
    eight = Judged(detector=detector("ngram-8", {}, "test"), findings=findings(), findable=np.ones(5, np.bool_))
    write_item_lists(path, SUITES, [thirteen, eight], default="ngram-13")
    return path


def test_every_item_is_clean_suspicious_or_unknown(written: Path) -> None:
    lists = read_item_lists(written, SUITES)
    split = lists.split("alpha")
    assert (split.clean, split.suspicious, split.unknown) == ({0}, {1}, {2})
    assert lists.split("beta").suspicious == {1}
    assert lists.split("alpha", "ngram-8").clean == {0, 1, 2}


def test_a_row_holds_the_best_score_all_fields_and_the_number_of_documents(written: Path) -> None:
    row = read_item_lists(written.parent).rows["alpha"][1]
    assert row["found"] == {"ngram-13": {"score": 0.9, "fields": ["question", "answer"], "documents": 2}}
    assert row["own_id"] == "a1"


def test_lists_of_another_version_of_a_suite_are_refused(written: Path) -> None:
    changed = suite_of("alpha", [Item(id="0", question="something else")])
    with pytest.raises(SuiteChangedError, match="suite `alpha` of digest"):
        read_item_lists(written, [changed])
    with pytest.raises(ShardError, match="nothing about `gamma`"):
        read_item_lists(written, [Suite(name="gamma", digest="0" * 64, items=())])


@pytest.mark.parametrize("ask", [("alhpa", None), ("alpha", "ngram-12")])
def test_an_unknown_suite_or_detector_is_named(written: Path, ask: tuple[str, str | None]) -> None:
    with pytest.raises(ShardError, match="nothing about .* did you mean"):
        read_item_lists(written).split(*ask)


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_file_cut_short_is_refused(written: Path, keep: int) -> None:
    lines = written.read_text().splitlines()
    written.write_text("\n".join(lines[:keep]))
    with pytest.raises(ShardError, match="no intact list of items"):
        read_item_lists(written)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(ShardError, match="no `schema: curate-items@1`"):
        read_item_lists(tmp_path)
