"""A tokenizer on a panel: counts by slice, language and source, and what does not come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.token_engines import view_of
from curation.tokenizers import load_tokenizer, open_tokenizer, tokenizer_path
from leaderboard.protocols.token_use import use_of_counts
from leaderboard.protocols.tokenizer_text import measure_text, script_of


def panel(*rows: tuple[str, str, str | None]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"text": text, "slice": name, "lang": lang, "source": f"s-{name}"} for text, name, lang in rows],
        pa.schema([(name, pa.large_string()) for name in ("text", "slice", "lang", "source")]),
    )


def test_groups_add_up_to_all_and_name_the_language_or_its_script() -> None:
    found = measure_text(
        load_tokenizer("ladder-pico@1"),
        panel(("def f():\n    return 1\n", "code", None), ("der Bär", "web", "de"), ("日本語", "web", None)),
    )
    assert set(found.by_language) == {"script latin", "de", "script cjk"}
    assert set(found.by_source) == {"s-code", "s-web"}
    for groups in (found.by_slice, found.by_language, found.by_source):
        assert sum(one.tokens for one in groups.values()) == found.all.tokens
    assert found.by_language["script cjk"].num_bytes == 9
    assert (found.docs, found.exact_docs) == (3, 3)
    assert set(found.formatting) == {"all", "code"}
    assert found.formatting["code"]["indentation"].num_bytes == 4


def test_a_document_fits_a_context_with_its_end() -> None:
    tokenizer = load_tokenizer("ladder-pico@1")
    each = int(tokenizer.encode(view_of([" zq" * 1_000])).offsets[-1]) // 1_000
    long = " zq" * (512 // each)
    found = measure_text(tokenizer, panel((long, "a", None), (long[:-3], "a", None)))
    assert found.by_slice["a"].fitting["512"] == 1
    assert found.by_slice["a"].fitting["1024"] == 2


def test_documents_that_do_not_come_back_are_counted_and_left_out_of_formatting(tmp_path: Path) -> None:
    value = json.loads(tokenizer_path("ladder-pico@1").read_text())
    file = tmp_path / "lower.json"
    file.write_text(json.dumps({**value, "normalizer": {"type": "Lowercase"}}))
    found = measure_text(open_tokenizer(str(file)), panel(("plain 12", "a", None), ("Loud 345", "a", None)))
    assert (found.docs, found.exact_docs) == (2, 1)
    assert found.formatting["all"]["digit"].num_bytes == 2


@pytest.mark.parametrize(
    ("text", "script"),
    [("abc", "latin"), ("мир и world", "latin"), ("мир", "cyrillic"), ("日本", "cjk"), ("12 !", "none")],
)
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script


def test_use_of_a_vocabulary_is_counted_by_hand() -> None:
    found = use_of_counts(np.array([150, 50, 0, 0]))
    assert (found.used_fraction, found.rare_fraction, found.rare_occurrence_fraction) == (0.5, 0.75, 0.25)
    assert found.entropy_bits == pytest.approx(0.8112781244591328)  # of 3/4 and 1/4
