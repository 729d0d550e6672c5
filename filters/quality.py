"""The quality filters by name: the rule sets one by one, and `quality_v1` to `quality_v3` built from them."""

from __future__ import annotations

from filters.models.quantile import ClassifierFilter
from filters.rule_filter import RuleFilter

GOPHER_QUALITY_FILTER = RuleFilter(
    name="gopher-quality",
    summary="Gopher's rules for natural English prose.",
    rule_set_names=("gopher-quality/curate",),
)
GOPHER_REPETITION_FILTER = RuleFilter(
    name="gopher-repetition",
    summary="Gopher's rules against repetition inside a document.",
    rule_set_names=("gopher-repetition/curate",),
)
C4_PAGE_FILTER = RuleFilter(
    name="c4-page",
    summary="The rules of C4 that drop a page.",
    rule_set_names=("c4-page/curate",),
)
FINEWEB_FILTER = RuleFilter(
    name="fineweb",
    summary="FineWeb's rules against lists, menus and tables.",
    rule_set_names=("fineweb/curate",),
)
QUALITY_V1 = RuleFilter(name="quality_v1", summary="Gopher quality.", rule_set_names=("gopher-quality/curate",))
QUALITY_V2 = RuleFilter(
    name="quality_v2",
    summary="Gopher quality, Gopher repetition, C4 page rules and FineWeb.",
    rule_set_names=("gopher-quality/curate", "gopher-repetition/curate", "c4-page/curate", "fineweb/curate"),
)
FASTTEXT_QUALITY_FILTER = ClassifierFilter(
    name="fasttext-quality",
    summary="A fastText quality classifier kept at a quantile.",
    rules=None,
)
QUALITY_V3 = ClassifierFilter(
    name="quality_v3",
    summary="quality_v2, then a fastText quality classifier kept at a quantile of what passes the rules.",
    rules=QUALITY_V2,
)
