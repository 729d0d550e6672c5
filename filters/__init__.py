"""Signals, rule sets, modifiers, classifiers and controls that judge documents.

The front door for authors of document filters and modifiers: `Document`, `Verdict`, `register_filter`,
`register_modifier`, `count_words`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filters.document import Document, Verdict, count_words, register_filter
    from filters.modifiers.document import register_modifier

__all__ = ["Document", "Verdict", "count_words", "register_filter", "register_modifier"]


def __getattr__(name: str) -> object:
    """Load the front door's names on first use, so that `import filters` stays cheap."""
    if name == "register_modifier":
        import filters.modifiers.document

        return filters.modifiers.document.register_modifier
    if name in __all__:
        import filters.document

        return getattr(filters.document, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
