"""Whether an exported model computes what ours does: `Qwen3ForCausalLM` with the trained weights, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from train.tiers import Tier

if TYPE_CHECKING:
    from torch import Tensor

    from train.model import LanguageModel


def export_differences(
    tier: Tier, model: LanguageModel, folder: Path, rows_BT: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Return the largest difference of a logit, and that of the mean loss, between the library's model and ours."""
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen3ForCausalLM

    from train.export import write_model

    folder.mkdir(parents=True)
    save_file(dict(model.state_dict()), folder / "trained.safetensors", metadata={"format": "pt"})
    write_model(folder / "trained.safetensors", tier, folder)
    with _no_bars():
        theirs = Qwen3ForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    ours = model.float().cpu().eval()
    ours.model.compute_dtype = torch.float32
    tokens_BT = torch.from_numpy(rows_BT[:, : tier.shape.context_tokens])
    with torch.no_grad():
        left, right = theirs(tokens_BT).logits, ours(tokens_BT)
    return float((left - right).abs().max()), abs(_nll(left, tokens_BT) - _nll(right, tokens_BT))


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the library from drawing bars of its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _nll(logits_BTV: Tensor, tokens_BT: Tensor) -> float:
    import torch.nn.functional as F

    return float(F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1).double(), tokens_BT[:, 1:].flatten()))
