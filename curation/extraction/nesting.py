"""Whether a page nests deeper than a parser or an algorithm can follow.

libxml2 drops everything below 256 levels and says nothing; extractors over it refuse such a page instead. Algorithms
that ask for the ancestors of every element are quadratic in the depth: resiliparse's main content takes 24 s at 30,000.
"""

from __future__ import annotations

from typing import Any

from curation.extraction.base import TooDeepError, WebPage

LIBXML2_DEPTH = 255
"""Deepest element that libxml2 keeps (xmlParserMaxDepth is 256)."""
_DEEPEST = "boolean(" + "/*" * LIBXML2_DEPTH + ")"


def refuse_truncated(tree: Any) -> None:
    """Raise TooDeepError if libxml2 may have cut an lxml tree short; one pass over the tree, in C."""
    if tree.getroottree().xpath(_DEEPEST):
        raise TooDeepError(f"{LIBXML2_DEPTH} levels or more")


def refuse_deeper(page: WebPage, max_depth: int) -> None:
    """Raise TooDeepError if an element of the page has more than `max_depth` ancestors."""
    if page.html.count("<") <= max_depth or not _may_be_deeper(page.html, max_depth):
        return
    depth = 0

    def enter(context: Any) -> None:
        nonlocal depth
        depth = max(depth, context.depth)

    from resiliparse.parse.html import traverse_dom

    root = page.first("*")  # from the document itself nothing is visited
    if root is not None:
        traverse_dom(root, enter, elements_only=True)
    if depth > max_depth:
        raise TooDeepError(f"{depth} levels, at most {max_depth} are followed")


def _may_be_deeper(html: str, max_depth: int) -> bool:
    """Whether opening less closing tags ever exceed the bound: elements that are never closed make it too high."""
    import numpy as np

    raw = np.frombuffer(html.encode("utf-8", "replace") + b"  ", dtype=np.uint8)
    after = raw[np.flatnonzero(raw[:-1] == ord("<")) + 1]
    letter = ((after | 0x20) >= ord("a")) & ((after | 0x20) <= ord("z"))
    steps = letter.astype(np.int64) - (after == ord("/"))
    return bool(len(steps)) and int(np.cumsum(steps).max()) > max_depth
