"""`words@1` in plain Python: for reports, benchmark items and tests; `text_kernels` does the same over columns."""

from __future__ import annotations

import re

NORMAL_FORM = "words@1"

_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]+")


def split_words(text: str) -> list[str]:
    """Return the words of `text`: runs of ASCII letters, digits and non-ASCII characters, ASCII in lower case."""
    return [word.lower().decode("utf-8") for word in _WORD.findall(text.encode("utf-8"))]
