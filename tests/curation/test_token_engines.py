"""Engines: gigatoken encodes only where its ids are those of `tokenizers`; bad tokenizer files are refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation import token_engines
from curation.errors import RecipeError
from curation.token_engines import PROBE, TokenizedView, choose_engine, encode_fast, encode_reference, view_of
from curation.tokenizer_files import EOS_TOKEN, read_tokenizer_file
from curation.tokenizers import Tokenizer, load_tokenizer, open_tokenizer, tokenizer_names, tokenizer_path

PICO = tokenizer_path("ladder-pico@1")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Change], Path]:
    """Return a writer of pico's tokenizer file with one thing changed."""

    def write(change: Change) -> Path:
        value = json.loads(PICO.read_text(encoding="utf-8"))
        change(value)
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", tokenizer_names())
def test_every_shipped_tokenizer_runs_on_the_fast_engine(name: str) -> None:
    assert load_tokenizer(name).choice == token_engines.Choice(engine="fast")


def test_one_different_id_on_the_probe_leaves_the_work_to_the_reference(
    monkeypatch: pytest.MonkeyPatch, changed: Callable[[Change], Path]
) -> None:
    def wrong(file: Any, view: Any) -> TokenizedView:
        right = encode_fast(file, view)
        tokens = right.tokens.copy()
        tokens[-1] += 1
        return TokenizedView(tokens=tokens, offsets=right.offsets)

    monkeypatch.setattr(token_engines, "encode_fast", wrong)
    choice = choose_engine(read_tokenizer_file(changed(lambda value: None)), "mine")
    assert choice.engine == "reference"
    assert choice.note == f"mine: the fast engine gives other ids than `tokenizers` on {EOS_TOKEN!r}"


def test_without_gigatoken_the_reference_encodes(
    monkeypatch: pytest.MonkeyPatch, changed: Callable[[Change], Path]
) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    choice = choose_engine(read_tokenizer_file(changed(lambda value: None)), "mine")
    assert (choice.engine, "cannot be used" in choice.note) == ("reference", True)


def test_special_tokens_of_a_file_are_plain_text_in_both_engines(changed: Callable[[Change], Path]) -> None:
    def special(value: dict[str, Any]) -> None:
        entry = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        value["added_tokens"] = [{**entry, "id": 0, "content": EOS_TOKEN}]

    tokenizer = open_tokenizer(str(changed(special)))
    view = view_of([f"a{EOS_TOKEN}b"])
    for encoded in (encode_fast(tokenizer.file, view), encode_reference(tokenizer.file, view)):
        assert tokenizer.eos_id not in encoded.tokens
        assert tokenizer.decode(encoded.tokens) == f"a{EOS_TOKEN}b".encode()


def test_the_ids_of_a_file_given_by_path_are_those_of_the_shipped_one(changed: Callable[[Change], Path]) -> None:
    mine, shipped = open_tokenizer(str(changed(lambda value: None))), open_tokenizer("ladder-pico@1")
    assert np.array_equal(mine.encode(view_of(PROBE)).tokens, shipped.encode(view_of(PROBE)).tokens)
    assert (mine.eos_id, mine.vocab_size) == (shipped.eos_id, shipped.vocab_size)


def drop_eos(value: dict[str, Any]) -> None:
    value["model"]["vocab"]["<|nothing|>"] = value["model"]["vocab"].pop(EOS_TOKEN)


def id_beyond(value: dict[str, Any]) -> None:
    value["model"]["vocab"]["!"] = 5_000


def shared_id(value: dict[str, Any]) -> None:
    value["model"]["vocab"]["!"] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_eos, "has no end-of-text token, expected one of"),
        (id_beyond, r"token '!' has id 5,000, outside the vocabulary of 2,048"),
        (shared_id, "2,048 tokens share 2,047 ids"),
        (lambda value: value.pop("model"), "no tokenizer.json"),
    ],
)
def test_a_tokenizer_that_cannot_train_a_model_is_refused(
    changed: Callable[[Change], Path], change: Change, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        open_tokenizer(str(changed(change)))


def test_eos_of_another_name_can_be_given(changed: Callable[[Change], Path]) -> None:
    path = str(changed(drop_eos))
    assert open_tokenizer(path, eos="<|nothing|>").eos_id == 0
    with pytest.raises(RecipeError, match="has no token '<|zzz|>'"):
        open_tokenizer(path, eos="<|zzz|>")


def test_text_that_can_produce_eos_is_refused(changed: Callable[[Change], Path]) -> None:
    tokenizer = open_tokenizer(str(changed(lambda value: None)), eos="!")
    with pytest.raises(RecipeError, match="text can produce EOS"):
        tokenizer.encode(view_of(["x"]))


@pytest.mark.parametrize(("vocab_size", "num_bytes"), [(2, 2), (65_536, 2), (65_537, 4), (151_936, 4)])
def test_ids_take_two_bytes_up_to_65536(vocab_size: int, num_bytes: int) -> None:
    assert token_engines.token_dtype(vocab_size).itemsize == num_bytes


@pytest.mark.parametrize("name", ["gpt2", "gptneox20b"])
def test_published_tokenizers_run_fast_and_give_back_the_normal_form(shared: Path, name: str) -> None:
    path = shared / "models" / f"{name}.tokenizer.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    tokenizer: Tokenizer = open_tokenizer(str(path))
    assert tokenizer.choice.note == ""
    encoded = tokenizer.encode(view_of(PROBE))
    for number, text in enumerate(PROBE):
        ids = encoded.tokens[encoded.offsets[number] : encoded.offsets[number + 1]]
        assert tokenizer.decode(ids).decode() == tokenizer.normal_form(text)
