"""`no-shouting`: a document filter."""

from __future__ import annotations

from dataclasses import dataclass

from filters import Document, Verdict, register_filter


@register_filter("no-shouting", version=1)
@dataclass(frozen=True, slots=True, kw_only=True)
class NoShouting:
    """Drop documents in capitals."""

    max_fraction: float = 0.5
    """Share of characters in capitals."""

    def judge(self, doc: Document) -> Verdict:
        """Return whether few enough characters are capitals."""
        share = sum(char.isupper() for char in doc.text) / max(1, len(doc.text))
        return Verdict.drop("shouting", share) if share > self.max_fraction else Verdict.keep()
