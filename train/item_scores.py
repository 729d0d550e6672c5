"""Scores of benchmark items in the loop: the log-likelihood of each choice after its context, as lm-eval takes it.

Context and choice are encoded together and the ids after those of the context alone are the choice's; spaces at the
end of the context move to the choice; an empty context is EOS; too long ones lose their beginning. So the scores of a
run are those that lm-eval's `hf` model gives for the exported directory. Source: lm-eval 0.4, `TemplateLM._encode_pair`
and `HFLM._loglikelihood_tokens`. Shapes: B rows, T positions, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from curation.batches import text_array, text_view
from curation.errors import RunError
from curation.tokenizers import Tokenizer

if TYPE_CHECKING:
    from train.model import LanguageModel

BATCH_POSITIONS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A context and the continuations that compete after it."""

    context: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScores:
    """One entry a choice, in the order given."""

    log_likelihoods: tuple[float, ...]
    """Summed over the choice's tokens, nats, at most 0."""
    greedy: tuple[bool, ...]
    """Whether every token of the choice is the most likely one."""
    num_tokens: tuple[int, ...]
    num_bytes: tuple[int, ...]

    @property
    def best(self) -> int:
        """The choice with the highest log-likelihood; the first of equal ones."""
        return int(np.argmax(self.log_likelihoods))

    @property
    def best_per_byte(self) -> int:
        """The choice with the highest log-likelihood a byte; the first of equal ones."""
        return int(np.argmax(np.array(self.log_likelihoods) / np.maximum(self.num_bytes, 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One choice to score: the ids of context and choice, of which the last `length` count."""

    number: int
    ids: npt.NDArray[np.int64]
    length: int


def score_items(
    model: LanguageModel, tokenizer: Tokenizer, items: Sequence[Item], *, context_tokens: int
) -> list[ItemScores]:
    """Return the scores of each item under a model that reads windows of `context_tokens`.

    Raises: RunError for an item without choices, an empty choice or one longer than the window.
    """
    pairs = [(item.context, choice) for item in items for choice in item.choices]
    _refuse_empty(items)
    rows = _rows(pairs, tokenizer, context_tokens)
    found = np.zeros(len(rows))
    greedy = np.zeros(len(rows), bool)
    for batch in _batches(rows):
        for row, (value, is_greedy) in zip(batch, _scored(model, batch, tokenizer.eos_id), strict=True):
            found[row.number], greedy[row.number] = value, is_greedy
    scores, start = [], 0
    for item in items:
        mine = range(start, start + len(item.choices))
        start = mine.stop
        scores.append(
            ItemScores(
                log_likelihoods=tuple(float(found[i]) for i in mine),
                greedy=tuple(bool(greedy[i]) for i in mine),
                num_tokens=tuple(rows[i].length for i in mine),
                num_bytes=tuple(len(choice.encode()) for choice in item.choices),
            )
        )
    return scores


def _refuse_empty(items: Sequence[Item]) -> None:
    for number, item in enumerate(items):
        if not item.choices or not all(item.choices):
            raise RunError(f"item {number}: choices {item.choices!r}, expected at least one and none empty; mend it")


def _rows(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, context_tokens: int) -> list[_Row]:
    moved = [(context.rstrip(), context[len(context.rstrip()) :] + choice) for context, choice in pairs]
    contexts = tokenizer.encode(text_view(text_array([context for context, _ in moved])))
    wholes = tokenizer.encode(text_view(text_array([context + choice for context, choice in moved])))
    rows = []
    for number in range(len(moved)):
        whole = wholes.tokens[wholes.offsets[number] : wholes.offsets[number + 1]].astype(np.int64)
        before = int(contexts.offsets[number + 1] - contexts.offsets[number])
        length = len(whole) - before
        if not 0 < length <= context_tokens:
            raise RunError(
                f"choice {pairs[number][1][:60]!r}: {length} tokens after its context, expected 1 to {context_tokens}; "
                "score it at a tier with a longer context"
            )
        ids = whole if before else np.concatenate([np.array([tokenizer.eos_id], np.int64), whole])
        rows.append(_Row(number=number, ids=ids[-(context_tokens + 1) :], length=length))
    return rows


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Yield rows of like length together, longest first, so that scores depend on the items alone."""
    ordered = sorted(rows, key=lambda row: (-len(row.ids), row.number))
    start = 0
    while start < len(ordered):
        count = max(1, BATCH_POSITIONS // len(ordered[start].ids))
        yield ordered[start : start + count]
        start += count


def _scored(model: LanguageModel, batch: Sequence[_Row], eos_id: int) -> list[tuple[float, bool]]:
    import torch

    longest = max(len(row.ids) for row in batch)
    padded = np.full((len(batch), longest), eos_id, np.int64)
    for number, row in enumerate(batch):
        padded[number, : len(row.ids)] = row.ids
    ids_BT = torch.from_numpy(padded).to(model.lm_head.weight.device)
    results = []
    with torch.inference_mode():
        stream_BTD = model.hidden(ids_BT[:, :-1])
        for number, row in enumerate(batch):
            last = len(row.ids) - 1
            logits_nV = model.lm_head(stream_BTD[number, last - row.length : last]).float()
            targets_n = ids_BT[number, last - row.length + 1 : last + 1]
            picked_n = torch.log_softmax(logits_nV, dim=-1).gather(1, targets_n[:, None])[:, 0]
            is_greedy = bool((logits_nV.argmax(dim=-1) == targets_n).all())
            results.append((float(picked_n.double().sum()), is_greedy))
    return results
