"""A stranger's Hugging Face directory, opened by transformers, or one error that says what is wrong with it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import RunError

TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "merges.txt")
_PROBE = "A few words, 1 2 3."
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RULES = re.compile(r"[-+|\s]*(?:\n|$)")


def load_directory(path: Path) -> tuple[Any, Any]:
    """Return the causal language model in `path`, in float32 on the CPU, and its tokenizer.

    Only what lies in the directory is read, weights as safetensors, and no code from it is run.
    Raises: RunError if one of them cannot be loaded, or there is no tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    refuse_without_tokenizer(path)
    logging.disable_progress_bar()  # of loading; stderr has one of ours
    told = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of what did not fit comes again as our error
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
    except Exception as error:  # of any kind: the files are a stranger's
        raise RunError(f"{path}: cannot be loaded as a causal language model: {_told(error)}") from None
    finally:
        logging.set_verbosity(told)
    _refuse_incomplete(path, info)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        probe = tokenizer.encode(_PROBE, add_special_tokens=False)
    except Exception as error:
        raise RunError(f"{path}: its tokenizer cannot be loaded: {_told(error)}") from None
    if not probe:
        raise RunError(
            f"{path}: no tokenizer: what is there reads no text; expected the model's own; put its tokenizer.json there"
        )
    return model.eval(), tokenizer


def refuse_without_tokenizer(path: Path) -> None:
    """Raise RunError if no file of a tokenizer lies in the model directory: transformers would make an empty one."""
    if not any(file.is_file() for pattern in TOKENIZER_FILES for file in path.glob(pattern)):
        raise RunError(
            f"{path}: no tokenizer (no tokenizer.json, vocab.json or *.model); expected the model's own; put its "
            "tokenizer.json there"
        )


def _refuse_incomplete(path: Path, info: Mapping[str, Any]) -> None:
    """Raise RunError if weights are missing, which transformers makes up; warn of those that the model does not use."""
    if missing := sorted(map(str, info.get("missing_keys", ()))):
        raise RunError(
            f"{path}: no weights for {_some(missing)}; expected all that config.json asks for; bring files together "
            "that were saved together"
        )
    if unused := sorted(map(str, info.get("unexpected_keys", ()))):
        warnings.warn(f"{path}: the model of config.json does not use the weights {_some(unused)}", stacklevel=3)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _told(error: Exception) -> str:
    """Return what an exception says in one line, without a terminal's colours."""
    if "mismatched_sizes" in str(error):
        return "config.json and the weights disagree in shapes; bring the files together that were saved together"
    plain = _COLOURS.sub("", str(error))
    lines = [" ".join(line.split()) for line in plain.splitlines() if not _RULES.fullmatch(line)]
    said = "; ".join(lines[:4]) + (" …" if len(lines) > 4 else "")
    return f"{said or type(error).__name__}; mend the directory, or save the model there again"
