"""Panels scored by models: sums by hand, families drawn whole, three architectures with their own tokenizers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from curation.batches import read_table, write_table
from curation.errors import CurateError, RunError
from curation.panel_files import external_panel, read_spec
from curation.progress import SilentProgress
from curation.store import Artifact, Store
from train.evals.panel_marks import Training, marks_of
from train.evals.panel_scores import PanelScores, family_interval, score_documents, slice_results
from train.evals.panel_suite import PanelJob, panel_results
from train.evals.results import ModelFacts, read_results, write_results
from train.evaluate import directory_subject

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = [f"the cat {i} sat on a mat, über {i * 37} 日本 🙂 and looked at rain" for i in range(24)]
DOCS = [
    {"text": text * (1 + i % 4), "slice": ["web", "multilingual"][i % 2], "site": f"f{i % 12}", "lang": "de"}
    for i, text in enumerate(TEXTS)
]


def panel_of(root: Path, docs: list[dict[str, Any]], *words: str) -> Artifact:
    write_table(root / "docs.parquet", pa.Table.from_pylist(docs))
    spec = read_spec([str(root / "docs.parquet")], ["family=site", "name=mine", *words])
    return external_panel(Store.open(root / "store"), spec, SilentProgress())


@pytest.fixture
def panel(tmp_path: Path) -> Artifact:
    return panel_of(tmp_path, DOCS)


def byte_level(size: int, **special: str) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of so many ids trained on the texts."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=sorted(set(special.values())), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    raw.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, **special)


def whole_words(**special: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer of whole words, to which most text is unknown."""
    raw = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "the": 2, "cat": 3, "sat": 4}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, **special)


MODELS: dict[str, Callable[[int], Any]] = {
    "llama": lambda v: LlamaForCausalLM(LlamaConfig(
        vocab_size=v, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64,
    )),
    "gpt2": lambda v: GPT2LMHeadModel(GPT2Config(vocab_size=v, n_embd=16, n_layer=2, n_head=2, n_positions=48)),
    "neox": lambda v: GPTNeoXForCausalLM(GPTNeoXConfig(
        vocab_size=v, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128,
    )),
}  # fmt: skip
TOKENIZERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "llama": lambda: byte_level(300, bos_token="<s>", eos_token="</s>"),
    "gpt2": lambda: byte_level(280, bos_token="<|e|>", eos_token="<|e|>", unk_token="<|e|>"),
    "neox": lambda: byte_level(320, eos_token="<|end|>"),
}


def saved(root: Path, kind: str, tokenizer: PreTrainedTokenizerFast | None = None, vocab: int | None = None) -> Path:
    torch.manual_seed(7)
    words = tokenizer or TOKENIZERS[kind]()
    MODELS[kind](vocab or len(words)).save_pretrained(root / kind)
    words.save_pretrained(root / kind)
    return root / kind


@pytest.mark.parametrize(("kind", "first"), [("llama", "<s>"), ("gpt2", "<|e|>"), ("neox", "<|end|>")])
def test_any_architecture_is_scored_as_the_library_does_one_window_at_a_time(
    tmp_path: Path, panel: Artifact, kind: str, first: str
) -> None:
    folder = saved(tmp_path, kind)
    subject = directory_subject(folder, 32)
    table = score_documents(subject, panel, SilentProgress()).documents
    model, words = AutoModelForCausalLM.from_pretrained(folder), PreTrainedTokenizerFast.from_pretrained(folder)
    for row, text in list(
        zip(table.to_pylist(), read_table(panel.path / "documents.parquet")["text"].to_pylist(), strict=True)
    )[::5]:
        ids = [words.convert_tokens_to_ids(first), *words.encode(text, add_special_tokens=False)]
        nats = 0.0
        for start in range(0, len(ids) - 1, 32):
            window = torch.tensor([ids[start : start + 33]])
            logits = model(window[:, :-1]).logits.log_softmax(-1)
            nats -= float(logits.gather(-1, window[:, 1:, None]).sum())
        assert row["nats"] == pytest.approx(nats, rel=1e-4)
        assert (row["num_bytes"], row["num_tokens"]) == (len(text.encode()), len(ids) - 1)


def test_results_hold_the_sums_by_hand_and_are_written_and_read(tmp_path: Path, panel: Artifact) -> None:
    subject = directory_subject(saved(tmp_path, "gpt2"))
    job = PanelJob(
        model=ModelFacts(name="m", digest="0" * 64),
        context_tokens=subject.context_tokens,
        training=Training(),
        software={"torch": "x"},
    )
    scored = panel_results(job, panel, score_documents(subject, panel, SilentProgress()))
    write_results(tmp_path / "out", scored)
    again = read_results(tmp_path / "out")
    assert again.results.suite.digest == panel.summary["digest"]
    assert again.results.context == 48  # 512, but the model takes 48
    assert set(again.results.slices) == {"multilingual/de", "web"}
    for name, one in again.results.slices.items():
        rows = [row for row in scored.documents.to_pylist() if row["slice"] == name]  # type: ignore[union-attr]
        nats, size, tokens = (math.fsum(row[key] for row in rows) for key in ("nats", "num_bytes", "num_tokens"))
        assert one.bits_per_byte == pytest.approx(nats / size / math.log(2))
        assert one.nats_per_token == pytest.approx(nats / tokens)
        assert one.perplexity == pytest.approx(math.exp(nats / tokens))
        assert one.low < one.bits_per_byte < one.high  # type: ignore[operator]
        assert (one.num_docs, one.num_families) == (12, 6)
        assert one.marks == ("external", "few-families", "few-bytes")


def test_unknown_tokens_are_counted_and_marked(tmp_path: Path, panel: Artifact) -> None:
    folder = saved(tmp_path, "gpt2", whole_words(unk_token="<unk>", bos_token="<s>", eos_token="<s>"))
    scores = score_documents(directory_subject(folder), panel, SilentProgress())
    plain = slice_results(scores.documents, {})
    marks = marks_of(panel, scores, plain, Training())
    share = scores.unknown_tokens["web"] / plain["web"].num_tokens
    assert 0.5 < share < 1
    assert f"unknown-tokens:{share:.4f}" in marks["web"]


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, "llama", vocab=270)
    with pytest.raises(RunError, match=r"ids up to \d+, the model knows 270"):
        directory_subject(folder)


def test_a_tokenizer_without_eos_and_bos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no EOS token and no BOS"):
        directory_subject(saved(tmp_path, "gpt2", byte_level(280)))


def test_a_model_that_gives_nan_is_a_named_error(tmp_path: Path, panel: Artifact) -> None:
    folder = saved(tmp_path, "gpt2")
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.transformer.ln_f.weight[0] = float("nan")
    model.save_pretrained(folder)
    with pytest.raises(RunError, match=r"document .*: nan nats, expected a finite score"):
        score_documents(directory_subject(folder), panel, SilentProgress())


def test_a_slice_without_text_is_a_named_error(tmp_path: Path, panel: Artifact) -> None:
    path = panel.path / "documents.parquet"
    rows = [{**row, "text": "" if row["slice"] == "web" else row["text"]} for row in read_table(path).to_pylist()]
    write_table(path, pa.Table.from_pylist(rows, read_table(path).schema))
    with pytest.raises(RunError, match="slice `web` is empty"):
        score_documents(directory_subject(saved(tmp_path, "gpt2")), panel, SilentProgress())


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("uvwx"), st.floats(0.01, 1e4), st.integers(1, 999)), min_size=2
    ),
    seed=st.integers(0, 99),
)
def test_order_of_documents_and_splitting_one_of_a_family_change_nothing(
    rows: list[tuple[str, str, float, int]], seed: int
) -> None:
    def table(items: list[tuple[str, str, float, int]]) -> pa.Table:
        names = ("slice", "family", "nats", "num_bytes")
        return pa.Table.from_pylist([{**dict(zip(names, row, strict=True)), "num_tokens": row[3]} for row in items])

    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    name, family, nats, size = shuffled[0]
    halves = [(name, family, nats / 2, size), (name, family, nats / 2, 0)]
    first, second = slice_results(table(rows), {}), slice_results(table([*halves, *shuffled[1:]]), {})
    assert first.keys() == second.keys()
    for key in first:
        for number in ("bits_per_byte", "nats_per_token", "low", "high"):
            left, right = getattr(first[key], number), getattr(second[key], number)
            assert (left is None and right is None) or left == pytest.approx(right, rel=1e-6)
        assert first[key].num_families == second[key].num_families


def test_the_interval_over_families_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        sizes = rng.integers(100, 900, 40).astype(float)
        nats = sizes * rng.lognormal(0.0, 0.3, 40)
        truth = math.exp(0.045) / math.log(2)  # the mean of that lognormal, in bits
        low, high = family_interval("s", np.stack([nats, sizes], axis=1), nats.sum() / sizes.sum() / math.log(2))
        assert low is not None
        assert high is not None
        hits += low < truth < high
    assert 0.91 <= hits / 300 <= 0.985  # 95 % up to the simulation's own three standard errors


def test_the_interval_of_four_families_is_that_of_their_spread_over_three_degrees() -> None:
    """Nats 99, 101, 99, 101 on equal bytes: SE of the log is s/(100 √4) with s² = 4/3; t at 3 degrees is 3.182."""
    sums = np.array([[99.0, 100.0], [101.0, 100.0], [99.0, 100.0], [101.0, 100.0]])
    low, high = family_interval("s", sums, 1 / math.log(2))
    assert low is not None
    assert high is not None
    assert math.log(high / low) / 2 == pytest.approx(3.182 * math.sqrt(4 / 3) / 200, rel=0.05)


def test_marks_say_what_fed_the_training_what_was_selected_for_and_what_was_not_split_off() -> None:
    facts: dict[str, Any] = {"kind": "panel", "fingerprint": "p" * 64, "summary": {}, "params": {}}
    own = Artifact(path=Path("panel-x"), manifest=facts)
    names = ("code", "multilingual/de", "noisy_web", "target/law", "web")
    table = pa.Table.from_pylist(
        [{"slice": name, "family": "f", "nats": 1.0, "num_bytes": 9, "num_tokens": 3} for name in names]
    )
    scores = PanelScores(documents=table, unknown_tokens={})
    training = Training(
        shares={"code": 0.25, "multilingual": 0.5}, selected_for=frozenset({"web"}), panels=frozenset({"p" * 64})
    )
    few = ("few-families", "few-bytes")
    assert marks_of(own, scores, slice_results(table, {}), training) == {
        "code": ("trained-on:0.2500", *few),
        "multilingual/de": ("trained-on:0.5000", *few),
        "noisy_web": ("noisy-web", *few),
        "target/law": ("target", *few),
        "web": ("selected-for", *few),
    }
    unknown = marks_of(own, scores, slice_results(table, {}), Training())
    assert unknown["code"] == ("not-split-off", *few)


def test_paths_that_hold_no_panel_are_named(tmp_path: Path) -> None:
    from train.lookup import find_panel

    (tmp_path / "x.json").write_text(json.dumps({"body": "x"}))
    for word, message in (("nothing", "no such panel"), (str(tmp_path / "x.json"), "no document among 1 records")):
        with pytest.raises(CurateError, match=message):
            find_panel(Store.open(tmp_path / "store"), word)
