"""`no-hashtags`: a document modifier."""

from __future__ import annotations

from dataclasses import dataclass

from filters import Document, register_modifier


@register_modifier("no-hashtags", version=1)
@dataclass(frozen=True, slots=True, kw_only=True)
class NoHashtags:
    """Take hashtags out."""

    marker: str = "#"
    """What a word begins with that goes."""

    def rewrite(self, doc: Document) -> str:
        """Return the text without such words."""
        return " ".join(word for word in doc.text.split(" ") if not word.startswith(self.marker))
