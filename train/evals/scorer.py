"""The engine `curate`: log-likelihoods of a task's items by a reader's model, each shared token read once.

Batches depend on the task's items alone; each is computed by one thread, so the number of threads changes no bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curation.errors import RunError
from curation.suites.prompted import NOT_FINITE, Prompted
from train.evals.engine import Advance, ItemScores
from train.evals.requests import Encoded, Request, encode_items
from train.evals.rows import Layout, batches, lay_out
from train.readers import Reader

if TYPE_CHECKING:
    from train.evals.forward import Predict, Predictions

SCORER_VERSION = "choice-scores@1"
PROBE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One model at one context."""

    reader: Reader
    context_tokens: int
    workers: int
    predict: Predict
    sharing: bool
    """Whether choices share their beginning; False where the model cannot be asked so."""
    name: str = "curate"
    version: str = SCORER_VERSION

    def score(self, items: Sequence[Prompted], advance: Advance) -> list[ItemScores]:
        """Return the scores of the items of one task. Raises: RunError for a log-likelihood that is no number."""
        encoded = encode_items(self.reader, items, self.context_tokens)
        layout = lay_out(encoded, sharing=self.sharing)
        sums = np.zeros(layout.num_requests)
        greedy = np.ones(layout.num_requests, bool)
        share = len(items) / max(1, len(layout.rows))
        whole = list(batches(layout.rows))
        for batch, (values, likeliest) in zip(whole, self._computed(whole), strict=True):
            np.add.at(sums, batch.requests, values.astype(np.float64))
            np.logical_and.at(greedy, batch.requests, likeliest)
            advance(batch.num_rows * share)
        return [
            _scores(item, asked, layout, number, sums, greedy)
            for number, (item, asked) in enumerate(zip(items, encoded, strict=True))
        ]

    def _computed(self, whole: Sequence[object]) -> Iterator[Predictions]:
        """Yield the predictions of each batch, in order."""
        from train.loop import fixed_threads

        with fixed_threads(1), ThreadPoolExecutor(self.workers, initializer=_prepare_thread) as pool:
            try:
                yield from pool.map(self.predict, whole)  # type: ignore[arg-type]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def scorer_of(reader: Reader, context_tokens: int, workers: int) -> Scorer:
    """Return the engine of a reader's model; `workers` threads change no result."""
    from train.evals.forward import library_predict, our_predict
    from train.model import LanguageModel

    ours = isinstance(reader.model, LanguageModel)
    predict = our_predict(reader.model) if ours else library_predict(reader.model)
    on_cpu = next(reader.model.parameters()).device.type == "cpu"
    return Scorer(
        reader=reader,
        context_tokens=context_tokens,
        workers=workers if on_cpu else 1,
        predict=predict,
        sharing=ours or _can_share(reader, predict, context_tokens),
    )


def _prepare_thread() -> None:
    import torch

    torch.set_flush_denormal(True)


def _can_share(reader: Reader, predict: Predict, context_tokens: int) -> bool:
    """Return whether the model reads ends that share a beginning as it reads each of them alone.

    A window of attention shorter than the context, or a model that takes no mask of ours, forbids it.
    """
    window = getattr(reader.model.config, "sliding_window", None)
    if window is not None and window < context_tokens:
        return False
    try:
        together, alone = (_probe(predict, sharing) for sharing in (True, False))
    except Exception:  # a stranger's model may refuse in any way; then it is asked plainly
        return False
    return bool(np.isfinite(together).all() and np.abs(together - alone).max() <= PROBE_TOLERANCE)


def _probe(predict: Predict, sharing: bool) -> np.ndarray:
    """Return log-likelihoods of three ends of a beginning of ten ids."""
    begun = np.arange(1, 11)
    requests = tuple(Request(ids=np.concatenate([begun, end]), length=len(end)) for end in _PROBE_ENDS)
    layout = lay_out([Encoded(choices=requests)], sharing=sharing)
    sums = np.zeros(layout.num_requests)
    for batch in batches(layout.rows):
        np.add.at(sums, batch.requests, predict(batch)[0].astype(np.float64))
    return sums


_PROBE_ENDS = (np.array([3, 4, 5]), np.array([6, 2]), np.array([7, 8, 9, 1]))


def _scores(
    item: Prompted, asked: Encoded, layout: Layout, number: int, sums: np.ndarray, greedy: np.ndarray
) -> ItemScores:
    if asked.excluded is not None:
        return ItemScores(excluded=asked.excluded)
    mine, bare = list(layout.choices[number]), list(layout.uncond[number])
    values = [float(value) for value in sums[[*mine, *bare]]]
    if any(map(math.isnan, values)):
        raise RunError(
            f"task `{item.task}` item {item.item}: log-likelihoods {values}, expected numbers; the model is damaged: "
            "train or export it again"
        )
    if not all(map(math.isfinite, values)):
        return ItemScores(excluded=NOT_FINITE)
    return ItemScores(
        log_likelihoods=tuple(values[: len(mine)]),
        greedy=tuple(bool(one) for one in greedy[mine]),
        num_tokens=tuple(request.length for request in asked.choices),
        uncond=tuple(values[len(mine) :]) if bare else None,
        truncated=any(request.truncated for request in asked.choices),
    )
