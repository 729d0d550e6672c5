"""A run as a Hugging Face directory: `Qwen3ForCausalLM` weights, configuration and tokenizer.

The model is that class parameter for parameter, so weights are copied; the multipliers of a parametrization, where a
tier has any, are folded into them. A test holds logits to 1e-4. In the exported tokenizer `<|endoftext|>` is a special
token, as tools expect, but `split_special_tokens` keeps it from being read out of text, where ours never reads it
either: the same characters in a document are plain text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from curation.errors import RunError
from curation.files import appearing, sha256_file, write_json, write_text
from curation.store import Artifact
from curation.store_locks import reserved
from curation.tokenizers import EOS_TOKEN, Tokenizer, load_tokenizer
from train.run import MODEL
from train.tier_table import STANDARD, Multipliers
from train.tiers import Tier, load_tier

RUN = "run.json"
"""In an export: the manifest of its run, and `exported`, the SHA-256 of each file beside it."""
EXPORTED = "exported"


def export_model(run: Artifact, out: Path) -> None:
    """Write the model of `run` to the new directory `out`, whole, by one rename; an export of this run is kept.

    Raises: RunError if `run` is no run or something else is at `out`.
    """
    if run.kind != "run":
        raise RunError(f"{run.path}: holds a {run.kind}, expected a run; see `curate show {run.path}`")
    if _is_there(out, run.fingerprint):
        return
    tier = load_tier(str(run.summary["tier"]), where=str(run.path))
    with appearing(out) as temporary:
        write_model(run.path / MODEL, tier, temporary)
        digests = {file.name: sha256_file(file) for file in sorted(temporary.iterdir())}
        write_json(temporary / RUN, {**run.manifest, EXPORTED: dict(digests)})


def write_model(weights: Path, tier: Tier, folder: Path) -> None:
    """Write weights, configuration and tokenizer of a model of `tier` into a directory, as the library reads them."""
    tokenizer = load_tokenizer(tier.tokenizer)
    _write_weights(weights, folder / "model.safetensors", tier.multipliers)
    model_config(tier, tokenizer).save_pretrained(folder)
    _write_tokenizer(folder, tier, tokenizer)


def _write_weights(source: Path, target: Path, multipliers: Multipliers) -> None:
    if multipliers == STANDARD:
        shutil.copyfile(source, target)
        return
    from safetensors.torch import load_file, save_file

    from train.model import folded

    save_file(folded(load_file(source), multipliers), target, metadata={"format": "pt"})


@contextmanager
def claimed(targets: Mapping[Path, str]) -> Iterator[None]:
    """Hold directories for the models of runs, by fingerprint, so that no other run ends at their places.

    All are looked at before anything is trained. Raises: RunError if one holds anything but an export of its run,
    StoreBusyError if another live process holds it.
    """
    with ExitStack() as held:
        for out, fingerprint in targets.items():
            if not _is_there(out, fingerprint):
                held.enter_context(reserved(out))
        yield


def _is_there(out: Path, fingerprint: str) -> bool:
    """Return whether the model of the run is at `out`; exports appear whole."""
    if not out.exists():
        return False
    try:
        exported = json.loads((out / RUN).read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError, AttributeError):
        exported = None
    if exported != fingerprint:
        holds = f"holds run {str(exported)[:8]}" if exported else "exists and holds no exported run"
        raise RunError(
            f"{out}: {holds}, expected a new directory or the model of run {fingerprint[:8]}; "
            "choose another with --out, or remove it"
        )
    return True


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
            "split_special_tokens": True,
        },
    )
