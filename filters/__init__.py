"""Signals, rule sets, modifiers, classifiers and controls that judge documents.

The front door for authors of document filters: `Document`, `Verdict`, `register_filter`, `count_words`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filters.document import Document, Verdict, count_words, register_filter

__all__ = ["Document", "Verdict", "count_words", "register_filter"]


def __getattr__(name: str) -> object:
    """Load the front door's names on first use, so that `import filters` stays cheap."""
    if name in __all__:
        import filters.document

        return getattr(filters.document, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
