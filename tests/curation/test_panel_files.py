"""External panels: Paloma's layout, any columns, one digest whatever the files, and named errors."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.batches import read_table, write_table
from curation.cli import main
from curation.errors import CurateError, RecipeError, ShardError, SuiteChangedError
from curation.panel import DOCUMENTS
from curation.panel_check import find_any_panel, verified
from curation.panel_files import external_panel, read_spec
from curation.panel_slices import with_languages
from curation.panel_view import described
from curation.progress import SilentProgress
from curation.store import Artifact, Store

RECORDS = [
    {"text": f"text number {i} of {i % 3}", "id": f"d{i}", "subdomain": f"s{i % 3}", "source": "theirs"}
    for i in range(12)
]


def gz(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("".join(json.dumps(record) + "\n" for record in records))
    return path


def paloma(root: Path) -> Path:
    """Write three sources, one without subdomains, one with a test split only for good measure."""
    gz(root / "c4_en" / "val" / "val_0.jsonl.gz", [
        {"text": f"web {i}", "id": str(i), "metadata": {"url": f"http://www.site{i % 4}.com/{i}"}} for i in range(8)
    ])  # fmt: skip
    gz(root / "c4_en" / "test" / "test_0.jsonl.gz", [{"text": f"other {i}"} for i in range(5)])
    gz(root / "wikitext_103" / "val" / "a.jsonl.gz", RECORDS[:6])
    gz(root / "wikitext_103" / "val" / "b.jsonl.gz", RECORDS[6:])
    (root / "README.md").write_text("card")
    return root


def build(root: Path, *words: str, paths: list[str], expect: str | None = None) -> Artifact:
    return external_panel(Store.open(root / "store"), read_spec(paths, words), SilentProgress(), expect=expect)


def slices(panel: Artifact) -> dict[str, tuple[int, int]]:
    held: Any = panel.summary["slices"]
    return {name: (one["docs"], one["families"]) for name, one in held.items()}


def test_of_palomas_folder_every_source_is_a_slice_and_a_url_names_the_family(tmp_path: Path) -> None:
    folder = str(paloma(tmp_path / "paloma"))
    assert slices(build(tmp_path, paths=[folder])) == {"c4_en": (8, 4), "wikitext_103": (12, 12)}
    assert slices(build(tmp_path, "slice=subdomain", paths=[folder])) == {
        "c4_en": (8, 4), "wikitext_103/s0": (4, 4), "wikitext_103/s1": (4, 4), "wikitext_103/s2": (4, 4),
    }  # fmt: skip
    gz(tmp_path / "paloma" / "wikitext_103" / "test" / "t.jsonl.gz", RECORDS[:2])
    assert slices(build(tmp_path, "split=test", paths=[folder])) == {"c4_en": (5, 5), "wikitext_103": (2, 2)}


def test_any_parquet_with_named_columns_is_a_panel_marked_external(tmp_path: Path) -> None:
    rows = [{"body": f"b {i}", "topic": ["x", "y"][i % 2], "site": f"f{i % 5}", "key": i} for i in range(20)]
    write_table(tmp_path / "mine.parquet", pa.Table.from_pylist(rows))
    panel = build(
        tmp_path, "text=body", "slice=topic", "family=site", "id=key", "domains.x=books", "version=3",
        paths=[str(tmp_path / "mine.parquet")],
    )  # fmt: skip
    value: Any = described(panel)
    assert (value["external"], value["name"], value["version"]) == (True, "mine", "3")
    assert {name: (one["docs"], one["families"], one["domain"]) for name, one in value["slices"].items()} == {
        "x": (10, 5, "books"), "y": (10, 5, "other"),
    }  # fmt: skip
    assert read_table(panel.path / DOCUMENTS)["id"].to_pylist()[0] == "x/0"


@settings(max_examples=8)
@given(order=st.permutations(range(12)), cut=st.integers(1, 11), name=st.sampled_from(["a", "zz"]))
def test_the_digest_does_not_depend_on_order_names_or_cuts_of_files(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cut: int, name: str
) -> None:
    root = tmp_path_factory.mktemp("digest")
    gz(root / "whole" / "one.jsonl.gz", RECORDS)
    shuffled = [RECORDS[i] for i in order]
    gz(root / "cut" / f"{name}.jsonl.gz", shuffled[:cut])
    gz(root / "cut" / "m.jsonl.gz", [*shuffled[cut:], shuffled[0]])  # and one document twice
    whole, again = (build(root, "name=p", "default_slice=p", paths=[str(root / part)]) for part in ("whole", "cut"))
    assert whole.summary["digest"] == again.summary["digest"]
    assert again.summary["excluded"] == {"duplicate-text": 1}
    assert read_table(whole.path / DOCUMENTS).equals(read_table(again.path / DOCUMENTS))


def test_a_long_document_is_cut_between_characters(tmp_path: Path) -> None:
    gz(tmp_path / "long.jsonl.gz", [{"text": "ü" * 40}, {"text": "short"}])
    panel = build(tmp_path, "max_doc_bytes_scored=33", paths=[str(tmp_path / "long.jsonl.gz")])
    assert sorted(read_table(panel.path / DOCUMENTS)["text"].to_pylist()) == ["short", "ü" * 16]
    assert panel.summary["slices"]["long"]["full_bytes"] == 85  # type: ignore[index,call-overload]


def test_files_of_another_digest_than_the_pinned_one_are_refused(tmp_path: Path) -> None:
    file = str(gz(tmp_path / "p.jsonl.gz", RECORDS))
    digest = str(build(tmp_path, paths=[file]).summary["digest"])
    assert build(tmp_path, paths=[file], expect=digest[:8]).summary["digest"] == digest
    gz(tmp_path / "p.jsonl.gz", [*RECORDS[1:], {"text": "another"}])
    with pytest.raises(SuiteChangedError, match=f"expected {digest[:12]}"):
        build(tmp_path, paths=[file], expect=digest[:12])


def test_a_changed_panel_is_refused_whether_its_documents_or_its_manifest_changed(tmp_path: Path) -> None:
    panel = build(tmp_path, paths=[str(gz(tmp_path / "p.jsonl.gz", RECORDS))])
    assert verified(panel) is panel
    manifest = panel.path / "manifest.json"
    kept = manifest.read_text()
    manifest.write_text(kept.replace(str(panel.summary["digest"]), "0" * 64))
    with pytest.raises(SuiteChangedError, match="panel digest .* expected 0000000000000000"):
        find_any_panel(Store.open(tmp_path / "store"), str(panel.path), SilentProgress())
    manifest.write_text(kept)
    data = bytearray((panel.path / DOCUMENTS).read_bytes())
    data[len(data) // 2] ^= 1
    (panel.path / DOCUMENTS).write_bytes(data)
    with pytest.raises(SuiteChangedError, match="the panel was changed"):
        find_any_panel(Store.open(tmp_path / "store"), panel.path.name, SilentProgress())
    (panel.path / DOCUMENTS).unlink()
    with pytest.raises(ShardError, match="is missing"):
        find_any_panel(Store.open(tmp_path / "store"), panel.path.name, SilentProgress())


@pytest.mark.parametrize(
    ("words", "make", "message"),
    [
        ((), lambda root: gz(root / "none.jsonl.gz", []), "empty, no document among 0 records"),
        ((), lambda root: gz(root / "blank.jsonl.gz", [{"text": " "}] * 3), "among 3 records.*empty-text"),
        (("text=body",), lambda root: gz(root / "x.jsonl.gz", RECORDS), "no-text"),
        ((), lambda root: gz(root / "half.jsonl.gz", [*RECORDS, {"text": ""}, {}]), "2 of 14 records are no documents"),
        (("id=id",), lambda root: gz(root / "x.jsonl.gz", [*RECORDS, {"text": "new", "id": "d1"}]), "has two texts"),
        ((), lambda root: root / "gone", "no such file"),
        ((), lambda root: (gz(root / "p" / "a" / "test" / "t.jsonl.gz", RECORDS), root / "p")[1], "slice `a`: empty"),
    ],
)
def test_a_panel_without_its_documents_is_a_named_error(tmp_path: Path, words: Any, make: Any, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        build(tmp_path, *words, paths=[str(make(tmp_path))])


def test_an_unknown_setting_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean `slice`"):
        read_spec([str(tmp_path)], ["slise=x"])


def test_languages_with_families_enough_are_slices_and_others_are_other() -> None:
    rows = [("multilingual", "de", f"f{i}") for i in range(5)] + [("multilingual", "fr", "g")] * 9
    rows += [("multilingual", None, "h"), ("web", "de", "i")]
    names = ("slice", "lang", "family")
    random.Random(1).shuffle(rows)
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    found = {(row["slice"], row["lang"]) for row in with_languages(table, {}).to_pylist()}
    assert found == {
        ("multilingual/de", "de"), ("multilingual/other", "fr"), ("multilingual/other", None), ("web", "de"),
    }  # fmt: skip
    assert with_languages(table, {"web": "multilingual", "multilingual": "other"})["slice"].equals(table["slice"])


def test_the_commands_build_show_and_copy_a_panel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, store = paloma(tmp_path / "paloma"), ["--store", str(tmp_path / "store")]

    def run(*words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main([*words, *store, "--json"])
        assert ended.value.code in (0, None, 2)
        return json.loads(capsys.readouterr().out)

    made = run("panel", "build", str(folder), "--out", str(tmp_path / "copy"))
    for name in (str(tmp_path / "copy"), "paloma", made["fingerprint"][:8], str(folder)):
        shown = run("panel", "show", name)
        assert (shown["digest"], shown["slices"]) == (made["digest"], made["slices"])
    assert len(run("panel", "show", "paloma", "--samples", "2")["samples"]["c4_en"]) == 2
    assert "no such panel" in run("panel", "show", "palma")["error"]["message"]
    assert "holds something else" in run("panel", "build", str(folder), "--out", str(folder))["error"]["message"]
    with pytest.raises(SystemExit):
        main(["panel", "show", "paloma", *store])
    assert "under 50 families (rule 5)" in " ".join(capsys.readouterr().out.split())


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"] * 50}), tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-9])
    with pytest.raises(CurateError, match=r"x\.parquet: not an intact Parquet file"):
        build(tmp_path, paths=[str(tmp_path / "x.parquet")])
