"""`datatrove:Class`: its own verdicts, its constructor's settings, and a clear word when it cannot run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from curation.batches import read_table
from curation.errors import PluginError, RecipeError
from filters.base import FILTER_SCHEMES, find_filter
from filters.datatrove_filter import datatrove_classes, kebab

MakeWorld = Callable[..., Any]

PARAGRAPH = (
    "The harbour of the old town was built by people who had come from the north to trade with their neighbours. "
)
LONG = "\n".join([PARAGRAPH * 3] * 3)
SHORT = "Too short to pass."
SETTINGS: dict[str, dict[str, Any]] = {"RegexFilter": {"regex_exp": "secret"}}
TESTED = [
    "GopherQualityFilter",
    "GopherRepetitionFilter",
    "FineWebQualityFilter",
    "C4QualityFilter",
    "C4ParagraphFilter",
    "RegexFilter",
]


def doc(id_: str, text: str) -> dict[str, Any]:
    return {"id": id_, "text": text, "slice": "prose", "role": 0}


def test_the_scheme_is_registered() -> None:
    assert "datatrove" in FILTER_SCHEMES.names()
    assert find_filter("datatrove:C4ParagraphFilter", "test").name == "datatrove:C4ParagraphFilter"


@pytest.mark.parametrize("name", TESTED)
def test_verdicts_are_those_of_datatrove_itself(name: str, make_world: MakeWorld, clean_text: str) -> None:
    from datatrove.data import Document

    texts = [clean_text, LONG, SHORT, "a secret\n" * 30, clean_text + "{ }", "Line.\n" * 40, "- item\n" * 80]
    found = make_world([doc(str(i), text) for i, text in enumerate(texts)]).judge(
        f"datatrove:{name}", **SETTINGS.get(name, {})
    )
    plain = datatrove_classes()[name](**SETTINGS.get(name, {}))
    for number, text in enumerate(texts):
        result = plain.filter(Document(text=text, id="x"))
        kept, reason = result if isinstance(result, tuple) else (result, f"fails {name}")
        assert found[str(number)] == (None if kept else kebab(reason))
    assert len(set(found.values())) > 1


@pytest.mark.parametrize("name", TESTED)
def test_awkward_text_gets_a_verdict(name: str, make_world: MakeWorld, awkward_text: str) -> None:
    world = make_world([doc("a", awkward_text), doc("b", LONG)])
    assert set(world.judge(f"datatrove:{name}", **SETTINGS.get(name, {}))) == {"a", "b"}


def test_a_setting_reaches_the_constructor_and_the_fingerprint(make_world: MakeWorld) -> None:
    world = make_world([doc("a", SHORT * 10)])
    strict, loose = (world.build("datatrove:GopherQualityFilter", min_doc_words=words) for words in (50, 3.5))
    assert world.verdicts(strict)["a"] == "gopher-short-doc"
    assert world.verdicts(loose)["a"] != "gopher-short-doc"
    assert strict.fingerprint != loose.fingerprint
    assert "0.10" in str(strict.manifest["version"])


def test_a_list_of_yaml_serves_where_datatrove_wants_a_tuple(make_world: MakeWorld) -> None:
    world = make_world([doc("a", "one;\ntwo;\nthree;\n" + PARAGRAPH)])
    assert world.judge("datatrove:FineWebQualityFilter", stop_chars=["?"])["a"] == "line-punct-ratio"


def test_the_text_that_a_filter_rewrites_stays_as_it_was(make_world: MakeWorld, clean_text: str) -> None:
    world = make_world([doc("a", clean_text + "no end mark\n" + clean_text)], num_parts=1)
    built = world.build("datatrove:C4QualityFilter")
    assert world.verdicts(built)["a"] is None
    pool = world.planner.materialise(world.inputs.pool)
    assert "no end mark" in read_table(pool.part_paths()[0])["text"][0].as_py()
    assert "not used" in find_filter("datatrove:C4QualityFilter", "test").summary


def test_one_worker_or_two_give_the_same_verdicts(make_world: MakeWorld, clean_text: str) -> None:
    rows = [doc(f"{i:02d}", clean_text * (i % 3)) for i in range(12)]
    made = [make_world(rows, workers=n, store=f"s{n}").build("datatrove:GopherQualityFilter") for n in (1, 2)]
    assert made[0].manifest["files"] == made[1].manifest["files"]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("datatrove:GopherQualityFiltr", {}, "did you mean `GopherQualityFilter`"),
        ("datatrove:GopherQualityFilter", {"min_doc_word": 3}, "did you mean `min_doc_words`"),
        ("datatrove:GopherQualityFilter", {"min_doc_words": "many"}, "min_doc_words"),
        ("datatrove:RegexFilter", {"regex_exp": "("}, "refuses its settings"),
        ("datatrove:RegexFilter", {}, "regex_exp: missing"),
        ("datatrove:SamplerFilter", {}, "use the filter `random`"),
        ("datatrove:LambdaFilter", {}, "document filter"),
        ("datatrove:GopherQualityFilter", {"exclusion_writer": "x"}, "unknown key"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    name: str, params: dict[str, Any], message: str, make_world: MakeWorld
) -> None:
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        make_world([doc("a", SHORT)]).build(name, **params)


@pytest.mark.parametrize("name", ["C4BadWordsFilter", "UnigramLogProbFilter", "LanguageFilter"])
def test_a_filter_that_would_download_says_where_its_file_belongs(
    name: str, make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda **names: tmp_path / names["subfolder"])
    with pytest.raises(PluginError, match="would download"):
        make_world([doc("a", SHORT)]).build(f"datatrove:{name}")


def test_a_list_that_lies_in_the_cache_is_used_and_fingerprinted(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c4_badwords"
    folder.mkdir()
    from datatrove.io import strip_protocol
    from datatrove.pipeline.filters import c4_filters

    address = strip_protocol(c4_filters._EN_BADWORDS_URL).replace("/", "_")
    (folder / address).write_text("piffle\n")
    (folder / f"{address}.completed").touch()
    monkeypatch.setattr("huggingface_hub.cached_assets_path", lambda **names: folder)
    monkeypatch.setattr("datatrove.io.cached_assets_path", lambda **names: folder)
    world = make_world([doc("a", "what piffle is this"), doc("b", "nothing of the kind")])
    built = world.build("datatrove:C4BadWordsFilter")
    verdicts = world.verdicts(built)
    assert (verdicts["a"], verdicts["b"]) == ("document-removed-with-badwords", None)
    assert address in built.manifest["params"]["assets"]
    with pytest.raises(RecipeError, match="draws at random"):
        world.build("datatrove:C4BadWordsFilter", keep_fraction=0.5)


@pytest.mark.filterwarnings("ignore:The .registered_domain. property:DeprecationWarning")
def test_a_url_filter_judges_by_its_own_lists(make_world: MakeWorld) -> None:
    rows = [doc("a", SHORT) | {"url": "https://bad.com/x"}, doc("b", SHORT) | {"url": "https://good.com/x"}]
    settings: dict[str, Any] = {"extra_domains": ["bad.com"], "use_integrated_lists": False}
    assert make_world(rows).judge("datatrove:URLFilter", **settings) == {"a": "domain", "b": None}


def test_a_document_without_url_is_named(make_world: MakeWorld) -> None:
    with pytest.raises(PluginError, match="does not have url.*document a"):
        make_world([doc("a", SHORT)]).build("datatrove:URLFilter", use_integrated_lists=False)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("gopher_short_doc", "gopher-short-doc"),
        ("< 3 paragraphs", "fewer-than-3-paragraphs"),
        ("fails RegexFilter", "fails-regex-filter"),
        ("top_2_gram", "top-2-gram"),
        ("!", "dropped"),
    ],
)
def test_reasons_are_kebab_case(reason: str, expected: str) -> None:
    assert kebab(reason) == expected


def test_the_version_of_the_public_suffixes_is_in_the_fingerprint_of_the_filter_that_reads_them() -> None:
    assert f"tldextract-{version('tldextract')}" in find_filter("datatrove:URLFilter", "test").version
    assert "tldextract" not in find_filter("datatrove:RegexFilter", "test").version
