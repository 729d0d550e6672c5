"""`curate show`: the list without a name, a corpus as tables, and its funnel by rule, slice and source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.build_command import build
from curation.bundled import bundled_names
from curation.errors import CurateError
from curation.funnel import MAX_SOURCES, OTHER_SOURCES
from curation.recipe import STAGE_KINDS
from curation.show_all import STAGE_NAMES
from curation.show_command import show

UNITS = ("docs", "bytes", "tokens")


def document(number: int, slice_: str, source: str, words: int) -> dict[str, Any]:
    return {
        "id": f"{slice_}{number}",
        "text": " ".join(f"{slice_}{number}word{k}" for k in range(words)),
        "slice": slice_,
        "source": source,
        "url": f"https://{slice_}{number}.com/",
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one corpus: two filters over two slices; sources `odd` and `even`, and 120 of one document each."""
    folder = tmp_path_factory.mktemp("shown")
    docs = [document(i, "web", "odd" if i % 2 else "even", words=3 if i % 4 == 1 else 40) for i in range(120)]
    docs += [document(i, "notes", f"note-{i:03d}", words=20) for i in range(120)]
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, docs)))
    stages = "[{filter: word-count, min_words: 5}, {filter: word-count, min_words: 1, max_words: 30}]"
    (folder / "r.yaml").write_text(f"{{name: r, pool: {folder / 'docs.jsonl'}, stages: {stages}}}")
    build(folder / "r.yaml", store=folder / "store", quiet=True, json_output=True, workers=1)
    return folder / "store"


@pytest.fixture
def shown(store: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()

    def run(artifact: str | None = "corpus", **options: Any) -> Any:
        show(artifact, store=store, **options)
        text = capsys.readouterr().out
        return json.loads(text) if options.get("json_output") else text

    return run


def test_every_step_adds_up_by_slice_by_source_and_by_rule(shown: Any) -> None:
    steps = shown(funnel=True, json_output=True)["steps"][1:]
    assert len(steps) == 4
    for step in steps:
        for unit in UNITS:
            entered, left = step[f"{unit}_in"], step[f"{unit}_out"]
            for group in ("by_slice", "by_source"):
                assert sum(item[f"{unit}_in"] for item in step[group].values()) == entered
                assert sum(item[f"{unit}_out"] for item in step[group].values()) == left
            assert sum(reason[unit] for reason in step["reasons"].values()) == entered - left
            for reason in step["reasons"].values():
                assert sum(item[unit] for item in reason["by_slice"].values()) == reason[unit]


def test_losses_by_rule_name_step_reason_and_slice(shown: Any) -> None:
    rules = {(item["step"], item["reason"]): item for item in shown(funnel=True, json_output=True)["lost_by_rule"]}
    short = rules["filter: word-count", "too-few-words"]
    long = rules["filter: word-count", "too-many-words"]
    assert set(short["by_slice"]) == set(long["by_slice"]) == {"web"}
    assert 0 < short["share"] < long["share"] < 1


def test_losses_by_source_tell_sources_apart(shown: Any) -> None:
    sources = {item["name"]: item for item in shown(funnel=True, json_output=True)["lost_by_source"]}
    assert sources["even"]["docs_out"] == sources["odd"]["docs_out"] == 0
    assert sources["odd"]["lost_docs"]["filter: word-count"] > 0
    assert sources["odd"]["tokens_in"] < sources["even"]["tokens_in"]  # half of the odd ones are short


def test_the_number_of_sources_is_bounded_and_the_rest_counted_together(shown: Any) -> None:
    """122 sources; the hundred with most documents by name, 22 of one document each together."""
    sources = {item["name"]: item for item in shown(funnel=True, json_output=True)["lost_by_source"]}
    assert len(sources) == MAX_SOURCES + 1
    assert sources[OTHER_SOURCES]["docs_in"] == 22


def test_the_terminal_and_the_page_show_all_views_and_samples(shown: Any, tmp_path: Path) -> None:
    page = tmp_path / "funnel.html"
    text = shown(funnel=True, out=page)
    html = page.read_text()
    for words in ("Lost by rule", "Lost by slice", "Lost by source", "too-few-words", "too-many-words", "word0"):
        assert words in text
        assert words in html
    assert "<script" not in html


def test_a_funnel_is_asked_of_a_corpus_only(shown: Any, store: Path, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="a pool has no funnel; expected a corpus"):
        shown("pool", funnel=True)
    with pytest.raises(CurateError, match="no corpus named"):
        shown(None, funnel=True)
    with pytest.raises(CurateError, match="add one of them"):
        shown("corpus", out=tmp_path / "x.html")


def test_a_corpus_is_shown_as_tables_not_as_raw_values(shown: Any) -> None:
    text = shown("corpus")
    assert "{'" not in text
    assert "share of drawn bytes" in text
    assert "notes" in text


def test_the_list_names_artifacts_recipes_and_stages(shown: Any) -> None:
    listed = shown(None, json_output=True)
    what = {item["kind"]: item["what"] for item in listed["artifacts"]}
    assert what["corpus"] == "filter: word-count, filter: word-count"
    assert (what["verdict"], what["pool"]) == ("word-count", "240 documents")
    assert [item["name"] for item in listed["recipes"]] == bundled_names("recipes")
    assert "quality_v3" in listed["stages"]["filter"]
    assert {"exact", "minhash"} <= set(listed["stages"]["dedup"])
    text = shown(None)
    assert [name for name in ("baseline", "word-count", "ngram-13") if name not in text] == []


def test_every_kind_of_stage_lists_its_names() -> None:
    assert set(STAGE_NAMES) == set(STAGE_KINDS)


@pytest.mark.parametrize("remove", ["document", "span", "none"])
def test_a_corpus_shows_which_benchmark_items_its_recipe_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], remove: str
) -> None:
    question = "a tall heron stands in the shallow river and waits for small fish to pass by"
    (tmp_path / "birds.jsonl").write_text(json.dumps({"question": question}) + "\n")
    docs = [document(i, "web", "s", 150) for i in range(60)]
    for doc in docs[::3]:
        doc["text"] += f" {question} {doc['text']}"
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, docs)))
    stage = f"{{decontaminate: ngram-13, suites: {tmp_path / 'birds.jsonl'}, remove: {remove}}}"
    (tmp_path / "r.yaml").write_text(f"{{name: r, pool: {tmp_path / 'docs.jsonl'}, stages: [{stage}]}}")
    build(tmp_path / "r.yaml", store=tmp_path / "store", out=tmp_path / "out", quiet=True, json_output=True, workers=1)
    capsys.readouterr()
    show(str(tmp_path / "out"), json_output=True)
    (report,) = json.loads(capsys.readouterr().out)["contamination"]
    assert 0 < report["documents_hit"] <= 20
    assert report["suites"][0]["items_hit"] == 1
    show(str(tmp_path / "out"))
    text = capsys.readouterr().out
    assert f"Contamination: {report['documents_hit']} of {report['documents']} documents" in text
    assert "precision on this corpus unmeasured" in text
    show(str(tmp_path / "out"), funnel=True, json_output=True)
    steps = json.loads(capsys.readouterr().out)["steps"]
    step = next(step for step in steps if step["step"] == "decontaminate: ngram-13")
    assert step["docs_in"] - step["docs_out"] == (report["documents_hit"] if remove == "document" else 0)
