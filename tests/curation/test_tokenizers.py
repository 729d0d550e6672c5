"""Tests of the frozen tokenizers and of token counts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

from curation.batches import TEXT_SCHEMA, TextView, read_table, text_array, text_view, write_table
from curation.errors import RecipeError
from curation.files import Json
from curation.nodes import Node, NodeRun, Planner
from curation.progress import SilentProgress
from curation.store import Store
from curation.token_counts import token_counts_node
from curation.tokenizer_training import balanced_texts, train_bpe
from curation.tokenizers import EOS_TOKEN, TokenizedView, load_tokenizer, tokenizer_names

NAMES = ("gpt-neox-20b@1", "ladder-nano@1", "ladder-pico@1", "ladder@1")
AWKWARD = [
    "",
    "word",
    "no newline at the end",
    "CR\r\nLF\r\n\n\n",
    "\N{SLIGHTLY SMILING FACE}\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
    "日本語と中文。",
    "e\u0301a\u0308 नमस्ते",
    "\x01\x02\x1c\x7f\x85",
    "x" * 20_000,
    " " * 3_000 + "\n" * 3_000,
    f"a{EOS_TOKEN}b<|im_start|>",
    "I'm WE'LL 1234567890 ½ Ⅷ ٣",
    "\u2028\u00a0\u3000 \t\v\f \ufeff \U0010fffd",
]


def documents_of(encoded: TokenizedView) -> list[list[int]]:
    pairs = zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
    return [encoded.tokens[start:end].tolist() for start, end in pairs]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_decoding_gives_back_every_byte(name: str, text: str) -> None:
    tokenizer = load_tokenizer(name)
    encoded = tokenizer.encode(text_view(text_array([text])))
    assert tokenizer.decode(encoded.tokens) == text.encode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_fast_engine_gives_the_ids_of_the_reference(name: str) -> None:
    view = text_view(text_array(AWKWARD))
    fast, reference = (load_tokenizer(name, engine=engine).encode(view) for engine in ("fast", "reference"))
    assert documents_of(fast) == documents_of(reference)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=4))
def test_on_any_text_both_engines_agree_and_round_trip(texts: list[str]) -> None:
    view = text_view(text_array(texts))
    fast = load_tokenizer("ladder-pico@1", engine="fast")
    encoded = documents_of(fast.encode(view))
    assert encoded == documents_of(load_tokenizer("ladder-pico@1", engine="reference").encode(view))
    assert [fast.decode(ids).decode("utf-8") for ids in encoded] == texts


@pytest.mark.parametrize("name", NAMES)
def test_the_characters_of_a_special_token_are_plain_text(name: str) -> None:
    tokenizer = load_tokenizer(name)
    encoded = tokenizer.encode(text_view(text_array([f"{EOS_TOKEN} a {EOS_TOKEN}"])))
    assert tokenizer.eos_id not in encoded.tokens


@pytest.mark.parametrize(
    ("name", "size"),
    [("gpt-neox-20b@1", 50_277), ("ladder-nano@1", 4_096), ("ladder-pico@1", 2_048), ("ladder@1", 32_768)],
)
def test_the_vocabulary_has_its_promised_size_and_every_byte(name: str, size: int) -> None:
    tokenizer = load_tokenizer(name)
    assert tokenizer.vocab_size == size
    never_in_utf8 = {0xC0, 0xC1, *range(0xF5, 0x100)}
    wanted = set(range(256)) - never_in_utf8 if name.startswith("gpt") else set(range(256))
    assert {tokenizer.decode([i]) for i in range(size)} >= {bytes([byte]) for byte in wanted}


def test_runs_of_spaces_are_tokens_of_the_neox_vocabulary_and_its_ids_are_the_published_ones() -> None:
    tokenizer = load_tokenizer("gpt-neox-20b@1")
    assert (tokenizer.eos_id, tokenizer.decode([50_254])) == (0, b" " * 24)
    published = Path(os.environ.get("CURATE_SHARED", "../shared")) / "models" / "gptneox20b.tokenizer.json"
    if not published.is_file():
        pytest.skip(f"no {published}; set CURATE_SHARED")
    text = "def f(x):\n        return x  # caf\u00e9 \u65e5\u672c\n"
    theirs = Backend.from_file(str(published)).encode(text, add_special_tokens=False).ids
    assert tokenizer.encode(text_view(text_array([text]))).tokens.tolist() == theirs


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("gpt-neox-20b@1", "00cf3258b43621ebf8084be5617fe4e582d3ed5a70452dc76d323d5ef05b723f"),
        ("ladder@1", "3711aefd89ae17cf22fcbe3d52754bdd7a7131706d04b18b8dc51a712fd878dd"),
        ("ladder-nano@1", "7b8befb48b9626d4f628052c76b3be95a5cb21e4e120b2afe3997c69bf53dbf8"),
        ("ladder-pico@1", "0a0b8ae853fdc915067d843ba8e4e36cefb35cd484abf1d865978f673ebddbfd"),
    ],
)
def test_a_shipped_tokenizer_never_changes(name: str, digest: str) -> None:
    assert load_tokenizer(name).digest == digest


def test_a_sliced_column_is_encoded_as_its_own_documents() -> None:
    column = text_array(AWKWARD)
    tokenizer = load_tokenizer("ladder-pico@1")
    whole = documents_of(tokenizer.encode(text_view(column)))
    assert documents_of(tokenizer.encode(text_view(column.slice(4, 6)))) == whole[4:10]


def test_two_threads_give_the_ids_of_one() -> None:
    views = [text_view(text_array([*AWKWARD, str(i) * 50])) for i in range(16)]
    tokenizer = load_tokenizer("ladder-nano@1")
    with ThreadPoolExecutor(2) as pool:
        together = [documents_of(encoded) for encoded in pool.map(tokenizer.encode, views)]
    assert together == [documents_of(tokenizer.encode(view)) for view in views]


def test_an_unknown_tokenizer_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"x: unknown tokenizer `ladder-nano`; did you mean `ladder-nano@1`"):
        load_tokenizer("ladder-nano", where="x")


@pytest.mark.parametrize("piece_bytes", [1, 7, 60, 10_000])
def test_counts_are_the_same_however_long_documents_are_cut(monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
    texts = [
        "",
        "It's a dog's  life: don't   ask 12 3 times.\n\n  x y",
        "",
        "a" * 100,
        "one two " * 50,
        "\u00e9 a b \u6f22 c d",
        "",
    ]
    tokenizer = load_tokenizer(tokenizer_names()[0])
    view = text_view(text_array(texts))
    whole = np.diff(tokenizer.encode(view).offsets).tolist()
    monkeypatch.setattr("curation.tokenizers.PIECE_BYTES", piece_bytes)
    monkeypatch.setattr("curation.tokenizers._WINDOW", 16)
    assert tokenizer.count(view).tolist() == whole


def test_no_documents_give_no_tokens() -> None:
    encoded = load_tokenizer("ladder-pico@1").encode(text_view(text_array([])))
    assert (len(encoded), len(encoded.tokens)) == (0, 0)


def test_on_pool_documents_both_engines_agree(shared_texts: list[str]) -> None:
    view = text_view(text_array(shared_texts))
    for name in tokenizer_names():
        fast, reference = (load_tokenizer(name, engine=engine).encode(view) for engine in ("fast", "reference"))
        assert np.array_equal(fast.tokens, reference.tokens)


@pytest.fixture(scope="module")
def shared_texts() -> list[str]:
    """500 documents of the shared pool, a few from every source."""
    import zstandard

    root = Path(os.environ.get("CURATE_SHARED", "../shared")) / "pool"
    files = sorted(root.glob("[!hsw]*/*.jsonl.zst"))
    if not files:
        pytest.skip(f"no real text under {root}; set CURATE_SHARED")
    texts: list[str] = []
    for file in files:
        with file.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
            head = plain.read(2_000_000).split(b"\n")[:-1]
        texts += [json.loads(line)["text"][:20_000] for line in head[:35]]
    return texts[:500]


def test_equal_bytes_are_taken_from_every_slice_whatever_the_order() -> None:
    rows = [(f"a{i}", "large", "x" * 100) for i in range(50)] + [(f"b{i}", "small", "y" * 90) for i in range(5)]
    texts = balanced_texts(rows, 300)
    assert [sum(len(t) for t in texts if t[0] == letter) for letter in "xy"] == [300, 300]
    assert texts == balanced_texts(rows[::-1], 300)


def test_a_trained_tokenizer_starts_with_eos_and_the_bytes() -> None:
    vocabulary = json.loads(train_bpe(["abab " * 50, "cdcd " * 40], 262))["model"]["vocab"]
    assert (vocabulary[EOS_TOKEN], len(vocabulary)) == (0, 262)
    assert next(token for token, index in vocabulary.items() if index >= 257) in ("ab", "cd")


def pool_of(texts: list[str]) -> Node:
    """Return a pool of one part."""

    def run(context: NodeRun) -> Mapping[str, Json]:
        rows = [{"id": f"{i:03d}", "text": t, "source": "s", "slice": "s"} for i, t in enumerate(texts)]
        write_table(context.out.part_path(0), pa.Table.from_pylist(rows, TEXT_SCHEMA))
        return {}

    return Node(kind="pool", version="1", params={"texts": list(texts)}, inputs={}, run=run)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_sidecar_counts_tokens_row_by_row(tmp_path: Path, workers: int) -> None:
    planner = Planner(store=Store.open(tmp_path), workers=workers, progress=SilentProgress())
    counts = planner.materialise(token_counts_node(pool_of(AWKWARD), "ladder-pico@1"))
    table = read_table(counts.part_paths()[0])
    view: TextView = text_view(text_array(AWKWARD))
    expected = [len(ids) for ids in documents_of(load_tokenizer("ladder-pico@1", engine="reference").encode(view))]
    assert table.schema.field("num_tokens").type == pa.int32()
    assert table["num_tokens"].to_pylist() == expected
    assert counts.summary["num_tokens"] == sum(expected)
