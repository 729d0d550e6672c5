"""The stage `modify`: new text versions inside whole builds, before and after filters, dedup and controls."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import ids
from curation.cli import main
from curation.errors import PluginError
from filters import Document
from filters.modifiers.base import MODIFIERS, Counter, Modifier, ModifierSettings, Refusals, Rewritten
from filters.modifiers.rewriting import rewrite_table

WORDS = "the of and to be that have with river stone garden letter window morning people carried small answer".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAds:
    """Takes out every line with the marker."""

    marker: str = "AD:"

    def rewrite(self, doc: Document) -> str:
        return "\n".join(line for line in doc.text.split("\n") if self.marker not in line)


@pytest.fixture(autouse=True)
def _no_ads() -> Iterator[None]:
    MODIFIERS.added["no-ads"] = NoAds
    yield
    del MODIFIERS.added["no-ads"]


def prose(rng: random.Random) -> str:
    lines = [" ".join(rng.choices(WORDS, k=12)).capitalize() + "." for _ in range(rng.randint(6, 12))]
    return "\n".join(lines)


def records(num_docs: int = 120) -> list[dict[str, Any]]:
    """Return documents: every third has two ads, every tenth extra newlines, number 7 is nothing but an ad."""
    rng = random.Random(3)
    docs = []
    for number in range(num_docs):
        text = prose(rng)
        if number % 3 == 0:
            text = f"AD: buy number {number}\n{text}\nAD: again"
        if number % 10 == 0:
            text = text.replace("\n", "\n\n\n\n", 1)
        docs.append({"id": f"d{number:03}", "text": text, "slice": "web" if number % 2 else "books"})
    docs[7]["text"] = "AD: nothing else"
    return docs


def write_pool(folder: Path, docs: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pool.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    return folder / "pool.jsonl"


def curate(*words: str | Path) -> int:
    """Run one command in this process and return its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def build(
    tmp_path: Path, docs: list[dict[str, Any]], stages: str, name: str = "x", *words: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Build and return the funnel and the corpus's texts by id."""
    recipe = tmp_path / f"{name}.yaml"
    recipe.write_text(
        f"name: r\npool: {{path: {write_pool(tmp_path, docs)}, id: id}}\n"
        f"panel: {{bytes_per_slice: 4000, reference_fraction: 0}}\nstages: {stages}\n"
    )
    out = tmp_path / f"out-{name}"
    assert curate("build", recipe, "--store", tmp_path / f"store-{name}", "--out", out, "-q", *words) == 0
    funnel = json.loads((out / "funnel.json").read_text())
    tables = [pq.read_table(path, columns=["id", "text"]) for path in sorted((out / "data").iterdir())]
    return funnel, {i: t for table in tables for i, t in zip(*table.to_pydict().values(), strict=True)}


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def step(funnel: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in funnel if item["step"] == name)


def test_the_corpus_has_the_new_text_under_the_old_ids(tmp_path: Path) -> None:
    docs = records()
    _, texts = build(tmp_path, docs, "[{modify: no-ads}, {modify: newlines}]")
    raw = {doc["id"]: doc["text"] for doc in docs}
    assert len(texts) > 50
    assert all("AD:" not in text and "\n\n\n" not in text for text in texts.values())
    assert texts["d001"] == raw["d001"]
    ids_with_ads = [i for i in texts if "AD:" in raw[i]]
    assert [texts[i].split("\n")[0] for i in ids_with_ads] == [raw[i].split("\n")[1] for i in ids_with_ads]


def test_an_emptied_document_is_dropped_and_counted(tmp_path: Path) -> None:
    docs = records()
    for number in (11, 13, 17):
        docs[number]["text"] = f"AD: number {number}"
    funnel, texts = build(tmp_path, docs, "[{modify: no-ads}]")
    assert not {"d007", "d011", "d013", "d017"} & set(texts)
    assert 1 <= step(funnel, "modify: no-ads")["reasons"]["nothing-left"]["docs"] <= 4


def test_bytes_and_tokens_in_are_those_out_dropped_and_removed_by_editing(tmp_path: Path) -> None:
    stages = "[{filter: word-count, min_words: 5}, {modify: no-ads}, {dedup: exact}, {modify: newlines}]"
    funnel, texts = build(tmp_path, records(), stages)
    for item in funnel[1:]:
        for unit in ("docs", "bytes", "tokens"):
            dropped = sum(counts[unit] for counts in item["reasons"].values())
            removed = 0 if unit == "docs" else item.get("changed", {}).get(f"removed_{unit}", 0)
            assert item[f"{unit}_in"] == item[f"{unit}_out"] + dropped + removed, (item["step"], unit)
            by_slice = sum(part[f"{unit}_out"] for part in item["by_slice"].values())
            assert by_slice == item[f"{unit}_out"]
    for before, after in itertools.pairwise(funnel[1:]):
        assert before["bytes_out"] == after["bytes_in"]
    assert funnel[-1]["bytes_out"] == sum(len(text.encode()) for text in texts.values())


def test_the_funnel_counts_documents_changed_and_what_the_modifier_counted(tmp_path: Path) -> None:
    docs = records()
    funnel, texts = build(tmp_path, docs, "[{modify: newlines}]")
    changed = step(funnel, "modify: newlines")["changed"]
    edited = [doc for doc in docs if doc["id"] in texts and "\n\n\n\n" in doc["text"]]
    assert changed["docs"] == len(edited) > 0
    assert changed["removed_bytes"] == changed["counters"]["newlines-removed"] == 2 * len(edited)
    by_slice = step(funnel, "modify: newlines")["by_slice"].values()
    assert sum(part["changed"]["docs"] for part in by_slice) == len(edited)


def test_a_filter_judges_the_text_at_its_stage(tmp_path: Path) -> None:
    docs = records()
    for doc in docs[::4]:
        doc["text"] = doc["text"].split("\n")[1] + "\nAD: and many many words of an advertisement" * 3
    before, _ = build(tmp_path, docs, "[{filter: word-count, min_words: 20}, {modify: no-ads}]", "before")
    after, texts = build(tmp_path, docs, "[{modify: no-ads}, {filter: word-count, min_words: 20}]", "after")
    reasons = [step(funnel, "filter: word-count")["reasons"] for funnel in (before, after)]
    dropped = [found.get("too-few-words", {"docs": 0})["docs"] for found in reasons]
    assert dropped[1] > dropped[0] + 10
    assert all(len(text.split()) >= 20 for text in texts.values())


def test_documents_that_a_modifier_made_equal_are_found_by_dedup(tmp_path: Path) -> None:
    docs = records()
    for number in range(20, 40):
        docs[number]["text"] = docs[number + 40]["text"] + f"\nAD: {number}"
    _, apart = build(tmp_path, docs, "[{dedup: exact}, {modify: no-ads}]", "apart")
    _, merged = build(tmp_path, docs, "[{modify: no-ads}, {dedup: exact}, {dedup: minhash}]", "merged")
    assert len(set(apart.values())) < len(apart)
    assert len(set(merged.values())) == len(merged)


@pytest.mark.parametrize("control", ["random", "random-matched"])
def test_a_control_behind_a_modifier_matches_tokens_of_the_new_text(tmp_path: Path, control: str) -> None:
    docs = records()
    for doc in docs[::2]:
        doc["text"] += "\nAD: " + " ".join(["advertisement"] * 200)
    matched = f"[{{modify: no-ads}}, {{filter: {control}, match: {{filter: word-count, min_words: 100}}}}]"
    reference, _ = build(tmp_path, docs, "[{modify: no-ads}, {filter: word-count, min_words: 100}]", "ref")
    drawn, _ = build(tmp_path, docs, matched, "drawn")
    kept = [funnel[-1]["tokens_out"] for funnel in (reference, drawn)]
    assert abs(kept[0] - kept[1]) < 300
    assert kept[0] < 0.9 * step(reference, "filter: word-count")["tokens_in"]


def test_the_panel_does_not_depend_on_modifiers(tmp_path: Path) -> None:
    build(tmp_path, records(), "[]", "plain")
    build(tmp_path, records(), "[{modify: no-ads}]", "edited")
    manifests = [json.loads((tmp_path / f"out-{name}/manifest.json").read_text()) for name in ("plain", "edited")]
    assert manifests[0]["summary"]["panel_digest"] == manifests[1]["summary"]["panel_digest"]


def test_one_worker_or_two_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "PARTITION_BYTES", 1 << 13)
    stages = "[{modify: newlines}, {filter: quality_v1}, {modify: no-ads}, {dedup: minhash}]"
    for workers in ("1", "2"):
        build(tmp_path, records(), stages, f"w{workers}", "--workers", workers)
    assert digests(tmp_path / "out-w1") == digests(tmp_path / "out-w2")
    assert len(list((tmp_path / "store-w2").glob("pool-*/changes-*"))) >= 8


def test_recipes_with_the_same_modifiers_share_the_text_whatever_their_filters(tmp_path: Path) -> None:
    build(tmp_path, records(), "[{filter: word-count}, {modify: newlines}]")
    first = {path.name for path in (tmp_path / "store-x").glob("pool-*")}
    shutil.rmtree(tmp_path / "out-x")
    build(tmp_path, records(), "[{modify: newlines}, {filter: quality_v1}]")
    assert {path.name for path in (tmp_path / "store-x").glob("pool-*")} == first
    assert len(first) == 2


def test_other_slices_keep_their_text(tmp_path: Path) -> None:
    docs = records()
    for doc in docs[::5]:
        doc.update(slice="code", text=doc["text"] + "\nAD: = 1")
    _, texts = build(tmp_path, docs, "[{modify: no-ads}]")
    raw = {doc["id"]: doc for doc in docs}
    code = [i for i in texts if raw[i]["slice"] == "code"]
    assert len(code) > 5
    assert all(texts[i] == raw[i]["text"] for i in code)


def test_a_dry_run_lists_the_text_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, records(), "[{modify: newlines}]")
    recipe = tmp_path / "y.yaml"
    recipe.write_text((tmp_path / "x.yaml").read_text().replace("newlines}]", "newlines}, {modify: no-ads}]"))
    capsys.readouterr()
    assert curate("build", recipe, "--store", tmp_path / "store-x", "--dry-run", "--json") == 0
    actions = {item["step"]: item["action"] for item in json.loads(capsys.readouterr().out)["steps"]}
    assert actions["modify newlines"] == actions["token counts after newlines"] == "reuse"
    assert actions["modify no-ads"] == actions["token counts after no-ads"] == actions["emptied by no-ads"] == "build"


def test_show_says_what_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    build(tmp_path, records(), "[{modify: newlines}]")
    capsys.readouterr()
    assert curate("show", tmp_path / "out-x") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "changed" in told
    assert "newlines-removed" in told.replace(" ", "")


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ("[{modify: newline}]", "newlines"),
        ("[{modify: newlines, max_consecutiv: 3}]", "max_consecutive"),
        ("[{modify: newlines, max_consecutive: 0}]", "max_consecutive"),
        ("[{modify: 'nowhere.module:Class'}]", "does not load"),
        ("[{modify: 'filters.word_count:WordCount'}]", "rewrite(document) -> str"),
    ],
)
def test_a_wrong_modify_stage_is_an_error_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stages: str, said: str
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: r\npool: {{path: {write_pool(tmp_path, records(60))}}}\nstages: {stages}\n")
    assert curate("build", recipe, "--store", tmp_path / "s", "-q") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert said in told


def test_a_modifier_that_returns_too_few_texts_is_refused() -> None:
    def lose(table: pa.Table, _: Any) -> Rewritten:
        return Rewritten(texts=table["text"].combine_chunks().slice(1))

    broken = Modifier(name="broken", version="1", summary="", source="", settings=ModifierSettings, rewrite=lose)
    table = pa.table({"text": pa.array(["a", "b"], pa.large_string())})
    with pytest.raises(PluginError, match="1 texts"):
        rewrite_table(broken, ModifierSettings(), table)


@pytest.mark.parametrize(
    ("num_counts", "reasons", "said"),
    [
        (5, [-1, -1], r"of \[2, 5\] documents for 2"),
        (2, [0, -1, -1], r"of \[2, 3\] documents for 2"),
        (2, [1, -1], r"reasons \[1\] beyond its 1"),
    ],
)
def test_a_modifier_that_counts_or_refuses_what_is_not_there_is_refused(
    num_counts: int, reasons: list[int], said: str
) -> None:
    def broken(table: pa.Table, _: Any) -> Rewritten:
        texts = table["text"].combine_chunks()
        if not len(table):
            return Rewritten(texts=texts)
        refusals = Refusals(reason=np.array(reasons, np.int16), value=np.zeros(2))
        return Rewritten(texts=texts, counters={"x": np.zeros(num_counts, np.int64)}, refusals=refusals)

    chosen = Modifier(
        name="broken", version="1", summary="", source="", settings=ModifierSettings, rewrite=broken,
        counters=(Counter(name="x", meaning=""),), reasons=("no",),
    )  # fmt: skip
    with pytest.raises(PluginError, match=said):
        rewrite_table(chosen, ModifierSettings(), pa.table({"text": pa.array(["a", "b"], pa.large_string())}))


def test_a_plugin_that_raises_names_the_document(tmp_path: Path) -> None:
    from filters.modifiers.document import as_modifier

    @dataclass(frozen=True)
    class Boom:
        """Fails."""

        def rewrite(self, doc: Document) -> str:
            raise ValueError(doc.id)

    chosen = as_modifier("boom", Boom)
    row = dict.fromkeys(chosen.columns) | {"id": "d1", "text": "x", "source": "s", "slice": "web"}
    with pytest.raises(PluginError, match="on document d1"):
        rewrite_table(chosen, chosen.settings(), pa.Table.from_pylist([row]))


def test_builds_killed_between_parts_end_with_the_same_bytes(tmp_path: Path) -> None:
    stages = "[{modify: newlines}, {filter: quality_v1}, {modify: newlines, max_consecutive: 1}, {dedup: minhash}]"
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: r\npool: {{path: {write_pool(tmp_path, records(400))}, id: id}}\nstages: {stages}\n")
    small = "from curation import ids; ids.PARTITION_BYTES = 1 << 13; from curation.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def start(store: str) -> subprocess.Popen[bytes]:
        words = ["build", str(recipe), "-q", "--store", str(tmp_path / store), "--out", str(tmp_path / f"{store}-out")]
        return subprocess.Popen([sys.executable, "-c", small, *words], env=environment, stdout=subprocess.DEVNULL)

    begun = time.monotonic()
    assert start("calm").wait() == 0
    duration = time.monotonic() - begun
    rng = random.Random(5)
    for _ in range(3):
        process = start("killed")
        time.sleep(rng.uniform(0.3, 0.95) * duration)
        process.kill()
        process.wait()
    assert start("killed").wait() == 0
    assert digests(tmp_path / "killed-out") == digests(tmp_path / "calm-out")
