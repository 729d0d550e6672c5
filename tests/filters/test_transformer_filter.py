"""Transformer classifiers: any local model by its folder, tried on tiny ones made here; what is refused unseen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import CurateError, PluginError, RecipeError
from curation.sidecars import read_column
from filters.judged import Scope
from filters.models.transformer_files import folder_digest, inspect_folder, label_index
from filters.models.transformer_filter import transformer_source

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "stone", "river", "light", "click", "buy", "now"]


def save_model(folder: Path, labels: Sequence[str] = (), **config: Any) -> Path:
    """A BERT of 4,000 weights with a whole-word tokenizer; no labels make a regression."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(enumerate(labels)) or {0: "LABEL_0"}
    shape = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, id2label=names, label2id={name: i for i, name in names.items()}, **config,
    )  # fmt: skip
    BertForSequenceClassification(shape).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("regression"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("classes"), ["bad", "good", "best"])


def rows(number: int = 10) -> list[dict[str, Any]]:
    texts = [" ".join(WORDS[4 + (i * j) % 6] for j in range(1, 2 + i)) for i in range(number)]
    return [{"id": f"t-{i}", "text": text, "slice": "prose", "role": 0} for i, text in enumerate(texts)]


def expected(folder: Path, text: str) -> np.ndarray:
    """The logits of one document alone, by transformers itself."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=16)).logits[0].numpy()


def scores(world: Any) -> dict[str, float]:
    (found,) = (artifact for artifact in world.planner.store.artifacts() if artifact.kind == "scores")
    return {
        row["id"]: value
        for part, listed in enumerate(world.rows)
        for row, value in zip(listed, read_column(found, part, "score").tolist(), strict=True)
    }


def test_a_regression_scores_as_transformers_does(make_world: Callable[..., Any], regression: Path) -> None:
    world = make_world(rows())
    values = {row["id"]: float(expected(regression, row["text"])[0]) for row in rows()}
    bound = float(np.median(list(values.values())))
    verdicts = world.judge(f"transformer:{regression}?min={bound}&batch_size=3")
    assert scores(world) == pytest.approx(values, abs=1e-5)
    dropped = {id_ for id_, reason in verdicts.items() if reason == "low-score"}
    assert dropped == {id_ for id_, value in values.items() if value < bound}


def test_a_class_is_scored_by_its_probability(make_world: Callable[..., Any], classes: Path) -> None:
    world = make_world(rows())
    artifact = world.build(f"transformer:{classes}?label=good&keep=0.3")
    logits = np.array([expected(classes, row["text"]) for row in rows()])
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores(world) == pytest.approx({f"t-{i}": chances[i, 1] for i in range(10)}, abs=1e-5)
    assert artifact.summary["threshold"]["eligible_kept"] == 3
    assert artifact.summary["scored_by"]["label"] == "good"


def test_text_beyond_max_length_is_not_read(make_world: Callable[..., Any], regression: Path) -> None:
    text = "stone river light"
    listed = [
        {"id": "a", "text": text, "slice": "prose", "role": 0},
        {"id": "b", "text": f"{text} buy now", "slice": "prose", "role": 0},
    ]
    world = make_world(listed)
    world.build(f"transformer:{regression}?keep=0.5&max_length=5")
    found = scores(world)
    assert found["a"] == pytest.approx(found["b"], abs=1e-6)


def test_one_worker_and_two_write_the_same_bytes(make_world: Callable[..., Any], regression: Path) -> None:
    import torch

    before = torch.get_num_threads()
    built = [
        make_world(rows(30), num_parts=5, workers=workers, store=f"s{workers}").build(
            f"transformer:{regression}?keep=0.3"
        )
        for workers in (1, 2)
    ]
    assert built[0].manifest["files"] == built[1].manifest["files"]
    assert torch.get_num_threads() == before


def test_the_fingerprint_is_of_the_folders_content(tmp_path: Path) -> None:
    first, second = save_model(tmp_path / "a"), save_model(tmp_path / "b")
    assert folder_digest(first) == folder_digest(second)
    (second / "README.md").write_text("words")
    assert folder_digest(first) == folder_digest(second)
    (second / "tokenizer_config.json").write_text("{}")
    assert folder_digest(first) != folder_digest(second)


def test_a_model_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PluginError, match=r"no weights in safetensors \(only pytorch_model\.bin\)"):
        inspect_folder(folder, "here")


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(PluginError, match="brings code of its own"):
        inspect_folder(folder, "here")


@pytest.mark.parametrize(("label", "message"), [(None, "no `label` given; .* bad, good, best"), ("god", "mean `good`")])
def test_an_unknown_or_missing_label_lists_the_labels(classes: Path, label: str | None, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        label_index(inspect_folder(classes, "here"), label, "here")


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("none", "keep=0.1", "no such folder"),
        (".", "keep=0.1", r"config\.json: cannot be read"),
        ("m", "label=x&keep=0.1", "no label `x`"),
        ("m", "", "give either `keep"),
        ("m", "keep=0.1&max_len=3", "did you mean `max_length`"),
    ],
)
def test_a_wrong_setting_is_an_error_before_any_work(
    make_world: Callable[..., Any], tmp_path: Path, path: str, query: str, message: str
) -> None:
    save_model(tmp_path / "m")
    world = make_world(rows())
    with pytest.raises(CurateError, match=message):
        world.build(f"transformer:{tmp_path}/{path}?{query}")
    assert world.planner.store.artifacts() == []


def test_weights_that_give_nan_are_an_error_not_a_score(make_world: Callable[..., Any], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = save_model(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"][:] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match="as not a finite number"):
        make_world(rows()).build(f"transformer:{folder}?keep=0.1")


def test_a_model_without_a_head_is_refused_not_filled_at_random(make_world: Callable[..., Any], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = save_model(tmp_path / "m")
    weights = {
        name: value for name, value in load_file(folder / "model.safetensors").items() if "classifier" not in name
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match=r"has no weights for classifier\.bias \(2 in all\)"):
        make_world(rows()).build(f"transformer:{folder}?keep=0.1")


def test_damaged_weights_are_one_clear_error(make_world: Callable[..., Any], tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(PluginError, match="does not load as a sequence-classification model"):
        make_world(rows()).build(f"transformer:{folder}?keep=0.1")


def test_a_tokenizer_that_cannot_pad_is_one_clear_error(make_world: Callable[..., Any], tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(PluginError, match=r"fails on a batch of \d+ documents .*pad.* expected a tokenizer that pads"):
        make_world(rows()).build(f"transformer:{folder}?keep=0.1")


def test_another_release_of_a_library_is_another_node(
    make_world: Callable[..., Any], regression: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def node() -> Any:
        source = transformer_source(regression, "test", label=None, max_length=8, batch_size=2)
        return source.node(make_world(rows()).inputs, Scope())

    before = node()
    monkeypatch.setattr("filters.models.transformer_filter.version", lambda name: "9.9")
    assert node().fingerprint != before.fingerprint


def test_it_survives_awkward_text(make_world: Callable[..., Any], regression: Path, awkward_text: str) -> None:
    world = make_world([*rows(2), {"id": "awkward", "text": awkward_text, "slice": "prose", "role": 0}])
    assert world.judge(f"transformer:{regression}?min=-1000")["awkward"] is None
