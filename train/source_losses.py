"""Mean training loss of each source since the last row, with how much of it was read and how often.

A position counts for the document that holds the token it predicts; EOS is its document's own last token. Documents of
several sources share windows, so the nats of a row are cut where documents end. A lower loss can mean easier or more
often repeated text: `epochs_by_source` stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from curation.files import Json
from train.stream_documents import Documents

if TYPE_CHECKING:
    from train.companions import StepOutcome
    from train.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSums:
    """What some windows of one stream gave, by code of source."""

    nats: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]


def code_sums(documents: Documents, windows: npt.NDArray[np.int64], nats_BT: npt.NDArray[np.float32]) -> CodeSums:
    """Return nats and positions of each source in windows of a stream; row b of the nats is of `windows[b]`.

    Work grows with the documents that the windows touch. Window w of T predicts the stream's tokens w·T + 1 to w·T + T.
    """
    rows, size = nats_BT.shape
    bases = windows * size + 1
    first = np.searchsorted(documents.ends, bases, side="right")
    last = np.searchsorted(documents.ends, bases + size - 1, side="right")
    counts = last - first + 1
    begins = np.cumsum(counts) - counts  # of each row's first stretch, in the list of all stretches
    row = np.repeat(np.arange(rows), counts)
    document = np.arange(len(row)) + (first - begins)[row]
    # a stretch starts where the document before it ends, the first of a row at the row's start
    starts = row * size + np.maximum(documents.ends[document - 1] - bases[row], 0)
    starts[begins] = np.arange(rows) * size
    summed = np.add.reduceat(nats_BT.reshape(-1), starts, dtype=np.float64)
    lengths = np.diff(starts, append=rows * size)
    codes, num = documents.codes[document], len(documents.sources)
    nats, tokens = np.zeros(num), np.zeros(num, np.int64)
    np.add.at(nats, codes, summed)
    np.add.at(tokens, codes, lengths)
    return CodeSums(nats=nats, tokens=tokens)


class SourceLosses:
    """Losses by source; silent where streams do not say whose their documents are."""

    name = "source-losses"

    def __init__(self, documents: Mapping[str, Documents]) -> None:
        self.documents = {name: one for name, one in documents.items() if one.sources}
        self.nats: dict[str, float] = {}
        self.tokens: dict[str, int] = {}
        self.read: dict[str, int] = {}
        """Tokens since step 0."""
        self.slices: set[str] = set()
        """Those that were read since step 0."""

    def after_step(self, outcome: StepOutcome, engine: Engine) -> None:
        """Add the positions of a step to their sources."""
        drawn = outcome.drawn
        for number in np.unique(drawn.slices).tolist():
            documents = self.documents.get(drawn.names[number])
            if documents is None:
                continue
            mine = drawn.slices == number
            found = code_sums(documents, drawn.windows[mine], outcome.nats_BT[mine])
            self.slices.add(drawn.names[number])
            for code in np.flatnonzero(found.tokens).tolist():
                name, count = documents.sources[code], int(found.tokens[code])
                self.nats[name] = self.nats.get(name, 0.0) + float(found.nats[code])
                self.tokens[name] = self.tokens.get(name, 0) + count
                self.read[name] = self.read.get(name, 0) + count

    def row(self) -> Mapping[str, Json]:
        """Return nats a token, tokens since the last row, and epochs since step 0, by source; nothing if none read."""
        if not self.read:
            return {}
        losses = {name: self.nats[name] / count for name, count in sorted(self.tokens.items())}
        row: dict[str, Json] = {
            "loss_by_source": {name: loss if math.isfinite(loss) else None for name, loss in losses.items()},
            "tokens_by_source": dict(sorted(self.tokens.items())),
            "epochs_by_source": self._epochs(),
        }
        self.nats, self.tokens = {}, {}
        return row

    def _epochs(self) -> dict[str, Json]:
        """Return tokens read of each source over those that the slices read so far hold of it."""
        held: dict[str, int] = {}
        for slice_name in sorted(self.slices):
            for name, count in self.documents[slice_name].source_tokens.items():
                held[name] = held.get(name, 0) + count
        return {name: count / held[name] for name, count in sorted(self.read.items())}

    def state(self) -> Json:
        """Return sums and counts."""
        nats = {name: value if math.isfinite(value) else None for name, value in self.nats.items()}
        slices: list[Json] = [*sorted(self.slices)]
        return {"nats": nats, "tokens": dict(self.tokens), "read": dict(self.read), "slices": slices}

    def restore(self, state: Json) -> None:
        """Become what `state` described."""
        kept = cast("Mapping[str, Any]", state)
        self.nats = {name: math.nan if value is None else value for name, value in kept["nats"].items()}
        self.tokens, self.read = dict(kept["tokens"]), dict(kept["read"])
        self.slices = set(kept["slices"])
