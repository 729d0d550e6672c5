"""`word-count`: the example of a document filter; copy this file to start one of your own."""

from __future__ import annotations

from dataclasses import dataclass

from filters.document import Document, Verdict, count_words, register_filter


@register_filter("word-count", version=1)
@dataclass(frozen=True, slots=True, kw_only=True)
class WordCount:
    """Keep documents of `min_words` to `max_words` words."""

    min_words: int = 50
    max_words: int = 100_000

    def judge(self, doc: Document) -> Verdict:
        """Return whether the number of words is within the bounds, both inclusive."""
        num_words = count_words(doc.text)
        if num_words < self.min_words:
            return Verdict.drop("too-few-words", num_words)
        return Verdict.drop("too-many-words", num_words) if num_words > self.max_words else Verdict.keep()
