"""What the conformance tests share: our verdict and the installed datatrove filter's on one text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.batches import text_array
from filters.rules import compute_columns, find_rule_set, judge_rows

Judge = Callable[[str, Sequence[str]], list[str | None]]

REASONS = {
    "empty": "empty-text",
    "dup_para_frac": "too-many-duplicate-paragraphs",
    "dup_para_char_frac": "too-much-text-in-duplicate-paragraphs",
    "dup_line_frac": "too-many-duplicate-lines",
    "dup_line_char_frac": "too-much-text-in-duplicate-lines",
    **{f"top_{n}_gram": f"top-{n}-gram-too-frequent" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"too-many-duplicate-{n}-grams" for n in range(5, 11)},
    "gopher_short_doc": "too-few-words",
    "gopher_long_doc": "too-many-words",
    "gopher_below_avg_threshold": "words-too-short",
    "gopher_above_avg_threshold": "words-too-long",
    "gopher_too_many_hashes": "too-many-hashes",
    "gopher_too_many_ellipsis": "too-many-ellipses",
    "gopher_too_many_bullets": "too-many-bullet-lines",
    "gopher_too_many_end_ellipsis": "too-many-ellipsis-lines",
    "gopher_below_alpha_threshold": "too-few-alphabetic-words",
    "gopher_enough_stop_words": "too-few-stop-words",
    "line_punct_ratio": "too-few-terminal-lines",
    "short_line_ratio": "too-many-short-lines",
    "char_dup_ratio": "text-in-repeated-lines",
    "list_ratio": "too-many-newlines",
    "lorem_ipsum": "lorem-ipsum",
    "curly_bracket": "curly-bracket",
    "too_few_sentences": "too-few-sentences",
}
"""datatrove's reasons -> ours; the table of docs/dialects.md."""


def _filters() -> dict[str, Any]:
    from datatrove.pipeline import filters as chain

    return {
        "gopher-quality/datatrove": chain.GopherQualityFilter(),
        "gopher-repetition/datatrove": chain.GopherRepetitionFilter(),
        "fineweb/datatrove": chain.FineWebQualityFilter(),
        "c4/datatrove": chain.C4QualityFilter(),
        "c4-fineweb/datatrove": chain.C4QualityFilter(filter_no_terminal_punct=False),
    }


@pytest.fixture(scope="session")
def datatrove_reasons() -> Judge:
    """Reasons (None: kept) that the installed datatrove filter behind a rule set gives, in our words."""
    from datatrove.data import Document

    chain = _filters()

    def reason(name: str, text: str) -> str | None:
        verdict = chain[name].filter(Document(text=text, id="0"))
        if verdict is True:
            return None
        found = REASONS[verdict[1]]
        return "no-lines" if name.startswith("fineweb") and found == "empty-text" else found

    return lambda name, texts: [reason(name, text) for text in texts]


@pytest.fixture(scope="session")
def our_reasons() -> Judge:
    """Reasons (None: kept) that a rule set of ours gives."""

    def judge(name: str, texts: Sequence[str]) -> list[str | None]:
        rules = find_rule_set(name, "test").rules
        columns = compute_columns(rules, pa.table({"text": text_array(list(texts))}))
        verdict = judge_rows(rules, columns, np.ones(len(texts), np.bool_))
        return [None if code < 0 else rules[code].reason for code in verdict.reason]

    return judge
