"""Predictions of a batch: the log-probability of each target and whether it is the most likely id.

Our models read a batch in one way, models of transformers in another; the rest of scoring knows only `Predict`.
Log-softmax is float32, sums are the caller's. Shapes: B rows, T positions, D width, V vocabulary, N predictions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from train.evals.rows import PAD, SHARED, Batch
from train.model import LanguageModel, Layout

if TYPE_CHECKING:
    from torch import Tensor

LOGITS_AT_ONCE = 4_194_304
"""Values of logits in memory, 16 MB."""

Predictions: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
Predict: TypeAlias = Callable[[Batch], Predictions]


def our_predict(model: LanguageModel) -> Predict:
    """Return the forward pass of one of our models: the head reads only the positions that predict."""
    device = model.lm_head.weight.device

    @torch.inference_mode()
    def predict(batch: Batch) -> Predictions:
        layout = None
        if batch.parts_BT is not None and batch.positions_BT is not None:
            layout = Layout(
                positions_BT=torch.from_numpy(batch.positions_BT).to(device),
                mask_BTT=_mask(torch.from_numpy(batch.parts_BT).to(device), -torch.inf),
            )
        stream_BTD = model.hidden(torch.from_numpy(batch.ids_BT).to(device), layout)
        rows, places = torch.from_numpy(batch.rows).to(device), torch.from_numpy(batch.places).to(device)
        return _picked(stream_BTD[rows, places], model.lm_head, batch.targets)

    return predict


def library_predict(model: Any) -> Predict:
    """Return the forward pass of a causal language model of transformers.

    Its logits are asked from the first position that predicts, where the model has a way to ask so.
    """
    keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
    device = next(model.parameters()).device

    @torch.inference_mode()
    def predict(batch: Batch) -> Predictions:
        ids_BT = torch.from_numpy(batch.ids_BT).to(device)
        options: dict[str, Any] = {"use_cache": False}
        if batch.parts_BT is not None and batch.positions_BT is not None:
            options["position_ids"] = torch.from_numpy(batch.positions_BT).to(device)
            options["attention_mask"] = _mask(torch.from_numpy(batch.parts_BT).to(device), torch.finfo().min)
        start = batch.first_place if keeps else 0
        if start:
            options["logits_to_keep"] = ids_BT.shape[1] - start
        logits_BTV = model(ids_BT, **options).logits
        rows = torch.from_numpy(batch.rows).to(device)
        places = torch.from_numpy(batch.places - start).to(device)
        return _picked(logits_BTV[rows, places], None, batch.targets)

    return predict


def _picked(values_ND: Tensor, head: Any, targets: npt.NDArray[np.int64]) -> Predictions:
    """Return what the logits say of the targets; `head` makes logits of `values_ND`, which None says they are."""
    targets_N = torch.from_numpy(targets).to(values_ND.device)
    size = values_ND.shape[1] if head is None else head.weight.shape[0]
    step = max(1, LOGITS_AT_ONCE // size)
    found, greedy = [], []
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        logits_NV = (values_ND[part] if head is None else head(values_ND[part])).float()
        picked_N = logits_NV.gather(1, targets_N[part, None])[:, 0]
        found.append(picked_N - logits_NV.logsumexp(dim=-1))
        greedy.append(logits_NV.argmax(dim=-1) == targets_N[part])
    return torch.cat(found).cpu().numpy(), torch.cat(greedy).cpu().numpy()


def _mask(parts_BT: Tensor, hidden: float) -> Tensor:
    """Return what is added to attention's logits: a position reads what is shared and its own part, up to itself."""
    reading, read = parts_BT[:, :, None], parts_BT[:, None, :]
    length = parts_BT.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=parts_BT.device).tril()
    seen_BTT = causal & ((read == reading) | ((read == SHARED) & (reading != PAD)))
    mask_BTT = torch.zeros(seen_BTT.shape, device=parts_BT.device).masked_fill_(~seen_BTT, hidden)
    return mask_BTT[:, None]
