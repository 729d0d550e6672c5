"""Named random streams: every draw is a function of a seed and labels, never of workers or time."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_hash(*labels: str | int) -> int:
    """Return a 64-bit hash of `labels` that is the same on every machine and in every process."""
    joined = "\x1f".join(str(label) for label in labels)
    return int.from_bytes(hashlib.sha256(joined.encode("utf-8")).digest()[:8], "little")


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return the random generator of the stream that `seed` and `labels` name."""
    return np.random.Generator(np.random.Philox(key=stable_hash(seed, *labels)))
