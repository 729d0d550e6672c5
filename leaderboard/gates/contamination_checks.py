"""Conditions on contamination: evaluation and panel text in corpora, and gains on suspicious items (rules 1 and 14)."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.gates.case import Case, Check, Limits, Outcome, decided, insufficient


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakLimits(Limits):
    """Of evaluation text in a corpus."""

    max_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelLimits(Limits):
    """Of panel text in a corpus."""

    max_exact: int
    max_near: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapLimits(Limits):
    """Of benchmark overlap against the baseline."""

    max_rate_ratio: float
    max_items_over_baseline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapLimits(Limits):
    """Of the gain on suspicious items beyond that on clean ones."""

    max_high_points: float


def _leakage(case: Case, limits: LeakLimits) -> Outcome:
    counts, checked = case.evidence.contamination, case.evidence.integrity
    threshold = f"≤ {limits.max_items} items after removal"
    items, cited = None, ""
    if counts is not None and counts.fact.exact_items is not None:
        items, cited = counts.fact.exact_items, counts.id
    elif checked is not None and checked.fact.items_hit is not None:
        items, cited = checked.fact.items_hit, checked.id
    if items is None:
        return insufficient("no benchmark item was looked for in the corpus", "measure", threshold=threshold)
    text = f"{items:,} benchmark items share 13 words in a row with the corpus after removal"
    return decided(items <= limits.max_items, text, items, threshold, (cited,), severe=True)


def _panel(case: Case, limits: PanelLimits) -> Outcome:
    counts = case.evidence.contamination
    threshold = f"exact ≤ {limits.max_exact}, near ≤ {limits.max_near} documents"
    if counts is None or counts.fact.panel_exact is None or counts.fact.panel_near is None:
        return insufficient("the corpus was not searched for the panel's documents", "measure", threshold=threshold)
    exact, near = counts.fact.panel_exact, counts.fact.panel_near
    held = exact <= limits.max_exact and near <= limits.max_near
    text = f"the corpus holds {exact:,} documents with panel text and {near:,} near copies of panel documents"
    return decided(held, text, exact + near, threshold, (counts.id,), severe=True)


def _overlap(case: Case, limits: OverlapLimits) -> Outcome:
    own, base = case.evidence.contamination, case.evidence.baseline_contamination
    threshold = f"rate ≤ {limits.max_rate_ratio:g}x, items ≤ baseline's + {limits.max_items_over_baseline}"
    if own is None or base is None:
        return insufficient("overlap with benchmarks was not measured in both corpora", "measure", threshold=threshold)
    rates = own.fact.overlap_fraction, base.fact.overlap_fraction
    items = own.fact.exact_items, base.fact.exact_items
    cited = (own.id, base.id)
    if rates[0] is None or rates[1] is None or items[0] is None or items[1] is None:
        text = "overlap with benchmarks was not measured in both corpora"
        return insufficient(text, "measure", evidence=cited, threshold=threshold)
    held = rates[0] <= limits.max_rate_ratio * rates[1] and items[0] - items[1] <= limits.max_items_over_baseline
    text = f"{rates[0]:.3%} of items overlap (baseline {rates[1]:.3%}), {items[0]:,} exactly (baseline {items[1]:,})"
    return decided(held, text, rates[0], threshold, cited, severe=True)


def _gap(case: Case, limits: GapLimits) -> Outcome:
    found = case.tier.gap if case.tier else None
    threshold = f"upper end of the interval ≤ {limits.max_high_points:g} points"
    if found is None:
        text = (
            "the gain on suspicious and on clean items was not compared; score suites: `suites: [small]` in the study"
        )
        return insufficient(text, "suites", threshold=threshold)
    fact = found.fact
    if fact.num_suspicious == 0 and fact.num_clean:
        text = f"none of the {fact.num_clean:,} scored items that were looked for is in the corpus: there is no gap"
        return decided(True, text, 0.0, threshold, (found.id,))
    if fact.points is None or fact.high is None or fact.low is None:
        why = fact.why or "the gain on suspicious and on clean items has no interval"
        text = f"{why}; {fact.mend}" if fact.mend else why
        return insufficient(text, "suites", evidence=(found.id,), threshold=threshold)
    text = f"suspicious items gain {fact.points:+.2f} points more than clean ones ({fact.low:+.2f} to {fact.high:+.2f})"
    if fact.clean_points is not None:
        text += f"; clean items alone {fact.clean_points:+.2f}"
    if fact.high <= limits.max_high_points:
        return decided(True, text, fact.points, threshold, (found.id,))
    if fact.low > 0:
        return decided(False, text, fact.points, threshold, (found.id,), severe=True)
    return insufficient(f"{text}: too wide to say", "seeds", "suites", evidence=(found.id,), threshold=threshold)


CONTAMINATION_CHECKS: dict[str, Check] = {
    "eval-leakage": Check(limits=LeakLimits, judge=_leakage, any_tier=True),
    "panel-leakage": Check(limits=PanelLimits, judge=_panel, any_tier=True),
    "benchmark-overlap": Check(limits=OverlapLimits, judge=_overlap, any_tier=True),
    "suspicious-gap": Check(limits=GapLimits, judge=_gap),
}
