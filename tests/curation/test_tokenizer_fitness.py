"""Which tokenizers can be compared in bits per byte, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import RecipeError
from curation.tokenizer_fitness import codes_every_byte, inexact_note, inexact_texts, refuse_without_bytes
from curation.tokenizers import load_tokenizer, open_tokenizer, tokenizer_names, tokenizer_path


def changed_file(path: Path, change: dict[str, Any]) -> Path:
    value = json.loads(tokenizer_path("ladder-pico@1").read_text())
    path.write_text(json.dumps({**value, **change}))
    return path


@pytest.mark.parametrize("name", tokenizer_names())
def test_shipped_tokenizers_code_every_byte_and_give_text_back(name: str) -> None:
    assert codes_every_byte(load_tokenizer(name))
    assert inexact_note(load_tokenizer(name)) == ""


def words_only(path: Path, **model: Any) -> Path:
    bytes_ = {f"<0x{byte:02X}>": 3 + byte for byte in range(256)} if model.get("byte_fallback") else {}
    vocabulary = {"a": 0, "b": 1, "</s>": 2, **bytes_}
    value = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "added_tokens": [{"id": 2, "content": "</s>", "special": True, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False}],
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": None, "dropout": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, **model},
    }  # fmt: skip
    path.write_text(json.dumps(value))
    return path


def test_a_tokenizer_of_letters_alone_is_refused_and_one_with_byte_fallback_is_not(tmp_path: Path) -> None:
    without = open_tokenizer(str(words_only(tmp_path / "without.json", byte_fallback=False)))
    with pytest.raises(
        RecipeError, match=r"arm x: tokenizer without.json .* lacks ids for some bytes.*byte_fallback=True"
    ):
        refuse_without_bytes(without, "arm x")
    refuse_without_bytes(open_tokenizer(str(words_only(tmp_path / "with.json", byte_fallback=True))), "arm x")


def test_a_normaliser_is_told_with_the_text_that_it_changed(tmp_path: Path) -> None:
    lossy = open_tokenizer(str(changed_file(tmp_path / "lower.json", {"normalizer": {"type": "Lowercase"}})))
    assert inexact_texts(lossy, ["small", "Large"]) == [1]
    assert "remove `normalizer`" in inexact_note(lossy)
