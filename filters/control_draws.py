"""The draw of a control: which of the living documents come nearest to a number of tokens, in a given order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from curation.randomness import stable_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The living documents of a part: order value, tokens, slice; and what the matched stage keeps by slice.

    16 bytes a document, which a control holds for all living ones at a time.
    """

    order: npt.NDArray[np.uint64]
    tokens: npt.NDArray[np.int32]
    slices: npt.NDArray[np.int32]
    """Place in `names`."""
    names: tuple[str, ...]
    matched: npt.NDArray[np.int64]
    """Tokens that the matched stage keeps, by place in `names`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The decision for a group of documents: those with an order value up to `limit` stay, none if it is None."""

    alive_tokens: int
    target_tokens: int
    kept_tokens: int
    limit: int | None


def order_values(ids: list[str], seed: int) -> npt.NDArray[np.uint64]:
    """Return the place of each id in the random order of `seed`: 64-bit hashes, the smallest drawn first."""
    key = stable_hash("control", seed)
    return np.array([xxhash.xxh3_64_intdigest(id_.encode("utf-8"), seed=key) for id_ in ids], np.uint64)


def length_order(random: npt.NDArray[np.uint64], num_bytes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return places that put the longest text first; equal lengths are ordered by the highest bits of `random`.

    40 bits hold lengths up to 1 TB, 24 bits the random order.
    """
    shortness = np.uint64(2**40 - 1) - np.minimum(num_bytes, 2**40 - 1).astype(np.uint64)
    return (shortness << np.uint64(24)) | (random >> np.uint64(40))


def decide_quota(order: npt.NDArray[np.uint64], tokens: npt.NDArray[np.integer[Any]], target: int) -> Quota:
    """Return which documents, drawn by `order`, come nearest to `target` tokens; fewer on a tie."""
    sequence = np.argsort(order, kind="stable")
    running = np.cumsum(tokens[sequence], dtype=np.int64)
    total = int(running[-1]) if len(running) else 0
    number = int(np.searchsorted(running, target, side="right"))
    kept = int(running[number - 1]) if number else 0
    if number < len(running) and int(running[number]) - target < target - kept:
        kept = int(running[number])
        number += 1
    limit = int(order[sequence[number - 1]]) if number else None
    return Quota(alive_tokens=total, target_tokens=target, kept_tokens=kept, limit=limit)


def joined(draws: list[Draw]) -> Draw:
    """Return the living documents of all parts, in canonical order, with the slices that they have, sorted."""
    names = sorted({draw.names[code] for draw in draws for code in np.unique(draw.slices).tolist()})
    places = [np.array([names.index(name) if name in names else -1 for name in draw.names], np.int32) for draw in draws]
    slices = [place[draw.slices] for place, draw in zip(places, draws, strict=True)]
    matched = np.zeros(len(names) + 1, np.int64)  # the last place is of slices without living documents
    for place, draw in zip(places, draws, strict=True):
        np.add.at(matched, place, draw.matched)
    return Draw(
        order=np.concatenate([draw.order for draw in draws] or [np.zeros(0, np.uint64)]),
        tokens=np.concatenate([draw.tokens for draw in draws] or [np.zeros(0, np.int32)]),
        slices=np.concatenate(slices or [np.zeros(0, np.int32)]),
        names=tuple(names),
        matched=matched[:-1],
    )
