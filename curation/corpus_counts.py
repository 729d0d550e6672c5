"""What a slice of a corpus holds: the numbers that mixtures, schedules and reports share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceCounts:
    """Unique documents of one slice, their UTF-8 bytes, and their tokens without EOS."""

    docs: int
    bytes: int
    tokens: int

    @property
    def stream_tokens(self) -> int:
        """Tokens of the slice's training stream: one EOS follows each document."""
        return self.tokens + self.docs
