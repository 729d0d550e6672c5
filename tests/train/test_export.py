"""The exported model against the installed `Qwen3ForCausalLM`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.batches import text_array, text_view
from curation.errors import RunError
from curation.nodes import Node
from curation.store import Artifact
from curation.tokenizers import EOS_TOKEN, load_tokenizer
from train.export import export_model
from train.run import MODEL, load_model, run_node
from train.shards import tokens_node
from train.tiers import load_tier

Build = Callable[[Node], Artifact]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(build: Build, tiny: object, small_corpus: Node, small_panel: Node) -> Artifact:
    return build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny", 1))


def hugging_face(path: Path) -> Any:
    """Load with the eager attention of the library."""
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()


def test_logits_are_those_of_the_library_to_a_ten_thousandth(tmp_path: Path, run: Artifact, small_panel: Node) -> None:
    export_model(run, tmp_path / "hf")
    theirs, ours = hugging_face(tmp_path / "hf"), load_model(run.path / MODEL, load_tier("tiny"))
    assert type(theirs).__name__ == "Qwen3ForCausalLM"
    random = torch.randint(0, 2_048, (4, 64), generator=torch.Generator().manual_seed(1))
    text = load_tokenizer("ladder-pico@1").encode(text_view(text_array(["the cat sat on a mat and looked " * 60])))
    real = torch.from_numpy(text.tokens[:256].astype("int64")).view(4, 64)
    for tokens in (random, real):
        with torch.no_grad():
            left, right = theirs(tokens).logits, ours(tokens)
            losses = [
                torch.nn.functional.cross_entropy(x[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
                for x in (left, right)
            ]
        assert float((left - right).abs().max()) <= 1e-4
        assert abs(float(losses[0] - losses[1])) <= 1e-6


def test_a_saved_configuration_comes_back_with_every_number(tmp_path: Path, run: Artifact) -> None:
    from transformers import AutoConfig

    export_model(run, tmp_path / "hf")
    config, shape = AutoConfig.from_pretrained(tmp_path / "hf"), load_tier("tiny").shape
    assert (config.hidden_size, config.num_hidden_layers, config.head_dim) == (
        shape.width,
        shape.num_layers,
        shape.head_dim,
    )
    assert (config.num_key_value_heads, config.tie_word_embeddings) == (shape.num_heads, False)
    assert config.rope_parameters["rope_theta"] == 10_000.0


def test_the_exported_tokenizer_gives_our_ids_and_knows_eos(tmp_path: Path, run: Artifact) -> None:
    from transformers import AutoTokenizer

    export_model(run, tmp_path / "hf")
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path / "hf"), load_tokenizer("ladder-pico@1")
    text = "the cat, über 日本\r\n"
    assert theirs(text)["input_ids"] == ours.encode(text_view(text_array([text]))).tokens.tolist()
    assert theirs.convert_tokens_to_ids(EOS_TOKEN) == theirs.eos_token_id == ours.eos_id


def test_weights_are_exactly_the_parameters_of_the_class(tmp_path: Path, run: Artifact) -> None:
    from safetensors.torch import load_file

    export_model(run, tmp_path / "hf")
    theirs = {name: value.shape for name, value in hugging_face(tmp_path / "hf").named_parameters()}
    assert {name: value.shape for name, value in load_file(tmp_path / "hf" / "model.safetensors").items()} == theirs


def test_an_existing_directory_and_another_artifact_are_refused(
    tmp_path: Path, run: Artifact, build: Build, small_corpus: Node
) -> None:
    with pytest.raises(RunError, match="exists"):
        export_model(run, tmp_path)
    with pytest.raises(RunError, match="holds a corpus, expected a run"):
        export_model(build(small_corpus), tmp_path / "hf")
