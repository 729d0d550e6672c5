"""The exported model against the installed `Qwen3ForCausalLM`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
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
from train.model import LanguageModel, build_model, folded
from train.run import MODEL, load_model, run_node
from train.shards import tokens_node
from train.tier_table import Multipliers
from train.tiers import TIERS, Tier, load_tier

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


MULTIPLIERS = Multipliers(embedding=4.0, residual=0.5, attention=0.25, logits=0.125)


def random_model(tier: Tier) -> LanguageModel:
    """Return a model whose gains are random too and whose logits are of the size of trained ones."""
    model = build_model(tier, 1)
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.ndim == 1 else 0.1
            parameter.add_(scale * torch.randn(parameter.shape, generator=stream))
    return model.eval()


def test_powers_of_two_fold_into_the_weights_without_a_changed_bit(tiny: Tier) -> None:
    with_them = random_model(replace(tiny, multipliers=MULTIPLIERS))
    without = LanguageModel(tiny)
    without.load_state_dict(folded(with_them.state_dict(), MULTIPLIERS))
    tokens = torch.randint(0, 2_048, (4, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(with_them(tokens), without(tokens))
        plain = LanguageModel(tiny)
        plain.load_state_dict(with_them.state_dict())
        assert not torch.allclose(plain(tokens), without(tokens), atol=1e-2)


@pytest.mark.parametrize("field", ["embedding", "residual", "attention", "logits"])
def test_each_multiplier_does_something_and_folds_by_itself(tiny: Tier, field: str) -> None:
    one = Multipliers(**{field: 2.0})
    model, plain, alone = random_model(replace(tiny, multipliers=one)), LanguageModel(tiny), LanguageModel(tiny)
    plain.load_state_dict(model.state_dict())
    alone.load_state_dict(folded(model.state_dict(), one))
    tokens = torch.randint(0, 2_048, (2, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model(tokens), alone(tokens))
        assert not torch.equal(model(tokens), plain(tokens))


def test_a_tier_with_multipliers_exports_to_the_library_with_the_same_logits(
    tmp_path: Path, build: Build, tiny: Tier, small_corpus: Node, small_panel: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TIERS, "tiny", replace(tiny, multipliers=MULTIPLIERS))  # type: ignore[arg-type]
    run = build(run_node(tokens_node(small_corpus, "ladder-pico@1"), small_panel, "tiny-0.5x", 1))
    export_model(run, tmp_path / "hf")
    theirs, ours = hugging_face(tmp_path / "hf"), load_model(run.path / MODEL, load_tier("tiny-0.5x"))
    tokens = torch.randint(0, 2_048, (4, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert float((theirs(tokens).logits - ours(tokens)).abs().max()) <= 1e-4
