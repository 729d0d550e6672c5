"""What comparing two sides at one place found, and the verdict on it (docs/statistics.md, Verdicts).

Without a measured run noise, with one seed, at a laptop tier or under one budget the verdict is `insufficient`. Else
the headline decides: the mean over slices, or over tasks where there is no panel; a slice, family or task that is worse
beyond Holm's mark makes it `regression`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaderboard.comparison.row import Row
from leaderboard.comparison.sides import Place
from leaderboard.studies.attribution_facts import Attribution
from leaderboard.studies.results import Comparison, Reason, SliceVerdict
from leaderboard.studies.verdict import is_laptop_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What comparing two sides at one place found."""

    place: Place
    a: str
    b: str
    seeds: tuple[int, ...]
    panels: tuple[Comparison, ...]
    suites: tuple[str, ...]
    rows: tuple[Row, ...]
    verdict: str
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    invalid: str
    protect: tuple[SliceVerdict, ...] = ()
    """What became of the slices that a study protects or trades, against its baseline."""
    attribution: Attribution | None = None
    """Where the gain of an arm that raises several slices comes from; None without leave-one-out arms."""

    @property
    def headline(self) -> Row | None:
        """The row that the verdict is about: the mean over slices, else over tasks."""
        wanted = [row for row in self.rows if row.level in ("headline", "all-tasks")]
        return wanted[0] if wanted else None

    @property
    def regressions(self) -> list[Row]:
        """Slices, families and tasks that got worse: of most seeds first, then by how far they are beyond noise."""
        worse = [row for row in self.rows if row.level in ("slice", "family", "task") and row.gain < 0]
        known = [row for row in worse if row.above_chance is not False]
        return sorted(known, key=_severity)


def _severity(row: Row) -> tuple[int, bool, float]:
    """Order of what got worse; one seed's interval holds no seed noise, so its rows never stand before others."""
    return (-row.num_seeds, row.side != "worse", row.gain / ((row.half_width or 0.0) + 1e-12))


def judged(outcome: Outcome, *, known: Sequence[Reason], num_budgets: int, needs_control: bool) -> Outcome:
    """Return the outcome with its verdict and the reasons for it; `known` are those of its documents and noise."""
    reasons = [*_reasons(outcome, num_budgets), *known]
    if needs_control:
        text = "no random-matched control: quality and reweighting cannot be told apart"
        reasons.append(Reason(rule=3, text=text))
    return replace(outcome, reasons=tuple(reasons), verdict="insufficient" if reasons else _decide(outcome))


def _reasons(outcome: Outcome, num_budgets: int) -> list[Reason]:
    """Return why nothing can be decided; empty when it can."""
    tier, headline = outcome.place.tier, outcome.headline
    reasons = []
    if is_laptop_tier(tier):
        reasons.append(Reason(rule=18, text=f"{tier} is a laptop tier: plumbing, not evidence, which starts at micro"))
    if (headline.num_seeds if headline else len(outcome.seeds)) < 2:
        text = "one seed: seed noise is unknown, the intervals hold families and items only"
        reasons.append(Reason(rule=8, text=text))
    if headline is None:
        text = "no headline: no slice and no task has a mean that may decide; all are shown, none judged"
        reasons.append(Reason(rule=2, text=text))
    elif headline.level == "headline" and not headline.judged:
        text = "no slice has 50 families and 1 MB in the panel: all are shown, none judged"
        reasons.append(Reason(rule=5, text=text))
    elif not headline.judged and not is_laptop_tier(tier):
        reasons.append(Reason(rule=18, text=f"{headline.metric} of all tasks is shown, not judged: {headline.note}"))
    if num_budgets < 2:
        text = "one token budget: a claim needs at least two multiples of it"
        reasons.append(Reason(rule=16, text=text))
    if outcome.invalid:
        reasons.append(Reason(rule=17, text=outcome.invalid))
    return reasons


def _decide(outcome: Outcome) -> str:
    """Return the verdict of runs that may decide."""
    headline = outcome.headline
    side = headline.side if headline else "unknown"
    lost = [row for row in outcome.rows if row.side == "worse" and row.judged and row.holm]
    if side == "worse" or (lost and side != "better"):
        return "worse"
    if side != "better":
        return "no-difference"
    if lost:
        return "regression"
    assert headline is not None
    return "better" if headline.quality is None or _beyond_control(headline) else "reweighting"


def _beyond_control(row: Row) -> bool:
    """Whether the interval against random-matched lies wholly on the good side (rule 3)."""
    if row.lower_is_better:
        return row.quality_high is not None and row.quality_high < 0
    return row.quality_low is not None and row.quality_low > 0


def model_of(tier: str) -> str:
    """Return a tier's name without budget and context: `micro` of `micro-0.5x@eval512`."""
    plain = tier.partition("@")[0]
    return plain.rpartition("-")[0] if plain.endswith("x") else plain


def count_budgets(places: Sequence[Place]) -> dict[str, int]:
    """Count the token budgets of each model among finished, plain tiers."""
    budgets: dict[str, set[str]] = {}
    for place in places:
        if place.tier and place.checkpoint is None and "@lr" not in place.tier:
            budgets.setdefault(model_of(place.tier), set()).add(place.tier.partition("@")[0])
    return {model: len(found) for model, found in budgets.items()}
