"""Scores of benchmark items in the loop: the log-likelihood of each choice after its context, as lm-eval takes it.

Context and choice are encoded together and the ids after those of the context alone are the choice's; spaces at the
end of the context move to the choice; an empty context is EOS; too long ones lose their beginning. So the scores of a
run are those that lm-eval's `hf` model gives for the exported directory. Source: lm-eval 0.4, `TemplateLM._encode_pair`
and `HFLM._loglikelihood_tokens`. Shapes: T positions, V vocabulary, n tokens of a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from curation.errors import RunError

if TYPE_CHECKING:
    from train.readers import Reader

BATCH_POSITIONS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A context and the continuations that compete after it."""

    context: str
    choices: tuple[str, ...]
    where: str = ""
    """File and line, for messages."""


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
    reader: Reader, items: Sequence[Item], *, context_tokens: int, advance: Callable[[float], None] = lambda _: None
) -> list[ItemScores]:
    """Return the scores of each item in windows of `context_tokens`; `advance` is told the choices as they are done.

    Raises: RunError for an item without choices, an empty choice or one longer than the window.
    """
    _refuse_empty(items)
    rows = _rows(items, reader, context_tokens)
    found = np.zeros(len(rows))
    greedy = np.zeros(len(rows), bool)
    for batch in _batches(rows):
        for row, (value, is_greedy) in zip(batch, _scored(reader, batch), strict=True):
            found[row.number], greedy[row.number] = value, is_greedy
        advance(float(len(batch)))
    if not np.isfinite(found).all():
        raise RunError("log-likelihoods that are not finite, expected numbers; the model is damaged, train it again")
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
            place = item.where or f"item {number}"
            raise RunError(f"{place}: choices {item.choices!r}, expected at least one and none empty; mend it")


def _rows(items: Sequence[Item], reader: Reader, context_tokens: int) -> list[_Row]:
    pairs = [(item, choice) for item in items for choice in item.choices]
    bare = [item.context.rstrip() for item, _ in pairs]
    contexts = reader.encode(bare)
    wholes = reader.encode([item.context + choice for item, choice in pairs])
    rows = []
    for number, (item, choice) in enumerate(pairs):
        whole = wholes.tokens[wholes.offsets[number] : wholes.offsets[number + 1]].astype(np.int64)
        before = int(contexts.offsets[number + 1] - contexts.offsets[number])
        length = len(whole) - before
        if not 0 < length <= context_tokens:
            raise RunError(
                f"{item.where}{': ' if item.where else ''}choice {choice[:60]!r}: {length} tokens after its context, "
                f"expected 1 to {context_tokens}; shorten it, or score it with a longer context"
            )
        ids = whole if before else np.concatenate([np.array([reader.eos_id], np.int64), whole])
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


def _scored(reader: Reader, batch: Sequence[_Row]) -> list[tuple[float, bool]]:
    import torch

    longest = max(len(row.ids) for row in batch)
    padded = np.full((len(batch), longest), reader.eos_id, np.int64)
    for number, row in enumerate(batch):
        padded[number, : len(row.ids)] = row.ids
    spans = [slice(len(row.ids) - 1 - row.length, len(row.ids) - 1) for row in batch]
    results = []
    for row, logits_nV in zip(batch, reader.logits_of(padded[:, :-1], spans), strict=True):
        targets_n = torch.from_numpy(row.ids[-row.length :]).to(logits_nV.device)
        picked_n = torch.log_softmax(logits_nV, dim=-1).gather(1, targets_n[:, None])[:, 0]
        is_greedy = bool((logits_nV.argmax(dim=-1) == targets_n).all())
        results.append((float(picked_n.double().sum()), is_greedy))
    return results
