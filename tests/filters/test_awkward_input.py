"""Every registered filter, rule set and modifier survives documents that nobody should send, and loses none of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.sidecars import ROLE_REFERENCE, ROLE_TRAIN
from filters.base import FILTERS
from filters.modifiers.base import MODIFIERS, find_modifier
from filters.modifiers.rewriting import rewrite_table
from filters.rules import RULE_SETS

TEN_MB = 10_000_000
DOCUMENTS = {
    "empty": "",
    "one-word": "word",
    "no-newline": "a line that never ends",
    "emoji": "🎉👩‍👩‍👧🏽" * 30,
    "nul": "nul\x00byte \x00\x00 here",
    "rtl": "שלום עולם. مرحبا بالعالم؟ ",
    "combining": "e\u0301" * 50 + "\u0301\u0301\u0301",
    "replaced": "a lone surrogate \ufffd became this",
    "only-newlines": "\n\r\n\r\n\n",
    "controls": "\x01\x1c\x1d\x1e\x85\u2028\u2029\ufeff",
    "long-word": "x" * 200_000,
    "number-line": "1 2 3 4 5 6 7 8 9 10 " * 20,
}
PROSE = "The harbour of the old town was built by people who had come with the north wind to trade and to stay."
SMALL = {"dim": 4, "buckets": 1000, "epochs": 5, "min_fit_bytes": 0}
NEEDED: dict[str, dict[str, Any]] = {
    "random": {"keep": 0.5},
    "random-matched": {"keep": 0.5},
    "length": {"keep": 0.5},
    "rules": {"rules": [{"signal": "text.num_chars", "min": 1}]},
    "quantile-ensemble": {"scores": ["information.compression_ratio", "text.num_words"], "keep": 0.5},
    "token-fertility": {"max_tokens_per_word": 10},
    "quality_v3": SMALL,
    "fasttext-quality": SMALL,
}
WITH_A_LIST = {"c4-badwords": "words", "toxic-words": "words", "url-list": "domains"}


def rows() -> list[dict[str, Any]]:
    """Awkward training documents, and ordinary ones for what needs something to learn from."""
    given = [{"id": id_, "text": text, "slice": "web", "role": ROLE_TRAIN} for id_, text in DOCUMENTS.items()]
    for i in range(24):
        for slice_ in ("docs", "web"):
            text = f"{PROSE} {slice_} {i}"
            given.append({"id": f"ref-{slice_}-{i}", "text": text, "slice": slice_, "role": ROLE_REFERENCE})
    return given


def settings_of(name: str, tmp_path: Path) -> dict[str, Any]:
    if name in WITH_A_LIST:
        (tmp_path / "list.txt").write_text("badword\nexample.org\n")
        return {WITH_A_LIST[name]: str(tmp_path / "list.txt")}
    if name == "language":
        from filters.signal_sets.language import find_model

        try:
            find_model(None, "test")
        except Exception as error:
            pytest.skip(str(error))
    return NEEDED.get(name, {})


@pytest.mark.parametrize("name", sorted(FILTERS.builtin))
def test_a_filter_judges_every_awkward_document(make_world: Callable[..., Any], tmp_path: Path, name: str) -> None:
    verdicts = make_world(rows()).judge(name, **settings_of(name, tmp_path))
    assert set(DOCUMENTS) <= set(verdicts)


@pytest.mark.parametrize("name", sorted(RULE_SETS.builtin))
def test_a_rule_set_judges_every_awkward_document(make_world: Callable[..., Any], name: str) -> None:
    kinds = {"web": "code"} if name.startswith("code/") else {}
    world = make_world(rows(), slice_kinds=kinds)
    assert set(DOCUMENTS) <= set(world.judge(name))


@pytest.mark.parametrize("name", sorted(RULE_SETS.builtin))
def test_a_rule_set_survives_ten_megabytes_without_a_space(make_world: Callable[..., Any], name: str) -> None:
    kinds = {"web": "code"} if name.startswith("code/") else {}
    document = {"id": "big", "text": "x" * TEN_MB, "slice": "web", "role": ROLE_TRAIN}
    verdicts = make_world([document], num_parts=1, slice_kinds=kinds).judge(name)
    assert list(verdicts) == ["big"]


@pytest.mark.parametrize("name", sorted(MODIFIERS.builtin))
def test_a_modifier_returns_a_text_for_every_awkward_document(name: str) -> None:
    modifier = find_modifier(name, "test")
    texts = [*DOCUMENTS.values(), "x" * TEN_MB]
    columns = {"text": pa.array(texts, pa.large_string())}
    columns |= {other: pa.nulls(len(texts), pa.large_string()) for other in modifier.columns if other != "text"}
    assert len(rewrite_table(modifier, modifier.settings(), pa.table(columns)).texts) == len(texts)


def test_a_lone_surrogate_from_a_json_escape_costs_one_record_and_is_counted(tmp_path: Path) -> None:
    from curation.ingest import ensure_pool
    from curation.progress import SilentProgress
    from curation.recipe import PoolSpec
    from curation.store import Store

    lines = [json.dumps({"text": f"{PROSE} {i}"}) for i in range(5)] + ['{"text": "lone \\ud800 surrogate"}']
    (tmp_path / "pool.jsonl").write_text("\n".join(lines) + "\n")
    spec = PoolSpec(path=(str(tmp_path / "pool.jsonl"),), max_bad_fraction=1.0)
    pool = ensure_pool(Store.open(tmp_path / "store"), spec, workers=1, progress=SilentProgress())
    rejected: Any = pool.summary["rejected"]
    assert pool.summary["num_docs"] + sum(rejected.values()) == 6
