"""A run as a Hugging Face directory: `Qwen3ForCausalLM` weights, configuration and tokenizer.

The model is that class parameter for parameter, so weights are copied; the multipliers of a parametrization, where a
tier has any, are folded into them. A test holds logits to 1e-4. In the exported tokenizer `<|endoftext|>` is a special
token, as tools expect; ours, which trains and scores, never reads it out of text.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curation.errors import RunError
from curation.files import TEMPORARY_PREFIX, write_json, write_text
from curation.store import Artifact, reserved
from curation.tokenizers import EOS_TOKEN, Tokenizer, load_tokenizer
from train.run import MODEL
from train.tier_table import STANDARD, Multipliers
from train.tiers import Tier, load_tier


def export_model(run: Artifact, out: Path) -> None:
    """Write the model of `run` to the new directory `out`, whole, by one rename.

    Raises: RunError if `run` is no run or `out` exists.
    """
    if run.kind != "run":
        raise RunError(f"{run.path}: holds a {run.kind}, expected a run; see `curate show {run.path}`")
    _refuse_existing(out)
    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    tokenizer = load_tokenizer(tier.tokenizer)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.parent / f"{TEMPORARY_PREFIX}{out.name}-{uuid.uuid4().hex[:8]}"
    temporary.mkdir()
    try:
        _write_weights(run.path / MODEL, temporary / "model.safetensors", tier.multipliers)
        model_config(tier, tokenizer).save_pretrained(temporary)
        _write_tokenizer(temporary, tier, tokenizer)
        write_json(temporary / "run.json", dict(run.manifest))
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_weights(source: Path, target: Path, multipliers: Multipliers) -> None:
    if multipliers == STANDARD:
        shutil.copyfile(source, target)
        return
    from safetensors.torch import load_file, save_file

    from train.model import folded

    save_file(folded(load_file(source), multipliers), target, metadata={"format": "pt"})


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold `out` for the model of a run that is still to be trained, so that no second run ends at its place.

    Raises: RunError if it exists, StoreBusyError if another live process holds it.
    """
    _refuse_existing(out)
    with reserved(out):
        yield


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise RunError(f"{out}: exists; expected a new directory; choose another or remove it")


def model_config(tier: Tier, tokenizer: Tokenizer) -> Any:
    """Return the `Qwen3Config` of a tier."""
    from transformers import Qwen3Config

    shape = tier.shape
    return Qwen3Config(
        architectures=["Qwen3ForCausalLM"],
        vocab_size=shape.vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.ffn_width,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        head_dim=shape.head_dim,
        hidden_act="silu",
        max_position_embeddings=shape.context_tokens,
        initializer_range=tier.init_std,
        rms_norm_eps=tier.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": tier.rope_theta},
        attention_bias=False,
        attention_dropout=0.0,
        use_sliding_window=False,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.eos_id,
        dtype="float32",
    )


def _write_tokenizer(out: Path, tier: Tier, tokenizer: Tokenizer) -> None:
    described = json.loads(tokenizer.path.read_text(encoding="utf-8"))
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    eos = {"id": tokenizer.eos_id, "content": EOS_TOKEN, "special": True, **plain}
    described["added_tokens"] = [eos, *described["added_tokens"]]
    write_text(out / "tokenizer.json", json.dumps(described, ensure_ascii=False))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": EOS_TOKEN,
            "pad_token": EOS_TOKEN,
            "model_max_length": tier.shape.context_tokens,
            "clean_up_tokenization_spaces": False,
        },
    )
