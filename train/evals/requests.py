"""Items as ids: what a model reads and which of its predictions count, in windows of the evaluation context.

A context that does not fit loses its beginning; a continuation longer than the window excludes its item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.suites.prompted import CHOICE_TOO_LONG, EMPTY_CHOICE, Prompted
from train.readers import Ids, Reader

ITEMS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """Ids of context and continuation, of which the last `length` are the continuation's."""

    ids: Ids
    length: int
    truncated: bool = False

    @property
    def inputs(self) -> Ids:
        """What the model reads."""
        return self.ids[:-1]

    @property
    def first(self) -> int:
        """Position in `inputs` that predicts the continuation's first id."""
        return len(self.ids) - 1 - self.length

    @property
    def key(self) -> tuple[bytes, int]:
        """Equal for equal requests."""
        return self.ids.tobytes(), self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One item's requests; none where it is excluded."""

    choices: tuple[Request, ...] = ()
    uncond: tuple[Request, ...] = ()
    excluded: str | None = None


def encode_items(reader: Reader, items: Sequence[Prompted], context_tokens: int) -> list[Encoded]:
    """Return the requests of each item."""
    found: list[Encoded] = []
    for start in range(0, len(items), ITEMS_AT_ONCE):
        found += _encoded(reader, items[start : start + ITEMS_AT_ONCE], context_tokens)
    return found


def _encoded(reader: Reader, items: Sequence[Prompted], context_tokens: int) -> list[Encoded]:
    """Encode every different text once: choices share their contexts."""
    pairs = [_pairs(item) for item in items]
    texts: dict[str, int] = {}
    for context, continuation in (pair for of_item in pairs for part in of_item for pair in part):
        texts.setdefault(context.rstrip(), len(texts))
        texts.setdefault(context + continuation, len(texts))
    encoded = reader.encode(list(texts))
    ids = encoded.tokens.astype(np.int64)

    def request(context: str, continuation: str) -> Request:
        before, whole = texts[context.rstrip()], texts[context + continuation]
        num_before = int(encoded.offsets[before + 1] - encoded.offsets[before])
        all_ids = ids[encoded.offsets[whole] : encoded.offsets[whole + 1]]
        length = len(all_ids) - num_before
        if not num_before:
            all_ids = np.concatenate([np.array([reader.eos_id], np.int64), all_ids])
        kept = all_ids[-(context_tokens + 1) :]
        return Request(ids=kept, length=length, truncated=len(kept) < len(all_ids))

    found = []
    for item, (choices, uncond) in zip(items, pairs, strict=True):
        if item.excluded is not None:
            found.append(Encoded(excluded=item.excluded))
            continue
        asked, bare = (tuple(request(*pair) for pair in part) for part in (choices, uncond))
        lengths = [one.length for one in (*asked, *bare)]
        reason = CHOICE_TOO_LONG if max(lengths) > context_tokens else EMPTY_CHOICE if min(lengths) < 1 else None
        found.append(Encoded(excluded=reason) if reason else Encoded(choices=asked, uncond=bare))
    return found


def _pairs(item: Prompted) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    uncond = item.uncond
    return list(item.pairs), [] if uncond is None else [(uncond, text) for text in item.continuations]
