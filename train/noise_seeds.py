"""Seeds of noise runs: initialisation, order and subset of data each by a number of its own.

A run 1..n (rule 10) changes all three at once. To keep their shares of the run noise apart (rule 9), a noise run is
told them one by one, written `i2-o1-s3`:

    init    i: the initial values
    subset  s: which windows are drawn, as the order of an ordinary run draws them; at less than one epoch other text
    order   o: in which order these windows are read: they change places inside their slice and epoch, so that every
               order of one subset reads exactly the same windows and the slices follow one another alike

A noise run is an artifact of its own: the three numbers are in its fingerprint, their streams are named apart from
those of runs 1..n, its index is 0, and it starts from and leaves no plateau. It enters noise packs only.
Source: rule 9; fixed-subset and variable-subset noise after Marin's notes on the noise of small runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from curation.errors import RunError
from curation.files import Json
from curation.randomness import generator
from mixtures.draws import Draws

NOISE_INDEX = 0
"""The seed that a noise run's manifest shows; runs that are compared have 1..n."""
MAX_NUMBER = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSeeds:
    """What a noise run draws from: numbers from 1 on."""

    init: int
    order: int
    subset: int

    @property
    def text(self) -> str:
        """How it is written: `i2-o1-s3`."""
        return f"i{self.init}-o{self.order}-s{self.subset}"

    def as_json(self) -> dict[str, Json]:
        """Return the numbers by name."""
        return {"init": self.init, "order": self.order, "subset": self.subset}

    @staticmethod
    def from_json(value: Mapping[str, int]) -> NoiseSeeds:
        """Return what `as_json` described."""
        return NoiseSeeds(init=int(value["init"]), order=int(value["order"]), subset=int(value["subset"]))


def parse_noise(text: str, where: str = "noise run") -> NoiseSeeds:
    """Return the seeds that `i2-o1-s3` means.

    Raises: RunError for any other form, or a number outside 1 to 10,000.
    """
    match = re.fullmatch(r"i(\d{1,6})-o(\d{1,6})-s(\d{1,6})", text.strip())
    numbers = [int(part) for part in match.groups()] if match else [0]
    if not all(1 <= number <= MAX_NUMBER for number in numbers):
        raise RunError(f"{where}: `{text}`, expected i<init>-o<order>-s<subset> with numbers from 1 on; write i1-o2-s1")
    return NoiseSeeds(init=numbers[0], order=numbers[1], subset=numbers[2])


def exchanged(draws: Draws, seed: int) -> Draws:
    """Return the same draws with windows exchanged inside each slice and epoch, by `seed`."""
    windows = draws.windows.copy()
    for number, name in enumerate(draws.names):
        mine = draws.slices == number
        for epoch in np.unique(draws.epochs[mine]).tolist():
            rows = np.flatnonzero(mine & (draws.epochs == epoch))
            windows[rows] = draws.windows[generator(seed, "noise-order", name, epoch).permutation(rows)]
    return Draws(names=draws.names, slices=draws.slices, windows=windows, epochs=draws.epochs)
